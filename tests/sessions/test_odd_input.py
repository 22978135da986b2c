"""Odd repositories and files: a clear error or a listed quarantine, and the rest indexed."""
import os
import subprocess

from lib import SOURCES, main, wait_for, write


def test_unborn_head(w):
    repo = w.repo(files={}, commit=False)
    r = w.run("search", "anything", cwd=repo)
    assert r.returncode == 1 and not r.stderr, r
    write(repo, {"a.py": "def written_before_any_commit():\n    pass\n"})
    assert w.json("index", cwd=repo)["repos"][0]["files"] == 1
    o = w.json("search", "written_before_any_commit", cwd=repo)
    assert o["freshness"]["commit"] is None and o["results"][0]["commit"] is None


def test_bare(w):
    repo = w.repo()
    bare = w.root / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(repo), str(bare)], check=True, env=w.env)
    o = w.json("search", "retry policy", cwd=bare)
    assert o["results"][0]["path"] == "src/retry.py" and o["freshness"]["dirty"] is False


def test_shallow(w):
    repo = w.repo()
    write(repo, {"b.py": "def second_commit():\n    pass\n"})
    w.git(repo, "add", "-A")
    w.git(repo, "commit", "-qm", "second")
    shallow = w.root / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{repo}", str(shallow)], check=True, env=w.env)
    assert w.json("search", "second_commit", cwd=shallow)["results"]


def test_sha256(w):
    repo = w.root / "sha256"
    repo.mkdir()
    w.git(repo, "init", "-q", "--object-format=sha256")
    r = w.run("search", "x", cwd=repo)
    assert r.returncode == 2 and "SHA-256" in r.stderr, r


def test_corrupt(w):
    repo = w.repo()
    for obj in (repo / ".git" / "objects").glob("??/*"):
        obj.chmod(0o600)
        obj.write_bytes(b"garbage")
    r = w.run("search", "retry", cwd=repo)
    assert r.returncode == 2 and r.stderr.startswith("codeask: "), r
    (w.root / "hollow" / ".git").mkdir(parents=True)
    assert w.run("search", "x", cwd=w.root / "hollow").returncode == 2
    good = w.repo("good")
    assert w.run("search", "retry", cwd=good).returncode == 0, "others are not harmed"


def test_of_another_owner(w):
    if os.geteuid():
        return  # only root can give a folder away
    repo = w.repo()
    subprocess.run(["chown", "-R", "12345", str(repo)], check=True)
    r = w.run("search", "retry", cwd=repo)
    assert r.returncode == 2 and "codeask repo add" in r.stderr, r
    assert w.json("search", "retry", cwd=repo, code=2)["error"]["code"] == "denied"
    assert w.run("repo", "add", repo).returncode == 0
    assert w.run("search", "retry", cwd=repo).returncode == 0, "the consent holds"


def test_nothing_is_run(w):
    repo = w.repo()
    trap = w.root / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {w.root}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "filter.x.clean", "filter.x.smudge", "diff.external"):
        w.git(repo, "config", key, str(trap))
    for hook in ("post-index-change", "post-checkout", "pre-auto-gc"):
        (repo / ".git" / "hooks" / hook).symlink_to(trap)
    write(repo, {".gitattributes": "*.py filter=x\n", "src/retry.py": SOURCES["src/retry.py"] + "\n# touched\n"})
    assert w.run("index", cwd=repo).returncode == 0
    assert w.run("search", "retry", cwd=repo).returncode == 0
    assert not (w.root / "sprung").exists()


def test_odd_files(w):
    big = "x = [" + "1," * 900_000 + "]\n"
    repo = w.repo(files={
        **SOURCES,
        "crlf.py": "def dos_line_ends():\r\n    pass\r\n",
        "latin.py": b"# caf\xe9\ndef latin_bytes():\n    pass\n",
        "nul.py": b"def with_nul():\n    pass\n\0\0\0",
        "empty.py": "",
        "blob.bin": bytes(range(256)) * 500,
        "min.js": "var a=1;" * 50_000,
        "one_line.py": big,
        "pointer.psd": "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n",
        "deep.json": "[" * 50_000,
        ".gitignore": "ignored/\n",
        ".codeaskignore": "secret_plans/\n",
        "ignored/i.py": "def in_an_ignored_folder():\n    pass\n",
        "secret_plans/s.py": "def in_a_hidden_folder():\n    pass\n",
    })
    os.symlink("loop", repo / "loop")
    os.symlink("..", repo / "src" / "up")
    with open(repo / "huge.log", "wb") as f:
        f.truncate(1 << 30)
    w.git(repo, "add", "-A", ":!huge.log")
    w.git(repo, "commit", "-qm", "odd")
    o = w.json("index", cwd=repo)
    first = lambda q: w.json("search", q, cwd=repo)["results"][0]["path"]
    assert first("dos_line_ends") == "crlf.py" and first("latin_bytes") == "latin.py"
    for hidden in ("in_an_ignored_folder", "in_a_hidden_folder"):
        assert w.run("search", "--regex", hidden, cwd=repo).returncode == 1
    for name, flag in (("nul.py", "binary"), ("pointer.psd", "lfs_pointer")):
        assert flag in w.json("inspect", repo / name)["flags"], name
    r = w.run("inspect", repo / "huge.log")
    assert r.returncode == 2 and "max_file_bytes" in r.stderr, r
    assert w.json("status")["repos"][0]["quarantined"] == 0, o


