"""A team's server that answers first: two homes, one with the server, one with a clone of its repository. What is dirty, unsaved or not pushed
here is seen in the server's answers; where the server cannot answer, the local index does and says so."""
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

from lib import BUILD, CODEASK, DAEMON, SOURCES, Rpc, Told, main, wait_for, write
from lsp_client import Lsp
from test_http import Server

PUSH = "embed = no\npush-overlay = yes\n"
STEADY = {"took_ms", "timings", "reconciled_ms_ago", "id", "conversation", "pid", "generation", "server", "note"}
KEY = "AKIA" + "Z7QJ4M2LXW8RT5VN"  # found as a secret


def steady(value):
    """Without what differs from one asking to the next, and what only one of both says."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in STEADY}
    return [steady(v) for v in value] if isinstance(value, list) else value


class Team:
    """The server: a home of its own that knows repositories; ada may read those that are granted."""

    def __init__(self, w, *repos, grant=None, config="embed = no\n", listen_config="", script=None):
        self.w, self.mine = w, (w.home, dict(w.env))
        w.home = w.root / "team"
        w.env["CODEASK_HOME"] = str(w.home)
        self.home, self.env = w.home, dict(w.env)
        w.config(config)
        self.told = None
        if script is not None:
            self.told = Told(w, script)
            config = (w.home / "config").read_text()
        for repo in repos:
            assert w.run("index", cwd=repo).returncode == 0
        self.token = w.run("token", "create", "ada").stdout.strip()
        for repo in repos if grant is None else grant:
            assert w.run("access", "grant", "ada", repo.name).returncode == 0
        w.run("stop")
        self.server = Server(w, config + listen_config)
        self.url = f"http://127.0.0.1:{self.server.port}"
        w.home, w.env = self.mine
        w.env.update(CODEASK_SERVER=self.url, CODEASK_TOKEN=self.token)

    def command(self, *args, **how):
        mine = self.w.home, self.w.env
        self.w.home, self.w.env = self.home, self.env
        try:
            return self.w.run(*args, **how)
        finally:
            self.w.home, self.w.env = mine

    def asked(self):
        """rows of the server's audit log"""
        path = self.home / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def end(self):
        self.server.p.kill()
        self.server.p.wait()


def clone(w, repo, name="mine"):
    path = w.root / "clones" / name
    subprocess.run(["git", "clone", "-q", str(repo), str(path)], env=w.env, check=True, capture_output=True)
    return path


def local(w, *args, **how):
    """the same from this machine's index alone"""
    return w.json(*args, "--server", "none", **how)


def from_server(answer, url):
    assert "server" in answer, answer
    assert answer["server"]["answered"] is True and answer["server"]["url"] == url, answer.get("server")
    return answer


def from_here(answer, *words):
    said = answer["server"]
    assert said["answered"] is False, said
    for word in words:
        assert word in said["message"] and word in answer["note"], (word, said, answer["note"])
    return answer


QUESTIONS = [("search", "exponential backoff"), ("search", "--regex", "def [a-z_]+retry"), ("symbol", "RetryPolicy", "--callers", "--references"),
             ("ask", "how long is the wait before a retry?"), ("tour",), ("search", "header line", "--path", "lib/", "--explain")]


def test_equal_states_give_equal_answers(w):
    repo = w.repo()
    team = Team(w, repo)
    mine = clone(w, repo)
    w.config(PUSH)
    for question in QUESTIONS:
        there, here = from_server(w.json(*question, cwd=mine / "src"), team.url), local(w, *question, cwd=mine / "src")
        assert "server" not in here and ("freshness" not in here or there["freshness"]["generation"] <= here["freshness"]["generation"])
        assert steady(there) == steady(here), (question, there, here)
    assert f"from {team.url} ·" in w.run("ask", "where is the retry policy?", cwd=mine).stdout
    assert "from http" not in w.run("ask", "where is the retry policy?", "--server", "none", cwd=mine).stdout
    history = from_server(w.json("history", "retry.py:5", cwd=mine / "src"), team.url)
    assert steady(history) == steady(local(w, "history", "retry.py:5", cwd=mine / "src")) and history["path"] == "src/retry.py"
    assert {row["method"] for row in team.asked()} >= {"search", "symbol", "ask", "tour", "history", "overlay.match", "overlay.put"}
    assert all(row["actor"] == "ada" for row in team.asked() if row["method"].startswith("overlay"))
    # the person sees no difference but where it comes from
    assert w.run("search", "exponential backoff", cwd=mine).stdout == w.run("search", "exponential backoff", "--server", "none", cwd=mine).stdout


