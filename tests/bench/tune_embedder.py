#!/usr/bin/env python3
"""Row tune.embedder_mrr: how much better the files of held-out commits (the newest tenth) are found by their messages, in the whole retriever, after
`codeask tune --embedder`: MRR with the adapter over MRR without. Of a clone in CODEASK_BENCH_REPOS: the one that CODEASK_BENCH_TUNE names, flask by
default."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROW = "tune.embedder_mrr"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    clones, name = os.environ.get("CODEASK_BENCH_REPOS", ""), os.environ.get("CODEASK_BENCH_TUNE", "flask")
    clone = pathlib.Path(clones) / name
    if not clones or not (clone / ".git").exists():
        return print(json.dumps({"name": ROW, "why": f"CODEASK_BENCH_REPOS names no folder with a clone of {name}"}))
    release = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
    with tempfile.TemporaryDirectory(prefix="codeask-tune-") as home:
        env = {**{k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}, "CODEASK_HOME": home,
               "CODEASK_MODELS": str(release / "share" / "codeask" / "models")}
        run = lambda *args: subprocess.run([release / "codeask", *args], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        try:
            done = run("tune", "--embedder", "--json", "-C", str(clone))
        finally:
            run("stop")
    o = json.loads(done.stdout)
    if o.get("state") != "done":
        sys.exit(done.stdout + done.stderr)
    report = o["report"]
    for kind, figures in report["kinds"].items():
        m, n = figures["mrr"], figures["ndcg"]
        print(f"{kind}: {m['questions']} questions, MRR {m['base']:.4f} -> {m['tuned']:.4f}, NDCG@10 {n['base']:.4f} -> {n['tuned']:.4f}")
    mrr = report["kinds"]["change"]["mrr"]
    print(json.dumps({"name": ROW, "value": round(mrr["tuned"], 4), "unit": "MRR", "ratio": round(mrr["ratio"]["value"], 4), "goal": 1.1,
                      "interval": [round(mrr["ratio"][k], 4) for k in ("low", "high")], "questions": mrr["questions"], "promoted": o["promoted"],
                      "seconds": round(report["seconds"], 1), "against": f"the same questions without the adapter, MRR {mrr['base']:.4f} ({name})"}))


main()