def test_secrets_are_masked(w):
    key = "AKIA" + "QYLPMN5HHHFPZAM2"
    repo = w.repo(files={**SOURCES, "deploy.py": f'AWS_ACCESS_KEY_ID = "{key}"\n\ndef deploy_to_production():\n    pass\n'})
    for args in (["search", "deploy_to_production"], ["ask", "how is it deployed to production?"], ["inspect", repo / "deploy.py"]):
        r = w.run(*args, "--json", cwd=repo)
        assert r.returncode in (0, 1) and key not in r.stdout, args
    assert w.json("inspect", repo / "deploy.py")["secrets"]
    w.run("stop")
    assert not any(key.encode() in p.read_bytes() for p in w.home.rglob("*") if p.is_file()), "on the disk"


def test_repository_that_goes_away(w):
    repo = w.repo()
    assert w.run("index", cwd=repo).returncode == 0
    os.rename(repo, w.root / "moved")
    o = w.json("search", "retry", "--repo", "courier", cwd="/")
    assert o["results"], "what is in still answers"
    assert w.run("repo", "remove", "courier").returncode == 0
    assert w.json("repo", "list")["repos"] == []
    assert w.run("search", "retry", cwd=w.root / "moved").returncode == 0


def test_index_is_deleted(w):
    repo = w.repo()
    w.run("index", cwd=repo)
    generation = w.json("status")["generation"]
    w.run("stop")
    (w.home / "index.mdb").unlink()
    o = w.json("search", "retry policy", cwd=repo)
    assert o["results"][0]["path"] == "src/retry.py" and o["freshness"]["generation"] > generation


def test_index_is_damaged(w):
    repo = w.repo()
    w.run("index", cwd=repo)
    w.run("stop")
    with open(w.home / "index.mdb", "r+b") as f:
        f.write(b"\xff" * 20000)
    assert w.json("search", "retry policy", cwd=repo)["results"][0]["path"] == "src/retry.py"


def test_submodule(w):
    inner = w.repo("inner", files={"i.py": "def inside_the_submodule():\n    pass\n"})
    outer = w.repo()
    w.git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "vendor/inner")
    w.git(outer, "commit", "-qm", "sub")
    o = w.json("search", "--regex", "inside_the_submodule", cwd=outer)
    assert [r["path"] for r in o["results"]] == ["vendor/inner/i.py"]
    assert o["freshness"]["overlay_files"] == 0 and not o["freshness"]["dirty"], "an unchanged submodule is no change"
    within = outer / "vendor" / "inner"
    o = w.json("search", "inside_the_submodule", cwd=within)
    assert o["results"][0]["path"] == "i.py"

    def changes():
        return w.json("search", "--regex", "inside_the_submodule", cwd=outer)["freshness"]["overlay_files"]
    write(within, {"i.py": "def inside_the_submodule():\n    return 1\n"})
    wait_for(lambda: changes() == 1, "the change in the submodule", 6)
    w.git(within, "commit", "-qam", "inner")
    wait_for(lambda: changes() == 1, "a submodule at another commit", 6)
    w.git(outer, "commit", "-qam", "outer")
    wait_for(lambda: changes() == 0, "the outer commit", 6)


def test_answers_follow_edits(w):
    repo = w.repo()
    assert w.run("search", "retry", cwd=repo).returncode == 0
    write(repo, {"src/retry.py": "def quite_another_thing():\n    pass\n"})
    (repo / "src" / "pool.py").unlink()
    found = lambda q: [r["path"] for r in w.json("search", "--regex", q, cwd=repo, code=None)["results"]]
    wait_for(lambda: found("quite_another_thing") == ["src/retry.py"], "the edit to be seen", 25)
    assert found("ConnectionPool") == [] and found("RetryPolicy") == []


def test_an_explicit_index_tries_again(w):
    repo = w.repo(files=SOURCES | {"lost.py": "def lost_and_found():\n    pass\n"})
    blob = w.git(repo, "rev-parse", "HEAD:lost.py").strip()
    thing = repo / ".git" / "objects" / blob[:2] / blob[2:]
    kept = thing.read_bytes()
    thing.unlink()
    branch = w.git(repo, "branch", "--show-current").strip()
    (repo / "lost.py").unlink()
    w.json("index", "--branch", branch, cwd=repo)
    listed = w.json("status")["quarantine"]
    assert [q["blob"] for q in listed] == [blob] and "cannot be read" in listed[0]["reason"], listed
    thing.write_bytes(kept)
    w.json("index", "--branch", branch, cwd=repo)
    assert w.json("status")["quarantine"] == []
    found = w.json("search", "--branch", branch, "lost_and_found", cwd=repo)["results"]
    assert found and found[0]["path"] == "lost.py", found


if __name__ == "__main__":
    main(globals())