def change(w, mine):
    """commits that are not pushed, a changed file, a deleted one, a new one, a renamed one"""
    (mine / "src" / "retry.py").write_text("# one line more\n" + SOURCES["src/retry.py"].replace("backoff", "patience"))
    w.git(mine, "commit", "-qam", "patience")
    write(mine, {"src/jitter.py": 'def jitter_of(attempt):\n    """Random noise that keeps retries apart."""\n    return attempt\n'})
    w.git(mine, "mv", "lib/tokens.c", "lib/header.c")
    (mine / "README.md").unlink()
    with open(mine / "src" / "pool.py", "a") as f:
        f.write("\n\ndef drain_pool(pool):\n    \"\"\"Waits for what is out.\"\"\"\n    return jitter_of(1)\n")


def test_diverged_and_dirty(w):
    repo = w.repo()
    team = Team(w, repo)
    mine = clone(w, repo)
    w.config(PUSH)
    change(w, mine)
    for question in QUESTIONS + [("search", "random noise"), ("symbol", "jitter_of", "--callers"), ("symbol", "split_header"), ("search", "patience"),
                                 ("search", "run make")]:
        there, here = from_server(w.json(*question, cwd=mine, code=None), team.url), local(w, *question, cwd=mine, code=None)
        assert steady(there) == steady(here), (question, steady(there), steady(here))
    got = w.json("symbol", "jitter_of", "--callers", cwd=mine)
    assert [(r["path"], r["start_line"], r["commit"]) for r in got["callers"]] == [("src/pool.py", 18, None)], got
    assert not any("unsaved" in r for r in got["callers"])
    assert got["freshness"]["dirty"] and got["freshness"]["overlay_files"] == 5, got["freshness"]
    assert got["server"]["overlay_files"] == 6, got["server"]
    assert w.json("search", "patience", cwd=mine)["results"][0]["commit"] == w.git(mine, "rev-parse", "HEAD").strip()
    # history of a file that differs is known here alone; of another one the server tells
    for place, where in (("src/retry.py:1", False), ("src/pool.py", False), ("lib/header.c", False)):
        assert w.json("history", place, cwd=mine, code=None)["server"]["answered"] is where, place
    # the server has nothing of it on its disk, and nobody else sees it
    team.command("token", "create", "bob")
    blob = b"".join(p.read_bytes() for p in team.home.glob("*.mdb"))
    assert b"jitter_of" not in blob
    assert not team.command("search", "random noise", "--json", cwd=repo).stdout.count("jitter")


