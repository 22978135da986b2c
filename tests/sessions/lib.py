"""What the session tests share: a world of its own (home, configuration, repositories) for each test, the client as a
command, and the socket spoken by hand.

usage of a test file: test_<name>.py BUILD_DIR [TEST…]
"""
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release").resolve()
CODEASK, DAEMON = str(BUILD / "codeask"), str(BUILD / "codeaskd")

SOURCES = {
    "src/retry.py": '''"""Retrying of failed requests."""
import time


class RetryPolicy:
    """Decides how often a failed request is tried again, and how long to wait before."""

    def __init__(self, attempts=3, backoff=0.5):
        self.attempts = attempts
        self.backoff = backoff

    def delay(self, attempt):
        """Seconds to wait before the given attempt: exponential backoff."""
        return self.backoff * 2 ** attempt


def send_with_retry(request, policy):
    """Sends a request and repeats it as the policy says."""
    for attempt in range(policy.attempts):
        try:
            return request.send()
        except ConnectionError:
            time.sleep(policy.delay(attempt))
    raise ConnectionError("gave up after %d attempts" % policy.attempts)
''',
    "src/pool.py": '''from retry import RetryPolicy, send_with_retry


class ConnectionPool:
    """Keeps open connections and hands them out."""

    def __init__(self, size):
        self.size = size
        self.idle = []

    def fetch(self, request):
        """Sends through an idle connection, with retries."""
        return send_with_retry(request, RetryPolicy())
''',
    "lib/tokens.c": '''#include <string.h>

/* Splits a header line at its colon; returns the length of the name. */
size_t split_header(const char *line)
{
    const char *colon = strchr(line, ':');
    return colon ? (size_t)(colon - line) : 0;
}
''',
    "README.md": "# Courier\n\nSends requests, with retries.\n\n## Building\n\nRun make.\n",
}


