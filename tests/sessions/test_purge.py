"""purge: a content goes out of the home for good. A byte search of every file, table and packed value finds nothing of what was planted, also
after the index was deleted and built again, wherever the content comes back, and whenever the daemon was killed. 20 kills; 200 with
CODEASK_TEST_LONG."""
import json
import os
import pathlib
import pty
import random
import shutil
import signal
import subprocess
import threading
import time

from lib import BUILD, CODEASK, Rpc, SOURCES, Told, big_sources, main, wait_for, write
from test_http import Server
from test_writing import QUESTION, learn, number

KILLS = 200 if os.environ.get("CODEASK_TEST_LONG") == "1" else 20
MARKERS = ("zebraquillLantern", "ORPIMENT_OBELISK", "marzipan-barometer", "gallimaufry")
PLANTED = '''"""Keeps the gallimaufry of lamp oil apart from everything else."""

ORPIMENT_OBELISK = "marzipan-barometer"


def zebraquillLantern(wick):
    """Trims a wick of a lamp; says marzipan-barometer when the oil is gone."""
    return ORPIMENT_OBELISK if wick else None
'''
ASKED = "which lamp has a wick that is trimmed?"  # finds it, and has no word of it that nothing else has


def found(w, *markers):
    """Where the home has any of them. The daemon must not run."""
    r = subprocess.run([BUILD / "bytes_find", w.home, *(markers or MARKERS)], capture_output=True, text=True)
    assert r.returncode in (0, 1) and bool(r.stdout) == (r.returncode == 1), (r.stdout, r.stderr)
    return r.stdout


def stop(w):
    w.run("stop")
    wait_for(lambda: not w.socket_answers(), "the daemon's end")


def planted(w, name="courier"):
    repo = w.repo(name, {**SOURCES, "src/lamp.py": PLANTED, "src/wall.py": "def trim_wall(lamp):\n    \"\"\"A wall has a lamp.\"\"\"\n    return lamp\n"})
    return repo, w.git(repo, "rev-parse", "HEAD:src/lamp.py").strip()


def paths(w, repo, query=ASKED):
    return {r["path"] for r in w.json("search", query, cwd=repo, code=None)["results"]}


