"""One point of the known-prompt risk by the same equations, straightforwardly in vectorised NumPy (theory.md §6).

Arguments: head, alpha, ridge, tokens, relevant, context norm, signal norm, inverse temperature, draws. Draws are plain Monte Carlo; the
time is that of the fixed point, without the draws. Core confusion, rho = 0, pi = 1/2, both labels kept.
"""
import json
import os
import sys
import time

import numpy as np
from scipy.special import ndtr

head = sys.argv[1]
alpha, ridge = float(sys.argv[2]), float(sys.argv[3])
tokens, relevant = int(sys.argv[4]), int(sys.argv[5])
context, signal, tau = (float(value) for value in sys.argv[6:9])
draws = int(sys.argv[9])
rng = np.random.default_rng(int(os.environ.get("PEER_SEED", "0")))

s1, s2, sg = (np.empty(draws) for _ in range(3))
for first in range(0, draws, 5000):
    block = slice(first, min(first + 5000, draws))
    g = rng.standard_normal((block.stop - block.start, tokens - relevant))
    e = np.exp(tau * context * g)
    s1[block], s2[block], sg[block] = e.sum(1), (e * e).sum(1), (e * g).sum(1)
x = np.tile(rng.standard_normal(draws), 2)
weight = relevant * np.exp(tau * context**2)
A = weight / (weight + s1)
variance = np.tile(((1 - A) / s1) ** 2 * s2, 2)
along = A * context + (1 - A) / s1 * sg
b1 = np.concatenate([along, -along])
b2 = np.tile(A * signal, 2)
s = np.sqrt(variance)


def square():
    chi = 1 / (alpha * (variance.mean() + ridge))
    for _ in range(100):
        kappa = 1 / (1 + variance * chi)
        value = alpha * ((variance * chi * kappa).mean() + ridge * chi) - 1
        step = value / (alpha * ((variance * kappa**2).mean() + ridge))
        chi -= step
        if abs(step) < 1e-12 * chi:
            break
    kappa = 1 / (1 + variance * chi)
    gram = np.array(
        [
            [(kappa * b1 * b1).mean() + ridge, (kappa * b1 * b2).mean()],
            [(kappa * b1 * b2).mean(), (kappa * (b2 * b2 + variance)).mean() + ridge],
        ]
    )
    w1, w2 = np.linalg.solve(gram, [(kappa * b1).mean(), (kappa * b2).mean()])
    gap = (1 - w1 * b1 - w2 * b2) ** 2 + variance * w2**2
    r2 = (variance * chi**2 * kappa**2 * gap).mean() / ((variance * chi * kappa**2).mean() + ridge * chi)
    return w1, w2, np.sqrt(r2)


def proximal(omega, c):
    if head == "hinge":
        return np.where(omega >= 1, omega, np.minimum(omega + c, 1))
    p = np.clip(omega, 0, None)
    low, high = omega.copy(), omega + c
    for _ in range(60):
        e = 1 / (1 + np.exp(p))
        value = p - omega - c * e
        low, high = np.where(value > 0, low, p), np.where(value > 0, p, high)
        following = p - value / (1 + c * e * (1 - e))
        following = np.where((following < low) | (following > high), (low + high) / 2, following)
        done = np.abs(following - p).max() < 1e-12
        p = following
        if done:
            break
    return p


def residuals(state):
    w1, w2, r, chi = state[0], state[1], np.exp(state[2]), np.exp(state[3])
    c = chi * variance
    omega = w1 * b1 + w2 * b2 + s * np.hypot(r, w2) * x
    p = proximal(omega, c)
    e = (p - omega) / c
    curvature = ((p == 1.0) / c) if head == "hinge" else e * (1 - e) / (1 + c * e * (1 - e))
    return np.array(
        [
            ridge * w1 - (b1 * e).mean(),
            w2 / (alpha * chi) - (b2 * e).mean(),
            2 * np.log(r / chi) - np.log(alpha * (variance * e**2).mean()),
            alpha * chi * ((variance * curvature).mean() + ridge) - 1,
        ]
    )


def general():
    """Newton's method with a Jacobian by differences, from the solution for least squares."""
    w1, w2, r = square()
    state = np.array([w1, w2, np.log(r), np.log(1 / (alpha * (variance.mean() * 0.5 + ridge)))])
    values = residuals(state)
    for _ in range(50):
        jacobian = np.empty((4, 4))
        for j in range(4):
            moved = state.copy()
            moved[j] += 1e-4 if head == "hinge" else 1e-6
            jacobian[:, j] = (residuals(moved) - values) / (moved[j] - state[j])
        step = np.linalg.solve(jacobian, -values)
        step /= max(1.0, np.abs(step).max())
        length = 1.0
        while length > 1e-3:
            following = residuals(state + length * step)
            if np.abs(following).max() < np.abs(values).max():
                break
            length /= 2
        state, values = state + length * step, following
        # The hinge's equations jump with single draws.
        if np.abs(values).max() < (3e-4 if head == "hinge" else 1e-9) or length <= 1e-3:
            break
    return state[0], state[1], np.exp(state[2])


def solve():
    w1, w2, r = square() if head == "least-squares" else general()
    return ndtr(-(w1 * b1 + w2 * b2) / (s * np.hypot(r, w2))).mean()


solve()
times = []
for _ in range(3):
    begin = time.perf_counter()
    error = solve()
    times.append(time.perf_counter() - begin)
print(json.dumps({"peer": f"NumPy {np.__version__}", "seconds": min(times), "error": error}))
