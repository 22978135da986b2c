#!/usr/bin/env python3
"""Rows retrieval.c_questions and retrieval.ts_questions: questions of questions.py about C and TypeScript repositories.

Of each clone in CODEASK_BENCH_REPOS (folders, separated by colons) that is no repository of the judge and has enough sources of
the language: NDCG@10 by file for a commit's subject, MRR@10 by lines for a doc comment's sentence; the row is the mean of both
kinds, each the mean over repositories. In the same run, on the same files and questions: BM25 (the PyPI package bm25s) over
windows of 50 lines, on code words and on the path's words, and a count of the lines that hold a word, as one gets from ripgrep.
Intervals (95%) are of a bootstrap over repositories and their questions.

    retrieval_own.py [--codeask PROGRAM] [--per-kind N] [--repo NAME]... [--verbose]
"""
import argparse
import collections
import json
import math
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

import questions as derive

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROWS = {"c": "retrieval.c_questions", "typescript": "retrieval.ts_questions"}
WINDOW, STEP = 50, 40
STOP = set("a an and are as at be by do does for from has have how if in into is it its not of on or that the their them then this to was what when where which with".split())


def code_words(text):
    out = []
    for name in re.findall(r"[A-Za-z_$][\w$]*", text):
        parts = [p.lower() for p in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]
        out += parts + ([name.lower()] if len(parts) > 1 else [])
    return [w for w in out if w not in STOP]


class Peers:
    """windows of every text file of a folder, ranked by two plain methods"""
    def __init__(self, folder):
        import bm25s
        self.place, texts, self.words = [], [], []
        for name in derive.git(folder, "ls-files").splitlines():
            path = folder / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size > 2_000_000:
                continue
            data = path.read_bytes()
            if b"\0" in data[:8000]:
                continue
            lines = data.decode(errors="replace").split("\n")
            for first in range(0, max(1, len(lines) - (WINDOW - STEP)), STEP):
                part = lines[first:first + WINDOW]
                words = code_words("\n".join(part))
                self.place.append((name, first + 1, first + len(part)))
                self.words.append(collections.Counter(w for line in part for w in set(code_words(line))))
                texts.append(words + code_words(name))
        self.bm25 = bm25s.BM25(k1=1.2, b=.75)
        self.bm25.index(texts, show_progress=False)

    def rank(self, method, query, unique):
        words = code_words(query)
        if method == "bm25":
            scores = self.bm25.get_scores(words)
            order = scores.argsort()[::-1][:400]
        else:
            asked = set(words)
            counts = [(sum(min(c[w], WINDOW) for w in asked), i) for i, c in enumerate(self.words)]
            order = [i for _, i in sorted(counts, reverse=True)[:400]]
        out, seen = [], set()
        for i in order:
            name, lo, hi = self.place[int(i)]
            if unique and name in seen:
                continue
            seen.add(name)
            out.append({"path": name, "start_line": lo, "end_line": hi})
        return out[:10]


def score(row, results):
    if row["kind"] == "doc":
        for i, r in enumerate(results):
            if r["path"] == row["files"][0] and r["start_line"] <= row["line"] + 1 and r["end_line"] >= row["line"]:
                return 1 / (i + 1)
        return 0.0
    ideal = sum(1 / math.log2(i + 2) for i in range(len(row["files"])))
    return sum(1 / math.log2(i + 2) for i, r in enumerate(results) if r["path"] in row["files"]) / ideal


def search(codeask, env, folder, row):
    extra = ["--unique-files"] if row["kind"] == "commit" else []
    p = subprocess.run([codeask, "search", "-C", str(folder), "--json", "--limit", "10", *extra, "--", re.sub(r'["`]', " ", row["query"])],
                       env=env, capture_output=True, text=True)
    if p.returncode not in (0, 1):
        raise SystemExit(f"{folder.name}: {row['query']}: {p.stdout.strip()[-200:]} {p.stderr.strip()[-200:]}")
    return json.loads(p.stdout)["results"]


def mean(got):
    """got: {(repo, kind): [score]} -> the mean over kinds of means over repositories"""
    kinds = collections.defaultdict(list)
    for (_, kind), values in got.items():
        kinds[kind].append(statistics.mean(values))
    return statistics.mean(statistics.mean(v) for v in kinds.values())


