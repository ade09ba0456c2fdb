"""Three-step trajectories on dense float32 tokens in PyTorch, errors counted on fresh examples: a peer of three-step-*.ts.

Usage: three_step_torch.py EXAMPLES TOKENS RELEVANT DIMENSION CONTEXT_NORM SIGNAL_NORM TEST_EXAMPLES TRIALS
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
Q, W = (float(value) for value in sys.argv[5:7])
test, trials = (int(value) for value in sys.argv[7:9])
q_star = torch.zeros(d)
q_star[0] = Q
w_star = torch.zeros(d)
w_star[1] = W


def sample(count):
    y = 2.0 * torch.randint(0, 2, (count,)) - 1.0
    X = torch.randn(count, T, d)
    X[:, :k] = (q_star + y[:, None] * w_star)[:, None, :]
    return X, y


def pooled(X, q):
    phi = torch.softmax(X @ q, dim=1)
    return torch.bmm(phi[:, None, :], X)[:, 0]


def trial():
    X, y = sample(n)
    w1 = (y @ X.mean(dim=1)) / n
    X, y = sample(n)
    a = X @ w1
    mean = a.mean(dim=1, keepdim=True)
    c = (a - mean) / T * (y - mean[:, 0])[:, None]
    q1 = torch.mv(X.reshape(-1, d).T, c.reshape(-1)) / n
    X, y = sample(n)
    w2 = (y @ pooled(X, q1)) / n
    X, y = sample(test)
    return (y * (pooled(X, q1) @ w2) < 0).double().mean().item()


trial()
errors = []
best = float("inf")
for _ in range(trials):
    begin = time.perf_counter()
    errors.append(trial())
    best = min(best, time.perf_counter() - begin)
print(json.dumps({"peer": f"PyTorch {torch.__version__}", "seconds": best, "errors": errors}))
