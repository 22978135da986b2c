"""Users, tokens and permissions over HTTP: who may read nothing learns nothing, on every path."""
import json
import re
import subprocess

from lib import CODEASK, SOURCES, main, wait_for, write
from test_http import Server
from tiny import put_writer

SECRET = {
    "src/retry.py": SOURCES["src/retry.py"],  # the same content as in a repository that may be read
    "src/vault.py": '"""Retry retry exponential backoff of the vault."""\n\n\ndef open_vault_door(attempts):\n    """Opens the vault with exponential backoff."""\n'
                    "    return RetryPolicy(attempts)\n",
    "README.md": "# Vault\n\nExponential backoff, retries, connection pools.\n",
}
ADMIN = {"token.create", "token.list", "token.revoke", "user.list", "user.remove", "group.add", "group.remove", "access.grant", "access.revoke", "access.list", "purge", "bundle.export"}
TIMING = {"took_ms", "timings", "reconciled_ms_ago", "id", "conversation", "pid"}

SCOPES = [{}, {"repo": ["courier"]}, {"repo": ["vault"]}, {"repo": ["no-such"]}, {"repo": ["courier", "vault"]}, {"all_repos": True},
          {"branch": "main", "repo": ["courier"]}, {"branch": "main", "repo": ["vault"]}, {"dir": "/"}]
WORDS = {
    "search": [{"query": q} for q in ("exponential backoff", "open_vault_door", "opn_vault_dor", '"vault"', "connection pool")] +
              [{"query": "vault|pool", "regex": True}, {"query": "retry", "explain": True}, {"query": "backoff", "path": "src/vault.py"}],
    "ask": [{"query": "how long is the wait before a retry?"}, {"query": "how is the vault opened?"}, {"query": "who calls RetryPolicy?"},
            {"query": "why exponential?", "continue": ""}],
    "symbol": [{"name": n, "callers": True, "callees": True, "references": True, "definitions": True} for n in ("RetryPolicy", "open_vault_door", "open_vault_dor")],
    "read": [{"place": p} for p in ("src/retry.py", "src/vault.py", "src")],
    "history": [{"place": "src/retry.py"}, {"place": "src/vault.py:3"}],
    "tour": [{}, {"path": "src"}],
    "status": [{}],
    "repo.list": [{}],
    "self": [{}],
    "feedback": [{"id": "a0000000000000000", "verdict": "good"}],
}
# of another scope; without anything of the index; in sessions/openai; in sessions/remote
ELSEWHERE = {"metrics", "embed", "complete", "models", "embeddings", "chat/completions", "overlay.match", "overlay.tree", "overlay.put", "overlay.drop"}


