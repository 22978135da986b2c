"""Feedback: an answer's verdict, durable, the asker's own, the right place checked."""
import json
import pathlib
import subprocess

from lib import BUILD, main, wait_for


def kept(w):
    """the rows as evaluation reads them, straight from state.mdb"""
    def read():
        return subprocess.run([BUILD / "feedback_show", w.home], capture_output=True, text=True)
    wait_for(lambda: read().returncode == 0, "the daemon to let go of its home")
    done = read()
    return [json.loads(line) for line in done.stdout.splitlines()]



def test_good_and_bad(w):
    repo = w.repo()
    first = w.json("ask", "where is the retry policy?", cwd=repo)
    second = w.json("ask", "how does the pool fetch?", cwd=repo)
    w.json("feedback", first["id"], "good", cwd=repo)
    o = w.json("feedback", second["id"], "bad", "--expected", "retry.py:3", cwd=repo / "src")
    assert o["expected"]["path"] == "src/retry.py" and o["expected"]["start_line"] == 3
    assert o["expected"]["blob"] == w.git(repo, "rev-parse", "HEAD:src/retry.py").strip()
    r = w.run("feedback", first["id"], "good", cwd=repo)
    assert r.returncode == 0 and "good noted for where is the retry policy?" in r.stdout, r.stdout + r.stderr
    assert w.json("status")["feedback"] == 3
    w.run("stop")
    rows = kept(w)
    assert [row["verdict"] for row in rows] == ["good", "bad", "good"]
    assert rows[0]["question"] == "where is the retry policy?" and rows[0]["mode"] == first["mode"]
    assert rows[0]["shown"] == first["citations"] and rows[0]["freshness"]["commit"] == first["freshness"]["commit"]
    assert rows[1]["expected"]["path"] == "src/retry.py" and rows[0]["expected"] is None


def test_wrong_words(w):
    repo = w.repo()
    a = w.json("ask", "where is the retry policy?", cwd=repo)["id"]
    for words, code, says in ((("a0000000000000000", "good"), "not_found", "ask again"),
                              ((a, "perhaps"), "usage", None),
                              ((a, "bad", "--expected", "src/retry.py"), "usage", "src/retry.c:120"),
                              ((a, "bad", "--expected", "src/retry.py:100000"), "usage", None),
                              ((a, "bad", "--expected", "src/nothing.py:1"), "not_found", "root")):
        o = w.json("feedback", *words, cwd=repo, code=2)["error"]
        assert o["code"] == code, o
        assert says is None or says in o["hint"], o
    assert w.json("status")["feedback"] == 0
    w.run("stop")
    o = w.json("feedback", a, "good", cwd=repo, code=2)["error"]
    assert o["code"] == "not_found", "a new daemon does not know the old one's answers"


def test_secrets_and_durability(w):
    repo = w.repo()
    key = "ghp_" + "aZ3bY7cX1dW9eV5fU2gT8hS4iR6jQ0kP1lO3"
    a = w.json("ask", f"where is the retry policy with {key}", cwd=repo, code=None)["id"]
    w.json("feedback", a, "good", cwd=repo)
    subprocess.run(["kill", "-9", str(w.pid())], check=True)
    rows = kept(w)
    assert len(rows) == 1 and "retry policy" in rows[0]["question"] and "ghp_" not in rows[0]["question"]
    assert key.encode() not in (pathlib.Path(w.home) / "state.mdb").read_bytes()


if __name__ == "__main__":
    main(globals())