def test_the_server_moves_on(w):
    """commits here that the server has not, commits there that are not here: nothing common but an ancestor"""
    repo = w.repo()
    mine = clone(w, repo)
    write(repo, {"src/quota.py": "def quota_of(user):\n    \"\"\"How much a user may send.\"\"\"\n    return 10\n", "deep/er/still.py": "def still_there():\n    return 1\n"})
    w.git(repo, "rm", "-q", "lib/tokens.c")
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "quota")
    team = Team(w, repo)
    w.config(PUSH)
    write(mine, {"src/own.py": "def own_thing():\n    \"\"\"Only here.\"\"\"\n    return 2\n"})
    w.git(mine, "add", "-A")
    w.git(mine, "commit", "-qm", "own")
    for question in QUESTIONS + [("search", "only here"), ("symbol", "split_header"), ("symbol", "quota_of"), ("symbol", "still_there")]:
        there, here = from_server(w.json(*question, cwd=mine, code=None), team.url), local(w, *question, cwd=mine, code=None)
        assert steady(there) == steady(here), (question, steady(there), steady(here))
    assert w.json("symbol", "quota_of", cwd=mine, code=None)["found"]["definitions"] == 0
    # while a session goes on, the server's branch moves: the next answer stands on the new commit
    with Rpc(w.socket, greet=False) as c:
        c.send({"codeask": 1, "build": "test", "server": team.url, "token": team.token})
        c.request(1, "search", query="only here", dir=str(mine))
        first = c.answer(1)["result"]["server"]
        write(repo, {"src/more.py": "def more_of_it():\n    return 3\n"})
        w.git(repo, "add", "-A")
        w.git(repo, "commit", "-qm", "more")
        assert team.command("index", cwd=repo).returncode == 0
        c.request(2, "symbol", name="more_of_it", dir=str(mine))
        got = c.answer(2)["result"]
        assert got["server"]["answered"] and got["server"]["commit"] == w.git(repo, "rev-parse", "HEAD").strip() != first["commit"], got["server"]
        assert got["found"]["definitions"] == 0


def test_branches(w):
    repo = w.repo()
    mine = clone(w, repo)
    w.git(repo, "checkout", "-qb", "next")
    write(repo, {"src/next.py": "def next_thing():\n    \"\"\"Of the next version.\"\"\"\n"})
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "next")
    w.git(repo, "checkout", "-q", "main")
    team = Team(w, repo)
    assert team.command("index", "--branch", "next", cwd=repo).returncode == 0
    w.config(PUSH)
    # only the server has it
    got = from_server(w.json("symbol", "next_thing", "--branch", "next", cwd=mine), team.url)
    assert got["definitions"][0]["path"] == "src/next.py"
    w.git(mine, "fetch", "-q")
    w.git(mine, "checkout", "-qb", "next", "origin/next")
    got = from_server(w.json("symbol", "next_thing", cwd=mine), team.url)
    assert got["server"]["overlay_files"] == 0 and got["definitions"][0]["commit"] == w.git(mine, "rev-parse", "HEAD").strip()
    got = from_server(w.json("symbol", "next_thing", "--branch", "main", cwd=mine, code=1), team.url)
    assert got["found"]["definitions"] == 0


def test_nothing_is_sent_unasked(w):
    repo = w.repo()
    team = Team(w, repo)
    mine = clone(w, repo)
    w.config("embed = no\n")
    change(w, mine)
    got = from_server(w.json("search", "random noise that keeps retries apart", cwd=mine, code=None), team.url)
    assert not any(r["path"] == "src/jitter.py" for r in got["results"])
    assert "6 files of" in got["note"] and "push-overlay" in got["note"] and got["server"]["overlay_files"] == 0
    assert got["freshness"]["commit"] == w.git(repo, "rev-parse", "HEAD").strip() and not got["freshness"]["dirty"]
    r = w.run("doctor", "--privacy", cwd=mine)
    assert team.url in r.stdout and team.token not in r.stdout and "push-overlay" in r.stdout, r.stdout
    w.run("stop")
    w.config(PUSH)
    assert any(r["path"] == "src/jitter.py" for r in w.json("search", "random noise that keeps retries apart", cwd=mine)["results"])


