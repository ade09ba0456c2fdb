"""Three-step trajectories by the dimension-free algorithm (core confusion, fresh head), vectorised NumPy: a peer of
three-step-projected.ts.

Usage: three_step_numpy.py EXAMPLES TOKENS RELEVANT DIMENSION CONTEXT_NORM SIGNAL_NORM TEST_DRAWS TRIALS
Prints one JSON line: seconds per trial, the least of all trials, and the test error of each.
"""
import json
import math
import os
import sys
import time

import numpy as np

generator = np.random.default_rng(int(os.environ.get("PEER_SEED", "0")))
n, T, k, d = (int(value) for value in sys.argv[1:5])
Q, W = (float(value) for value in sys.argv[5:7])
draws, trials = (int(value) for value in sys.argv[7:9])
m = T - k
erfc = np.vectorize(math.erfc)


def labels():
    return 2.0 * generator.integers(0, 2, n) - 1.0


def complement(noise, unit):
    return noise - (noise @ unit) * unit


def pool(g, scale, relevant):
    """Masses, noise along the prompt and variance of the rest, for relevant scores [n] and normals g[n×m]."""
    scores = scale * g
    shift = np.maximum(scores.max(axis=1), relevant)
    e = np.exp(scores - shift[:, None])
    weight = k * np.exp(relevant - shift)
    total = weight + e.sum(axis=1)
    return weight / total, np.einsum("it,it->i", e, g) / total, np.einsum("it,it->i", e, e) / total**2


def trial():
    # Frame e1, e2 (the plane of the two vectors), then one axis a step.
    y = labels()
    w1 = np.zeros(5)
    w1[0] = k * Q * y.mean() / T
    w1[1] = k * W / T
    s1 = math.sqrt(m / n) / T
    w1[:2] += s1 * generator.standard_normal(2)
    w1[2] = s1 * math.sqrt(generator.chisquare(d - 2))

    y = labels()
    norm = math.sqrt(w1 @ w1)
    unit = w1 / norm
    g = generator.standard_normal((n, m))
    relevant = Q * w1[0] + y * (W * w1[1])
    mean = (k * relevant + norm * g.sum(axis=1)) / T
    e = y - mean
    c = (norm * g - mean[:, None]) / T
    coefficient = e * k * (relevant - mean) / T
    q1 = (e @ np.einsum("it,it->i", c, g)) / n * unit
    q1[0] += Q * coefficient.mean()
    q1[1] += W * (y * coefficient).mean()
    s2 = math.sqrt((e * e) @ np.einsum("it,it->i", c, c)) / n
    noise = np.zeros(5)
    noise[:3] = generator.standard_normal(3)
    q1 += s2 * complement(noise, unit)
    q1[3] = s2 * math.sqrt(generator.chisquare(d - 3))

    y = labels()
    norm = math.sqrt(q1 @ q1)
    unit = q1 / norm
    A, along, variance = pool(generator.standard_normal((n, m)), norm, Q * q1[0] + y * (W * q1[1]))
    w2 = (y * along).mean() * unit
    w2[0] += Q * (y * A).mean()
    w2[1] += W * A.mean()
    s3 = math.sqrt(variance.sum()) / n
    noise = np.zeros(5)
    noise[:4] = generator.standard_normal(4)
    w2 += s3 * complement(noise, unit)
    w2[4] = s3 * math.sqrt(generator.chisquare(d - 4))

    g = generator.standard_normal((draws, m))
    across = math.sqrt(w2 @ w2 - (w2 @ unit) ** 2)
    error = 0.0
    for sign in (1.0, -1.0):
        A, along, variance = pool(g, norm, np.full(draws, Q * q1[0] + sign * W * q1[1]))
        margin = sign * (A * (Q * w2[0] + sign * W * w2[1]) + along * (w2 @ unit))
        error += 0.25 * erfc(margin / (np.sqrt(variance) * across) / math.sqrt(2.0)).mean()
    return error


trial()
errors = []
best = float("inf")
for _ in range(trials):
    begin = time.perf_counter()
    errors.append(trial())
    best = min(best, time.perf_counter() - begin)
print(json.dumps({"peer": f"NumPy {np.__version__}", "seconds": best, "errors": errors}))
