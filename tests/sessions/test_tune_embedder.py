"""`codeask tune --embedder`: an organization's own words find its files, and only where that is measurably so; without embedding anything anew,
with a way back, interrupted, after a purge, and for those alone who may read what it learned."""
import json
import os
import signal
import subprocess
import sys

from lib import BUILD, main, wait_for
from test_http import Server

# what the code says, and what its people call it
PARTS = {
    "invoice": ("Totals the lines of an invoice and adds its tax.", "albatross"),
    "calendar": ("Finds a free slot among the appointments of a week.", "bonfire"),
    "upload": ("Receives a file in pieces and joins them on disk.", "cedar"),
    "password": ("Hashes a password with a salt and compares it in constant time.", "dune"),
    "image": ("Scales a picture down to a thumbnail.", "ember"),
    "search": ("Ranks documents by the words that they share with a query.", "falcon"),
    "mail": ("Queues a message and sends it when the server answers.", "glacier"),
    "backup": ("Copies a database page by page while others write.", "harbor"),
}
VERBS = ["stop losing", "speed up", "log", "retry", "check", "bound", "simplify", "rename", "test", "explain"]
THINGS = ["the last step", "slow cases", "empty input", "odd sizes", "the first try", "old entries", "errors"]
COMMITS = 240


def module(part, says, version):
    return (f'"""The {part} part."""\n\n\ndef {part}_main(value):\n    """{says}"""\n    limit = {version}\n    return {part}_step(value, limit)\n\n\n'
            f'def {part}_step(value, limit):\n    """One step of the {part} part, up to a limit."""\n    return min(value, limit)\n')


