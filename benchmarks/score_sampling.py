"""How much sampling the scores of irrelevant tokens in other ways than independently lowers the variance of a known-prompt risk.

Least squares without ridge at n/d = 3, core confusion, 1021 draws a batch; variance over batches relative to independent draws. Prints
a Markdown table. Run with `python3 benchmarks/score_sampling.py [batches = 100]` (needs NumPy and SciPy).
"""
import sys

import numpy as np
from scipy.special import ndtr, ndtri

N = 1021
ALPHA = 3.0
batches = int(sys.argv[1]) if len(sys.argv) > 1 else 100
rng = np.random.default_rng(20230606)
rows = np.arange(N)[:, None]


def primes(count):
    found = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found if prime * prime <= candidate):
            found.append(candidate)
        candidate += 1
    return np.array(found)


def risk(g, tokens, relevant, context, signal, tau):
    e = np.exp(tau * context * g)
    s1, s2 = e.sum(1), (e * e).sum(1)
    weight = relevant * np.exp(tau * context**2)
    A = weight / (weight + s1)
    variance = ((1 - A) / s1) ** 2 * s2
    b = A * signal
    chi = 1 / (ALPHA * variance.mean())
    for _ in range(200):
        kappa = 1 / (1 + variance * chi)
        value = ALPHA * (variance * chi * kappa).mean() - 1
        chi -= value / (ALPHA * (variance * kappa**2).mean())
        if abs(value) < 1e-13:
            break
    kappa = 1 / (1 + variance * chi)
    w = (kappa * b).mean() / (kappa * (b * b + variance)).mean()
    gap = (1 - b * w) ** 2 + variance * w * w
    r2 = (variance * chi**2 * kappa**2 * gap).mean() / (variance * chi * kappa**2).mean()
    return ndtr(-b * w / np.sqrt(variance * (r2 + w * w))).mean()


def independent(m):
    return rng.standard_normal((N, m))


def hypercube(m):
    """What score_lattice.cpp draws."""
    cells = (rows * rng.integers(1, N, m) + rng.integers(0, N, m)) % N
    offset = rng.random()
    shared = np.where(np.arange(m) % 2 == 0, offset, 1 - offset)
    tail = (cells < 16) | (cells >= N - 16)
    return ndtri((cells + np.where(tail, rng.random((N, m)), shared)) / N)


def lattice(m):
    generator = np.array([pow(76, j, N) for j in range(m)])
    return ndtri((rows * generator / N + rng.random(m)) % 1)


def kronecker(m):
    return ndtri((rows * (np.sqrt(primes(m)) % 1) + rng.random(m)) % 1)


def antithetic(m):
    half = rng.standard_normal((N // 2, m))
    return np.vstack([half, -half])


samplers = {
    "Latin hypercube": hypercube,
    "rank-1 lattice (Korobov)": lattice,
    "Kronecker sequence": kronecker,
    "antithetic": antithetic,
}
print("| T | τQ | " + " | ".join(samplers) + " |")
print("|--:|--:|" + "--:|" * len(samplers))
for tokens, context, signal, tau in [
    (4, 1.5, 1.5, 0.5),
    (16, 2, 0.9, 0.5),
    (64, 2, 0.45, 0.25),
    (64, 2, 0.45, 0.5),
    (64, 2, 0.45, 1),
    (256, 2, 0.25, 1),
]:
    relevant = tokens // 4
    m = tokens - relevant

    def spread(sampler):
        return np.var([risk(sampler(m), tokens, relevant, context, signal, tau) for _ in range(batches)], ddof=1)

    base = spread(independent)
    ratios = [f"1/{base / spread(sampler):.1f}" for sampler in samplers.values()]
    print(f"| {tokens} | {tau * context:g} | " + " | ".join(ratios) + " |", flush=True)
