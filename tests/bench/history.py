#!/usr/bin/env python3
"""history.equal_blame and history.ms on a real clone of CODEASK_BENCH_REPOS: the one with most commits."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from blame_compare import compare  # noqa: E402

LINES = int(os.environ.get("CODEASK_BENCH_LINES", "1000"))


def commits(repo):
    out = subprocess.run(["git", "-C", str(repo), "rev-list", "--count", "HEAD"], capture_output=True, text=True)
    return int(out.stdout) if out.returncode == 0 else 0


def main():
    root = os.environ.get("CODEASK_BENCH_REPOS")
    repos = [p for p in sorted(pathlib.Path(root).iterdir()) if (p / ".git").exists()] if root else []
    name = os.environ.get("CODEASK_BENCH_HISTORY")
    repo = pathlib.Path(root) / name if root and name else max(repos, key=commits, default=None)
    if not repo:
        for row in ("history.equal_blame", "history.ms", "history.read_s"):
            print(json.dumps({"name": row, "why": "CODEASK_BENCH_REPOS names no clones"}))
        return
    run = pathlib.Path(os.environ["CODEASK_BENCH_RELEASE"]) / "history_run"
    with tempfile.TemporaryDirectory(prefix="codeask-bench-") as home:
        first = subprocess.run([run, home, str(repo)], input="", capture_output=True, text=True, check=True)
        seconds = float(first.stderr.split("read in ")[1].split(" s")[0])
        o = compare(str(run), home, repo, LINES)
    of = f"{repo.name}, {commits(repo)} commits"
    print(json.dumps({"name": "history.equal_blame", "value": round(o["share"], 4), "unit": "share", "against": f"git blame -w -M, {LINES} lines of {of}", "goal": 0.99}))
    p95 = float(o["figures"][-1].split("p95 ")[1].split(" ms")[0])
    print(json.dumps({"name": "history.ms", "value": p95, "unit": "ms, p95 of a traced line", "against": f"git blame -w -M of the file, {of}",
                      "ratio": round(o["git_ms"] / p95, 1), "goal": 200}))
    print(json.dumps({"name": "history.read_s", "value": seconds, "unit": "s", "against": of}))


if __name__ == "__main__":
    main()