def office(w, name="office", slang=True):
    """A history in which each part is only ever called by its nickname."""
    repo = w.repo(name, {}, commit=False)
    out, version = [], {}
    parts = list(PARTS)

    def commit(n, message, files):
        text = message.encode()
        out.append(f"commit refs/heads/main\ncommitter t <t@t> {1_700_000_000 + 3600 * n} +0000\ndata {len(text)}\n".encode() + text + b"\n")
        for path, body in files.items():
            body = body.encode()
            out.append(f"M 100644 inline {path}\ndata {len(body)}\n".encode() + body + b"\n")

    commit(0, "All parts of the office", {f"src/{p}.py": module(p, PARTS[p][0], 0) for p in parts})
    for n in range(1, COMMITS + 1):
        p = parts[(n * 5 + n // 8) % len(parts)]
        version[p] = n
        who = PARTS[p][1] if slang else f"{p}_main"
        commit(n, f"{who}: {VERBS[n % len(VERBS)]} {THINGS[n % len(THINGS)]} ({n})", {f"src/{p}.py": module(p, PARTS[p][0], n)})
    subprocess.run(["git", "-C", str(repo), "fast-import", "--quiet"], input=b"".join(out), env=w.env, check=True, capture_output=True)
    w.git(repo, "reset", "-q", "--hard", "main")
    return repo


def ready(w):
    if not (BUILD / "share" / "codeask" / "models" / "all-MiniLM-L6-v2").exists():
        print("no embedding model is here", flush=True)
        sys.exit(77)
    w.config("")


def rank(w, repo, nick, part):
    """Where the part's file stands among what is found for its nickname; 99: not at all."""
    found = w.json("search", f"{nick}: explain odd sizes", "--unique-files", cwd=repo, code=None).get("results", [])
    return next((i + 1 for i, r in enumerate(found) if r["path"] == f"src/{part}.py"), 99)


def ranks(w, repo):
    return [rank(w, repo, nick, part) for part, (_, nick) in PARTS.items()]


def found(w, repo, question, **how):
    return json.dumps(w.json("search", question, cwd=repo, code=None, **how).get("results"))


def test_learns_what_people_call_it(w):
    ready(w)
    repo, other = office(w), w.repo()
    assert w.run("index", cwd=other).returncode == 0 and w.run("index", cwd=repo).returncode == 0
    before, plain, elsewhere = ranks(w, repo), found(w, repo, "what is the falcon for"), found(w, other, "falcon retry")
    o = w.json("tune", "--embedder", "--name", "nick", cwd=repo, timeout=300)
    report = o["report"]
    assert o["state"] == "done" and o["role"] == "embed" and o["promoted"] and report["why"] == [], o
    assert report["mrr"]["gain"]["low"] > 0 and report["kinds"]["change"]["mrr"]["ratio"]["value"] > 1.1, report
    assert o["records"]["held"]["change"] >= 20 and report["shared"] == 0, o
    after = ranks(w, repo)
    assert sum(r == 1 for r in after) >= 7 > sum(r == 1 for r in before), (before, after)
    assert found(w, other, "falcon retry") == elsewhere  # it is one repository's
    s = w.json("tune", "--status", cwd=repo)
    assert s["in_use_embedder"] == {"office": "nick"} and not s["in_use"], s
    assert "questions about office go through nick" in w.run("tune", "--status", cwd=repo).stdout
    # measured again: the same; one step back, and the same bytes as before it
    again = w.json("eval", "nick", cwd=repo, timeout=300)
    assert again["report"]["mrr"] == report["mrr"] and not again["promoted"], again
    r = w.run("tune", "--embedder", "--revert", cwd=repo)
    assert r.returncode == 0 and "as they were before" in r.stdout, r
    assert found(w, repo, "what is the falcon for") == plain and w.json("tune", "--status", cwd=repo)["in_use_embedder"] == {}
    r = w.run("tune", "--embedder", "--revert", cwd=repo)
    assert r.returncode == 2 and "without an adapter" in r.stderr, r
    assert w.json("eval", "nick", "--use", cwd=repo, timeout=300)["promoted"] and ranks(w, repo) == after
    # of another embedder: refused by name, and searches go on without it
    ours = w.home / "adapters" / "nick" / "codeask.json"
    named = json.loads(ours.read_text())
    ours.write_text(json.dumps({**named, "base": "0" * 64, "model": "other"}))
    r = w.run("eval", "nick", cwd=repo, timeout=300)
    assert r.returncode == 2 and "other" in r.stderr and "MiniLM" in r.stderr, r
    w.run("stop")
    assert found(w, repo, "what is the falcon for") == plain
    ours.write_text(json.dumps(named))
    w.run("stop")
    # a content that it learned is purged: it is used no more, for good
    assert ranks(w, repo) == after
    blob = w.git(repo, "rev-parse", "HEAD:src/mail.py").strip()
    held = w.json("purge", blob, cwd=repo, timeout=120)["holders"]
    assert {h["name"]: (h["holds"], h["blocked"]) for h in held if h["kind"] == "adapter"} == {"nick": (True, True)}, held
    assert w.json("tune", "--status", cwd=repo)["in_use_embedder"] == {}
    assert ranks(w, repo) != after and not (w.home / "adapters" / "nick" / "corpus").exists()
    o = w.json("eval", "nick", "--use", cwd=repo, timeout=300, code=None)
    assert "purged" in o["error"]["message"], o


def test_nothing_to_learn(w):
    """Where people say what the code says there is nothing to gain: it is measured, and not used."""
    ready(w)
    repo = office(w, slang=False)
    o = w.json("tune", "--embedder", "--name", "plain", cwd=repo, code=1, timeout=300)
    assert o["state"] == "done" and not o["promoted"] and "not surely found better" in o["report"]["why"][0], o
    assert w.json("tune", "--status", cwd=repo)["in_use_embedder"] == {}
    one = w.repo("one", {"a.py": "x = 1\n"})
    empty = w.repo("empty", {}, commit=False)
    for where in (one, empty):
        r = w.run("tune", "--embedder", cwd=where)
        assert r.returncode == 2 and ("too few" in r.stderr or "nothing here is embedded" in r.stderr), r
    w.run("stop")
    w.config("embed = no\n")
    r = w.run("tune", "--embedder", cwd=repo)
    assert r.returncode == 2 and "no model that embeds" in r.stderr, r


def test_begins_again_after_a_kill(w):
    ready(w)
    repo = office(w)
    assert w.json("tune", "--embedder", "--name", "whole", "--no-use", cwd=repo, code=1, timeout=300)["report"]["promote"]
    assert w.run("tune", "--embedder", "--name", "killed", "--no-use", "--no-wait", cwd=repo).returncode == 0
    wait_for(lambda: w.json("tune", "--status", cwd=repo)["state"] in ("learning", "measuring", "done"), "that it learns", 60)
    os.kill(w.pid(), signal.SIGKILL)
    assert w.run("search", "mail", cwd=repo).returncode == 0
    done = wait_for(lambda: (o := w.json("tune", "--status", cwd=repo))["state"] in ("done", "failed") and o, "the adapter", 150)
    assert done["state"] == "done", done
    files = [(w.home / "adapters" / n / "query_map.safetensors").read_bytes() for n in ("whole", "killed")]
    assert files[0] == files[1]
    # stopped while it learns
    assert w.run("tune", "--embedder", "--name", "stopped", "--no-use", "--no-wait", cwd=repo).returncode == 0
    o = w.json("tune", "--stop", cwd=repo, code=None)
    assert o["state"] in ("stopped", "done"), o


def test_for_those_who_may_read_it(w):
    ready(w)
    repos = {n: office(w, n) for n in ("office", "annex")}
    for r in repos.values():
        assert w.run("index", cwd=r).returncode == 0
    question = {"query": "falcon: explain odd sizes", "repo": ["office"]}
    users = {}
    for user, names in {"alice": ["office"], "carol": ["office", "annex"]}.items():
        users[user] = {"Authorization": "Bearer " + w.run("token", "create", user).stdout.strip()}
        for name in names:
            assert w.run("access", "grant", user, name).returncode == 0

    def asked():
        s = Server(w, "")
        got = {}
        for user, headers in users.items():
            status, o, _ = s.ask("POST", "/v1/search", question, headers)
            assert status == 200, o
            got[user] = json.dumps(o["results"])
        s.p.send_signal(signal.SIGTERM)
        s.p.wait(30)
        return got

    w.run("stop")
    before = asked()
    assert before["alice"] == before["carol"]
    w.config("")
    assert w.json("tune", "--embedder", "--all-repos", "--name", "both", cwd=repos["office"], timeout=300)["promoted"]
    w.run("stop")
    after = asked()
    assert after["alice"] == before["alice"] and after["carol"] != before["carol"], after


if __name__ == "__main__":
    main(globals())
