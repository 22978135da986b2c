"""Row index.after_1000_edits: the size of index.mdb after a thousand edits of a repository and a sweep, over that of an index
made anew of the same files; vectors included. Each edit changes a line of one file and is indexed before the next. The
repository: the sources of this project.
"""
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
EDITS, SETTLED_S, GIVE_UP_S, GOAL = 1000, 4, 120, 1.3


class Home:
    def __init__(self, path):
        path.mkdir(mode=0o700)
        (path / "config").write_text("sweep_hours = 0\n")
        self.path = path
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
        self.env.update(CODEASK_HOME=str(path), CODEASK_MODELS=str(RELEASE / "share" / "codeask" / "models"))

    def run(self, *args):
        return subprocess.run([RELEASE / "codeask", *map(str, args)], env=self.env, check=True, capture_output=True, text=True).stdout

    def size(self):
        return (self.path / "index.mdb").stat().st_size

    def settled(self, trigger):
        """The size once a sweep and what follows it are over: it has not changed for a while. To forget a repository asks for
        a sweep at once."""
        self.run("repo", "add", trigger)
        self.run("repo", "remove", trigger)
        size, since, begun = self.size(), time.monotonic(), time.monotonic()
        while time.monotonic() - since < SETTLED_S and time.monotonic() - begun < GIVE_UP_S:
            time.sleep(.1)
            if self.size() != size:
                size, since = self.size(), time.monotonic()
        return size


def git(repo, *args):
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0"]
    subprocess.run(["git", *identity, "-C", repo, *args], check=True, capture_output=True)


def make(tmp):
    repo, trigger = tmp / "repo", tmp / "trigger"
    repo.mkdir()
    trigger.mkdir()
    for name in subprocess.run(["git", "-C", ROOT, "ls-files"], check=True, capture_output=True, text=True).stdout.split():
        if (ROOT / name).is_file():
            (repo / name).parent.mkdir(parents=True, exist_ok=True)
            (repo / name).write_bytes((ROOT / name).read_bytes())
    (trigger / "a.c").write_text("int a;\n")
    for path in (repo, trigger):
        for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "sources"]):
            git(path, *args)
    return repo, trigger


def edit(repo, files, number, random_):
    path = random_.choice(files)
    lines = path.read_text().split("\n")
    at = random_.randrange(len(lines))
    lines[at] = f"{lines[at]} /* edited_{number} {random_.getrandbits(40):x} */"
    path.write_text("\n".join(lines))


def main():
    random_ = random.Random(4)
    with tempfile.TemporaryDirectory(prefix="codeask-bench-") as tmp:
        tmp = pathlib.Path(tmp)
        repo, trigger = make(tmp)
        files = [p for p in repo.rglob("*.[ch]")]
        used, fresh = Home(tmp / "used"), Home(tmp / "fresh")
        try:
            used.run("index", "-C", repo)
            first, largest = used.settled(trigger), 0
            begun = time.monotonic()
            for i in range(EDITS):
                edit(repo, files, i, random_)
                used.run("index", "-C", repo)
                largest = max(largest, used.size())
            took = time.monotonic() - begun
            after = used.settled(trigger)
            fresh.run("index", "-C", repo)
            anew = fresh.settled(trigger)
            tables = [json.loads(h.run("status", "--json"))["disk"]["tables"] for h in (used, fresh)]
        finally:
            for home in (used, fresh):
                subprocess.run([RELEASE / "codeask", "stop"], env=home.env, capture_output=True)
    print(json.dumps({"name": "index.after_1000_edits", "value": round(after / anew, 3), "unit": "x of a fresh one", "goal": GOAL, "fresh_mb": round(anew / 1e6, 1),
                      "after_mb": round(after / 1e6, 1), "first_mb": round(first / 1e6, 1), "largest_mb": round(largest / 1e6, 1),
                      "edits": EDITS, "ms_an_edit": round(took * 1e3 / EDITS, 1), "vectors_mb": [round(t["vector"] / 1e6, 1) for t in tables]}))


if __name__ == "__main__":
    main()
