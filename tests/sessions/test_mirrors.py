"""Repositories by URL: real git servers on this machine, good ones and bad ones; webhooks; what is refused, and that no credential gets out."""
import getpass
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time

from git_servers import BACKEND, SSHD, Https, Ssh
from lib import ended, main, wait_for, write
from test_http import Server

BASE = "embed = no\nhistory = no\nmirror-hosts = 127.0.0.1\n"


def bare(w, name="courier", **how):
    """(worktree, bare repository that is served)"""
    work = w.repo(name, **how)
    to = w.root / "served" / f"{name}.git"
    to.parent.mkdir(exist_ok=True)
    w.git(w.root, "clone", "-q", "--bare", work, to)
    w.git(work, "remote", "add", "origin", to)
    return work, to


def served(w, config=""):
    """A world with one served repository: (worktree, server)."""
    work, _ = bare(w)
    server = Https(w.root / "served", w.root)
    w.config(BASE + f"net-ca = {server.cert}\n" + config)
    return work, server


def status(w, name="courier"):
    return next((r for r in w.json("status")["repos"] if r["repo"] == name), None)


def paths(w, query, *args):
    return {r["path"] for r in w.json("search", *args, "--repo", "courier", query, code=None).get("results", [])}


def push(w, work, files, message="more", branch="main", *args):
    write(work, files)
    w.git(work, "add", "-A")
    w.git(work, "commit", "-qm", message)
    w.git(work, "push", "-q", *args, "origin", f"HEAD:{branch}")


def found(w, query, path):
    return lambda: path in paths(w, query)


def again(w, url):
    return w.run("repo", "add", url)


def failure(w, url, *args):
    r = w.run("repo", "add", url, *args, "--json")
    assert r.returncode == 2, r.stdout + r.stderr
    return json.loads(r.stdout)["error"]


def test_https(w):
    work, server = served(w)
    added = w.json("repo", "add", server.url("ok"))
    assert added["repo"] == "courier" and added["mirror"]["url"] == server.url("ok") and added["mirror"]["failures"] == 0, added
    wait_for(found(w, "exponential backoff", "src/retry.py"), "the index")
    mirror = w.home / "mirrors"
    assert mirror.stat().st_mode & 0o777 == 0o700
    assert "RetryPolicy" in w.run("ask", "--no-generate", "--repo", "courier", "how long is the wait before a retry?").stdout
    push(w, work, {"src/breaker.py": "class CircuitBreaker:\n    '''Opens after failures.'''\n"})
    assert again(w, server.url("ok")).returncode == 0
    wait_for(found(w, "CircuitBreaker", "src/breaker.py"), "what was pushed")
    # the same repository, spelled otherwise, is the same
    assert w.json("repo", "add", server.url("ok")[:-4] + "/")["repo"] == "courier" and len(w.json("repo", "list")["repos"]) == 1
    # rewritten: what is gone there goes here
    w.git(work, "reset", "-q", "--hard", "HEAD~1")
    push(w, work, {"src/limit.py": "class RateLimiter:\n    pass\n"}, "rewritten", "main", "--force")
    again(w, server.url("ok"))
    wait_for(found(w, "RateLimiter", "src/limit.py"), "the rewritten branch")
    assert "src/breaker.py" not in paths(w, "CircuitBreaker")
    # nothing new: one look, no pack
    asked = len(server.asked)
    again(w, server.url("ok"))
    assert len(server.asked) == asked + 1 and "info/refs" in server.asked[-1]
    assert w.run("repo", "remove", "courier").returncode == 0
    assert not any(p.is_file() for p in mirror.rglob("*")) and w.json("repo", "list")["repos"] == []
    assert w.json("status")["jobs"] == []