def interval(got, rng=random.Random(3), n=1000):
    repos, means = sorted({repo for repo, _ in got}), []
    for _ in range(n):
        picked = {}
        for k, repo in enumerate(rng.choices(repos, k=len(repos))):
            for (r, kind), values in got.items():
                if r == repo:
                    picked[k, kind] = rng.choices(values, k=len(values))
        means.append(mean(picked))
    means.sort()
    return round(means[int(n * .025)], 4), round(means[int(n * .975)], 4)


def measure(language, clones, o, scratch):
    got = collections.defaultdict(lambda: collections.defaultdict(list))
    env = dict(os.environ, CODEASK_HOME=str(scratch / "home"))
    env.pop("CODEASK_CONFIG", None)
    for repo in clones:
        if sum(f.endswith(derive.SUFFIX[language]) for f in derive.git(repo, "ls-files").splitlines()) < 20:
            continue
        rows = derive.questions(repo, language, o.per_kind)
        if len(rows) < 10:
            continue
        folder = scratch / language / repo.name
        derive.copy(repo, folder, rows)
        subprocess.run([o.codeask, "index", "-C", str(folder)], env=env, check=True, capture_output=True)
        peers = Peers(folder) if not o.no_peers else None
        for row in rows:
            results = search(o.codeask, env, folder, row)
            value = score(row, results)
            got["codeask"][repo.name, row["kind"]].append(value)
            for method in ("bm25", "count") if peers else ():
                got[method][repo.name, row["kind"]].append(score(row, peers.rank(method, row["query"], row["kind"] == "commit")))
            if o.verbose:
                print(f"{value:.2f} {row['kind']} {row['query']!r} -> {row['files']} {row.get('line', '')}; "
                      f"{[(r['path'], r['start_line']) for r in results[:3]]}", flush=True)
        print(f"{repo.name:14}" + "  ".join(f"{who} {kind} {statistics.mean(v):.3f}" + (f" ({len(v)})" if who == "codeask" else "")
              for who in got for (r, kind), v in got[who].items() if r == repo.name), flush=True)
    return got


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--codeask", default=str(pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release")) / "codeask"))
    a.add_argument("--per-kind", type=int, default=25, help="questions of each kind a repository")
    a.add_argument("--repo", action="append")
    a.add_argument("--verbose", action="store_true")
    o = a.parse_args()
    o.no_peers = os.environ.get("CODEASK_BENCH_NO_PEERS", "")
    asked = os.environ.get("CODEASK_BENCH_ROWS", "").split()
    spec = ROOT.parent / "shared" / "retrieval" / "repos.json"
    theirs = {s["name"] for s in json.loads(spec.read_text())} if spec.is_file() else set()
    clones = [p for f in os.environ.get("CODEASK_BENCH_REPOS", "").split(":") if f for p in sorted(pathlib.Path(f).iterdir())
              if (p / ".git").exists() and p.name not in theirs and (not o.repo or p.name in o.repo)]
    for language, name in ROWS.items():
        if asked and not any(name.startswith(x) for x in asked):
            continue
        with tempfile.TemporaryDirectory(prefix="own-") as scratch:
            try:
                got = measure(language, clones, o, pathlib.Path(scratch))
            finally:
                subprocess.run([o.codeask, "stop"], env=dict(os.environ, CODEASK_HOME=f"{scratch}/home"), capture_output=True)
        if not got:
            print(json.dumps({"name": name, "why": "CODEASK_BENCH_REPOS names no clone with enough of that language besides the judge's"}))
            continue
        ours = got["codeask"]
        row = {"name": name, "value": round(mean(ours), 4), "unit": "NDCG/MRR@10", "goal": None, "interval": interval(ours),
               "questions": sum(map(len, ours.values())), "repositories": len({r for r, _ in ours}),
               "commit": round(statistics.mean(statistics.mean(v) for (_, k), v in ours.items() if k == "commit"), 4),
               "doc": round(statistics.mean(statistics.mean(v) for (_, k), v in ours.items() if k == "doc"), 4)}
        if not o.no_peers:
            row.update({"against": "BM25 (bm25s), windows of 50 lines", "ratio": round(mean(ours) / mean(got["bm25"]), 3),
                        "bm25": round(mean(got["bm25"]), 4), "bm25_interval": interval(got["bm25"]),
                        "count": round(mean(got["count"]), 4), "count_interval": interval(got["count"])})
        elif o.no_peers:
            row["why"] = o.no_peers
        print(json.dumps(row))


if __name__ == "__main__":
    sys.exit(main())
