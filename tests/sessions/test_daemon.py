"""The daemon's life: starting, ending, its home and its socket."""
import json
import os
import socket
import stat
import subprocess
import threading
import time

from lib import CODEASK, DAEMON, Rpc, big_sources, ended, main, wait_for


def test_socket_is_private(w):
    w.run("repo", "list")
    s = os.stat(w.socket)
    assert stat.S_IMODE(s.st_mode) == 0o600 and stat.S_IMODE(os.stat(w.home).st_mode) == 0o700


def test_autostart_is_detached(w):
    w.run("repo", "list")
    pid = w.pid()
    assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
    for fd in os.listdir(f"/proc/{pid}/fd"):
        assert not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("/dev/pts"), "holds a terminal"
    assert (w.home / "codeaskd.log").exists()


def test_many_clients_start_one_daemon(w):
    repo = w.repo()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(w.run("search", "retry", cwd=repo))) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [a.returncode for a in answers] == [0] * 12, answers
    assert len([p for p in os.listdir("/proc") if p.isdigit() and is_daemon_of(w, p)]) == 1


def is_daemon_of(w, pid):
    try:
        argv = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        env = open(f"/proc/{pid}/environ", "rb").read()
    except OSError:
        return False
    return argv[0] == DAEMON.encode() and b"--autostart" in argv and f"CODEASK_HOME={w.home}\0".encode() in env


def test_second_daemon_leaves(w):
    w.daemon()
    second = w.popen(DAEMON)
    assert second.wait(20) == 2
    said = second.stderr.read()
    assert str(w.home) in said and "Traceback" not in said, said
    assert w.run("repo", "list").returncode == 0, "the first goes on"


def test_two_homes(w):
    repo = w.repo()
    other = {"CODEASK_HOME": str(w.root / "other")}
    assert w.run("index", cwd=repo).returncode == 0
    assert w.json("repo", "list", env=other)["repos"] == []
    assert len(w.json("repo", "list")["repos"]) == 1
    assert w.run("stop", env=other).returncode == 0
    assert w.run("status").returncode == 0 and w.run("status", env=other).returncode == 1


def test_long_home(w):
    w.home = w.root / ("deep" * 30) / "home"
    w.env["CODEASK_HOME"] = str(w.home)
    w.env["XDG_RUNTIME_DIR"] = str(w.root / "run")
    (w.root / "run").mkdir(mode=0o700)
    repo = w.repo()
    assert w.run("search", "retry", cwd=repo).returncode == 0
    assert not os.path.exists(w.socket) and list((w.root / "run" / "codeask").iterdir())
    assert w.run("stop").returncode == 0


def test_stop(w):
    assert w.run("stop").returncode == 1, "nothing runs"
    assert w.run("status").returncode == 1 and "not running" in w.run("status").stderr
    assert not w.home.exists()
    w.run("repo", "list")
    pid = w.pid()
    r = w.run("stop")
    assert r.returncode == 0 and str(pid) in r.stdout
    assert ended(pid), "stop returns when it has ended"
    assert not os.path.exists(w.socket)


def test_stale_socket(w):
    w.home.mkdir(mode=0o700)
    s = socket.socket(socket.AF_UNIX)
    s.bind(w.socket)
    s.close()
    assert w.run("repo", "list").returncode == 0


def test_file_in_the_sockets_place(w):
    w.home.mkdir(mode=0o700)
    with open(w.socket, "w") as f:
        f.write("precious")
    r = w.run("repo", "list")
    assert r.returncode == 2 and "not a socket" in r.stderr, r
    assert open(w.socket).read() == "precious"


def test_unwritable_home(w):
    (w.root / "file").write_text("")
    for home in (w.root / "file", w.root / "file" / "below", "/proc/codeask"):
        r = w.run("search", "x", env={"CODEASK_HOME": str(home)})
        assert r.returncode == 2 and r.stderr.startswith("codeask: "), r
        o = w.json("search", "x", env={"CODEASK_HOME": str(home)}, code=2)
        assert o["error"]["code"] in ("io", "denied", "unsupported", "usage"), o


def test_read_only_home(w):
    w.home.mkdir(mode=0o700)
    os.chmod(w.root, 0o755)
    how = {}
    if os.geteuid() == 0:  # root writes everywhere: somebody else asks, in a home that is his and that he made read-only
        os.chown(w.home, 12345, 12345)
        how = {"user": 12345, "group": 12345, "extra_groups": []}
    os.chmod(w.home, 0o500)
    try:
        r = subprocess.run([CODEASK, "search", "x", "--json"], cwd="/", env={**w.env, "HOME": "/"}, capture_output=True, text=True,
                           timeout=30, **how)
    except PermissionError:
        return  # the build folder is closed to others
    if r.returncode == 126 or not r.stdout:
        return
    error = json.loads(r.stdout)["error"]
    assert r.returncode == 2 and str(w.home) in error["message"] and error["code"] == "io", r


def test_full_disk(w):
    w.home.mkdir(mode=0o700)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(w.home)]).returncode:
        return  # only root can make a small disk
    try:
        w.config("embed = no\n")
        repo = w.repo(files=big_sources(600))
        o = w.json("index", cwd=repo, code=2)
        assert o["error"]["code"] == "disk_full" and "space" in o["error"]["message"] + o["error"]["hint"], o
        assert w.run("status").returncode == 0, "the daemon lives"
        subprocess.run(["mount", "-o", "remount,size=200m", str(w.home)], check=True)
        assert w.json("index", cwd=repo)["repos"][0]["files"] == 600, "and goes on when there is space"
        w.run("stop")
    finally:
        subprocess.run(["umount", "-l", str(w.home)])


def test_idle_exit(w):
    w.config("idle_exit_seconds = 1\n")
    repo = w.repo()
    w.run("search", "retry", cwd=repo)
    pid = w.pid()
    with Rpc(w.socket):
        time.sleep(2.5)
        assert not ended(pid), "a client is there"
    wait_for(lambda: ended(pid), "the idle exit", 30)
    assert not os.path.exists(w.socket)


def test_no_idle_exit_in_the_foreground(w):
    w.config("idle_exit_seconds = 1\n")
    d = w.daemon()
    time.sleep(2.5)
    assert d.poll() is None


if __name__ == "__main__":
    main(globals())