def test_branches(w):
    work, server = served(w)
    for name in ("release/1", "release/2", "wip"):
        w.git(work, "checkout", "-qb", name, "main")
        push(w, work, {f"src/{name.replace('/', '_')}.py": f"class Only{name[-1].upper()}:\n    pass\n"}, name, name)
    w.json("repo", "add", server.url("ok"))
    mirror = next((w.home / "mirrors").rglob("HEAD")).parent
    heads = lambda: set(w.git(mirror, "for-each-ref", "--format=%(refname)").split())
    assert heads() == {"refs/heads/main"}, heads()
    w.json("repo", "add", server.url("ok"), "--branches", "release/*")
    assert heads() == {"refs/heads/main", "refs/heads/release/1", "refs/heads/release/2"}
    wait_for(lambda: "src/release_1.py" in paths(w, "Only1", "--branch", "release/1"), "another branch")
    w.git(work, "push", "-q", "origin", ":release/1")
    again(w, server.url("ok"))
    assert heads() == {"refs/heads/main", "refs/heads/release/2"}
    # another default branch
    w.git(w.root / "served" / "courier.git", "symbolic-ref", "HEAD", "refs/heads/wip")
    again(w, server.url("ok"))
    assert heads() == {"refs/heads/wip", "refs/heads/release/2"} and (mirror / "HEAD").read_text() == "ref: refs/heads/wip\n"
    wait_for(found(w, "OnlyP", "src/wip.py"), "the new default branch")


def test_names_and_kinds(w):
    """Two of one name; file: addresses; an empty repository."""
    work, server = served(w)
    (w.root / "served" / "team").mkdir()
    w.git(w.root, "clone", "-q", "--bare", work, w.root / "served" / "team" / "courier.git")
    assert w.json("repo", "add", server.url("ok"))["repo"] == "courier"
    assert w.json("repo", "add", server.url("ok", "team/courier"))["repo"] == "team/courier"
    assert w.json("repo", "add", f"file://{w.root}/served/courier.git")["repo"] not in ("courier", "team/courier")
    w.git(w.root, "init", "-q", "--bare", w.root / "served" / "empty.git")
    assert w.json("repo", "add", server.url("ok", "empty"))["mirror"]["failures"] == 0
    assert w.json("search", "--repo", "empty", "backoff", code=2)["error"]["message"] == "empty has no commit yet"
    w.git(work, "push", "-q", str(w.root / "served" / "empty.git"), "main")
    w.git(w.root / "served" / "empty.git", "symbolic-ref", "HEAD", "refs/heads/main")
    w.json("repo", "add", server.url("ok", "empty"))
    wait_for(lambda: any(r["path"] == "src/retry.py" for r in w.json("search", "--repo", "empty", "backoff", code=None).get("results", [])), "the first push")
    # a clone that somebody works in: its HEAD is at no branch
    clone = w.root / "clone"
    w.git(w.root, "clone", "-q", w.root / "served" / "courier.git", clone)
    w.git(clone, "checkout", "-q", "--detach")
    w.git(clone, "commit", "-q", "--allow-empty", "-m", "Away from every branch")
    assert w.json("repo", "add", f"file://{clone}")["repo"] == "clone"
    wait_for(lambda: any(r["path"] == "src/retry.py" for r in w.json("search", "--repo", "clone", "backoff", code=None).get("results", [])), "its main branch")
    for branch in ("one", "two"):
        w.git(clone, "branch", branch)
    w.git(clone, "branch", "-D", "main")
    w.git(clone, "commit", "-q", "--allow-empty", "-m", "And away from these")
    r = w.run("repo", "add", f"file://{clone}")
    assert r.returncode == 2 and "names no default branch" in r.stderr and "--branches" in r.stderr, r
    assert w.json("repo", "add", f"file://{clone}", "--branches", "one")["mirror"]["failures"] == 0


