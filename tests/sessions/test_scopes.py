"""Repositories, plain directories, models, settings."""
import json
import os

from lib import main, write


def test_outside_any_repository(w):
    plain = w.root / "plain"
    write(plain, {"a.py": "def plain_function():\n    pass\n"})
    for command in ("ask", "search"):
        r = w.run(command, "plain function", cwd=plain)
        assert r.returncode == 2 and "codeask index" in r.stderr, r
    assert w.json("search", "x", cwd=plain, code=2)["error"]["code"] == "no_repository"
    assert w.run("index", cwd=plain).returncode == 0
    (plain / "sub").mkdir()
    assert w.json("search", "plain_function", cwd=plain / "sub")["results"][0]["commit"] is None
    assert w.run("repo", "remove", "plain").returncode == 0
    assert w.run("search", "plain function", cwd=plain).returncode == 2
    assert w.run("repo", "remove", "plain").returncode == 2


def test_repositories_by_name(w):
    a, b = w.repo("one/app"), w.repo("two/app", files={"b.py": "def only_in_two():\n    pass\n"})
    for r in (a, b):
        assert w.run("index", "-C", r).returncode == 0
    names = {r["path"]: r["repo"] for r in w.json("repo", "list")["repos"]}
    assert len(set(names.values())) == 2
    o = w.json("search", "only_in_two", "--all-repos", cwd="/")
    assert o["results"][0]["repo"] == names[str(b)]
    o = w.json("search", "--regex", "only_in_two", "--repo", names[str(a)], cwd="/", code=1)
    assert not o["results"]
    o = w.json("search", "only_in_two", "--repo", names[str(a)], "--repo", names[str(b)], cwd="/")
    assert o["results"][0]["path"] == "b.py"


def test_wrong_settings(w):
    w.config("no_such_setting = 1\n")
    r = w.run("repo", "list")
    assert r.returncode == 2 and "no_such_setting" in r.stderr and "config" in r.stderr, r
    assert w.run("doctor").returncode == 1


def test_without_a_model(w):
    w.config("embed_model = not-there\n")
    repo = w.repo()
    o = w.json("ask", "where is the retry policy?", cwd=repo)
    assert o["mode"] == "extractive"
    o = w.json("index", cwd=repo)
    assert "not-there" in o["note"] and o["repos"][0]["freshness"]["embedded"] == 0
    o = w.json("search", "retry", cwd=repo)
    assert o["vectors"] is False and "not-there" in o["note"]
    assert "not-there" in json.dumps(w.json("status")["models"])


def test_models_without_a_daemon(w):
    o = w.json("model", "list")
    assert not os.path.exists(w.socket), "model never starts the daemon"
    if o["models"]:
        name = o["models"][0]["name"]
        assert w.json("model", "verify", name)["dim"] > 0
        assert w.json("model", "use", name)["embed_model"] == name
    assert w.json("model", "use", "not-there", code=2)["error"]["code"] == "not_found"
    assert w.json("model", "use", "../etc", code=2)["error"]["code"] == "usage"


if __name__ == "__main__":
    main(globals())
