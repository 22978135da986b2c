#!/usr/bin/env python3
"""Do the weights of signals[] carry over to repositories that they were not chosen on?

The judge's repositories are split in two by the hash of their names. Every question's candidates are read once, with each
signal's value (`search_run -f`), from an index that holds the clones; then weights are judged without a search:

  as they are   the weights of retriever/signals.c
  flat          every signal that adds at the same weight .3, every factor as it is
  fitted        coordinate ascent from the flat mix on one half; reported on the half that it did not see

    retrieval_halves.py HOME [--data FOLDER] [--search-run PROGRAM] [--model FOLDER] [--only NAME]...

HOME is a data folder (CODEASK_HOME) whose daemon is stopped and in which `codeask index` was run on each clone. Means are the
judge's: over questions, repositories of a language, languages; intervals (95%) are of a bootstrap over repositories and their
questions. Signals that look at other files' scores stay as they were computed: a fit moves their weight, not their value.
"""
import argparse
import collections
import hashlib
import json
import pathlib
import subprocess

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REPEAT = .6   # of retriever/rank.h
CHUNKS = 400  # looked at: a relevant chunk further down is lost to any weights
FACTOR = 3    # SIGNAL_FACTOR


class Question:
    """values [chunks, signals], file [chunks], hits [targets, chunks] of one question"""
    __slots__ = ("repo", "language", "whole", "text", "values", "file", "hits", "ideal", "places")


def targets_of(note):
    return [(t, None, None) if isinstance(t, str) else (t["path"], t.get("start_line"), t.get("end_line")) for t in note["relevant"] + note.get("secondary", [])]


def is_hit(place, target):
    path, lo, hi = target
    if place[0] != path and not place[0].endswith("/" + path):
        return False
    return lo is None or not (place[2] < lo or place[1] > hi)


def read(home, asked, search_run, model):
    """asked: [(repo, prefix, text, language, whole, targets)] -> signals [(name, level, weight)], [Question]"""
    lines = "".join(f"{repo}\t{prefix}\t{text}\n" for repo, prefix, text, *_ in asked)
    out = subprocess.run([search_run, home, "-m", model, "-r", "-f", str(CHUNKS)], input=lines, capture_output=True, text=True, check=True).stdout
    signals, found, rows = [], [], None
    for line in out.splitlines():
        cells = line.split("\t")
        if cells[0] == "#":
            signals = [(n, int(level), float(w)) for n, level, w in (c.rsplit(":", 2) for c in cells[1:])]
        elif cells[0]:
            rows = []
            found.append(rows)
        elif not cells[1].startswith("="):
            path, span = cells[3].rsplit(":", 1)
            lo, hi = span.split("-")
            rows.append(((path, int(lo), int(hi)), cells[4:]))
    questions = []
    for (repo, _, text, language, whole, targets), rows in zip(asked, found, strict=True):
        q = Question()
        q.repo, q.language, q.whole, q.text = repo, language, whole, text
        q.values = np.array([r[1] for r in rows], dtype=np.float32).reshape(len(rows), len(signals))
        names = {}
        q.places = [r[0] for r in rows]
        q.file = np.array([names.setdefault(r[0][0], len(names)) for r in rows], dtype=np.int64)
        q.hits = np.array([[is_hit(r[0], t) for r in rows] for t in targets], dtype=bool).reshape(len(targets), len(rows))
        q.ideal = sum(1 / np.log2(i + 2) for i in range(min(10, len(targets))))
        questions.append(q)
    return signals, questions


def order(q, adds, powers, is_factor):
    if not len(q.file):
        return np.zeros(0, dtype=np.int64)
    score = (q.values[:, ~is_factor] @ adds) * np.exp(np.log(q.values[:, is_factor]) @ powers)
    first = np.argsort(-score, kind="stable")
    file = q.file[first]
    by_file = np.argsort(file, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(file[by_file])) + 1]
    nth = np.empty(len(file), dtype=np.int64)
    nth[by_file] = np.arange(len(file)) - np.repeat(starts, np.diff(np.r_[starts, len(file)]))
    if q.whole:
        return first[nth == 0][:10]
    return first[np.argsort(-score[first] * REPEAT ** nth, kind="stable")][:10]


def ndcg(q, adds, powers, is_factor):
    top = q.hits[:, order(q, adds, powers, is_factor)]
    ranks = {int(np.argmax(row)) for row in top if row.any()}
    return sum(1 / np.log2(r + 2) for r in ranks) / q.ideal


def mean(rows):
    """rows: [(language, repo, value)] -> the judge's mean"""
    by = collections.defaultdict(lambda: collections.defaultdict(list))
    for language, repo, value in rows:
        by[language][repo].append(value)
    return float(np.mean([np.mean([np.mean(v) for v in repos.values()]) for repos in by.values()])) if by else 0.


