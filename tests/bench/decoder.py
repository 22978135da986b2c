#!/usr/bin/env python3
"""Decoders of real shapes beside llama.cpp on the same file with the same threads, in turn: seconds of reading a prompt and of writing
tokens; how long it takes from the file to the first token; and how much of the memory's bandwidth writing uses, measured in the same run.
Weights are random (random_gguf.py).

llama.cpp is measured in up to two builds (peers/): with all that the processor has, and, where that is AMX, without it: rows that
end in ".other". Each ratio is the median of the ratios of neighbouring measurements.
"""
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

import random_gguf

HERE = pathlib.Path(__file__).resolve().parent
PROMPT, TOKENS, ROUNDS = 512, 32, int(os.environ.get("CODEASK_BENCH_ROUNDS", 5))
THREADS = int(os.environ.get("CODEASK_BENCH_THREADS", len(os.sched_getaffinity(0))))
BUILDS = [HERE.parent.parent / "build" / venv / "bin" / "python" for venv in ("venv-llama-amx", "venv-llama-avx512")]  # as in peers/
GOALS = {"prefill.q8_0": 1.3, "prefill.q8_0.other": 2.0}  # with AMX, without it; else 1
BANDWIDTH = {"q8_0": .85, "q4_k": .7}
MODELS = [(kind, shape) for kind in ("q8_0", "q4_k") for shape in ("0.5b", "1.5b")]
ASKED = os.environ.get("CODEASK_BENCH_ROWS", "").split()


class Child:
    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = self.child.stdout.readline().split(None, 3)
        if len(said) < 3:
            raise SystemExit(f"{command[0]} ended: {self.child.wait()}")
        self.load, self.bytes, self.about = float(said[1]), int(said[2]), said[3].strip() if len(said) > 3 else ""
        self.load += self.ask("prefill", 1)  # some map the file and read it only now

    def ask(self, what, n):
        self.child.stdin.write(f"{what} {n}\n")
        self.child.stdin.flush()
        return float(self.child.stdout.readline())

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def features(about):
    """the compiled features of llama.cpp that matter here"""
    on = [p.split("=")[0].strip() for p in about.replace("CPU :", "").split("|") if p.strip().endswith("= 1")]
    return " ".join(f for f in on if f in ("AVX2", "AVX512", "AVX512_VNNI", "AVX512_BF16", "AVX_VNNI", "AMX_INT8", "REPACK", "NEON", "DOTPROD",
                                           "MATMUL_INT8", "LLAMAFILE"))


def measure(kind, shape, peers):
    path = pathlib.Path(tempfile.gettempdir()) / f"codeask-bench-{os.getpid()}-{shape}-{kind}.gguf"
    try:
        random_gguf.write(path, shape, kind)
        ours = Child([os.environ["CODEASK_BENCH_RELEASE"] + "/bench_engine_decoder", str(path), str(THREADS)])
        theirs = [Child([python, str(HERE / "peer_llama.py"), str(path), str(THREADS)]) for python in peers]
        rows(kind, shape, ours, theirs)
        for c in [ours, *theirs]:
            c.close()
    finally:
        path.unlink(missing_ok=True)


def row(name, value, unit, against, ratio, goal):
    print(json.dumps({"name": name, "value": round(value, 2), "unit": unit, "against": against,
                      "ratio": ratio and round(ratio, 3), "goal": goal}), flush=True)


def rows(kind, shape, ours, theirs):
    everyone = [ours, *theirs]
    took = {"prefill": [], "decode": [], "read": []}
    for c in everyone:
        c.ask("prefill", 64)
        c.ask("decode", 2)
    for _ in range(ROUNDS):
        took["prefill"].append([c.ask("prefill", PROMPT) for c in everyone])
        took["decode"].append([c.ask("decode", TOKENS) for c in everyone])
        took["read"].append(ours.ask("read", 1))
    for what, n in (("prefill", PROMPT), ("decode", TOKENS)):
        mine = statistics.median(r[0] for r in took[what])
        for i, peer in enumerate(theirs, 1):
            ratio = statistics.median(r[i] / r[0] for r in took[what])
            row(f"{what}.{kind}.{shape}" + ("" if i == 1 else ".other"), n / mine, "tokens/s",
                f"llama.cpp ({features(peer.about)}), {THREADS} threads", ratio, GOALS.get(f"{what}.{kind}" + ("" if i == 1 else ".other"), 1.0))
        if not theirs:
            row(f"{what}.{kind}.{shape}", n / mine, "tokens/s", None, None, None)
    share = statistics.median(r / (d[0] / TOKENS) for r, d in zip(took["read"], took["decode"]))
    row(f"decode.bandwidth.{kind}.{shape}", ours.bytes / statistics.median(took["read"]) / 1e9 * share, "GB/s",
        f"reading, {ours.bytes / statistics.median(took['read']) / 1e9:.1f} GB/s", share, BANDWIDTH[kind])
    row(f"load.{kind}.{shape}", ours.load, "s", theirs and f"llama.cpp ({features(theirs[0].about)})" or None,
        theirs and theirs[0].load / ours.load or None, None)


def main():
    peers = [] if os.environ.get("CODEASK_BENCH_NO_PEERS") else [str(python) for python in BUILDS if python.exists()]
    for kind, shape in MODELS:
        names = [f"{w}.{kind}.{shape}" for w in ("prefill", "decode", "decode.bandwidth", "load")]
        if not ASKED or any(n.startswith(a) for n in names for a in ASKED):
            measure(kind, shape, peers)


main()
