#!/usr/bin/env python3
"""What does not have to be computed again, with a model of Qwen2.5-0.5B's shape and random weights: a prompt's beginning that is kept
(goal: at most 1.1 of reading what follows it where it is live), and two recorded answers of which half quotes their context."""
import os
import pathlib
import subprocess
import tempfile

import random_gguf

HERE = pathlib.Path(__file__).resolve().parent
path = pathlib.Path(tempfile.gettempdir()) / f"codeask-bench-{os.getpid()}.gguf"
try:
    random_gguf.write(path, "0.5b", "q8_0")
    subprocess.run([os.environ["CODEASK_BENCH_RELEASE"] + "/bench_engine_replay", str(path), str(len(os.sched_getaffinity(0))),
                    str(HERE / "replay.txt"), str(HERE / "replay_two.txt")], check=True)
finally:
    path.unlink(missing_ok=True)
