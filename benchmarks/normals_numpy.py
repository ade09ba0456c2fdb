"""Seconds per float64 standard normal of NumPy's default generator, into an array that fits the cache: a peer of normals.ts."""
import json
import os
import time

import numpy as np

generator = np.random.default_rng(int(os.environ.get("PEER_SEED", "0")))
out = np.empty(16384)
best = float("inf")
for _ in range(2000):
    begin = time.perf_counter()
    generator.standard_normal(out=out)
    best = min(best, time.perf_counter() - begin)
print(json.dumps({"peer": f"NumPy {np.__version__}", "seconds": best / out.size}))