def test_bad_servers(w):
    _, server = served(w, "mirror-stall-seconds = 1\nmirror-seconds = 5\nmirror-bytes = 1M\n")
    big = os.urandom(3 << 20)
    bare(w, "big", files={"blob.bin": big})
    cases = [("hang", "courier", "unavailable", "says nothing"), ("stop", "courier", "unavailable", "says nothing"), ("drip", "courier", None, ""),
             ("cut", "courier", None, ""), ("broken", "courier", "bad_format", ""), ("html", "courier", "bad_format", "no git repository"),
             ("auth", "courier", "denied", "let us in"), ("ok", "nothing", "not_found", "nothing there"), ("ok", "big", "limit", "larger than 1 MB"),
             ("lies", "courier", "bad_format", "")]
    for mode, name, code, text in cases:
        began = time.monotonic()
        e = failure(w, server.url(mode, name))
        assert (not code or e["code"] == code) and text in e["message"], (mode, e)
        assert time.monotonic() - began < 12, mode
        row = next(r for r in w.json("repo", "list")["repos"] if r["mirror"]["url"] == server.url(mode, name))
        assert row["mirror"]["failures"] == 1 and row["mirror"]["error"] == e["message"] and 30000 < row["mirror"]["next_ms"] <= 60000, row
        mirror = next(p for p in (w.home / "mirrors").rglob("HEAD") if f"/{mode}/{name}" in str(p)).parent
        assert w.git(mirror, "for-each-ref") == "", (mode, "a ref without its commits")
    # the daemon lives, and a good one is still fetched
    assert w.json("repo", "add", server.url("ok"))["mirror"]["failures"] == 0
    assert "failed since" in w.run("status").stdout


def test_refused(w):
    work, server = served(w)
    for url, text in [("http://127.0.0.1/x.git", "http://"), ("git://127.0.0.1/x.git", "git://"), ("ext::sh -c id", "address"), ("https://ada:pw@127.0.0.1/x.git", "no password"),
                      ("https://127.0.0.1/x.git?a=b", "no ?"), ("ssh://-oProxyCommand=id/x", ""), ("-oProxyCommand=id:x", ""), ("ssh://127.0.0.1/", "path"),
                      ("file://elsewhere/srv/x.git", "elsewhere"), ("dict://127.0.0.1:11211/stat", "dict://"), ("gopher://127.0.0.1/x", "gopher://")]:
        r = w.run("repo", "add", "--json", "--", url)
        assert r.returncode == 2 and text in json.loads(r.stdout)["error"]["message"], (url, r.stdout)
    assert w.json("repo", "list")["repos"] == []
    # inside of this network, but for the host that the administrator named
    for host in ("localhost", "[::1]", "[::ffff:127.0.0.1]"):
        e = failure(w, f"https://{host}:{server.port}/ok/courier.git")
        assert e["code"] == "denied" and "inside of this network" in e["message"], (host, e)
    for host in ("169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "224.0.0.1", "[fe80::1]"):
        for url in (f"https://{host}/x.git", f"ssh://git@{host}/x.git"):
            e = failure(w, url)
            assert e["code"] == "denied" and "nothing is fetched from" in e["message"], (url, e)
    asked = len(server.asked)
    # a redirect is not followed, wherever it leads
    server.to = f"https://127.0.0.1:{server.port}/ok"
    e = failure(w, server.url("redirect"))
    assert e["code"] == "denied" and "redirects are not followed" in e["message"] and len(server.asked) == asked + 1, e
    # nor is a host that was not named, however it is spelled
    w.run("stop")
    w.config(BASE.replace("mirror-hosts = 127.0.0.1\n", ""))
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "127.1", "017700000001"):
        for url in (f"https://{host}:{server.port}/ok/courier.git", f"ssh://git@{host}:{server.port}/x.git"):
            e = failure(w, url)
            assert e["code"] == "denied" and "inside of this network" in e["message"] and "mirror-hosts" in e["hint"], (url, e)
    assert len(server.asked) == asked + 1
    # a certificate that nobody vouches for
    w.run("stop")
    w.config(BASE)
    e = failure(w, server.url("ok"))
    assert e["code"] == "denied" and "net-ca" in e["hint"], e


