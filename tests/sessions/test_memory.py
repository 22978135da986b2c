"""Memory stays flat: a daemon that has seen a thousand edits and questions holds no more of its own than after the first few
hundred. 10,000 with CODEASK_TEST_LONG. What is counted is anonymous memory: the mapped index belongs to the system."""
import os
import pathlib
import random

from lib import Rpc, big_sources, main, wait_for

LONG = os.environ.get("CODEASK_TEST_LONG") == "1"
EDITS = 10000 if LONG else 600
WARM = EDITS // 5                  # caches are full by then
GROWTH, SLACK = 1.05, 2 << 20      # of the whole; bytes: what one thread more keeps, and 8 for each vector that is not swept yet
LANES = 2                          # buffers of the engine (6 MB) that are touched late: when a helper thread first gets a share of
                                   # a batch, when a question first meets documents. A leak grows in more steps than these.


def anonymous(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:"))) * 1024


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(p) for p in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has just ended
    return found


def held(pid):
    """Of the daemon, and of the largest of its children: a worker may be another one by now."""
    return anonymous(pid), max((anonymous(p) for p in children(pid)), default=0)


class Asker:
    def __init__(self, w, repo):
        self.rpc, self.id, self.repo = Rpc(w.socket), 0, str(repo)

    def ask(self, method, **params):
        self.id += 1
        self.rpc.request(self.id, method, dir=self.repo, **params)
        m = self.rpc.answer(self.id)
        assert "result" in m, m
        return m["result"]


def edit(repo, files, i, random_):
    path = random_.choice(files)
    word = f"quokka{i}lantern"
    path.write_text(f"def {word}(value):\n    return value + {i}\n\n\n" + "".join(
        f"def part_{i}_{k}(value):\n    return value * {random_.randrange(10**6)}\n\n\n" for k in range(random_.randrange(30))))
    return word


def test_edits_and_questions(w):
    random_ = random.Random(7)
    repo = w.repo(files=big_sources(150))
    files = sorted(repo.glob("gen/*.py"))
    w.json("index", cwd=repo)
    pid = w.pid()
    asker = Asker(w, repo)
    seen = []
    for i in range(EDITS):
        word = edit(repo, files, i, random_)
        asker.ask("search", query=f"{word} value")
        if i % 10 == 0:
            asker.ask("search", query="^def part_", regex=True)
            asker.ask("symbol", name="step_3_4")
            asker.ask("ask", query="where does a step turn its value around?")
        if i % 100 == 0:
            Asker(w, repo).ask("status")
        if (i + 1) % (EDITS // 20) == 0:
            seen.append(held(pid))
    wait_for(lambda: any(word in str(r) for r in asker.ask("search", query=word)["results"]), "the last edit", 20)
    wait_for(lambda: not asker.ask("status")["jobs"], "the end of all jobs", 60)
    seen.append(held(pid))
    print("MB of the daemon, of a child:", " ".join(f"{a >> 20},{b >> 20}" for a, b in seen))
    first = WARM * 20 // EDITS
    for k, late in (0, 0), (1, LANES):
        warm = max(seen[first - 1][k], seen[first][k])
        steps = sorted(b[k] - a[k] for a, b in zip(seen[first:], seen[first + 1:]))
        growth = seen[-1][k] - warm - sum(steps[len(steps) - late:])
        assert growth <= warm * (GROWTH - 1) + SLACK, (k, growth, seen)


if __name__ == "__main__":
    main(globals())
