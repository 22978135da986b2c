"""What nothing holds leaves the disk; a full index says so and goes on answering; so does a full disk."""
import os
import resource
import signal
import subprocess
import time

from lib import DAEMON, big_sources, main, process, wait_for

LONG = os.environ.get("CODEASK_TEST_LONG") == "1"


def size(w):
    return os.stat(w.home / "index.mdb").st_blocks * 512


def test_remove_gives_the_disk_back(w):
    w.config("embed = no\n")
    small, large = w.repo("small"), w.repo("large", files=big_sources(1500))
    w.json("index", cwd=small)
    before = size(w)
    w.json("index", cwd=large)
    full = size(w)
    assert full > before + (4 << 20), (before, full)
    w.json("repo", "remove", "large")
    wait_for(lambda: size(w) < before + (full - before) // 4, "the index to shrink", 60)
    o = w.json("search", "retry policy", cwd=small)
    assert o["results"][0]["path"] == "src/retry.py"
    w.json("index", cwd=large)
    assert w.json("search", "step value", cwd=large)["results"]


def test_status_says_what_a_repository_costs(w):
    small, large = w.repo("small"), w.repo("large", files=big_sources(100))
    w.json("index", cwd=small)
    w.json("index", cwd=large)
    status = w.json("status")
    disk = {r["repo"]: r["disk"] for r in status["repos"]}
    tables = status["disk"]["tables"]
    for part, table in ("words", "segment"), ("paths", "occ"):
        assert 0 < disk["small"][part] < disk["large"][part] and disk["small"][part] + disk["large"][part] <= tables[table], (disk, tables)
    assert 0 < disk["small"]["contents"] < disk["large"]["contents"] <= tables["cut"] + tables["text"], (disk, tables)
    assert disk["large"]["vectors"] <= tables["vector"], (disk, tables)
    if status["models"]:
        assert 0 < disk["small"]["vectors"] < disk["large"]["vectors"], disk


def test_what_died_is_swept(w):
    w.config("embed = no\nsweep_hours = 0\n")
    repo = w.repo(files=big_sources(200))
    w.json("index", cwd=repo)
    cuts = lambda: w.json("status")["disk"]["tables"]["text"]
    first = cuts()
    for i in range(3): # every content is another one each time
        for name, text in big_sources(200, salt=f"_{i}").items():
            (repo / name).write_text(text)
        w.json("index", cwd=repo)
    w.git(repo, "commit", "-qam", "all is different")
    w.json("index", cwd=repo)
    assert cuts() > 2 * first
    w.json("repo", "add", w.repo("other"))
    w.json("repo", "remove", "other") # sweeps at once, and all
    wait_for(lambda: cuts() < 2.5 * first, "the dead contents to go", 60)
    assert w.json("search", "step value", cwd=repo)["results"]


def test_a_full_index_says_so(w):
    w.config("embed = no\nmax_index_bytes = 4M\n")
    repo = w.repo()
    w.json("index", cwd=repo)
    large = w.repo("large", files=big_sources(2500))
    o = w.json("index", cwd=large, code=2)["error"]
    assert o["code"] == "limit" and "max_index_bytes" in o["message"] and "repo remove" in o["hint"], o
    tables = w.json("status")["disk"]["tables"] # in use: free pages of the file are room for more
    used = sum(n for name, n in tables.items() if name != "free")
    assert used < (5 << 20), tables
    assert w.json("search", "retry policy", cwd=repo)["results"], "what is in goes on answering"
    (repo / "src" / "more.py").write_text("def quokka_nest():\n    return 1\n")
    o = w.json("search", "retry policy", cwd=repo)
    assert o["results"]
    w.run("repo", "remove", "large")
    wait_for(lambda: w.json("search", "quokka_nest", cwd=repo, code=None)["results"], "room for new work again", 60)


def limited_daemon(w, log):
    """In the foreground, and a write past a limit of its file's size fails as one on a full disk does."""
    p = subprocess.Popen([DAEMON], env=w.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, restore_signals=False,
                         preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    w.processes.append(p)
    wait_for(w.socket_answers, "the socket")
    return p


def fill_disk(pid, bytes):
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))