def test_credentials(w):
    _, server = served(w, "log_level = debug\n")
    file = w.root / "netrc"
    file.write_text("machine 127.0.0.1 login ada password secret\n")
    file.chmod(0o644)
    e = failure(w, server.url("auth"), "--credentials", file)
    assert e["code"] == "denied" and "open to others" in e["message"] and "chmod 600" in e["hint"], e
    assert w.json("repo", "list")["repos"] == []
    file.chmod(0o600)
    added = w.json("repo", "add", server.url("auth"), "--credentials", file)
    assert added["mirror"]["failures"] == 0, added
    assert any(a and a.startswith("Basic ") for a in server.auth)
    # of another machine: it is not sent
    file.write_text("machine other.example login ada password secret\n")
    server.auth.clear()
    assert failure(w, server.url("auth"), "--credentials", file)["code"] == "denied" and server.auth == [None]
    # nor to where a redirect leads
    file.write_text("machine 127.0.0.1 login ada password secret\n")
    server.to = f"https://localhost:{server.port}/ok"
    failure(w, server.url("redirect"), "--credentials", file)
    told = json.dumps(w.json("status")) + json.dumps(w.json("repo", "list")) + "".join(w.run("doctor", "--privacy").stdout)
    w.run("stop")
    for p in w.home.rglob("*"):
        if p.is_file():
            assert b"secret" not in p.read_bytes(), p
    assert "secret" not in told and server.url("auth") in told


def test_ssh(w):
    if not SSHD:
        print("      (no sshd: the package openssh-server is wanted)", flush=True)
        return
    work, to = bare(w)
    ssh = Ssh(w)
    w.config(BASE + f"mirror-known-hosts = {ssh.known}\nmirror-stall-seconds = 5\n")
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{ssh.port}{to}"
    e = failure(w, url, "--credentials", ssh.folder / "stranger")
    assert e["code"] == "denied" and "does not let us in" in e["message"], e
    added = w.json("repo", "add", url, "--credentials", ssh.key)
    assert added["repo"] == "courier" and added["mirror"]["failures"] == 0
    wait_for(found(w, "exponential backoff", "src/retry.py"), "the index")
    push(w, work, {"src/breaker.py": "class CircuitBreaker:\n    pass\n"})
    again(w, url)
    wait_for(found(w, "CircuitBreaker", "src/breaker.py"), "what was pushed")
    e = failure(w, url.replace("courier.git", "it's;id>x.git"), "--credentials", ssh.key)
    assert e["code"] in ("not_found", "unavailable"), e
    assert not (w.root / "served" / "x.git").exists()
    ssh.key.chmod(0o644)
    assert failure(w, url, "--credentials", ssh.key)["message"].startswith(str(ssh.key))
    ssh.key.chmod(0o600)
    # a key that is not known, and one that is another's: nothing is sent
    ssh.trust("other")
    e = failure(w, url, "--credentials", ssh.key)
    assert e["code"] == "denied" and "host key" in e["message"], e
    ssh.known.write_text("")
    e = failure(w, url, "--credentials", ssh.key)
    assert e["code"] == "denied" and "not known" in e["message"] and "fingerprint" in e["hint"], e


def test_killed(w):
    """kill -9 in the middle of a fetch: the next start fetches, nothing half is left, nothing is asked twice."""
    _, server = served(w)
    bare(w, "big", files={"blob.bin": os.urandom(1 << 20), "src/deep.py": "class DeepThought:\n    pass\n"})
    server.slow = 0.05
    p = w.daemon()
    assert w.run("repo", "add", "--no-wait", server.url("ok", "big")).returncode == 0
    wait_for(lambda: any(j["kind"] == "fetch" and j["running"] and j["bytes_done"] > 100000 for j in w.json("status")["jobs"]), "the middle of the fetch")
    child = [int(x) for x in subprocess.run(["pgrep", "-P", str(p.pid), "-f", "fetch"], capture_output=True, text=True).stdout.split()]
    assert child
    p.send_signal(signal.SIGKILL)
    p.wait()
    wait_for(lambda: all(map(ended, child)), "the end of what fetched", 5)
    mirror = next((w.home / "mirrors").rglob("HEAD")).parent
    assert w.git(mirror, "for-each-ref") == ""
    server.slow = 0
    w.daemon()
    wait_for(lambda: any(r["path"] == "src/deep.py" for r in w.json("search", "--repo", "big", "DeepThought", code=None).get("results", [])), "the fetch after the start")
    assert {p.suffix for p in (mirror / "objects" / "pack").iterdir()} == {".pack", ".idx"}
    w.git(mirror, "fsck", "--strict")