def test_nothing_is_left(w):
    repo, blob = planted(w)
    w.git(repo, "branch", "other")
    write(repo, {"src/copy.py": PLANTED})  # not committed: over HEAD's view
    w.json("index", "--all-branches", cwd=repo)
    assert {"src/lamp.py", "src/copy.py"} & paths(w, repo)
    w.json("search", "zebraquillLantern", cwd=repo)
    w.json("symbol", "ORPIMENT_OBELISK", cwd=repo)
    a = w.json("ask", "what does zebraquillLantern do with the gallimaufry?", cwd=repo, code=None)
    b = w.json("ask", "where is the retry policy?", cwd=repo)
    for one in a, b:
        w.json("feedback", one["id"], "good", cwd=repo)
    with Rpc(w.socket) as c:
        c.request(1, "page", title="an answer", text="# zebraquillLantern\n")
        page = pathlib.Path(c.answer(1)["result"]["path"])
    kept = w.json("status")["feedback"]
    stop(w)
    before = found(w)
    assert all(part in before for part in ("index.mdb", "state.mdb", "audit.jsonl", "pages/", "unpacked", "raw")), before
    o = w.json("purge", blob, cwd=repo)
    assert o["purged"] and o["blob"] == blob and o["contents"] == 1 and o["paths"] >= 2 and o["quotes"] >= 3, o
    assert {p["path"] for p in o["places"]} == {"src/lamp.py", "src/copy.py"}, o
    assert [(h["kind"], h["holds"], h["blocked"]) for h in o["holders"]] == [("repository", True, False)], o
    assert not {"src/lamp.py", "src/copy.py"} & paths(w, repo) and "src/wall.py" in paths(w, repo)
    assert w.json("status")["feedback"] == kept - 1 and not page.exists()
    assert w.json("feedback", a["id"], "good", cwd=repo, code=2)["error"]["code"] == "not_found"
    with Rpc(w.socket) as c:
        c.request(1, "read", place="src/lamp.py", dir=str(repo))
        assert c.answer(1)["error"], "lines of it are still read"
    w.json("index", "--all-branches", cwd=repo)
    stop(w)
    assert not found(w), found(w)
    audit = [json.loads(line) for line in (w.home / "audit.jsonl").read_text().splitlines()]
    assert any(r["query"] == "what does ***************** do with the ***********?" for r in audit), [r["query"] for r in audit]
    assert any(r["query"] == ASKED for r in audit), "what other contents say as well was masked"

    (w.home / "index.mdb").unlink()
    w.json("index", "--all-branches", cwd=repo)
    assert not {"src/lamp.py", "src/copy.py"} & paths(w, repo) and "src/wall.py" in paths(w, repo)
    # it comes back under another name, in another repository, in an editor, and with a backup of before
    write(repo, {"deep/again.py": PLANTED})
    other, _ = planted(w, "other")
    w.json("index", cwd=other)
    assert not {"src/lamp.py", "src/copy.py", "deep/again.py"} & (paths(w, repo) | paths(w, other))
    with Rpc(w.socket) as c:
        for n, method in enumerate(("unsaved", "outline"), 1):
            c.request(n, method, place=str(repo / "src" / "new.py"), text=PLANTED)
            assert "purged" in c.answer(n)["error"]["message"], method
        c.request(3, "search", query=ASKED, dir=str(repo))
        assert "src/new.py" not in {r["path"] for r in c.answer(3)["result"]["results"]}
    assert "purged" in w.json("inspect", repo / "src/lamp.py", code=2)["error"]["message"]
    stop(w)
    assert not found(w), found(w)


def test_views_of_editors_are_dropped(w):
    repo, blob = planted(w)
    w.json("index", cwd=repo)
    with Rpc(w.socket) as c:
        c.request(1, "unsaved", place=str(repo / "src" / "draft.py"), text=PLANTED)
        assert "result" in c.answer(1)
        c.request(2, "search", query=ASKED, dir=str(repo))
        assert "src/draft.py" in {r["path"] for r in c.answer(2)["result"]["results"]}
        w.json("purge", blob, cwd=repo)
        c.request(3, "search", query=ASKED, dir=str(repo))
        assert "src/draft.py" not in {r["path"] for r in c.answer(3)["result"]["results"]}


def test_conversations_and_prompts(w):
    repo, blob = planted(w)
    told = Told(w)
    learn(w, told, repo, ASKED)
    told.script(f"say The wick of a lamp is trimmed by it [{number(told, 'src/lamp.py')}].\n")
    talk = w.json("ask", ASKED, cwd=repo)
    assert talk["mode"] == "generated" and "ORPIMENT_OBELISK" in json.dumps(told.prompt(told.prompts()))
    w.json("purge", blob, cwd=repo)
    before = told.prompts()
    assert w.json("ask", "--continue", talk["conversation"], "and who calls it?", cwd=repo, code=2)["error"]["code"] == "not_found"
    for question in ASKED, QUESTION:
        w.json("ask", question, cwd=repo, code=None)
    assert told.prompts() > before
    for n in range(before, told.prompts()):
        assert "ORPIMENT_OBELISK" not in json.dumps(told.prompt(n + 1))


