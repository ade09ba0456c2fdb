"""One full-batch gradient of softmax prompt-attention in PyTorch, float64, by autograd: a peer of fit-step.ts.

Usage: fit_step_torch.py TOKENS LABELS EXAMPLES TOKENS_PER_EXAMPLE DIMENSION STEPS THREADS
The two files hold float64 numbers. Prints one JSON line: seconds per step, loss and gradient norms of the first.
"""
import json
import sys
import time

import torch


def main():
    n, T, d, steps, threads = (int(value) for value in sys.argv[3:8])
    torch.set_num_threads(threads)
    X = torch.from_file(sys.argv[1], size=n * T * d, dtype=torch.float64).clone().reshape(n, T, d)
    y = torch.from_file(sys.argv[2], size=n, dtype=torch.float64).clone()
    q = torch.arange(1, d + 1, dtype=torch.float64) / d**2
    w = torch.arange(d, 0, -1, dtype=torch.float64) / d**2
    q.requires_grad_()
    w.requires_grad_()

    def step():
        phi = torch.softmax(X @ q, dim=1)
        f = (phi * (X @ w)).sum(dim=1)
        loss = 0.5 * torch.mean((f - y) ** 2)
        return loss, *torch.autograd.grad(loss, (q, w))

    loss, gradient_q, gradient_w = step()
    begin = time.perf_counter()
    for _ in range(steps):
        _, a, b = step()
        with torch.no_grad():
            q -= 1e-3 * a
            w -= 1e-3 * b
    seconds = (time.perf_counter() - begin) / steps
    print(json.dumps({
        "peer": f"PyTorch {torch.__version__}",
        "seconds": seconds,
        "loss": loss.item(),
        "promptGradient": gradient_q.norm().item(),
        "headGradient": gradient_w.norm().item(),
    }))


main()