def interval(rows, n=1000):
    rng = np.random.default_rng(5)
    by = collections.defaultdict(list)
    for row in rows:
        by[row[1]].append(row)
    names, means = sorted(by), []
    for _ in range(n):
        picked = []
        for k, i in enumerate(rng.integers(len(names), size=len(names))):
            mine = by[names[i]]
            picked += [(mine[j][0], k, mine[j][2]) for j in rng.integers(len(mine), size=len(mine))]
        means.append(mean(picked))
    return float(np.quantile(means, .025)), float(np.quantile(means, .975))


def judged(questions, weights, is_factor):
    adds, powers = weights[~is_factor], weights[is_factor]
    rows = [(q.language, q.repo, ndcg(q, adds, powers, is_factor)) for q in questions]
    return [[r for r, q in zip(rows, questions) if q.whole == whole] for whole in (False, True)]


def goal(questions, weights, is_factor):
    return sum(mean(rows) for rows in judged(questions, weights, is_factor)) / 2


def fit(questions, weights, is_factor, rounds=3):
    """coordinate ascent; a factor's weight is its power, 1 as it is in signals.c"""
    best, weights = goal(questions, weights, is_factor), weights.copy()
    for step in [.5, .25, .25][:rounds]:
        for s in range(len(weights)):
            for change in (1 + step * 2, 1 + step, 1 - step, 0):
                tried = weights.copy()
                tried[s] = weights[s] * change if change and weights[s] else (.1 if not weights[s] and change > 1 else weights[s] * change)
                got = goal(questions, tried, is_factor)
                if got > best + 1e-5:
                    best, weights = got, tried
                    break
    return weights


def halves_of(repos):
    """every second one in order of the hashes of their names: no choice of ours"""
    return {repo: "AB"[i % 2] for i, repo in enumerate(sorted(repos, key=lambda r: hashlib.sha256(r.encode()).digest()))}


def asked_of(data, only):
    asked = []
    for spec in json.loads((data / "repos.json").read_text()):
        if only and spec["name"] not in only:
            continue
        for note in json.loads((data / "annotations" / f"{spec['name']}.json").read_text()):
            for whole in (False, True):
                asked.append((spec["name"], "" if whole else spec.get("benchmark_root") or "", note["query"], spec["language"], whole, targets_of(note)))
    return asked


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("home")
    a.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "retrieval")
    a.add_argument("--search-run", default=str(ROOT / "build" / "release" / "search_run"))
    a.add_argument("--model", default=str(ROOT / "build" / "release" / "share" / "codeask" / "models" / "all-MiniLM-L6-v2"))
    a.add_argument("--only", action="append", help="these repositories alone (those that HOME holds)")
    a.add_argument("--no-fit", action="store_true")
    o = a.parse_args()
    signals, questions = read(o.home, asked_of(o.data, o.only), o.search_run, o.model)
    there = {q.repo for q in questions if len(q.file)}
    questions = [q for q in questions if q.repo in there]
    is_factor = np.array([level == FACTOR for _, level, _ in signals])
    now = np.array([w for *_, w in signals])
    flat = np.where(is_factor, 1, .3)
    half = halves_of([spec["name"] for spec in json.loads((o.data / "repos.json").read_text())])
    halves = {h: [q for q in questions if half[q.repo] == h] for h in "AB"}
    tried = {"as they are": {h: now for h in "AB"}, "flat": {h: flat for h in "AB"}}
    if not o.no_fit:
        fits = {h: fit(halves[h], flat, is_factor) for h in "AB"}
        tried["fitted on the other half"] = {"A": fits["B"], "B": fits["A"]}
        tried["fitted on this half"] = fits
    print(f"{len(questions) // 2} questions; A:", *sorted({q.repo for q in halves["A"]}), "; B:", *sorted({q.repo for q in halves["B"]}))
    for name, weights in tried.items():
        for h in "AB":
            cells = []
            for figure, rows in zip(("ndcg", "whole"), judged(halves[h], weights[h], is_factor)):
                low, high = interval(rows)
                cells.append(f"{figure} {mean(rows):.3f} ({low:.3f}..{high:.3f})")
            print(f"{name:26} {h}  " + "  ".join(cells))
    if not o.no_fit:
        print(f"\n{'weights':18}{'now':>7}{'on A':>7}{'on B':>7}")
        for s, (name, *_) in enumerate(signals):
            print(f"{name:18}{now[s]:7.2f}{fits['A'][s]:7.2f}{fits['B'][s]:7.2f}")


if __name__ == "__main__":
    main()