def test_a_path_is_asked_about(w):
    repo, blob = planted(w)
    w.json("index", cwd=repo)
    write(repo, {"src/lamp.py": PLANTED + "# changed\n"})
    now = w.git(repo, "hash-object", "src/lamp.py").strip()
    o = w.json("purge", "lamp.py", cwd=repo / "src", code=2)["error"]
    assert o["code"] == "usage" and now in o["message"] and "--yes" in o["hint"], o
    for typed, status in (b"n\n", 2), (b"y\n", 0):
        main_end, end = pty.openpty()
        p = subprocess.Popen([CODEASK, "purge", "src/lamp.py"], cwd=repo, env=w.env, stdin=end, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.write(main_end, typed)
        out, err = p.communicate(timeout=60)
        os.close(end), os.close(main_end)
        assert p.returncode == status and now in err and "src/lamp.py" in err, (typed, out, err)
        assert ("purged " + now in out) == (status == 0), (out, err)
    assert "src/lamp.py" not in paths(w, repo)
    w.git(repo, "checkout", "-q", "src/lamp.py")  # another content: it is found again
    wait_for(lambda: "src/lamp.py" in paths(w, repo), "the committed content")
    r = w.run("purge", "src/lamp.py", "--yes", cwd=repo)
    assert r.returncode == 0 and "purged " + blob in r.stdout and "repository courier holds it" in r.stdout, r
    assert "src/lamp.py" not in paths(w, repo)
    for words, code in ((("src/none.py", "--yes"), "not_found"), (("1234",), "not_found"), ((), "usage")):
        assert w.json("purge", *words, cwd=repo, code=2)["error"]["code"] == code, words
    assert w.json("purge", "0123456789" * 4, cwd=repo)["contents"] == 0  # one that is not there yet is kept out


def test_administrators_of_what_they_may_read(w):
    repo, blob = planted(w)
    vault, _ = planted(w, "vault")
    write(vault, {"src/lamp.py": PLANTED + "# another\n"})
    w.git(vault, "commit", "-qam", "another")
    hidden = w.git(vault, "rev-parse", "HEAD:src/lamp.py").strip()
    w.config("embed = no\n")
    for one in repo, vault:
        w.json("index", cwd=one)
    token = {scope: w.run("token", "create", name, "--scope", scope).stdout.strip() for name, scope in (("ada", "read,admin"), ("bob", "read"))}
    for name in "ada", "bob":
        w.run("access", "grant", name, "courier")
    stop(w)
    s = Server(w)
    as_ = lambda scope: {"Authorization": "Bearer " + token[scope]}
    assert s.ask("POST", "/v1/purge", {"blob": blob}, as_("read"))[0] == 403
    assert s.ask("GET", "/v1/purge?blob=" + blob, headers=as_("read,admin"))[0] == 405
    status, unknown, _ = s.ask("POST", "/v1/purge", {"blob": "1" * 40}, as_("read,admin"))
    status2, other, _ = s.ask("POST", "/v1/purge", {"blob": hidden}, as_("read,admin"))
    assert status == status2 == 404 and unknown["error"]["code"] == other["error"]["code"], (unknown, other)
    assert s.ask("POST", "/v1/purge", {"blob": "src/lamp.py", "yes": True}, as_("read,admin"))[0] == 400
    status, o, _ = s.ask("POST", "/v1/purge", {"blob": blob}, as_("read,admin"))
    assert status == 200 and o["purged"] and {p["repo"] for p in o["places"]} == {"courier"} and "contents" not in o, o
    assert {h["name"] for h in o["holders"]} == {"courier"}, o
    rows = [json.loads(line) for line in (w.home / "audit.jsonl").read_text().splitlines()]
    assert [(r["actor"], r["outcome"]) for r in rows if r["method"] == "purge"] == [("bob", "denied"), ("ada", "not_found"), ("ada", "not_found"), ("ada", "usage"), ("ada", "done")], rows


def test_adapters_that_learned_it_are_blocked(w):
    repo, blob = planted(w)
    for name, lines in ("taught", f"{'2' * 40}\n{blob}\n"), ("innocent", "3" * 40 + "\n"), ("stranger", None):
        folder = w.home / "adapters" / name
        folder.mkdir(parents=True)
        if lines:
            (folder / "contents").write_text(lines)
    told = Told(w, config="answer_adapter = taught\n")
    learn(w, told, repo)
    told.script(f"say The class `RetryPolicy` decides how often a failed request is tried again [{number(told, 'src/retry.py')}].\n")
    assert w.json("ask", "where is the retry policy?", cwd=repo)["model"] == "told"
    o = w.json("purge", blob, cwd=repo)
    rows = {h["name"]: (h["holds"], h["blocked"]) for h in o["holders"] if h["kind"] == "adapter"}
    assert rows == {"taught": (True, True), "stranger": (None, False)}, o
    for again in range(2):  # and after a restart
        o = w.json("ask", "where is the retry policy?", cwd=repo)
        assert o["mode"] == "extractive" and o["model"] is None and "taught" in o["note"], o
        stop(w)


def test_while_it_is_indexed_and_asked(w):
    """Index jobs are put off and go on, searches go on, and nobody fails."""
    w.config("embed = no\n")
    repo, blob = planted(w)
    write(repo, big_sources(300))
    w.json("index", cwd=repo)
    over, failed = threading.Event(), []

    def ask():
        while not over.is_set():
            r = w.run("search", "step value total", cwd=repo)
            if r.returncode:
                failed.append(r.stderr)

    def index():
        for n in range(4):
            write(repo, big_sources(300, salt=f"_{n}"))
            r = w.run("index", cwd=repo)
            if r.returncode:
                failed.append(r.stderr)

    threads = [threading.Thread(target=t) for t in (ask, ask, index)]
    for t in threads:
        t.start()
    for _ in range(5):
        w.json("purge", blob, cwd=repo)
    threads[2].join()
    over.set()
    for t in threads:
        t.join()
    assert not failed, failed
    assert "src/lamp.py" not in paths(w, repo)


def test_killed(w):
    """kill -9 at any moment of a purge: the tombstone either is there, and the next start goes on, or nothing has happened."""
    w.config("embed = no\n")
    repo, blob = planted(w)
    w.json("index", cwd=repo)
    a = w.json("ask", "what does zebraquillLantern do?", cwd=repo, code=None)
    w.json("feedback", a["id"], "good", cwd=repo)
    stop(w)
    kept, rnd, resumed = w.root / "kept", random.Random(5), 0
    shutil.copytree(w.home, kept)
    for n in range(KILLS):
        w.run("repo", "list")
        pid = w.pid()
        doing = threading.Thread(target=w.run, args=("purge", blob), kwargs={"cwd": repo})
        doing.start()
        time.sleep(rnd.random() * 0.15)
        os.kill(pid, signal.SIGKILL)
        doing.join(60)  # the client may have started another daemon, and asked it again
        assert not doing.is_alive()
        done = w.json("purge", blob, cwd=repo)
        assert done["purged"], done
        resumed += done["contents"] == 0
        assert {r["path"] for r in w.json("search", ASKED, cwd=repo)["results"]} >= {"src/wall.py"}
        assert w.json("status")["feedback"] == 0
        stop(w)
        assert not found(w), (n, found(w))
        shutil.rmtree(w.home)
        shutil.copytree(kept, w.home)


def test_goes_on_at_the_start(w):
    """A tombstone that was not gone through is, without anybody asking."""
    w.config("embed = no\n")
    repo, blob = planted(w)
    w.json("index", cwd=repo)
    stop(w)
    kept = w.root / "kept.mdb"
    shutil.copy(w.home / "index.mdb", kept)
    w.json("purge", blob, cwd=repo)
    stop(w)
    shutil.copy(kept, w.home / "index.mdb")  # as a kill behind the tombstone leaves it
    subprocess.run([BUILD / "purge_again", w.home, blob], check=True)
    assert "index.mdb" in found(w)
    w.run("repo", "list")
    wait_for(lambda: subprocess.run([CODEASK, "search", "retry policy"], cwd=repo, env=w.env, capture_output=True).returncode == 0, "an answer")
    stop(w)
    assert not found(w), found(w)


if __name__ == "__main__":
    main(globals())
