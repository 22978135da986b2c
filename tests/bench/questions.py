#!/usr/bin/env python3
"""Labelled questions that nobody tuned on, derived from real clones at run time (nothing of them is stored here).

Two kinds, for one language of each clone in a folder:
  commit  the subject of a commit that touched one or two source files -> those files (they must still exist at HEAD)
  doc     the first sentence of a doc comment -> the lines of the definition under it (the right chunk, not only the file)

    questions.py CLONES LANGUAGE [--codeask PROGRAM] [--per-repo N] [--repo NAME]...

prints per repository and over all: NDCG@10 by file for commit questions, MRR@10 by lines for doc questions, each with a
bootstrap interval (95%).
"""
import argparse
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUFFIX = {"c": (".c",), "typescript": (".ts", ".tsx"), "python": (".py",), "java": (".java",), "go": (".go",), "rust": (".rs",)}
DULL = re.compile(r"^(merge|revert|bump|release|version|chore|docs?|test|ci|style|build|typo|fix typo|update (dep|change|readme))", re.I)
TESTS = re.compile(r"(^|/)(tests?|__tests__|spec|specs|examples?|bench)(/|$)|[._-](test|spec)\.|(^|/)t/", re.I)


def git(repo, *args):
    return subprocess.run(["git", "-C", str(repo), *args], capture_output=True, text=True, errors="replace").stdout


def commit_questions(repo, suffix, want):
    there = set(git(repo, "ls-files").splitlines())
    out, seen = [], set()
    log = git(repo, "log", "--no-merges", "--format=%x01%s", "--name-only", "-n", "12000")
    for entry in log.split("\x01")[1:]:
        lines = [l for l in entry.splitlines() if l.strip()]
        if not lines:
            continue
        subject, files = lines[0].strip(), lines[1:]
        source = [f for f in files if f.endswith(suffix) and not TESTS.search(f)]
        others = [f for f in files if not f.endswith(suffix) and not f.endswith((".md", ".txt", ".json", ".h", ".snap")) and not TESTS.search(f)]
        words = re.findall(r"[A-Za-z]{3,}", subject)
        if not 1 <= len(source) <= 2 or others or len(words) < 5 or DULL.match(subject) or subject in seen:
            continue
        if any(f not in there for f in source):
            continue
        seen.add(subject)
        question = re.sub(r"\s*\(?#\d+\)?\s*$", "", subject)
        question = re.sub(r"^[\w./()\-*,]+:\s+", "", question)  # "fix(core): ", "http2: " name the place: too easy
        out.append({"kind": "commit", "query": question, "files": source})
    random.Random(7).shuffle(out)
    return out[:want]


DOC = re.compile(r"^[ \t]*/\*\*?[ \t]*\n?((?:[^*]|\*(?!/))*)\*/[ \t]*\n((?:[^\n{;]*\n){0,3}?[^\n{;]*\{)", re.M)


def doc_questions(repo, suffix, want):
    out = []
    for name in git(repo, "ls-files").splitlines():
        if not name.endswith(suffix) or TESTS.search(name) or name.endswith(".d.ts"):
            continue
        try:
            text = (Path(repo) / name).read_text(errors="replace")
        except OSError:
            continue
        if len(text) > 500_000:
            continue
        for m in DOC.finditer(text):
            prose = " ".join(re.sub(r"^[ \t]*\*? ?", "", l) for l in m.group(1).splitlines()).strip()
            sentence = re.split(r"(?<=[.!?])\s|@|```|\\", prose)[0].strip()
            if not 6 <= len(re.findall(r"[A-Za-z]{2,}", sentence)) <= 30 or "copyright" in prose.lower() or "licen" in prose.lower():
                continue
            line = text.count("\n", 0, m.start(2)) + 1
            out.append({"kind": "doc", "query": sentence, "files": [name], "line": line})
    random.Random(7).shuffle(out)
    return out[:want]


def score(row, results):
    if row["kind"] == "doc":
        for i, r in enumerate(results):
            if r["path"] == row["files"][0] and r["start_line"] <= row["line"] + 1 and r["end_line"] >= row["line"]:
                return 1 / (i + 1)
        return 0.0
    ideal = sum(1 / math.log2(i + 2) for i in range(len(row["files"])))
    return sum(1 / math.log2(i + 2) for i, r in enumerate(results) if r["path"] in row["files"]) / ideal


def interval(values, rng=random.Random(3), n=1000):
    if not values:
        return 0, 0, 0
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(n))
    return sum(values) / len(values), means[int(n * .025)], means[int(n * .975)]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("clones", type=Path)
    a.add_argument("language", choices=sorted(SUFFIX))
    a.add_argument("--codeask", default="build/release/codeask")
    a.add_argument("--per-repo", type=int, default=25, help="questions of each kind a repository")
    a.add_argument("--repo", action="append")
    o = a.parse_args()
    all_rows = {"commit": [], "doc": []}
    for repo in sorted(p for p in o.clones.iterdir() if (p / ".git").exists() and (not o.repo or p.name in o.repo)):
        suffix = SUFFIX[o.language]
        files = [f for f in git(repo, "ls-files").splitlines() if f.endswith(suffix)]
        if len(files) < 20:
            continue
        rows = commit_questions(repo, suffix, o.per_repo) + doc_questions(repo, suffix, o.per_repo)
        home = tempfile.mkdtemp(prefix="questions-")
        env = dict(os.environ, CODEASK_HOME=home)
        try:
            subprocess.run([o.codeask, "index", "-C", str(repo)], env=env, check=True, capture_output=True)
            got = {"commit": [], "doc": []}
            for row in rows:
                extra = ["--unique-files"] if row["kind"] == "commit" else []
                p = subprocess.run([o.codeask, "search", "-C", str(repo), "--json", "--limit", "10", *extra, "--", row["query"]],
                                   env=env, capture_output=True, text=True)
                results = json.loads(p.stdout).get("results", []) if p.returncode in (0, 1) else []
                got[row["kind"]].append(score(row, results))
            print(f"{repo.name:20}" + "  ".join(f"{k} {sum(v) / max(1, len(v)):.3f} ({len(v)})" for k, v in got.items()), flush=True)
            for k, v in got.items():
                all_rows[k] += v
        finally:
            subprocess.run([o.codeask, "stop"], env=env, capture_output=True)
            shutil.rmtree(home, ignore_errors=True)
    for kind, values in all_rows.items():
        mean, low, high = interval(values)
        print(json.dumps({"name": f"retrieval.own.{o.language}.{kind}", "value": round(mean, 4), "unit": "ndcg@10" if kind == "commit" else "mrr@10",
                          "against": f"95% interval {low:.3f}..{high:.3f}, {len(values)} questions", "ratio": None, "goal": None}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
