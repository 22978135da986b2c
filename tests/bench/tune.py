#!/usr/bin/env python3
"""Row tune.tokens_per_s: tokens that one training step learns in a second, LoRA of rank 16 over every linear map of a model of
Qwen2.5-0.5B's shape in Q8_0 with random weights, on every core. Beside reading the same tokens in the same run, three times: forward, forward
again and backward are the least that a step with recomputation does."""
import json
import os
import pathlib
import subprocess
import tempfile

import random_gguf

THREADS = len(os.sched_getaffinity(0))


def main():
    with tempfile.TemporaryDirectory(prefix="codeask-tune-") as scratch:
        path = pathlib.Path(scratch) / "random.gguf"
        random_gguf.write(path, "0.5b", "q8_0")
        line = subprocess.run([os.environ["CODEASK_BENCH_RELEASE"] + "/bench_engine_tune", str(path), str(THREADS)], capture_output=True,
                              text=True, check=True).stdout
    rows, read, step = (float(x) for x in line.split())
    print(json.dumps({"name": "tune.tokens_per_s", "value": round(rows / step, 2), "unit": "tokens/s", "ratio": round(3 * read / step, 3),
                      "against": f"reading them three times, {rows / read / 3:.1f} tokens/s, {THREADS} threads", "goal": None}))


main()
