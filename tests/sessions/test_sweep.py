"""What nothing holds leaves the disk; a full index says so and goes on answering."""
import os

from lib import big_sources, main, wait_for


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


if __name__ == "__main__":
    main(globals())