def steady(value):
    """Without what differs from one asking to the next."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in TIMING}
    return [steady(v) for v in value] if isinstance(value, list) else value


class Home:
    """A home of its own that knows some repositories, with its server and two users: alice may read courier, bob nothing."""

    def __init__(self, w, name, *repos):
        w.home = w.root / name
        w.env["CODEASK_HOME"] = str(w.home)
        w.config("embed = no\n")
        for repo in repos:
            assert w.run("index", cwd=repo).returncode == 0 and w.run("index", "--branch", "main", cwd=repo).returncode == 0
        self.token = {u: w.run("token", "create", u).stdout.strip() for u in ("alice", "bob")}
        for u in self.token:
            assert re.fullmatch(r"codeask_[0-9a-f]{16}_[0-9a-f]{64}", self.token[u]), self.token
        r = w.run("access", "grant", "alice", "courier")
        assert r.returncode == 0 and r.stdout == "alice may read courier\n", r
        w.run("stop")
        self.server = Server(w, "embed = no\nuser_rate = 0\n")
        self.home, self.env = w.home, dict(w.env)

    def ask(self, user, path, body, **headers):
        return self.server.ask("POST", path, body, {"Authorization": "Bearer " + self.token[user], **headers})

    def command(self, w, *args):
        w.home, w.env = self.home, self.env
        return w.run(*args)


def test_unreadable_repositories_leave_no_trace(w):
    """Every endpoint × user × scope: the same bytes, scores included, whether or not the vault is in the home."""
    courier, vault = w.repo(), w.repo("vault", SECRET)
    without, beside = Home(w, "without", courier), Home(w, "beside", vault, courier)
    paths = [p for p in without.server.ask("GET", "/openapi.json")[1]["paths"] if p.startswith("/v1/")]
    known = WORDS.keys() | ELSEWHERE | ADMIN
    assert {p[4:] for p in paths} == known, {p[4:] for p in paths} ^ known
    compared, found = 0, 0
    for path in paths:
        if path[4:] in ADMIN:
            assert all(h.ask(u, path, {})[0] == 403 for h in (without, beside) for u in ("alice", "bob")), path
        if path[4:] in ELSEWHERE | ADMIN:
            continue
        for body in WORDS[path[4:]]:
            for scope in SCOPES if path[4:] not in ("status", "repo.list", "feedback", "self") else [{}]:
                for user in ("alice", "bob"):
                    asked = {**body, **scope}
                    a, b = (steady(list(h.ask(user, path, asked)[:2])) for h in (without, beside))
                    text = json.dumps(b)
                    assert json.dumps(a) == text, (path, asked, user, a, b)
                    assert user == "alice" or b[0] >= 400 or not (b[1].get("repos") or b[1].get("results")), (path, asked, b)
                    echo = json.dumps(asked)
                    assert "vault" in echo or "vault" not in text.lower(), (path, asked, user, b)
                    compared += 1
                    found += b[0] == 200
    assert compared > 400 and found > 60, (compared, found)
    for user in ("alice", "bob"):
        assert beside.ask(user, "/v1/metrics", {})[0] == 403
        assert without.server.ask("GET", "/metrics", headers={"Authorization": "Bearer " + without.token[user]})[0] == 403


def test_what_may_be_read_is_found(w):
    h = Home(w, "home", w.repo(), w.repo("vault", SECRET))
    status, got, _ = h.ask("alice", "/v1/search", {"query": "exponential backoff"})
    assert status == 200 and {r["repo"] for r in got["results"]} == {"courier"} and got["freshness"]["generation"] == 0
    assert h.ask("bob", "/v1/search", {"query": "exponential backoff"})[1]["error"]["code"] == "no_repository"
    assert [r["repo"] for r in h.ask("alice", "/v1/status", {})[1]["repos"]] == ["courier"]
    assert h.command(w, "group", "add", "ops", "bob").stdout == "bob is in @ops\n"
    assert h.command(w, "access", "grant", "@ops", "vault").returncode == 0
    assert {r["repo"] for r in h.ask("bob", "/v1/search", {"query": "exponential backoff"})[1]["results"]} == {"vault"}
    assert h.command(w, "access", "list").stdout.split() == ["@ops", "vault", "alice", "courier"] or \
        sorted(h.command(w, "access", "list").stdout.splitlines()) == ["@ops  vault", "alice  courier"]
    assert h.command(w, "user", "list").stdout == "alice\nbob  @ops\n"
    assert h.command(w, "group", "remove", "ops", "bob").returncode == 0
    assert h.ask("bob", "/v1/search", {"query": "exponential backoff"})[0] == 404
    assert h.command(w, "access", "revoke", "alice", "courier").returncode == 0
    assert h.ask("alice", "/v1/search", {"query": "exponential backoff"})[0] == 404
    assert h.command(w, "access", "revoke", "alice", "courier").returncode == 2
    # a repository that is forgotten and added again is another one: nothing is granted
    assert h.command(w, "access", "grant", "bob", "courier").returncode == 0
    assert h.ask("bob", "/v1/search", {"query": "backoff"})[0] == 200
    assert h.command(w, "repo", "remove", "courier").returncode == 0
    assert h.command(w, "index", "-C", w.root / "courier").returncode == 0
    assert h.ask("bob", "/v1/search", {"query": "backoff"})[0] == 404


def test_conversations_and_answers_are_their_askers(w):
    h = Home(w, "home", w.repo())
    h.command(w, "access", "grant", "bob", "courier")
    question = {"query": "how long is the wait before a retry?"}
    first = h.ask("alice", "/v1/ask", question)[1]
    assert h.ask("alice", "/v1/ask", {**question, "continue": first["conversation"]})[1]["conversation"] == first["conversation"]
    assert h.ask("bob", "/v1/ask", {**question, "continue": first["conversation"]})[0] == 404
    assert h.ask("bob", "/v1/feedback", {"id": first["id"], "verdict": "bad"})[0] == 404
    assert h.ask("alice", "/v1/feedback", {"id": first["id"], "verdict": "good"})[0] == 200


def test_tokens(w):
    h = Home(w, "home", w.repo())
    token = h.token["alice"]
    forged = [token[:-1] + ("0" if token[-1] != "0" else "1"), token.replace("codeask_", "codeask_0"), token[:-2], token + "0", "codeask_" + "0" * 16 + "_" + "0" * 64,
              token.upper(), "", "x", h.token["bob"][:25] + token[25:]]
    for t in forged:
        status, got, headers = h.server.ask("POST", "/v1/status", {}, {"Authorization": "Bearer " + t})
        assert status == 401 and got["error"]["message"] in ("the token is not valid", "a token is wanted") and headers["www-authenticate"] == "Bearer", t
    assert token.split("_")[2] not in (h.home / "state.mdb").read_bytes().decode("latin-1"), "only a hash is kept"
    scoped = h.command(w, "token", "create", "prometheus", "--scope", "metrics", "--expires", "never").stdout.strip()
    bearer = {"Authorization": "Bearer " + scoped}
    assert h.server.ask("GET", "/metrics", headers=bearer)[0] == 200
    assert h.server.ask("GET", "/v1/status", headers=bearer)[0] == 403
    rows = json.loads(h.command(w, "token", "list", "--json").stdout)["tokens"]
    assert {(r["user"], r["scope"], bool(r["expires"])) for r in rows} == {("alice", "read,feedback", True), ("bob", "read,feedback", True), ("prometheus", "metrics", False)}
    assert not any("token" in r or "hash" in r for r in rows)
    second = h.command(w, "token", "create", "alice").stdout.strip()
    assert h.command(w, "token", "revoke", token.split("_")[1]).returncode == 0
    assert h.ask("alice", "/v1/status", {})[0] == 401
    assert h.server.ask("POST", "/v1/status", {}, {"Authorization": "Bearer " + second})[0] == 200
    assert h.command(w, "token", "revoke", "alice").returncode == 0
    assert h.server.ask("POST", "/v1/status", {}, {"Authorization": "Bearer " + second})[0] == 401
    assert h.command(w, "user", "remove", "bob").returncode == 0
    assert h.ask("bob", "/v1/status", {})[0] == 401
    for args, wanted in [(("create",), "NAME"), (("create", "no spaces"), "is no name"), (("create", "a", "--expires", "soon"), "expires"),
                         (("create", "a", "--expires", "0d"), "expires"), (("create", "a", "--scope", "root"), "scope"), (("revoke", "nobody"), "no user"),
                         (("revoke", "0" * 16), "no token")]:
        r = h.command(w, "token", *args)
        assert r.returncode == 2 and wanted in r.stderr, (args, r)


def test_a_revoked_token_ends_what_runs(w):
    from lib import Told
    import http.client
    repo = w.repo()
    told = Told(w, "say The wait\nsleep 20000\nsay  is long [1].\n")
    text = (w.home / "config").read_text()
    w.run("index", cwd=repo)
    token = w.run("token", "create", "alice").stdout.strip()
    assert w.run("access", "grant", "alice", "courier").returncode == 0
    s = Server(w, text)
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
    c.request("POST", "/v1/ask", json.dumps({"query": "how long is the wait before a retry?", "stream": True}), {"Authorization": "Bearer " + token})
    r = c.getresponse()
    wait_for(lambda: told.prompts(), "the model to be asked")
    assert w.run("token", "revoke", "alice").returncode == 0
    assert '"the token was revoked"' in r.read().decode()


def test_kept_prompts_go_with_a_permission(w):
    """What the answer model keeps of prompts, in memory and on disk, when one who was let in is no longer: by his own permission, a group's, his name."""
    repo = w.repo()
    put_writer(w.home / "models" / "writer", window=4096)
    text = "embed = no\nanswer_model = writer\nanswer_tokens = 32\n"
    w.config(text)
    w.run("index", cwd=repo)
    token = w.run("token", "create", "alice").stdout.strip()
    folder = w.home / "prefixes"
    ways = [(("access", "grant", "alice", "courier"), ("access", "revoke", "alice", "courier")),
            (("group", "add", "staff", "alice"), ("group", "remove", "staff", "alice")),
            (("access", "grant", "@staff", "courier"), ("user", "remove", "alice"))]
    for let, _ in ways:
        r = w.run(*let)
        assert r.returncode == 0, r
    s = Server(w, text)

    def reused():
        code, a = s.ask("POST", "/v1/ask", {"query": "how long is the wait before a retry?"}, {"Authorization": "Bearer " + token})[:2]
        assert code == 200 and a["tokens"]["prompt"] > 100, a
        wait_for(lambda: list(folder.glob("*.prefix")), "the kept prompt")
        return a["tokens"]["reused"]

    assert not reused() and reused()
    for let, take in ways:
        assert w.run(*take).returncode == 0
        wait_for(lambda: not list(folder.glob("*.prefix")), f"the end of what is kept, by {take}")
        if take[0] == "user":
            break
        assert w.run(*let).returncode == 0
        assert not reused() and reused(), take


def test_commands_work_without_a_daemon(w):
    w.config("embed = no\n")
    repo = w.repo()
    w.run("index", cwd=repo)
    w.run("stop")
    assert w.run("token", "create", "alice").returncode == 0 and w.run("user", "list").stdout == "alice\n"
    assert w.run("access", "grant", "alice", "courier").returncode == 0 and not w.socket_answers()


if __name__ == "__main__":
    main(globals())
