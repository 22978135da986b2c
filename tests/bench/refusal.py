#!/usr/bin/env python3
"""Rows answer.refused_unanswerable and answer.refused_answerable: `codeask ask` on questions about things that a repository
has and does not have.

Answerable are the annotated questions of the shared folder beside this repository and the short ones of refusal.json;
unanswerable are refusal.json's own and the questions of other repositories about subjects that are foreign here. The model
of retriever/answer_evidence.c was fitted on every second repository by name: both halves are reported, each with a bootstrap
interval (95%), and the rows are those of the half that it never saw. Further clones in the folder (without annotations) get
refusal.json's own questions and count as held out.

    refusal.py [--codeask PROGRAM] [--home DIR] [--no-embed] [--most N] [--verbose]      clones in CODEASK_BENCH_REPOS
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NOTES = ROOT.parent / "shared" / "retrieval" / "annotations"
ROWS = ("answer.refused_unanswerable", "answer.refused_answerable")


def holding(repo, key):
    done = subprocess.run(["git", "-C", str(repo), "grep", "-ilF", "-e", key], capture_output=True, text=True, errors="replace")
    return set(done.stdout.splitlines())


def questions(clones):
    """{repository: [(answerable, question)]}"""
    table = json.loads((HERE / "refusal.json").read_text(encoding="utf-8"))
    notes = {f.stem: [q["query"] for q in json.loads(f.read_text(encoding="utf-8"))] for f in NOTES.glob("*.json")} if NOTES.is_dir() else {}
    asked = {}
    for repo in clones:
        rows = [(True, q) for q in notes.get(repo.name, []) + table["asked"].get(repo.name, [])]
        for own in table["own"]:
            files = set.intersection(*(holding(repo, key) for key in own["keys"]))
            if len(files) <= table["few"]:
                rows.append((False, own["q"]))
        for theme in table["themes"]:
            if repo.name in theme["in"] and theme["of"] in notes:
                rows += [(False, notes[theme["of"]][n]) for n in theme["numbers"]]
        asked[repo.name] = rows
    return asked


def interval(values, rng=random.Random(11), n=1000):
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(n)) if values else [0]
    return round(means[int(len(means) * .025)], 4), round(means[int(len(means) * .975)], 4)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--codeask", default=str(pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release")) / "codeask"))
    a.add_argument("--home", help="a data folder to use and keep: clones that are in it already are not indexed again")
    a.add_argument("--no-embed", action="store_true", help="words and symbols alone")
    a.add_argument("--most", type=int, default=0, help="at most so many unanswerable questions a repository")
    a.add_argument("--verbose", action="store_true")
    o = a.parse_args()
    folder = os.environ.get("CODEASK_BENCH_REPOS", "")
    clones = sorted(p for f in folder.split(":") if f for p in pathlib.Path(f).iterdir() if (p / ".git").exists())
    asked = {name: rows for name, rows in questions(clones).items() if rows}
    if not asked:
        for name in ROWS:
            print(json.dumps({"name": name, "why": "CODEASK_BENCH_REPOS names no folder with clones that there are questions about"}))
        return
    annotated = sorted(p.stem for p in NOTES.glob("*.json") if p.stem in asked) if NOTES.is_dir() else []
    tuned = set(annotated[::2])
    refused = {(half, answerable): [] for half in ("tuned", "held_out") for answerable in (True, False)}
    with tempfile.TemporaryDirectory(prefix="refusal-") as scratch:
        home = o.home or scratch
        env = dict(os.environ, CODEASK_HOME=home)
        env.pop("CODEASK_CONFIG", None)
        if o.no_embed:
            (pathlib.Path(home) / "config").write_text("embed = no\n")
        try:
            for repo in (p for p in clones if p.name in asked):
                subprocess.run([o.codeask, "index", "-C", str(repo)], env=env, check=True, capture_output=True)
                rows = asked[repo.name]
                if o.most:
                    absent = [r for r in rows if not r[0]]
                    rows = [r for r in rows if r[0]] + random.Random(5).sample(absent, min(o.most, len(absent)))
                for answerable, question in rows:
                    p = subprocess.run([o.codeask, "ask", "-C", str(repo), "--json", "--", question], env=env, capture_output=True, text=True)
                    if p.returncode not in (0, 1):
                        raise SystemExit(f"{repo.name}: {question}: {p.stdout.strip()[-200:]} {p.stderr.strip()[-200:]}")
                    no = json.loads(p.stdout)["mode"] == "insufficient"
                    refused["tuned" if repo.name in tuned else "held_out", answerable].append(no)
                    if o.verbose and no == answerable:
                        print(f"{'refused' if no else 'answered'}  {repo.name}: {question}", flush=True)
        finally:
            subprocess.run([o.codeask, "stop"], env=env, capture_output=True)
    for name, answerable, goal in ((ROWS[0], False, .9), (ROWS[1], True, .05)):
        held, seen = refused["held_out", answerable], refused["tuned", answerable]
        if not held:
            print(json.dumps({"name": name, "why": "no such question for the clones that are here"}))
            continue
        print(json.dumps({"name": name, "value": sum(held) / len(held), "unit": "share", "goal": goal, "questions": len(held),
                          "interval": interval(held), "tuned_half": round(sum(seen) / max(1, len(seen)), 4),
                          "tuned_interval": interval(seen), "tuned_questions": len(seen), "embedded": not o.no_embed}))


if __name__ == "__main__":
    sys.exit(main())