def test_the_disk_fills_up_in_a_sweep(w):
    """Nothing that is held is lost, questions are answered all the while, and with room again the sweep comes to its end."""
    w.config("embed = no\n")
    small = w.repo("small")
    log = w.root / "log"
    length = lambda: os.stat(w.home / "index.mdb").st_size
    text = lambda: w.json("status")["disk"]["tables"]["text"]
    answers = lambda: w.json("search", "retry policy", cwd=small)["results"][0]["path"] == "src/retry.py"
    sweeps = lambda: log.read_text(errors="replace").count("sweeping")
    with open(log, "wb") as out:
        daemon = limited_daemon(w, out)
        w.json("index", cwd=small)
        least, met = text(), 0
        for i, room in enumerate((0, 16 << 10, 48 << 10, 128 << 10, 256 << 10)):
            fill_disk(daemon.pid, resource.RLIM_INFINITY)
            large = w.repo(f"large{i}", files=big_sources(150, salt=f"_{i}"))
            w.json("index", cwd=large)
            fill_disk(daemon.pid, length())
            full = 0 # takes the free pages that the file has: a batch that finds too few takes none, so ever smaller ones
            for k, files in enumerate((600, 60, 60, 20, 20, 6, 6, 6, 2, 2, 2, 1, 1, 1, 1)):
                filler = w.repo(f"filler{i}_{k}", files=big_sources(files, salt=f"_filler{i}_{k}"))
                o = w.json("index", cwd=filler, code=None)
                full += o.get("error", {}).get("code") == "disk_full"
                assert ("error" not in o or o["error"]["code"] == "disk_full") and answers(), o
            assert full
            fill_disk(daemon.pid, length() + room)
            before, held = sweeps(), text()
            if w.run("repo", "remove", large.name).returncode: # had no room to write down what is to be swept
                continue
            wait_for(lambda: sweeps() > before or text() < held - (16 << 10), "the sweep", 20)
            met += sweeps() > before
            assert daemon.poll() is None and answers()
            if met:
                break
        # how many free pages a failed job leaves in the file depends on the machine; test_store_sweep meets the end for certain
        if not met:
            print("note: no sweep met the end of the disk in this run")
        assert met or not LONG, "no sweep met the end of the disk: " + log.read_text(errors="replace")
        fill_disk(daemon.pid, resource.RLIM_INFINITY)
        for r in w.json("repo", "list")["repos"]:
            if r["repo"] != "small":
                assert w.run("repo", "remove", r["repo"]).returncode == 0, r
        wait_for(lambda: text() <= least + (16 << 10), "the end of the sweep", 30)
        assert answers()


if LONG: # the first sweep is a minute after the start
    def test_a_sweep_that_waits_takes_no_time(w):
        """While something is cut the sweep waits, and its thread sleeps: it once spun, and took a core from long indexing."""
        w.config("embed = no\n")
        repo = w.repo(files=big_sources(4000))
        w.json("index", "--no-wait", cwd=repo)
        pid = w.pid()
        children = lambda: [int(c) for t in os.listdir(f"/proc/{pid}/task") for c in open(f"/proc/{pid}/task/{t}/children").read().split()]
        workers = wait_for(children, "the workers")
        for c in workers:
            os.kill(c, signal.SIGSTOP)
        try:
            time.sleep(62)
            spent = lambda: sum(map(int, process(pid)[11:13]))
            assert w.json("status")["jobs"], "it is still at it"
            before = spent()
            time.sleep(3)
            assert spent() - before < 60, spent() - before # hundredths of a second
        finally:
            for c in workers:
                os.kill(c, signal.SIGCONT)


if __name__ == "__main__":
    main(globals())
