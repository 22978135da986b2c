#!/usr/bin/env python3
"""Row answer.follow_up: hand-made pairs of a question and one that follows from it. A follow-up counts as answered where one of
the first three citations is in a file that answers it; asked with --continue, beside the same one asked alone. Four follow-ups have a
subject of their own: for them nothing may change.

    follow_ups.py [--codeask PROGRAM] [--verbose]      clones in CODEASK_BENCH_REPOS (folders, parted by colons)
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NAME, FIRST = "answer.follow_up", 3
PAIRS = [  # clone, question, follow-up, files that answer it
    ("flask", "how is a request dispatched to a view function?", "what happens when it raises?", ["app.py"]),
    ("flask", "where are blueprints registered?", "can they be nested?", ["blueprints.py"]),
    ("flask", "how is the session cookie signed?", "where is its key set?", ["sessions.py", "app.py", "config.py"]),
    ("flask", "how are template globals injected?", "and in blueprints?", ["blueprints.py", "app.py"]),
    ("gin", "how does the router match path parameters?", "what about wildcards?", ["tree.go"]),
    ("gin", "how does the recovery middleware handle panics?", "who installs it by default?", ["recovery.go", "gin.go"]),
    ("gin", "how is a JSON body bound to a struct?", "and when it is not valid?", ["json.go", "binding.go", "context.go", "default_validator.go"]),
    ("express", "how does res.redirect choose the status?", "where is it tested?", ["response.js", "res.redirect.js"]),
    ("express", "how is a view engine looked up?", "is that cached?", ["view.js", "application.js"]),
    ("libuv", "how are timers kept in the event loop?", "which data structure is that?", ["timer.c", "heap-inl.h"]),
    ("libuv", "how does the thread pool run work?", "how large is it by default?", ["threadpool.c"]),
    ("serde", "how are unknown fields ignored when deserializing?", "how is that derived?", ["de.rs", "ignored_any.rs", "attr.rs"]),
    ("jq", "how is the bytecode interpreter's main loop written?", "where does it report errors?", ["execute.c"]),
    ("tmux", "how are key bindings looked up?", "and the default ones?", ["key-bindings.c"]),
    ("redis", "how does the server evict keys when memory is full?", "which policies does it know?", ["evict.c", "config.c", "server.h"]),
    ("redis", "how is the append only file rewritten?", "when is that triggered?", ["aof.c", "server.c"]),
]
OWN = [
    ("flask", "how is the session cookie signed?", "where are blueprints registered?", ["blueprints.py", "app.py", "scaffold.py"]),
    ("gin", "how does the recovery middleware handle panics?", "how does the router match path parameters?", ["tree.go"]),
    ("libuv", "how are timers kept in the event loop?", "how does the thread pool run work?", ["threadpool.c"]),
    ("redis", "how is the append only file rewritten?", "how does the server evict keys when memory is full?", ["evict.c"]),
]


def answered(o, files):
    names = [pathlib.PurePath(c["path"]).name for c in o.get("citations", [])[:FIRST]]
    return o.get("mode") != "insufficient" and any(n in files for n in names)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--codeask", default=str(pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release")) / "codeask"))
    a.add_argument("--verbose", action="store_true")
    o = a.parse_args()
    folders = [pathlib.Path(f) for f in os.environ.get("CODEASK_BENCH_REPOS", "").split(":") if f]
    clone = {p.name: p for f in folders if f.is_dir() for p in f.iterdir() if (p / ".git").exists()}
    pairs = [(own, *row) for own, rows in ((False, PAIRS), (True, OWN)) for row in rows if row[0] in clone]
    if not pairs:
        print(json.dumps({"name": NAME, "why": "CODEASK_BENCH_REPOS names no folder with the clones that there are pairs about"}))
        return
    got = {(own, how): 0 for own in (False, True) for how in ("alone", "continued")}
    with tempfile.TemporaryDirectory(prefix="follow-") as home:
        env = dict(os.environ, CODEASK_HOME=home)
        env.pop("CODEASK_CONFIG", None)

        def ask(repo, *words):
            done = subprocess.run([o.codeask, "ask", "--json", "--no-generate", "-C", str(clone[repo]), *words], env=env, capture_output=True, text=True)
            return json.loads(done.stdout)

        try:
            for own, repo, question, follow, files in pairs:
                talk = ask(repo, question)["conversation"]
                alone, continued = (answered(ask(repo, *how, follow), files) for how in ((), ("--continue", talk)))
                got[own, "alone"] += alone
                got[own, "continued"] += continued
                if o.verbose:
                    print(f"{repo:8} {follow:60} alone {alone:d} continued {continued:d}", flush=True)
        finally:
            subprocess.run([o.codeask, "stop"], env=env, capture_output=True)
    n = sum(not own for own, *_ in pairs)
    print(json.dumps({"name": NAME, "value": round(got[False, "continued"] / n, 4) if n else None, "unit": "share", "against": "the same questions alone",
                      "ratio": round(got[False, "continued"] / got[False, "alone"], 3) if got[False, "alone"] else None, "goal": None, "pairs": n,
                      "own_subject": [got[True, "alone"], got[True, "continued"], len(pairs) - n]}))


if __name__ == "__main__":
    main()
