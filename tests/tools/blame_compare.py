#!/usr/bin/env python3
"""Compares traced lines with `git blame -w -M` on a real clone.

usage: blame_compare.py HISTORY_RUN HOME REPO [LINES [SEED]]
Draws LINES random lines (all text lines of HEAD alike) and prints one JSON object: lines, equal, share, and examples of what differs.
"""
import json
import pathlib
import random
import subprocess
import sys
import time


def git(repo, *args, **how):
    return subprocess.run(["git", "-C", str(repo), *args], check=True, capture_output=True, **how).stdout


def text_files(repo):
    """(path, lines) of every text file at HEAD"""
    out = git(repo, "grep", "-I", "-c", "-z", "", "HEAD", "--", ".").decode("utf-8", "surrogateescape")
    for row in out.split("\n"):
        if "\0" in row:
            path, n = row[len("HEAD:"):].rsplit("\0", 1)
            yield path, int(n)


def blame(repo, path, extra=()):
    """[(commit, line then)] of every line: with -L a moved line counts as moved only when it alone is long enough, so the whole file is asked"""
    out = git(repo, "blame", "-w", "-M", "--incremental", *extra, "HEAD", "--", path).decode("utf-8", "surrogateescape")
    lines = {}
    for row in out.split("\n"):
        part = row.split(" ")
        if len(part) == 4 and len(part[0]) == 40 and part[1].isdigit():
            for k in range(int(part[3])):
                lines[int(part[2]) + k] = (part[0], int(part[1]) + k)
    return lines


def compare(run, home, repo, count=1000, seed=1, paths=None):
    rng = random.Random(seed)
    files = [f for f in text_files(repo) if "\t" not in f[0] and '"' not in f[0]]
    picks = rng.choices(files, weights=[n for _, n in files], k=count)
    asked = [(path, rng.randint(1, n)) for path, n in picks]
    done = subprocess.run([run, str(home), str(repo)], input="".join(f"{p}\t{n}\n" for p, n in asked).encode("utf-8", "surrogateescape"),
                          capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    answers = done.stdout.decode("utf-8", "surrogateescape").split("\n\n")
    equal, differ, whole = 0, [], {}
    began = time.monotonic()
    for (path, line), answer in zip(asked, answers):
        ours = answer.split("\t")
        if path not in whole:
            whole[path] = blame(repo, path)
        theirs, then = whole[path][line]
        if ours[0] == theirs:
            equal += 1
        else:
            differ.append({"path": path, "line": line, "ours": answer, "git": [theirs, then]})
    return {"lines": count, "equal": equal, "share": equal / count, "git_ms": (time.monotonic() - began) * 1000 / max(1, len(whole)),
            "figures": done.stderr.decode().strip().splitlines()[-2:], "differ": differ}


def main():
    run, home, repo = sys.argv[1:4]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1000
    seed = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    print(json.dumps(compare(run, pathlib.Path(home), repo, count, seed), indent=1))


if __name__ == "__main__":
    main()