def test_removed_while_fetched(w):
    _, server = served(w)
    bare(w, "big", files={"blob.bin": os.urandom(1 << 20)})
    server.slow = 0.05
    w.run("repo", "add", "--no-wait", server.url("ok", "big"))
    wait_for(lambda: any(j["kind"] == "fetch" and j["running"] for j in w.json("status")["jobs"]), "the fetch")
    began = time.monotonic()
    assert w.run("repo", "remove", "big").returncode == 0 and time.monotonic() - began < 5
    assert not any(p.is_file() for p in (w.home / "mirrors").rglob("*")) and w.json("status")["jobs"] == []


def hook(s, body, headers):
    return s.ask("POST", "/hooks/push", body, headers)[0]


def test_webhook(w):
    work, server = served(w, f"hook-secret = {w.root}/hook\nmirror-minutes = 0\n")
    secret = "a secret of webhooks"
    (w.root / "hook").write_text(secret + "\n")
    (w.root / "hook").chmod(0o600)
    s = Server(w, (w.home / "config").read_text())
    w.json("repo", "add", server.url("ok"))
    wait_for(found(w, "exponential backoff", "src/retry.py"), "the index")
    assert status(w)["mirror"]["next_ms"] is None
    payload = {"ref": "refs/heads/main", "repository": {"clone_url": server.url("ok"), "private": False}}
    sign = lambda o, key=secret: hmac.new(key.encode(), json.dumps(o).encode(), hashlib.sha256).hexdigest()
    asked = len(server.asked)
    for headers in ({}, {"X-Hub-Signature-256": "sha256=" + sign(payload, "another secret, as long")}, {"X-Hub-Signature-256": "sha256="}, {"X-Gitlab-Token": secret[:-1]},
                    {"X-Hub-Signature-256": "sha256=" + sign({}), "X-Gitlab-Token": secret}):
        assert hook(s, payload, headers) == 401, headers
    # of no repository of ours, or no repository at all: the same answer, and nothing happens
    other = {"repository": {"clone_url": "https://127.0.0.1/other.git", "ssh_url": "file:///etc", "html_url": 7}}
    assert hook(s, other, {"X-Hub-Signature-256": "sha256=" + sign(other)}) == 202
    assert hook(s, [], {"X-Gitea-Signature": sign([])}) == 400
    time.sleep(0.3)
    assert len(server.asked) == asked
    push(w, work, {"src/breaker.py": "class CircuitBreaker:\n    pass\n"})
    assert hook(s, payload, {"X-Hub-Signature-256": "sha256=" + sign(payload)}) == 202
    wait_for(found(w, "CircuitBreaker", "src/breaker.py"), "what the hook told of")
    # sent again and again: no more than one fetch in ten seconds
    asked = len(server.asked)
    for _ in range(20):
        assert hook(s, payload, {"X-Hub-Signature-256": "sha256=" + sign(payload)}) == 202
    gitlab = {"project": {"git_ssh_url": f"ssh://git@127.0.0.1:{server.port}/ok/courier.git"}}
    assert hook(s, gitlab, {"X-Gitlab-Token": secret}) == 202
    time.sleep(1)
    assert len(server.asked) <= asked + 1
    codes = [hook(s, payload, {}) for _ in range(130)]
    assert set(codes) == {401, 429}, set(codes)
    (w.root / "hook").chmod(0o644)
    time.sleep(0.3)
    assert hook(s, payload, {"X-Gitlab-Token": secret}) == 503
    assert s.ask("GET", "/hooks/push")[0] == 405


def test_users_see_little(w):
    _, server = served(w)
    s = Server(w, (w.home / "config").read_text())
    w.json("repo", "add", server.url("ok"))
    failure(w, server.url("auth"))
    token = w.run("token", "create", "ada").stdout.strip()
    w.run("access", "grant", "ada", "courier")
    for path in ("/v1/status", "/v1/repo.list"):
        got = s.ask("GET", path, headers={"Authorization": f"Bearer {token}"})[1]
        assert [r["repo"] for r in got["repos"]] == ["courier"] and not {"url", "error"} & got["repos"][0]["mirror"].keys() and "https:" not in json.dumps(got), got


if __name__ == "__main__":
    if not BACKEND:
        print("no git http-backend here")
        sys.exit(77)
    main(globals())
