"""One full-batch gradient of softmax prompt-attention in NumPy: the peer of fit-step.ts.

Usage: fit_step_numpy.py TOKENS LABELS EXAMPLES TOKENS_PER_EXAMPLE DIMENSION STEPS
The two files hold float64 numbers. Prints one JSON line: seconds per step, loss and gradient norms of the first.
"""
import json
import sys
import time

import numpy as np


def main():
    n, T, d, steps = (int(value) for value in sys.argv[3:7])
    X = np.fromfile(sys.argv[1]).reshape(n, T, d)
    y = np.fromfile(sys.argv[2])
    q = np.arange(1, d + 1) / d**2
    w = np.arange(d, 0, -1) / d**2

    def step(q, w):
        s = X @ q
        phi = np.exp(s - s.max(axis=1, keepdims=True))
        phi /= phi.sum(axis=1, keepdims=True)
        h = X @ w
        f = np.einsum("nt,nt->n", phi, h)
        g = (f - y) / n
        flat = X.reshape(n * T, d)
        gradient_w = (g[:, None] * phi).reshape(-1) @ flat
        gradient_q = (g[:, None] * phi * (h - f[:, None])).reshape(-1) @ flat
        return 0.5 * np.mean((f - y) ** 2), gradient_q, gradient_w

    loss, gradient_q, gradient_w = step(q, w)
    begin = time.perf_counter()
    for _ in range(steps):
        _, a, b = step(q, w)
        q, w = q - 1e-3 * a, w - 1e-3 * b
    seconds = (time.perf_counter() - begin) / steps
    print(json.dumps({
        "peer": f"NumPy {np.__version__}",
        "seconds": seconds,
        "loss": loss,
        "promptGradient": float(np.linalg.norm(gradient_q)),
        "headGradient": float(np.linalg.norm(gradient_w)),
    }))


main()
