"""The server under wrk: as many requests as it can take, over connections that are kept and over such that are cut off in the middle."""
import re
import shutil
import subprocess

from lib import Rpc, main, wait_for
from test_http import Server

SEARCH = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, "/v1/search", nil, '{"query": "' .. ({"retry policy", "exponential backoff", "shutdown", "send with retry"})[n % 4 + 1] .. '", "repo": ["courier"]}')
end
local wrong = 0
response = function(status, headers, body)
  if status ~= 200 or not body:find('"results":%s*%[') then wrong = wrong + 1 end
  if wrong == 1 and status ~= 200 then print("status " .. status .. " " .. body:sub(1, 200)) end
end
"""


def load(w, s, path, seconds=3, script=None, connections=64, token=None):
    """What it says in the end: requests, errors of sockets, answers that are none of 2xx and 3xx."""
    args = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    if token:
        args += ["-H", "Authorization: Bearer " + token]
    if script:
        (w.root / "ask.lua").write_text(script)
        args += ["-s", str(w.root / "ask.lua")]
    r = subprocess.run([*args, f"http://127.0.0.1:{s.port}{path}"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r
    found = re.search(r"(\d+) requests in", r.stdout)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", r.stdout)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", r.stdout)
    return int(found[1]), [int(n) for n in sockets.groups()] if sockets else [0] * 4, int(other[1]) if other else 0, r.stdout


def test_load(w):
    if not shutil.which("wrk"):
        return print("no wrk: skipped")
    repo = w.repo()
    s = Server(w, "embed = no\nuser_rate = 0\n")
    w.json("index", cwd=repo)
    for path, script, least in (("/healthz", None, 1000), ("/v1/search", SEARCH, 100), ("/v1/status", None, 100)):
        n, sockets, other, text = load(w, s, path, script=script)
        assert n > least and sockets == [0] * 4 and not other and "status " not in text, (path, text)
    # 64 connections end with wrk, whatever they waited for: nothing is left of them
    load(w, s, "/v1/search", seconds=1, script=SEARCH, connections=256)
    with Rpc(w.socket) as c:
        wait_for(lambda: (c.request(1, "status"), c.answer(1)["result"]["requests"])[1] <= 1, "the requests of connections that are gone")
    assert s.ask("GET", "/healthz")[0] == 200


def test_a_rate_is_kept(w):
    """Past a user's rate it is 429, at once; another user is answered."""
    if not shutil.which("wrk"):
        return print("no wrk: skipped")
    w.config("embed = no\n")
    w.json("index", cwd=w.repo())
    ann, ben = (w.run("token", "create", name).stdout.strip() for name in ("ann", "ben"))
    for name in ("ann", "ben"):
        w.run("access", "grant", name, "courier")
    w.run("stop")
    s = Server(w, "embed = no\nuser_rate = 20\nuser_burst = 40\n")
    n, sockets, other, text = load(w, s, "/v1/search", script=SEARCH, token=ann)
    assert sockets == [0] * 4 and other >= n - 42 and "status 429" in text, text
    assert s.ask("POST", "/v1/search", {"query": "retry", "repo": ["courier"]}, {"Authorization": "Bearer " + ben})[0] == 200


if __name__ == "__main__":
    main(globals())
