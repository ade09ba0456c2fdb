"""Prints the coefficients of the normal tail in native/core/base/normal-tail-inl.h (needs mpmath).

(1 + 2z) e^{z²/2} Φ(−z) is smooth in t = (z − 5)/(z + 5) on all of z ≥ 0. Its Chebyshev series in t falls below 3·10⁻¹⁸ after
24 terms; printed are the same polynomial's coefficients of 1, t, t², …
"""
from mpmath import cos, erfc, exp, mp, mpf, nstr, pi, sqrt, taylor, chebyt

mp.dps = 60
DEGREE = 23
NODES = 64


def scaled_tail(t):
    z = 5 * (1 + t) / (1 - t)
    if z < 100:
        return (1 + 2 * z) * exp(z * z / 2) * erfc(z / sqrt(mpf(2))) / 2
    # The divergent series of Mills' ratio: its terms still fall at z = 100.
    term, total = mpf(1), mpf(0)
    for k in range(20):
        total += term
        term *= -(2 * k + 1) / (z * z)
    return (1 + 2 * z) * total / (z * sqrt(2 * pi))


angles = [pi * (k + mpf(1) / 2) / NODES for k in range(NODES)]
values = [scaled_tail(cos(angle)) for angle in angles]
powers = [mpf(0)] * (DEGREE + 1)
for j in range(DEGREE + 1):
    weight = sum(value * cos(j * angle) for value, angle in zip(values, angles)) * (1 if j == 0 else 2) / NODES
    for power, coefficient in enumerate(taylor(lambda t: chebyt(j, t), 0, j)):
        powers[power] += weight * coefficient
for power in powers:
    print(nstr(power, 20, min_fixed=0, max_fixed=0) + ",")