class World:
    """A folder with a home and repositories; everything started in it is ended with it."""

    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="codeask-session-"))
        self.home = self.root / "home"
        self.processes = []
        self.who = {}  # of subprocess.run: the user that the client, and the daemon it starts, run as
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
        self.env.update(CODEASK_HOME=str(self.home), HOME=str(self.root), GIT_CONFIG_NOSYSTEM="1", LC_ALL="C.UTF-8",
                        GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@t", GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@t")
        models = BUILD / "share" / "codeask" / "models"
        if models.exists():
            self.env["CODEASK_MODELS"] = str(models)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
                p.wait()
        for lock in self.root.rglob("lock"):
            try:
                os.kill(int(lock.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                pass
        for _ in range(50):
            shutil.rmtree(self.root, ignore_errors=True)
            if not self.root.exists():
                break
            time.sleep(0.05)

    def config(self, text, home=None):
        home = home or self.home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "config").write_text(text)

    def git(self, repo, *args):
        return subprocess.run(["git", "-C", str(repo), *args], env=self.env, check=True, capture_output=True, text=True).stdout

    def repo(self, name="courier", files=SOURCES, commit=True):
        path = self.root / name
        path.mkdir(parents=True)
        self.git(path, "init", "-q", "-b", "main")
        write(path, files)
        if commit:
            self.git(path, "add", "-A")
            self.git(path, "commit", "-qm", "first")
        return path

    def run(self, *args, cwd=None, stdin=None, env=None, timeout=60):
        return subprocess.run([CODEASK, *map(str, args)], cwd=cwd or self.root, env={**self.env, **(env or {})}, input=stdin,
                              stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, **self.who)

    def json(self, *args, code=0, **how):
        r = self.run(*args, "--json", **how)
        assert code is None or r.returncode == code, f"exit {r.returncode}, wanted {code}: {r.stdout}{r.stderr}"
        return json.loads(r.stdout)

    def popen(self, *argv, **how):
        p = subprocess.Popen(list(map(str, argv)), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, **how)
        self.processes.append(p)
        return p

    def daemon(self, *args):
        """A daemon in the foreground, ready when this returns."""
        p = self.popen(DAEMON, *args)
        wait_for(lambda: p.poll() is not None or self.socket_answers(), "the daemon's socket")
        assert p.poll() is None, p.stderr.read()
        return p

    @property
    def socket(self):
        return str(self.home / "codeaskd.sock")

    def socket_answers(self):
        try:
            Rpc(self.socket).close()
            return True
        except OSError:
            return False

    def pid(self):
        with Rpc(self.socket) as c:
            return c.hello["pid"]


class Told:
    """A model that says what it is told (tests/tools/scripted_engine.c), chosen in the world's configuration."""

    def __init__(self, w, script="", config="", rate=2000, context=8192, name="told"):
        self.folder = w.home / "models" / name
        self.folder.mkdir(parents=True)
        (self.folder / "model.safetensors").touch()
        (self.folder / "rate").write_text(str(rate))
        (self.folder / "context").write_text(str(context))
        self.script(script)
        w.config(f"embed = no\nengine_program = {BUILD}/scripted_engine\nanswer_model = {name}\n{config}")

    def script(self, text, n=None):
        """What it says to every prompt, or to the nth."""
        (self.folder / (f"{n}.script" if n else "script")).write_text(text)

    def prompt(self, n):
        return json.loads((self.folder / f"prompt.{n}").read_text())

    def prompts(self):
        return len(list(self.folder.glob("prompt.*")))

    def sources(self, n):
        """The nth prompt's sources: number -> its section, head line first."""
        found = {}
        fence = self.prompt(n)["stop"]
        for m in self.prompt(n)["messages"][1:]:
            for part in m["text"].split(fence + " ")[1:] if m["role"] == "user" else []:
                if part.startswith("["):
                    found[int(part[1:part.index("]")])] = part
        return found


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def big_sources(n, salt=""):
    """Enough distinct functions for work that takes a while."""
    return {f"gen/m{i:04}.py": "".join(
        f'def step_{i}_{k}{salt}(value):\n    """Step {k} of module {i} turns value {salt} around."""\n'
        f'    total = value * {k} + {i}\n    return total - {k}\n\n\n' for k in range(30)) for i in range(n)}


def wait_for(check, what, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = check()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


def process(pid):
    """The fields of /proc/PID/stat from its state on: [0] state, [1] parent, [11] and [12] ticks spent; proc(5). None when there is none. What
    stands before is its name in brackets, in which a space or a bracket may be."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None


def ended(pid):
    """Gone, or only waited for by its parent."""
    found = process(pid)
    return found is None or found[0] in "ZX"


class Rpc:
    """The socket, spoken by hand."""

    def __init__(self, path, greet=True):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(30)
        try:
            self.s.connect(path)
        except OSError:
            self.s.close()
            raise
        self.rest = b""
        self.hello = self.receive()
        if greet:
            self.send({"codeask": 1, "build": "test"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.s.close()

    def send(self, message):
        self.s.sendall(json.dumps(message).encode() + b"\n")

    def request(self, id, method, **params):
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})

    def receive(self):
        while b"\n" not in self.rest:
            got = self.s.recv(65536)
            if not got:
                raise EOFError
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def answer(self, id):
        """The end of a request; what came before it is passed over."""
        while True:
            m = self.receive()
            if m.get("id") == id:
                return m

    def silent(self, seconds):
        return not self.rest and not select.select([self.s], [], [], seconds)[0]


def main(scope):
    """Runs the test_… functions of a module, each in a world of its own."""
    wanted = sys.argv[2:]
    failed = 0
    late = set(re.findall(r"^def (test_\w+)", pathlib.Path(sys.argv[0]).read_text(encoding="utf-8"), re.M)) - set(scope)
    assert not late, f"below the call of main, where it is never run: {late}"
    for name, test in list(scope.items()):
        if not name.startswith("test_") or not callable(test) or (wanted and name[5:] not in wanted):
            continue
        began = time.monotonic()
        try:
            with World() as w:
                test(w)
            print(f"ok    {name[5:]} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL  {name[5:]}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)
