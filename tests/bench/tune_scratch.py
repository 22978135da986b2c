#!/usr/bin/env python3
"""Rows tune.heldout_perplexity and tune.definition_mrr: a model trained from scratch on the code of published packages, then tuned on another one.

Nine packages of everyday Python, networkx and mpmath (peers/scratch.txt, pinned by hash) become a repository each; the records that `codeask tune` makes of
them (learned and held out, by file) are what bench_service_scratch trains a Llama of 0.9 million weights on, all weights, from weights drawn at random and a BPE
made of the nine, and then two adapters of equal size, for equally many steps: one of networkx's records, one of mpmath's. Both are measured by what is
held out of networkx: perplexity, and the right definition among 16 of its kind by likelihood; intervals are of a paired bootstrap (service/verdict.h).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import scratch_model

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import peers  # noqa: E402

KNOWN = ["attr", "click", "flask", "jinja2", "packaging", "requests", "rich", "urllib3", "werkzeug"]
OWN, OTHER = "networkx", "mpmath"
PACKAGES = HERE / "peers" / "scratch.txt"
STEPS, TUNED_STEPS = 300, 80
RECORDS = {"known": 4000, "own": 300, "other": 300}  # of a kind, that are learned; a fourth of it is held out
THREADS = len(os.sched_getaffinity(0))
PERPLEXITY_GOAL, APART_GOAL = .15, 3  # issue 9: how far it falls at least, and how many times as far as with the other adapter


def packages():
    """the folder of the installed ones, or why there is none"""
    why = peers.install(PACKAGES)
    found = sorted((peers.VENV.parent / "venv-scratch").glob("lib/python3*/site-packages"))
    return (found[0], None) if found and not why else (None, why or "no packages in build/venv-scratch")


def put_repository(folder, package):
    shutil.copytree(package, folder, ignore=lambda _, names: [n for n in names if n == "__pycache__" or "." in n and not n.endswith(".py")])
    for args in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", f"All of {package.name}"]):
        subprocess.run(["git", "-C", folder, *args], check=True, capture_output=True)


class Home:
    def __init__(self, scratch, release):
        self.home, self.program = scratch / "home", release / "codeask"
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}, "CODEASK_HOME": str(self.home)}

    def run(self, *args):
        done = subprocess.run([self.program, *map(str, args)], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 2:
            raise RuntimeError(f"codeask {' '.join(map(str, args))}: {done.stdout}{done.stderr}")
        return done.stdout

    def records(self, name, repos):
        """the corpus of those repositories: what tuning would learn, and it is stopped there"""
        corpus = self.home / "adapters" / name / "corpus"
        self.run("tune", "--name", name, "--no-use", "--no-wait", "--records", RECORDS[name], *[x for r in repos for x in ("--repo", r.name)], "-C", repos[0])
        status = lambda: json.loads(self.run("tune", "--status", "--json", "-C", repos[0]))
        while not isinstance(status().get("records"), dict) or not corpus.exists():
            if status()["state"] == "failed":
                raise RuntimeError(str(status()))
            time.sleep(.05)
        self.run("tune", "--stop", "-C", repos[0])
        return corpus


def prove(scratch, release, site, steps, tuned_steps, told=sys.stderr):
    """what bench_service_scratch prints; seconds of making its input are added"""
    began = time.monotonic()
    repos = {name: scratch / name for name in [*KNOWN, OWN, OTHER]}
    for name, folder in repos.items():
        put_repository(folder, site / name)
    text = "".join(f.read_text(encoding="utf-8", errors="replace") for name in KNOWN for f in sorted(repos[name].rglob("*.py")))
    home = Home(scratch, release)
    scratch_model.put(home.home / "models" / "drawn", text)
    (home.home / "config").write_text("embed = no\nanswer_model = drawn\n")
    try:
        for folder in repos.values():
            home.run("index", "-C", folder)
        corpora = [home.records("known", [repos[n] for n in KNOWN]), home.records("own", [repos[OWN]]), home.records("other", [repos[OTHER]])]
    finally:
        home.run("stop")
    made = time.monotonic() - began
    command = [release / "bench_service_scratch", home.home / "models" / "drawn", *corpora, scratch / "made", steps, tuned_steps, THREADS]
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            if line.startswith("{"):
                result = json.loads(line)
            else:
                print(line, end="", file=told, flush=True)
    if program.returncode:
        raise RuntimeError(f"bench_service_scratch ended with {program.returncode}")
    return {**result, "made_s": made}


def fall(report):
    """of the perplexity, as a part of it"""
    return 1 - 1 / report["perplexity"]["ratio"]["value"]


def main():
    release = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", HERE.parent.parent / "build" / "release"))
    site, why = packages()
    if why:
        return [print(json.dumps({"name": n, "why": why})) for n in ("tune.heldout_perplexity", "tune.definition_mrr")]
    with tempfile.TemporaryDirectory(prefix="codeask-scratch-") as folder:
        r = prove(pathlib.Path(folder), release, site, STEPS, TUNED_STEPS, sys.stdout)
    own, other = r["own"], r["other"]
    p, d = own["perplexity"], own["definition"]
    print(f"from scratch {r['scratch_s']:.0f} s, all {r['seconds'] + r['made_s']:.0f} s")
    print(json.dumps({"name": "tune.heldout_perplexity", "value": round(p["tuned"], 3), "unit": "perplexity", "ratio": round(p["ratio"]["value"], 4),
                      "goal": round(1 / (1 - PERPLEXITY_GOAL), 4), "interval": [round(p["ratio"][k], 4) for k in ("low", "high")], "records": p["records"],
                      "fall": round(fall(own), 4), "fall_of_other": round(fall(other), 4), "apart_goal": APART_GOAL,
                      "against": f"the same model untuned, {p['base']:.3f}; with an adapter of {OTHER}, {other['perplexity']['tuned']:.3f}"}))
    print(json.dumps({"name": "tune.definition_mrr", "value": round(d["tuned"], 4), "unit": "MRR", "ratio": round(d["tuned"] / d["base"], 4), "goal": 1,
                      "gain": {k: round(v, 4) for k, v in d["gain"].items()}, "questions": d["questions"],
                      "against": f"the same model untuned, {d['base']:.4f}; with an adapter of {OTHER}, {other['definition']['tuned']:.4f}"}))


if __name__ == "__main__":
    main()
