"""Seconds per float32 standard normal of PyTorch, into a tensor that fits the cache: a peer of normals.ts."""
import json
import os
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(int(os.environ.get("PEER_SEED", "0")))
out = torch.empty(16384)
best = float("inf")
for _ in range(2000):
    begin = time.perf_counter()
    out.normal_()
    best = min(best, time.perf_counter() - begin)
print(json.dumps({"peer": f"PyTorch {torch.__version__}", "seconds": best / out.numel()}))
