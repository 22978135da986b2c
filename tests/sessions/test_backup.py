"""backup and restore: hot, whole or not at all, checked before anything is touched."""
import hashlib
import json
import re
import threading

from lib import main, wait_for
from test_feedback import kept

NO_VECTORS = "embed = no\n"


def test_while_feedback_is_written(w):
    w.config(NO_VECTORS)
    repo = w.repo()
    a = w.json("ask", "where is the retry policy?", cwd=repo, code=None)["id"]
    given, stop = [], threading.Event()

    def give():
        while not stop.is_set():
            w.json("feedback", a, "good", cwd=repo)
            given.append(1)

    writer = threading.Thread(target=give)
    writer.start()
    wait_for(lambda: given, "the first row")
    least = len(given)
    o = w.json("backup", w.root / "saved")
    most = len(given) + 1
    stop.set()
    writer.join()
    manifest = json.loads((w.root / "saved" / "manifest.json").read_text())
    assert o["files"] == 2 and {f["name"] for f in manifest["files"]} == {"state.mdb", "config"}, manifest
    for f in manifest["files"]:
        path = w.root / "saved" / f["name"]
        assert path.stat().st_size == f["bytes"] and hashlib.sha256(path.read_bytes()).hexdigest() == f["sha256"]
        assert path.stat().st_mode & 0o777 == 0o600
    assert (w.root / "saved").stat().st_mode & 0o777 == 0o700
    o = w.json("restore", w.root / "saved", code=2)["error"]
    assert o["code"] == "busy" and "codeask stop" in o["hint"], o
    w.run("stop")
    w.config("embed = no\nlog_level = debug\n")
    assert w.json("restore", w.root / "saved")["index_kept"]
    assert least <= len(kept(w)) <= most
    assert (w.home / "config").read_text() == NO_VECTORS
    assert "debug" in (w.home / "config.before-restore-1").read_text() and (w.home / "state.mdb.before-restore-1").exists()
    assert not (w.home / "restoring").exists()
    assert [r["path"] for r in w.json("repo", "list")["repos"]] == [str(repo)]


def test_refusals(w):
    w.config(NO_VECTORS)
    repo = w.repo()
    w.run("index", cwd=repo)
    w.run("stop")
    (w.root / "full").mkdir()
    (w.root / "full" / "file").write_text("mine")
    o = w.json("backup", "full", code=2)["error"]
    assert o["code"] == "usage" and "not empty" in o["message"], o
    assert [p.name for p in (w.root / "full").iterdir()] == ["file"]
    w.json("backup", "saved")  # no daemon runs; a relative path
    saved = w.root / "saved"
    state, manifest = (saved / "state.mdb").read_bytes(), (saved / "manifest.json").read_text()

    def refused(code, says):
        before = {p.name: p.read_bytes() for p in w.home.iterdir() if p.is_file() and p.name != "lock"}
        o = w.json("restore", saved, code=2)["error"]
        assert o["code"] == code and says in o["message"], o
        assert before == {p.name: p.read_bytes() for p in w.home.iterdir() if p.is_file() and p.name != "lock"}

    (saved / "state.mdb").write_bytes(state[:5000] + bytes([state[5000] ^ 1]) + state[5001:])
    refused("corrupt", "state.mdb: its SHA-256")
    (saved / "state.mdb").write_bytes(state[:-1])
    refused("corrupt", "state.mdb: not as long")
    (saved / "state.mdb").write_bytes(state + b"x")
    refused("corrupt", "state.mdb: not as long")
    (saved / "state.mdb").write_bytes(state)
    for damage, code, says in (("{", "corrupt", "not the manifest"), (manifest.replace('"state.mdb"', '"../state.mdb"'), "corrupt", "row"),
                         (re.sub(r'"state_schema": \d+', '"state_schema": 99', manifest), "version", "newer")):
        assert damage != manifest
        (saved / "manifest.json").write_text(damage)
        refused(code, says)
    (saved / "manifest.json").unlink()
    refused("not_found", "manifest.json")


def test_over_a_broken_home(w):
    w.config(NO_VECTORS)
    repo = w.repo()
    w.run("index", cwd=repo)
    (w.home / "adapters").mkdir()
    (w.home / "adapters" / "one").write_bytes(b"weights")
    w.json("backup", w.root / "saved")
    w.run("stop")
    (w.home / "state.mdb").write_bytes(b"nothing of a database")
    (w.home / "config").write_text("no such line\n")
    (w.home / "adapters" / "one").unlink()
    assert w.run("index", cwd=repo).returncode == 2
    o = w.json("restore", w.root / "saved")
    assert not o["index_kept"] and len(o["aside"]) == 3, o
    assert (w.home / "adapters" / "one").read_bytes() == b"weights"
    assert [r["path"] for r in w.json("repo", "list")["repos"]] == [str(repo)]
    assert "retry.py" in w.run("search", "retry policy", cwd=repo).stdout


if __name__ == "__main__":
    main(globals())
