"""Known-prompt least squares trials on dense float32 tokens in PyTorch, errors counted on fresh examples: a peer of
known-prompt.ts.

Usage: known_prompt_torch.py EXAMPLES TOKENS RELEVANT DIMENSION CONTEXT_NORM SIGNAL_NORM INVERSE_TEMPERATURE TEST_EXAMPLES TRIALS
Prints one JSON line: seconds per trial, the least of all trials, and the test error of each.
"""
import json
import os
import sys
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(int(os.environ.get("PEER_SEED", "0")))
n, T, k, d = (int(value) for value in sys.argv[1:5])
Q, W, tau = (float(value) for value in sys.argv[5:8])
test, trials = (int(value) for value in sys.argv[8:10])
q_star = torch.zeros(d)
q_star[0] = Q
w_star = torch.zeros(d)
w_star[1] = W


def features(count):
    y = 2.0 * torch.randint(0, 2, (count,)) - 1.0
    X = torch.randn(count, T, d)
    X[:, :k] = (q_star + y[:, None] * w_star)[:, None, :]
    phi = torch.softmax(X @ (tau * q_star), dim=1)
    return torch.bmm(phi[:, None, :], X)[:, 0], y


def trial():
    V, y = features(n)
    w = torch.linalg.solve(V.T @ V, V.T @ y)
    V, y = features(test)
    return (y * (V @ w) < 0).double().mean().item()


trial()
errors = []
best = float("inf")
for _ in range(trials):
    begin = time.perf_counter()
    errors.append(trial())
    best = min(best, time.perf_counter() - begin)
print(json.dumps({"peer": f"PyTorch {torch.__version__}", "seconds": best, "errors": errors}))
