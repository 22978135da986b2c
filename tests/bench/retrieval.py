"""Rows retrieval.*: the judge of the shared folder beside this repository, on the clones in CODEASK_BENCH_REPOS.

The means are the judge's: over questions, then repositories of a language, then languages. `published` are
the figures that others state for the same repositories; they are not measured here.
"""
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JUDGE = ROOT.parent / "shared" / "retrieval"
ROWS = ("retrieval.ndcg", "retrieval.whole", "retrieval.index_s", "retrieval.p50_ms")


def no_figures(why):
    for name in ROWS:
        print(json.dumps({"name": name, "why": why}))


def mean_of_languages(rows, figure):
    by_language = collections.defaultdict(list)
    for row in rows:
        by_language[row["language"]].append(figure(row))
    return statistics.mean(statistics.mean(v) for v in by_language.values())


def main():
    clones = os.environ.get("CODEASK_BENCH_REPOS", "")
    if not clones:
        return no_figures("CODEASK_BENCH_REPOS does not name a folder with clones")
    if not (JUDGE / "judge.py").is_file():
        return no_figures("the questions (../shared/retrieval) are not here")
    codeask = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release")) / "codeask"
    with tempfile.TemporaryDirectory() as scratch:
        figures = pathlib.Path(scratch) / "figures.json"
        done = subprocess.run([sys.executable, str(JUDGE / "judge.py"), clones, "--codeask", str(codeask),
                               "--data", str(JUDGE), "--json", str(figures)], stdout=subprocess.PIPE, text=True)
        print(done.stdout)
        rows = [row for row in json.loads(figures.read_text()) if "ndcg" in row] if figures.exists() else []
    if not rows:
        return no_figures(f"no repository of the questions is in {clones}")
    peers = json.loads((JUDGE / "peers.json").read_text())
    published = {name: round(mean_of_languages(rows, lambda row: peers.get(row["repo"], {}).get(name, 0)), 4)
                 for name in ("semble", "coderankembed-hybrid")}
    ndcg = mean_of_languages(rows, lambda row: statistics.mean(row["ndcg"]))
    whole = mean_of_languages(rows, lambda row: statistics.mean(row["whole"]))
    took = [ms for row in rows for ms in row["ms"]]
    common = {"repositories": len(rows)}
    print(json.dumps({"name": ROWS[0], "value": ndcg, "unit": "NDCG@10", "goal": 0.9, "published": published, **common}))
    print(json.dumps({"name": ROWS[1], "value": whole, "unit": "NDCG@10", "goal": 0.89, **common}))
    print(json.dumps({"name": ROWS[2], "value": statistics.mean(row["index_s"] for row in rows), "unit": "s", **common}))
    if took:
        print(json.dumps({"name": ROWS[3], "value": statistics.median(took), "unit": "ms", **common}))


if __name__ == "__main__":
    main()