class Tap:
    """Stands between both and keeps what goes to the server; cuts the connection where it is told to."""

    def __init__(self, port):
        self.port, self.seen, self.cut = port, [], None
        self.s = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.s.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            a, _ = self.s.accept()
            try:
                b = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                return a.close()
            threading.Thread(target=self.carry, args=(a, b, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(b, a, False), daemon=True).start()

    def carry(self, a, b, out):
        try:
            while data := a.recv(65536):
                if out:
                    self.seen.append(data)
                elif self.cut and self.cut in data:
                    b.sendall(data[:len(data) // 2])
                    break
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_secrets_stay_here(w):
    repo = w.repo()
    team = Team(w, repo)
    mine = clone(w, repo)
    tap = Tap(team.server.port)
    w.env["CODEASK_SERVER"] = tap.url
    w.config(PUSH)
    write(mine, {"src/keys.py": f'def signed_upload(name):\n    """Uploads with a signature."""\n    key = "{KEY}"\n    return key + name\n', "src/blob.bin": bytes(range(256)) * 40})
    got = from_server(w.json("search", "uploads with a signature", cwd=mine), tap.url)
    row = next(r for r in got["results"] if r["path"] == "src/keys.py")
    assert KEY not in json.dumps(got) and row["commit"] is None
    assert row["blob"] == w.git(mine, "hash-object", "src/keys.py").strip()
    sent = b"".join(tap.seen)
    assert b"overlay.put" in sent and b'"contents"' in sent
    import base64
    bodies = [base64.b64decode(x) for x in re.findall(rb'"bytes":"([A-Za-z0-9+/=]*)"', sent)]
    assert any(b"signed_upload" in x for x in bodies) and not any(KEY.encode() in x for x in bodies)
    assert not any(b"RetryPolicy" in x for x in bodies), "what does not differ is not sent"
    # nor does the token get anywhere but into the header
    for path in [*w.home.rglob("*"), *team.home.rglob("*")]:
        if path.is_file() and not path.name.endswith(".sock"):
            assert team.token.encode() not in path.read_bytes(), path


def test_unsaved_buffers(w):
    repo = w.repo()
    team = Team(w, repo)
    mine = clone(w, repo)
    w.config(PUSH)
    lsp = Lsp([CODEASK, "lsp"], mine, w.env)
    lsp.begin(mine)
    path = mine / "src" / "pool.py"
    lsp.open(path)
    text = "# three\n# more\n# lines\n" + path.read_text() + "\n\ndef brand_new_thing(pool):\n    return send_with_retry(pool, None)\n"
    lsp.note("textDocument/didChange", {"textDocument": {"uri": path.as_uri(), "version": 2}, "contentChanges": [{"text": text}]})
    found = lsp.result("workspace/symbol", {"query": "brand_new_thing"})
    assert found and found[0]["location"]["uri"] == path.as_uri() and found[0]["location"]["range"]["start"]["line"] == text.split("def brand_new")[0].count("\n"), found
    place = lsp.at(mine / "src" / "retry.py", "send_with_retry(", 2, context={"includeDeclaration": True})
    lsp.open(mine / "src" / "retry.py")
    places = {(pathlib.Path(r["uri"][7:]).relative_to(mine).as_posix(), r["range"]["start"]["line"]) for r in lsp.result("textDocument/references", place)}
    assert ("src/pool.py", text.count("\n") - 1) in places, places
    got = lsp.result("codeask/ask", {"query": "brand_new_thing", "textDocument": {"uri": path.as_uri()}})
    assert got["server"]["answered"] and got["server"]["overlay_files"] == 1, got
    held = team.asked()
    assert any(row["method"] == "overlay.put" for row in held) and not any(row["method"] == "overlay.drop" for row in held)
    assert path.read_text() in SOURCES["src/pool.py"]
    assert lsp.end() == 0
    wait_for(lambda: any(row["method"] == "overlay.drop" for row in team.asked()), "the overlay to be dropped with the session")


def test_remotes_are_recognized(w):
    repo, other = w.repo(), w.repo("elsewhere", {"a.py": "def elsewhere_only():\n    \"\"\"Another project.\"\"\"\n"})
    w.git(repo, "remote", "add", "origin", "ssh://git@Git.Example.org:2222/team/courier.git")
    w.git(other, "remote", "add", "origin", "https://git.example.org/team/other.git")
    team = Team(w, other, repo)
    w.config(PUSH)
    for n, url in enumerate(("https://me:secret@git.example.org/team/courier", "git@git.example.org:team/courier.git", "git@git.example.org:/team/courier/",
                             "https://GIT.example.org:8443/team/courier.git/")):
        # another history: nothing but the address says what it is
        mine = w.repo(f"mine{n}")
        w.git(mine, "commit", "-q", "--amend", "-m", f"another {n}")
        w.git(mine, "remote", "add", "upstream", url)
        got = from_server(w.json("symbol", "RetryPolicy", cwd=mine), team.url)
        assert got["server"]["repo"] == "courier" and got["definitions"][0]["repo"] == f"mine{n}" and got["server"]["overlay_files"] == 0, got
    # without any remote, the first commit says it
    mine = clone(w, repo, "bare-of-remotes")
    w.git(mine, "remote", "remove", "origin")
    assert from_server(w.json("symbol", "RetryPolicy", cwd=mine), team.url)["server"]["repo"] == "courier"
    # and what is nobody's clone is answered here
    mine = w.repo("own", {"own.py": "def own_only():\n    \"\"\"Of this machine.\"\"\"\n"})
    from_here(w.json("symbol", "own_only", cwd=mine), "no repository that you may read is a clone of it")
    plain = w.root / "plain"
    write(plain, {"x.py": "def plain_thing():\n    \"\"\"No repository.\"\"\"\n"})
    assert w.run("index", cwd=plain).returncode == 0
    from_here(w.json("symbol", "plain_thing", cwd=plain), "no git repository")
    # the server's other repositories by their names
    got = from_server(w.json("symbol", "elsewhere_only", "--repo", "elsewhere", cwd=mine), team.url)
    assert got["definitions"][0]["repo"] == "elsewhere"
    got = from_server(w.json("search", "another project", "--all-repos", cwd=clone(w, repo, "third")), team.url)
    assert got["results"][0]["repo"] == "elsewhere"


def test_unreadable_is_as_if_not_there(w):
    repo, vault = w.repo(), w.repo("vault", {"v.py": "def vault_door():\n    \"\"\"Opens it.\"\"\"\n"})
    team = Team(w, repo, vault, grant=[repo])
    w.config(PUSH)
    mine, own = clone(w, vault, "v"), w.repo("own", {"o.py": "def vault_door():\n    \"\"\"Opens it.\"\"\"\n"})
    a, b = (from_here(w.json("symbol", "vault_door", cwd=d))["server"]["message"] for d in (mine, own))
    assert a == b == "the server: no repository that you may read is a clone of it", (a, b)
    r = w.run("symbol", "vault_door", "--repo", "vault", "--json", cwd=own)
    assert r.returncode == 2 and "no repository is called vault" in r.stdout
    commit = w.git(vault, "rev-parse", "HEAD").strip()
    bearer = {"Authorization": "Bearer " + team.token}
    for repo_name in ("vault", "no-such"):
        for method, body in (("tree", {"path": [""]}), ("put", {"files": []})):
            status, got, _ = team.server.ask("POST", f"/v1/overlay.{method}", {"repo": repo_name, "commit": commit, **body}, bearer)
            assert status == 404 and got["error"]["message"] == f"no repository is called {repo_name}", got
    # an overlay is its maker's alone, and ends with the token
    head = w.git(repo, "rev-parse", "HEAD").strip()
    ask = lambda token, method, body: team.server.ask("POST", "/v1/" + method, body, {"Authorization": "Bearer " + token})
    got = ask(team.token, "overlay.put", {"repo": "courier", "commit": head, "files": [{"path": "README.md", "gone": True}]})[1]
    assert got["missing"] == [] and ask(team.token, "search", {"query": "courier", "repo": ["courier"], "overlay": got["overlay"]})[0] == 200
    bob = team.command("token", "create", "bob").stdout.strip()
    team.command("access", "grant", "bob", "courier")
    assert ask(bob, "search", {"query": "courier", "repo": ["courier"], "overlay": got["overlay"]})[0] == 404
    team.command("access", "revoke", "ada", "courier")
    assert ask(team.token, "search", {"query": "courier", "repo": ["courier"], "overlay": got["overlay"]})[0] == 404
    team.command("access", "grant", "ada", "courier")
    again = team.command("token", "create", "ada").stdout.strip()
    assert ask(again, "search", {"query": "courier", "repo": ["courier"], "overlay": got["overlay"]})[0] == 404, "another token holds its own"


def test_bad_overlays(w):
    repo = w.repo()
    team = Team(w, repo)
    head = w.git(repo, "rev-parse", "HEAD").strip()
    ask = lambda method, body: team.server.ask("POST", "/v1/overlay." + method, body, {"Authorization": "Bearer " + team.token})[:2]
    base = {"repo": "courier", "commit": head}
    import base64
    bad = base64.b64encode(b"x = 1\n").decode()
    for method, body, status in [
            ("put", {}, 400), ("put", {"repo": "courier"}, 400), ("put", {**base, "commit": "0" * 40, "files": []}, 404), ("put", {**base, "commit": "zz", "files": []}, 400),
            ("put", {**base, "files": [{"path": "../x", "gone": True}]}, 400), ("put", {**base, "files": [{"path": "/x", "gone": True}]}, 400),
            ("put", {**base, "files": [{"path": "a//b", "gone": True}]}, 400), ("put", {**base, "files": [{"path": "a"}]}, 400), ("put", {**base, "files": [1]}, 400),
            ("put", {**base, "files": [{"path_b64": "?", "gone": True}]}, 400), ("put", {**base, "files": [{"path": f"f{i}", "gone": True} for i in range(1001)]}, 413),
            ("put", {**base, "contents": [{"path": "a", "blob": "0" * 40, "bytes": bad}]}, 400), ("put", {**base, "contents": [{"path": "a", "blob": "0" * 40, "bytes": "!"}]}, 400),
            ("put", {**base, "contents": [7]}, 400), ("tree", {**base, "path": ["no/such"]}, 404), ("tree", {**base, "path": ["README.md"]}, 404), ("tree", {**base, "path": "x"}, 400),
            ("tree", {"repo": "courier", "commit": head[:39], "path": [""]}, 400), ("match", {}, 404), ("match", {"root": ["x"], "commit": ["y"]}, 404), ("drop", {}, 400),
            ("drop", {"overlay": "o" + "0" * 32}, 200)]:
        got = ask(method, body)
        assert got[0] == status, (method, str(body)[:200], got)
    # what one person may hold is capped; the next content is refused and the server goes on
    import hashlib
    refused = 0
    for i in range(40):
        text = (f"# {i}\n" + "".join(f"value_{i}_{k} = {k}\n" for k in range(45000)))[:1 << 20].encode()
        row = {"path": f"big{i}.py", "blob": hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest(), "bytes": base64.b64encode(text).decode()}
        status, got = ask("put", {**base, "contents": [row]})
        refused += status == 413
        assert status in (200, 413), got
        if refused:
            break
    assert refused and i > 3, i
    assert ask("put", {**base, "files": []})[0] == 200


def test_server_away(w):
    repo = w.repo()
    team = Team(w, repo, script="say The wait doubles\nsleep 20000\nsay  each time [1].\n")
    mine = clone(w, repo)
    w.config(PUSH)
    change(w, mine)
    # in the middle of a model's answer
    p = w.popen(CODEASK, "ask", "how long is the wait before a retry?", "--json", cwd=mine)
    wait_for(lambda: team.told.prompts(), "the model to be asked")
    time.sleep(0.5)
    team.end()
    out, err = p.communicate(timeout=60)
    got = from_here(json.loads(out), "went away in the middle")
    assert p.returncode == 0 and got["mode"] == "extractive" and got["citations"][0]["path"] == "src/retry.py", (out, err)
    # before it, and again at once: the answer does not wait for it
    w.run("stop")
    for _ in range(2):
        began = time.monotonic()
        got = from_here(w.json("search", "random noise", cwd=mine), team.url)
        assert got["results"][0]["path"] == "src/jitter.py" and time.monotonic() - began < 20
    r = w.run("search", "random noise", cwd=mine)
    assert r.returncode == 0 and "answered from the index of this machine" in r.stdout + r.stderr
    status = w.json("status")
    assert status["server"]["url"] == team.url and status["server"]["away"], status.get("server")
    # a text that was shown is taken back by the answer from here
    w.run("stop")


def test_server_that_comes_back(w):
    repo = w.repo()
    team = Team(w, repo)
    mine = clone(w, repo)
    w.config(PUSH)
    tap = Tap(team.server.port)
    w.env["CODEASK_SERVER"] = tap.url
    tap.cut = b"HTTP/1.1 200"
    from_here(w.json("search", "backoff", cwd=mine))
    tap.cut = None
    said = []
    for _ in range(40):  # REMOTE_AWAY_NS is five seconds
        said.append(w.json("search", "backoff", cwd=mine)["server"])
        if said[-1]["answered"]:
            break
        time.sleep(0.5)
    assert said[-1]["answered"] and not said[0]["answered"], said


def test_who_is_let_in(w):
    repo = w.repo()
    team = Team(w, repo)
    mine = clone(w, repo)
    w.config(PUSH)
    w.env["CODEASK_TOKEN"] = team.token[:-1] + ("0" if team.token[-1] != "0" else "1")
    from_here(w.json("search", "backoff", cwd=mine), "the token is not valid")
    w.env["CODEASK_TOKEN"] = team.token
    from_server(w.json("search", "backoff", cwd=mine), team.url)
    assert team.command("token", "revoke", "ada").returncode == 0
    from_here(w.json("search", "backoff", cwd=mine), "the token is not valid")
    for url, words in (("ftp://x/", "no https://"), ("http://192.0.2.1:7411", "go over the network"), ("https://a:b@192.0.2.1", "CODEASK_TOKEN"), ("x y", "no https://")):
        r = w.run("search", "backoff", "--server", url, "--json", cwd=mine)
        assert r.returncode == 2 and words in json.loads(r.stdout)["error"]["message"], (url, r)
    r = w.run("search", "backoff", "--json", cwd=mine, env={"CODEASK_TOKEN": "a\nb"})
    assert r.returncode == 2 and "CODEASK_TOKEN" in r.stdout, r
    # another client's server is not this one's
    assert "server" not in w.json("search", "backoff", cwd=mine, env={"CODEASK_SERVER": "", "CODEASK_TOKEN": ""})
    # no server, but some page
    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(302)
            self.send_header("location", "http://192.0.2.1/")
            self.end_headers()

        def log_message(self, *_):
            pass

    page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    from_here(w.json("search", "backoff", "--server", f"http://127.0.0.1:{page.server_port}", cwd=mine), "no answer of a codeask server")


def test_certificates(w):
    repo = w.repo()
    team = Team(w, repo, listen_config="tls = generated\n")
    mine = clone(w, repo)
    url = f"https://127.0.0.1:{team.server.port}"
    pin = re.search(r"SHA-256 ([0-9A-F:]+)", team.server.said)[1]
    w.env["CODEASK_SERVER"] = url
    w.config(PUSH)
    from_here(w.json("search", "backoff", cwd=mine), "certificate")  # of no authority
    w.run("stop")
    w.config(PUSH + f"server-fingerprint = {pin}\n")
    from_server(w.json("search", "backoff", cwd=mine), url)
    from_server(w.json("search", "backoff", "--server", url.replace("127.0.0.1", "localhost"), cwd=mine), url.replace("127.0.0.1", "localhost"))
    w.run("stop")
    w.config(PUSH + f"server-fingerprint = {'00:' * 31}00\n")
    before = len(team.asked())
    from_here(w.json("search", "backoff", cwd=mine), "another certificate than server-fingerprint names")
    assert len(team.asked()) == before, "nothing was sent"
    w.run("stop")
    w.config(PUSH + "server-fingerprint = 12:34\n")
    from_here(w.json("search", "backoff", cwd=mine), "server-fingerprint")
    w.run("stop")
    # as settings, for programs that have no such environment
    token = w.root / "token"
    token.write_text(team.token + "\n")
    token.chmod(0o644)
    w.config(PUSH + f"server = {url}\nserver-token-file = {token}\nserver-fingerprint = {'00:' * 31}00, {pin}\n")
    bare = {"CODEASK_SERVER": "", "CODEASK_TOKEN": ""}
    r = w.run("search", "backoff", "--json", cwd=mine, env=bare)
    assert r.returncode == 2 and "can be read by others" in r.stdout, r
    token.chmod(0o600)
    from_server(w.json("search", "backoff", cwd=mine, env={**bare, "HTTPS_PROXY": "http://192.0.2.1:1", "https_proxy": "http://192.0.2.1:1"}), url)


def test_streaming_and_feedback(w):
    repo = w.repo()
    team = Team(w, repo, script="say The wait doubles \nsleep 300\nsay each time [1].\n")
    mine = clone(w, repo, "another-name")
    w.config(PUSH)
    w.run("status")
    assert w.run("search", "x", "--server", "none", cwd=mine).returncode in (0, 1)
    with Rpc(w.socket, greet=False) as c:
        c.send({"codeask": 1, "build": "test", "server": team.url, "token": team.token})
        c.request(1, "ask", query="how long is the wait before a retry?", dir=str(mine))
        parts, began = [], time.monotonic()
        while True:
            m = c.receive()
            if m.get("id") == 1:
                break
            if m["method"] == "part":
                parts.append((m["params"]["part"], time.monotonic()))
        got = m["result"]
        assert got["mode"] == "generated" and "".join(p.get("delta", "") for p, _ in parts) == got["answer"], (parts, got)
        assert parts[-1][1] - parts[0][1] > 0.2, "as they come"
        assert parts[0][0]["extractive"]["citations"][0]["repo"] == "another-name" and got["citations"][0]["repo"] == "another-name"
        c.request(2, "ask", query="and who calls it?", dir=str(mine), **{"continue": got["conversation"]})
        assert c.answer(2)["result"]["conversation"] == got["conversation"]
        c.send({"jsonrpc": "2.0", "id": 3, "method": "feedback", "params": {"id": got["id"], "verdict": "good", "dir": str(mine)}})
        assert c.answer(3)["result"]["verdict"] == "good"
    assert any(r["method"] == "feedback" and r["outcome"] == "done" for r in team.asked())
    here = local(w, "ask", "how long is the wait before a retry?", cwd=mine)
    assert w.run("feedback", here["id"], "bad", cwd=mine).returncode == 0, "an answer of this machine's"
    assert w.run("feedback", "a0000000000000000", "bad", cwd=mine).returncode == 2
    mcp = subprocess.Popen([CODEASK, "mcp"], cwd=mine, env=w.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for message in ({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}},
                    {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "read", "arguments": {"place": "src/retry.py:5-6"}}}):
        mcp.stdin.write(json.dumps(message) + "\n")
        mcp.stdin.flush()
        said = mcp.stdout.readline()
    assert "class RetryPolicy" in said, said
    mcp.stdin.close()
    assert mcp.wait(10) == 0
    assert any(r["method"] == "read" for r in team.asked())


def test_others_are_not_forwarded(w):
    """What comes over HTTP to a daemon that has a server itself stays there."""
    repo = w.repo()
    team = Team(w, repo)
    assert w.run("index", cwd=repo, env={"CODEASK_SERVER": ""}).returncode == 0
    w.run("stop")
    s = Server(w, f"embed = no\nserver = {team.url}\n")
    before = len(team.asked())
    got = s.ask("POST", "/v1/search", {"query": "backoff", "repo": ["courier"]})
    assert got[0] == 200 and "server" not in got[1] and len(team.asked()) == before
    assert s.ask("POST", "/v1/search", {"query": "backoff", "repo": ["courier"], "server": team.url})[0] == 400


if __name__ == "__main__":
    main(globals())
