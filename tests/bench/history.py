#!/usr/bin/env python3
"""history.equal_blame, history.ms and history.read_s on a real clone of CODEASK_BENCH_REPOS: CODEASK_BENCH_HISTORY, else the one with most
commits. history.ms is the whole request: `codeask history FILE:LINE --json`, its start and the way through the daemon included.
CODEASK_BENCH_LINES: lines that are compared with git's (1,000; git blames whole files for them, which takes long)."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from blame_compare import compare, text_files  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
LINES = int(os.environ.get("CODEASK_BENCH_LINES", "1000"))
REQUESTS, SEED, GOAL_MS, GOAL_EQUAL = 200, 1, 200, 0.99


def commits(repo):
    out = subprocess.run(["git", "-C", str(repo), "rev-list", "--count", "HEAD"], capture_output=True, text=True)
    return int(out.stdout) if out.returncode == 0 else 0


def row(name, **values):
    print(json.dumps({"name": name, **values}), flush=True)


def requests(repo, home):
    """milliseconds of whole requests for random lines, ascending"""
    (pathlib.Path(home) / "config").write_text("embed = no\n")
    env = {**os.environ, "CODEASK_HOME": str(home), "CODEASK_CONFIG": str(pathlib.Path(home) / "config")}
    codeask = [str(RELEASE / "codeask")]
    rng, took = random.Random(SEED), []
    files = [f for f in text_files(repo) if ":" not in f[0]]
    try:
        subprocess.run(codeask + ["index", "-C", repo], env=env, check=True, capture_output=True)
        for path, lines in rng.choices(files, weights=[n for _, n in files], k=REQUESTS):
            began = time.perf_counter()
            done = subprocess.run(codeask + ["history", "-C", repo, "--json", f"{path}:{rng.randint(1, lines)}"], env=env, capture_output=True)
            took.append((time.perf_counter() - began) * 1000)
            if done.returncode or json.loads(done.stdout).get("note"):
                raise RuntimeError((done.stdout + done.stderr).decode())
    finally:
        subprocess.run(codeask + ["stop"], env=env, capture_output=True)
    return sorted(took)


def main():
    root = os.environ.get("CODEASK_BENCH_REPOS")
    repos = [p for p in sorted(pathlib.Path(root).iterdir()) if (p / ".git").exists()] if root else []
    name = os.environ.get("CODEASK_BENCH_HISTORY")
    repo = pathlib.Path(root) / name if root and name else max(repos, key=commits, default=None)
    if not repo:
        for missing in ("history.read_s", "history.ms", "history.equal_blame"):
            row(missing, why="CODEASK_BENCH_REPOS names no clones")
        return
    of = f"{repo.name}, {commits(repo)} commits"
    with tempfile.TemporaryDirectory(prefix="codeask-bench-") as home:
        first = subprocess.run([RELEASE / "history_run", home, repo], input="", capture_output=True, text=True, check=True)
        row("history.read_s", value=float(first.stderr.split("read in ")[1].split(" s")[0]), unit="s", against=of)
        ms = requests(repo, home)
        row("history.ms", value=round(ms[len(ms) * 95 // 100], 1), unit=f"ms, p95 of {REQUESTS} requests (p50 {ms[len(ms) // 2]:.1f}, most {ms[-1]:.1f})",
            against=of, goal=GOAL_MS)
        o = compare(str(RELEASE / "history_run"), home, repo, LINES)
        row("history.equal_blame", value=round(o["share"], 4), unit="share", against=f"git blame -w -M, {LINES} lines of {of}", goal=GOAL_EQUAL)


if __name__ == "__main__":
    main()
