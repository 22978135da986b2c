"""Bundles: what one may read, as a signed file that answers as the server does. Tampered with, cut short, forged, hostile; killed in the middle; read by
the container tools. 20 kills; 200 with CODEASK_TEST_LONG."""
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tarfile
import time

from lib import BUILD, CODEASK, SOURCES, ended, main, wait_for, write
from test_http import Server

KILLS = 200 if os.environ.get("CODEASK_TEST_LONG") == "1" else 20
SMALL = ("--no-programs", "--no-models")
LAMP = '''"""Keeps the gallimaufry of lamp oil apart."""


def zebraquillLantern(wick):
    """Trims a wick of a lamp; says marzipan-barometer when the oil is gone."""
    return wick
'''
HIDDEN = ("zebraquillLantern", "marzipan-barometer", "gallimaufry", "oxblood-lamp", "Lucinda", "quince-branch")
QUESTIONS = ("how long is the wait before a retry?", "exponential backoff", "where are idle connections kept?", "why is the pool bounded?", "which lamp has a wick?")


def stop(w, home=None):
    w.run("stop", env={"CODEASK_HOME": str(home)} if home else None)
    lock = (home or w.home) / "codeaskd.sock"
    wait_for(lambda: not lock.exists() or not answers(lock), "the daemon's end")


def answers(path):
    from lib import Rpc
    try:
        Rpc(str(path)).close()
        return True
    except OSError:
        return False


def team(w, config="embed = no\n"):
    """Two repositories: one that a newcomer may read, one that he may not."""
    w.config(config)
    repo = w.repo()
    write(repo, {"src/pool.py": SOURCES["src/pool.py"].replace("self.idle = []", "self.idle = []  # at most size of them")})
    w.git(repo, "commit", "-qam", "bound the pool, so that a slow peer cannot exhaust descriptors")
    write(repo, {"src/draft.py": "def draft_of_backoff(attempt):\n    \"\"\"Not committed: exponential backoff, capped.\"\"\"\n    return min(attempt, 9)\n"})
    other = w.repo("oxblood-lamp", {"src/lamp.py": LAMP, "quince-branch.txt": "a lamp has a wick\n"})
    w.git(other, "config", "user.name", "Lucinda")
    subprocess.run(["git", "-C", str(other), "commit", "-q", "--allow-empty", "--author", "Lucinda <l@l>", "-m", "gallimaufry of lamps"], env=w.env, check=True)
    for one in repo, other:
        w.json("index", cwd=one)
        w.json("history", "README.md" if one == repo else "src/lamp.py", cwd=one)
    return repo, other


def make(w, *args, name="one.bundle", home=None, code=0):
    return w.json("bundle", "export", *([w.root / name] if name else []), *args, code=code, env={"CODEASK_HOME": str(home)} if home else None)


def install(w, name="one.bundle", home="away", *args, code=0):
    home = w.root / home
    key = w.json("bundle", "verify", w.root / name)["key"] if not args else None
    return w.json("bundle", "import", w.root / name, *(args or ("--trust", key)), code=code, env={"CODEASK_HOME": str(home)})


def at(w, home, *args, code=None):
    return w.json(*args, code=code, env={"CODEASK_HOME": str(w.root / home)})


def steady(answer, *but):
    """Without times, and without the names that each asking draws anew."""
    o = {k: v for k, v in answer.items() if k not in ("took_ms", "timings", "id", "conversation")}
    if "freshness" in o:
        o["freshness"] = {k: v for k, v in o["freshness"].items() if k not in ("reconciled_ms_ago", *but)}
    return json.dumps(o, sort_keys=True)


def same_answers(w, *but, home="away", repo="courier"):
    for q in QUESTIONS:
        for how in (("search",), ("search", "--explain"), ("ask",)):
            here, there = w.json(*how, q, "--repo", repo, code=None), at(w, home, *how, q, "--repo", repo)
            assert steady(here, *but) == steady(there, *but), (how, q, here, there)
    for args in (("symbol", "--callers", "send_with_retry"), ("history", "src/pool.py"), ("tour",), ("search", "--regex", "def \\w+_with")):
        here, there = w.json(*args, "--repo", repo, code=None), at(w, home, *args, "--repo", repo)
        assert steady(here, *but) == steady(there, *but), (args, here, there)


def found(path, *markers):
    r = subprocess.run([BUILD / "bytes_find", path, *markers], capture_output=True, text=True)
    assert r.returncode in (0, 1), r
    return r.stdout


def test_answers_are_equal(w):
    team(w, "")  # with vectors, where the model is there
    told = make(w, "--repo", "courier", "--no-programs")
    assert told["contents"]["repos"][0]["uncommitted"] == 1, told
    o = install(w)
    assert o["installed"] and [r["repo"] for r in o["contents"]["repos"]] == ["courier"], o
    same_answers(w)
    status = at(w, "away", "status", code=0)
    assert [(r["repo"], r["path"]) for r in status["repos"]] == [("courier", "bundle:courier")], status
    cited = at(w, "away", "ask", QUESTIONS[0], "--repo", "courier")["citations"]
    assert cited and cited[0]["path"] == "src/retry.py", cited
    # a branch that is not in it, an index of what has no source here, and a clone of one's own beside it
    assert at(w, "away", "search", "backoff", "--repo", "courier", "--branch", "nowhere", code=2)["error"]["code"] == "not_found"
    assert "bundle" in at(w, "away", "index", "--repo", "courier", code=2)["error"]["message"]
    stop(w, w.root / "away")
    same_answers(w)  # after a restart
    o = w.json("search", "exponential backoff", cwd=w.root / "courier", env={"CODEASK_HOME": str(w.root / "away")})
    assert o["results"][0]["repo"] != "courier" and len(at(w, "away", "repo", "list", code=0)["repos"]) == 2, o


def test_why_without_git(w):
    """Lines of a commit that touched very many files are read out of git when somebody asks; where the bundle goes there is none."""
    w.config("embed = no\n")
    files = {f"src/part{i}.py": f"def part_{i}(attempt):\n    return attempt + {i}\n" for i in range(310)}
    repo = w.repo("courier", files)
    write(repo, {name: text.replace("return attempt", "return 2 * attempt") for name, text in files.items()})
    w.git(repo, "commit", "-qam", "double the attempt everywhere, so that the quartz limiter cannot starve")
    w.json("index", cwd=repo)
    w.json("history", "src/part7.py", cwd=repo)
    q = ("ask", "why is the attempt doubled for the quartz limiter?", "--repo", "courier")
    here = w.json(*q, code=None)
    cited = [c for c in here["citations"] if c.get("reason_commit")]
    assert cited and cited[0]["start_line"] == cited[0]["end_line"] == 2, here
    make(w, "--repo", "courier", *SMALL)
    install(w)
    assert steady(here) == steady(at(w, "away", *q)), (here, at(w, "away", *q))


def test_without_its_history(w):
    w.config("embed = no\nhistory = no\n")
    repo = w.repo()
    w.json("index", cwd=repo)
    assert "history = no" in w.json("history", "README.md", cwd=repo, code=1)["note"]
    make(w, "--repo", "courier", *SMALL)
    install(w)
    (w.root / "away" / "config").write_text("embed = no\n")
    o = at(w, "away", "ask", "why is the pool bounded?", "--repo", "courier", code=None)
    assert "the bundle has not the whole history" in o["note"], o


def test_nothing_else_is_in_it(w):
    team(w)
    token = w.run("token", "create", "annabelle-user", "--scope", "read,admin").stdout.strip()
    w.run("access", "grant", "annabelle-user", "courier")
    w.run("token", "create", "benjamin-user")
    w.run("access", "grant", "benjamin-user", "oxblood-lamp")
    a = w.json("ask", "where is the velvet-question of retries?", "--repo", "courier", code=None)
    w.json("feedback", a["id"], "good", "--expected", "src/retry.py:5")
    told = w.json("bundle", "export", "--dry-run", "--user", "annabelle-user")
    assert [r["repo"] for r in told["contents"]["repos"]] == ["courier"] and told["file"] is None and not (w.home / "bundle.key").exists(), told
    one, two = make(w, "--user", "annabelle-user", *SMALL), make(w, "--user", "benjamin-user", *SMALL, name="two.bundle")
    assert one["contents"] == {**told["contents"], "left_out": one["contents"]["left_out"], "models": [], "as_of_ms": one["contents"]["as_of_ms"]}
    assert [r["repo"] for r in two["contents"]["repos"]] == ["oxblood-lamp"]
    assert make(w, "--user", "annabelle-user", "--repo", "oxblood-lamp", name="no", code=2)["error"]["code"] == "not_found"
    assert make(w, "--user", "nobody", name="no", code=2)["error"]["code"] == "not_found"
    install(w)
    install(w, "two.bundle", "second")
    people = ("annabelle-user", "benjamin-user", "velvet-question", token[-64:], str(w.root))
    assert all(found(w.home, m) for m in HIDDEN + people[:3]), "the search would find nothing anywhere"
    for home, file, markers in (("away", "one.bundle", HIDDEN + people), ("second", "two.bundle", ("RetryPolicy", "send_with_retry", "courier", "bound the pool", *people))):
        raw = (w.root / file).read_bytes()
        assert not [m for m in markers if m.encode() in raw], file
        (w.root / home / "bundle.json").unlink()  # names the bundle's own path nowhere, but is not what was sealed
        assert not found(w.root / home, *markers), found(w.root / home, *markers)
    assert found(w.root / "second", *HIDDEN[:3]) and not at(w, "away", "search", "lamp wick", "--repo", "oxblood-lamp", code=2).get("results")
    # what a repository that stays here holds
    w.run("repo", "pin", "oxblood-lamp", "local")
    assert make(w, "--repo", "oxblood-lamp", name="no", code=2)["error"]["code"] == "denied"
    told = w.json("bundle", "export", "--dry-run", *SMALL)
    assert [r["repo"] for r in told["contents"]["repos"]] == ["courier"] and "oxblood-lamp" in json.dumps(told["contents"]["left_out"])


def test_adapters_by_their_lineage(w):
    """One goes along only where all that it learned is in the bundle, and without the texts that it learned."""
    team(w)
    ids = {"courier": 1, "oxblood-lamp": 2}
    stop(w)
    set_ = lambda key, o: subprocess.run([BUILD / "state_set", w.home, key, json.dumps(o)], check=True)
    for name, repos in (("ours", ["courier"]), ("both", ["courier", "oxblood-lamp"]), ("map", ["courier"]), ("unknown", [])):
        folder = w.home / "adapters" / name
        folder.mkdir(parents=True)
        for file in "adapter_config.json", "adapter_model.safetensors", "codeask.json", "contents", "corpus", "measured", "state":
            (folder / file).write_text(f"{file} of {name}")
        set_(f"adapter/{name}", {"repos": [ids[r] for r in repos], "model": "m", "context": 0, "made": 1})
    out = lambda o: (o["contents"]["adapters"], [l["name"] for l in o["contents"]["left_out"] if l["kind"] == "adapter"])
    made = {}
    for n, (answers, maps) in enumerate((("ours", {"1": "map", "2": "both"}), ("both", {"1": "both"}), ("unknown", {}))):
        set_("adapters", {"now": answers, "before": ["both"]})
        set_("adapters.embed", {"now": maps, "before": []})
        made[answers] = make(w, "--repo", "courier", *SMALL, name=f"{n}.bundle"), make(w, "--dry-run", *SMALL, name=None)
    assert [out(o) for o in made["ours"]] == [(["ours", "map"], []), (["ours", "map", "both"], [])], made["ours"]
    assert [out(o) for o in made["both"]] == [([], ["both"]), (["both"], [])], made["both"]
    assert [out(o) for o in made["unknown"]] == [([], ["unknown"])] * 2, made["unknown"]
    install(w, "0.bundle")
    there = {p.relative_to(w.root / "away" / "adapters").as_posix() for p in (w.root / "away" / "adapters").rglob("*") if p.is_file()}
    kept = ("adapter_config.json", "adapter_model.safetensors", "codeask.json", "contents")
    assert there == {f"{a}/{f}" for a in ("ours", "map") for f in kept}, there
    assert found(w.root / "away", '"now":"ours"') and found(w.root / "away", '{"1":"map"}') and not found(w.root / "away", "both")
    (w.home / "adapters" / "ours" / "contents").write_text(w.git(w.root / "courier", "rev-parse", "HEAD:README.md"))
    set_("adapters", {"now": "ours", "before": []})
    w.json("purge", w.git(w.root / "courier", "rev-parse", "HEAD:README.md").strip())
    assert "ours" not in out(make(w, "--repo", "courier", *SMALL, name="blocked.bundle"))[0]


def test_over_the_network(w):
    team(w)
    stop(w)
    s = Server(w)
    admin = w.run("token", "create", "annabelle", "--scope", "read,admin").stdout.strip()
    reader = w.run("token", "create", "benjamin").stdout.strip()
    w.run("access", "grant", "annabelle", "courier")
    w.run("access", "grant", "benjamin", "courier")
    post = lambda token, **o: s.ask("POST", "/v1/bundle.export", o, {"authorization": f"Bearer {token}"})[:2]
    assert post(reader, to="x.bundle")[0] == 403
    for bad in ("/tmp/x.bundle", "../x.bundle", ".x", "a/b"):
        assert post(admin, to=bad)[0] == 400, bad
    assert post(admin, to="x.bundle", repo=["oxblood-lamp"])[0] == 404
    status, o = post(admin, to="x.bundle", no_programs=True, no_models=True)
    assert status == 200 and [r["repo"] for r in o["contents"]["repos"]] == ["courier"] and (w.home / "bundles" / "x.bundle").exists(), o
    for name in "bundle.import", "bundle.verify":
        assert s.ask("POST", f"/v1/{name}", {"file": "x"}, {"authorization": f"Bearer {admin}"})[0] in (403, 404)


def test_the_same_again(w):
    team(w)
    first, second = make(w, *SMALL), make(w, *SMALL, name="two.bundle")
    assert first["digest"] == second["digest"] and (w.root / "one.bundle").read_bytes() == (w.root / "two.bundle").read_bytes()
    assert (w.root / "one.bundle").stat().st_mode & 0o777 == 0o600 and (w.home / "bundle.key").stat().st_mode & 0o777 == 0o600
    make(w, *SMALL, "--oci", name="layout")
    with tarfile.open(w.root / "one.bundle") as t:
        t.extractall(w.root / "unpacked")
    files = lambda d: {str(p.relative_to(d)): p.read_bytes() for p in d.rglob("*") if p.is_file()}
    assert files(w.root / "layout") == files(w.root / "unpacked") and len(files(w.root / "layout")) == 5
    assert "there already" in make(w, *SMALL, code=2)["error"]["message"]
    assert not list(w.root.glob("*.part")) and not (w.home / "exporting").exists()


# -- damaged, forged, hostile --------------------------------------------------------------------------------------------------------------

def verify(w, data, *args):
    """What is wrong with it; None: nothing."""
    path = w.root / "changed.bundle"
    path.write_bytes(data)
    r = w.run("bundle", "verify", path, "--json", *args)
    o = json.loads(r.stdout)
    assert r.returncode in (0, 2) and (r.returncode == 0) == ("error" not in o), r
    return o.get("error")


def members(data):
    """name -> (offset of its header, offset of its content, size)"""
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        return {m.name: (m.offset, m.offset_data, m.size) for m in t}


def test_every_bit_counts(w):
    team(w)
    made = make(w, "--repo", "courier", *SMALL)
    data = (w.root / "one.bundle").read_bytes()
    assert verify(w, data) is None and verify(w, data, "--key", made["key"].upper()) is None and verify(w, data, "--key", w.home / "bundle.pub") is None
    assert verify(w, data, "--key", "0" * 64)["code"] == "denied" and verify(w, data, "--key", "/nowhere")["code"] == "usage"
    where = members(data)
    index = json.loads(data[where["index.json"][1]:][:where["index.json"][2]])
    manifest = "blobs/sha256/" + index["manifests"][0]["digest"][7:]
    notes = index["manifests"][0]["annotations"]

    def flipped(at, bit=0):
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]

    layer = max(where, key=lambda n: where[n][2])
    assert "layer" in verify(w, flipped(where[layer][1] + where[layer][2] // 2))["message"]
    assert "manifest" in verify(w, flipped(where[manifest][1] + 40))["message"]
    at = data.index(notes["org.codeask.signature"].encode())
    digit = data[at:at + 1]
    assert "signature" in verify(w, data[:at] + (b"1" if digit != b"1" else b"2") + data[at + 1:])["message"]
    at = data.index(notes["org.codeask.key"].encode())
    assert verify(w, data[:at] + (b"1" if data[at:at + 1] != b"1" else b"2") + data[at + 1:])["code"] == "corrupt"
    assert "index.json" in verify(w, data.replace(b'ref.name":"codeask"', b'ref.name":"codeasj"'))["message"]
    unsigned = data.replace(b'"org.codeask.signature"', b'"org.codeask.signaturf"')
    assert "no signature" in verify(w, unsigned)["message"]
    rng = random.Random(1)
    places = [rng.randrange(len(data)) for _ in range(60)]
    for name, (head, body, size) in where.items():  # each header's fields, each content's ends, each padding
        places += [head, head + 101, head + 110, head + 125, head + 140, head + 150, head + 156, head + 160, head + 258, head + 300, head + 346, head + 505]
        places += [body, body + size - 1, body + size] if size else []
    places += [len(data) - 1, len(data) - 700]
    for at in places:
        wrong = verify(w, flipped(at, rng.randrange(8)))
        assert wrong and wrong["code"] in ("corrupt", "bad_format"), (at, wrong)
    for n in [0, 1, 511, 512, 4000, len(data) // 2, len(data) - 1024, len(data) - 512, len(data) - 1] + [rng.randrange(len(data)) for _ in range(20)]:
        wrong = verify(w, data[:n])
        assert wrong and wrong["code"] in ("corrupt", "bad_format"), (n, wrong)
    assert "follows" in verify(w, data + b"\0")["message"]
    assert verify(w, random.Random(2).randbytes(20000))["code"] == "bad_format"
    # what was changed is refused by import as well, and leaves nothing
    (w.root / "changed.bundle").write_bytes(flipped(where[layer][1] + where[layer][2] // 2))
    o = install(w, "changed.bundle", "away", "--trust", made["key"], code=2)["error"]
    assert o["code"] == "corrupt" and not (w.root / "away" / "index.mdb").exists() and not (w.root / "away" / "importing").exists(), o


def header(name, size=0, kind=b"0", link=b"", mode=0o644):
    """As base/tar.c writes it, but for what is asked."""
    block = bytearray(512)
    block[:len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"%07o\0" % mode, b"0000000\0", b"0000000\0"
    block[124:136], block[136:148], block[148:156] = b"%011o\0" % size, b"00000000000\0", b" " * 8
    block[156:157], block[157:157 + len(link)], block[257:265] = kind, link, b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def entry(name, body=b"", **how):
    return header(name, len(body), **how) + body + bytes(-len(body) % 512)


def signed(w, data, change, key):
    """The bundle with its home's layer changed, every digest made anew, and signed by that key."""
    where = members(data)
    part = lambda name: data[where[name][1]:][:where[name][2]]
    index = json.loads(part("index.json"))
    manifest = json.loads(part("blobs/sha256/" + index["manifests"][0]["digest"][7:]))
    config = json.loads(part("blobs/sha256/" + manifest["config"]["digest"][7:]))
    layer = change(part("blobs/sha256/" + manifest["layers"][-1]["digest"][7:]))
    text = lambda o: json.dumps(o, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = lambda b: "sha256:" + hashlib.sha256(b).hexdigest()
    manifest["layers"][-1].update(digest=digest(layer), size=len(layer))
    config["rootfs"]["diff_ids"][-1] = digest(layer)
    manifest["config"].update(digest=digest(text(config)), size=len(text(config)))
    body = text(manifest)
    message, mark = w.root / "message", w.root / "mark"
    message.write_bytes(b"codeask bundle 1\n" + digest(body).encode())
    subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message, "-out", mark], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    index["manifests"][0].update(digest=digest(body), size=len(body))
    index["manifests"][0]["annotations"].update({"org.codeask.key": der[-32:].hex(), "org.codeask.signature": mark.read_bytes().hex()})
    out = entry(b"oci-layout", b'{"imageLayoutVersion":"1.0.0"}') + header(b"blobs/", kind=b"5", mode=0o755) + header(b"blobs/sha256/", kind=b"5", mode=0o755)
    for blob in layer, text(config), body:
        out += entry(b"blobs/sha256/" + digest(blob)[7:].encode(), blob)
    return out + entry(b"index.json", text(index)) + bytes(1024)


def test_hostile_ones(w):
    """Signed by one who is trusted, and yet: nothing is written outside of the home, nor what a home has not."""
    team(w)
    made = make(w, "--repo", "courier", *SMALL)
    data, key = (w.root / "one.bundle").read_bytes(), w.home / "bundle.key"
    assert signed(w, data, lambda layer: layer, key) == data, "the test does not write them as the program does"
    before = entry(b"var/", kind=b"5", mode=0o755) + entry(b"var/lib/", kind=b"5", mode=0o755) + entry(b"var/lib/codeask/", kind=b"5", mode=0o755)
    evil = {
        "a path that leads out": entry(b"var/lib/codeask/../../../evil", b"x"),
        "an absolute path": entry(b"/evil", b"x"),
        "a symbolic link": entry(b"var/lib/codeask/config", kind=b"2", link=b"/etc/passwd"),
        "a hard link": entry(b"var/lib/codeask/config", kind=b"1", link=b"/etc/passwd"),
        "a device": entry(b"var/lib/codeask/config", kind=b"3"),
        "a pipe": entry(b"var/lib/codeask/config", kind=b"6"),
        "an extended header": entry(b"var/lib/codeask/config", b"20 path=/etc/evil\n", kind=b"x"),
        "a long name": entry(b"././@LongLink", b"/etc/evil\0", kind=b"L"),
        "another's file": entry(b"etc/passwd", b"x"),
        "a daemon's socket": entry(b"var/lib/codeask/codeaskd.sock", b"x"),
        "the key": entry(b"var/lib/codeask/bundle.key", b"x"),
        "ready": entry(b"var/lib/codeask/ready", b""),
        "a file twice": entry(b"var/lib/codeask/config", b"embed = no\n") * 2,
        "a file that is a folder": entry(b"var/lib/codeask/adapters", b"x") + entry(b"var/lib/codeask/adapters/a/b", b"x"),
        "a file in no folder": entry(b"var/lib/codeask/adapters/a/b", b"x"),
        "set-uid": entry(b"var/lib/codeask/config", b"x", mode=0o4755),
        "too long a file": header(b"var/lib/codeask/config", 1 << 32),
        "no end": b"",
    }
    for name, bytes_ in evil.items():
        end = b"" if name == "no end" else bytes(1024)
        (w.root / "evil.bundle").write_bytes(signed(w, data, lambda _: before + bytes_ + end, key))
        r = w.run("bundle", "import", w.root / "evil.bundle", "--trust", made["key"], "--json", env={"CODEASK_HOME": str(w.root / "away")})
        if name == "set-uid":  # taken as an ordinary file; the index is missing then
            assert r.returncode == 2 and "has no index.mdb" in r.stdout, (name, r)
        else:
            assert r.returncode == 2 and json.loads(r.stdout)["error"]["code"] in ("corrupt", "bad_format", "io"), (name, r)
        left = sorted(p.name for p in (w.root / "away").iterdir())
        assert left == ["lock", "models"], (name, left)
    assert not (w.root / "evil").exists() and not pathlib.Path("/evil").exists()
    # a newer form, another index
    for field, value, code in (("format", 2, "version"), ("index_schema", 999, "version"), ("state_schema", 999, "version")):
        where = members(data)
        index = json.loads(data[where["index.json"][1]:][:where["index.json"][2]])
        name = "blobs/sha256/" + index["manifests"][0]["digest"][7:]
        manifest = json.loads(data[where[name][1]:][:where[name][2]])
        contents = json.loads(manifest["annotations"]["org.codeask.contents"])
        contents[field] = value
        manifest["annotations"]["org.codeask.contents"] = json.dumps(contents, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        body = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        index["manifests"][0]["size"] = len(body)
        swapped = data[:where[name][0]] + entry(name.encode(), body) + entry(b"index.json", json.dumps(index, sort_keys=True, separators=(",", ":")).encode()) + bytes(1024)
        (w.root / "evil.bundle").write_bytes(signed(w, swapped, lambda layer: layer, key))
        o = install(w, "evil.bundle", "away", "--trust", made["key"], code=2)["error"]
        assert o["code"] == code, (field, o)


def test_forged_and_unknown_signers(w):
    team(w)
    made = make(w, "--repo", "courier", *SMALL)
    data = (w.root / "one.bundle").read_bytes()
    o = install(w, "one.bundle", "away", "--key", "0" * 64, code=2)["error"]
    assert o["code"] == "denied" and made["key"] in o["message"], o
    r = w.run("bundle", "import", w.root / "one.bundle", env={"CODEASK_HOME": str(w.root / "away")})
    assert r.returncode == 2 and made["key"] in r.stderr and "--trust" in r.stderr and not (w.root / "away" / "index.mdb").exists(), r
    forger = w.root / "forger.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", forger], check=True, capture_output=True)
    (w.root / "forged.bundle").write_bytes(signed(w, data, lambda layer: layer, forger))
    told = w.json("bundle", "verify", w.root / "forged.bundle")
    assert told["key"] != made["key"] and told["trusted"] is False and w.json("bundle", "verify", w.root / "one.bundle")["trusted"] is True
    assert install(w, "forged.bundle", "away", "--trust", made["key"], code=2)["error"]["code"] == "denied"
    assert install(w, "forged.bundle", "away", "--key", w.home / "bundle.pub", code=2)["error"]["code"] == "denied"
    install(w, "one.bundle", "away", "--trust", ":".join(made["key"][i:i + 2] for i in range(0, 64, 2)).upper())
    make(w, "--repo", "courier", *SMALL, name="two.bundle")
    assert at(w, "away", "bundle", "import", w.root / "two.bundle", code=0)["installed"] is False  # trusted since, and the same
    o = at(w, "away", "bundle", "import", w.root / "forged.bundle", code=2)["error"]
    assert o["code"] == "denied", o
    (w.home / "bundle.key").chmod(0o644)
    assert make(w, *SMALL, name="three", code=2)["error"]["code"] == "denied" and not (w.root / "three").exists()


# -- homes ----------------------------------------------------------------------------------------------------------------------------------------

def test_import_twice_and_newer(w):
    repo, other = team(w)
    make(w, "--repo", "courier", *SMALL)
    install(w)
    assert install(w)["installed"] is False
    write(repo, {"src/fresh.py": "def newest_of_all():\n    return 1\n"})
    w.json("index", cwd=repo)
    make(w, *SMALL, name="two.bundle")
    at(w, "away", "search", "backoff", "--repo", "courier")
    assert at(w, "away", "bundle", "import", w.root / "two.bundle", code=2)["error"]["code"] == "busy"
    stop(w, w.root / "away")
    o = install(w, "two.bundle")
    assert o["installed"] and any("state.mdb.before" in p for p in o["aside"]), o
    assert at(w, "away", "symbol", "newest_of_all", "--repo", "courier")["definitions"]
    same_answers(w, "generation")  # which goes on above the home's own
    same_answers(w, "generation", repo="oxblood-lamp")
    # one with repositories of its own is never touched
    stop(w, w.root / "away")
    own = w.home
    o = w.json("bundle", "import", w.root / "two.bundle", code=2)["error"]
    assert o["code"] == "busy", o
    stop(w)
    kept = {p.name: p.read_bytes() for p in own.iterdir() if p.is_file() and p.name.endswith(".mdb")}
    o = w.json("bundle", "import", w.root / "two.bundle", code=2)["error"]
    assert o["code"] == "usage" and "CODEASK_HOME" in o["hint"], o
    assert {n: (own / n).stat().st_size for n in kept} == {n: len(b) for n, b in kept.items()}
    assert w.json("search", "backoff", cwd=repo)["results"]


def kill_holders(home):
    """The program behind the client, which has a group of its own, and names itself in the lock only later: whatever was started for that home."""
    mark = f"CODEASK_HOME={home}".encode()

    def found():
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0") and not ended(entry.name):
                    yield int(entry.name)
            except OSError:
                pass

    def one_is_left():
        left = list(found())
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return left

    wait_for(lambda: not one_is_left(), "their end")


def test_killed_in_the_middle(w):
    """An import that is killed at any moment has changed nothing or goes on, and the next one ends it; an export leaves no file."""
    team(w)
    made = make(w, *SMALL)
    away, env = w.root / "away", {**w.env, "CODEASK_HOME": str(w.root / "away")}
    began = time.monotonic()
    install(w)
    took = time.monotonic() - began
    same_answers(w)
    stop(w, away)
    rng, whole = random.Random(3), 0
    for i in range(KILLS):
        shutil.rmtree(away)
        p = subprocess.Popen([CODEASK, "bundle", "import", str(w.root / "one.bundle"), "--trust", made["key"]], env=env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(rng.random() * took * 1.2)
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
        kill_holders(away)
        there = (away / "index.mdb").exists()
        whole += there
        if i % 3 == 0 and (away / "importing" / "ready").exists() or there:  # the next that opens the home finishes it
            assert at(w, "away", "search", "backoff", "--repo", "courier")["results"]
            stop(w, away)
        o = install(w, "one.bundle", "away", "--trust", made["key"])
        assert not (away / "importing").exists(), o
        if i % 5 == 0:
            assert at(w, "away", "search", "backoff", "--repo", "courier")["results"]
            stop(w, away)
    same_answers(w)
    for i in range(4):
        stop(w)
        p = subprocess.Popen([CODEASK, "bundle", "export", str(w.root / "killed"), *SMALL], env=w.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
        time.sleep(rng.random() * .15)
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
        kill_holders(w.home)
        if not (w.root / "killed").exists():
            if i == 3:
                (w.home / "exporting").mkdir(exist_ok=True)
                (w.home / "exporting" / "index.mdb").write_text("half of it")
                w.json("search", "backoff", "--all-repos")
                assert not (w.home / "exporting").exists(), "a purge would not look into it"
            make(w, *SMALL, name="killed")
        assert verify(w, (w.root / "killed").read_bytes()) is None
        (w.root / "killed").unlink()
    w.json("search", "backoff", "--all-repos")  # whoever opens the home next clears what was left after the last file was whole
    assert not list(w.root.glob("*.part")) and not (w.home / "exporting").exists()


def test_its_configuration_holds_at_once(w):
    """Whoever finishes an import that was cut short goes by the configuration that it brings."""
    team(w)
    make(w, *SMALL)
    install(w)
    away = w.root / "away"
    wanted = (away / "config").read_text()
    (away / "config").unlink()
    (away / "importing").mkdir()
    (away / "importing" / "config").write_text(wanted)
    (away / "importing" / "ready").touch()
    o = at(w, "away", "search", "backoff", "--repo", "courier", code=0)
    assert "embed = no" in o["note"] and (away / "config").read_text() == wanted, o


def test_full_disk(w):
    team(w)
    made = make(w, *SMALL)
    away = w.root / "away"
    away.mkdir(mode=0o700)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(away)]).returncode:
        print("full_disk: no right to mount a small file system")
        return
    try:
        o = install(w, "one.bundle", "away", "--trust", made["key"], code=2)["error"]
        assert o["code"] == "disk_full" and "CODEASK_HOME" in o["hint"] and not (away / "index.mdb").exists(), o
        o = w.json("bundle", "export", away / "x.bundle", code=2)["error"]
        assert o["code"] == "disk_full" and not list(away.glob("x*")), (o, list(away.iterdir()))
    finally:
        subprocess.run(["umount", "-l", str(away)], check=True)


def test_a_purge_names_them(w):
    repo, _ = team(w)
    blob = lambda path: w.git(repo, "rev-parse", f"HEAD:{path}").strip()
    gone, kept = blob("src/retry.py"), w.git(w.root / "oxblood-lamp", "rev-parse", "HEAD:src/lamp.py").strip()
    made = make(w, "--repo", "courier", *SMALL)
    held = lambda o: [(h["kind"], h["name"], h["where"], h["holds"]) for h in o["holders"] if h["kind"] == "bundle"]
    assert held(w.json("purge", kept)) == []
    assert "1 made by" in w.run("doctor", "--privacy").stdout
    o = w.json("purge", gone)
    assert held(o) == [("bundle", made["digest"][:12], str(w.root / "one.bundle"), True)], o
    assert "bundle" in w.run("purge", gone).stdout
    make(w, *SMALL, name="two.bundle")
    install(w, "two.bundle")
    assert not found(w.root / "away", "send_with_retry(request, policy):", "zebraquillLantern")
    (w.home / "bundles" / f"{made['digest']}.contents").unlink()  # whether it has one cannot be told any more
    assert [h[3] for h in held(w.json("purge", blob("README.md")))].count(None) == 1


# -- container tools ----------------------------------------------------------------------------------------------------------------------------

def test_container_tools(w):
    missing = [t for t in ("skopeo", "umoci") if not shutil.which(t)]
    if missing:
        print("container_tools: skipped, not installed:", *missing)
        return
    team(w, "")
    made = make(w, "--repo", "courier")
    run = lambda *argv: subprocess.run(list(map(str, argv)), check=True, capture_output=True, text=True, env={**w.env, "HOME": str(w.root)}).stdout
    seen = json.loads(run("skopeo", "inspect", f"oci-archive:{w.root}/one.bundle"))
    assert seen["Digest"] == "sha256:" + made["digest"] and seen["Os"] == "linux" and len(seen["Layers"]) in (2, 3), seen
    policy = w.root / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    run("skopeo", "--policy", policy, "copy", f"oci-archive:{w.root}/one.bundle", f"oci:{w.root}/image:codeask")
    run("umoci", "unpack", "--rootless", "--image", f"{w.root}/image:codeask", w.root / "box")
    root = w.root / "box" / "rootfs"
    spec = json.loads((w.root / "box" / "config.json").read_text())
    assert spec["process"]["args"][0] == "/usr/bin/codeaskd" and "CODEASK_HOME=/var/lib/codeask" in spec["process"]["env"], spec["process"]
    if os.geteuid():
        print("container_tools: its programs are not run: no right to change the root")
        return
    (root / "dev").mkdir(exist_ok=True)
    (root / "proc").mkdir(exist_ok=True)
    inside = ["unshare", "--mount", "sh", "-c",
              'mount --rbind /proc "$0/proc" && touch "$0/dev/null" && mount --bind /dev/null "$0/dev/null" && exec chroot "$0" "$@"', str(root), *spec["process"]["args"]]
    env = dict(e.split("=", 1) for e in spec["process"]["env"])
    p = subprocess.Popen(inside, env={**env, "PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    w.processes.append(p)
    home = root / "var/lib/codeask"
    wait_for(lambda: p.poll() is not None or answers(home / "codeaskd.sock"), "the daemon inside")
    assert p.poll() is None, p.stderr.read()
    for q in QUESTIONS:  # asked from outside, over the socket of its home
        from lib import Rpc
        with Rpc(str(home / "codeaskd.sock")) as c:
            c.request(1, "search", query=q, repo=["courier"])
            there = c.answer(1)["result"]
        assert steady(w.json("search", q, "--repo", "courier", code=None)) == steady(there), q
    said = subprocess.run(["chroot", root, "/usr/bin/codeask", "search", "--repo", "courier", "exponential backoff"], env={"CODEASK_HOME": "/var/lib/codeask", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
                          capture_output=True, text=True)
    assert said.returncode == 0 and "src/retry.py" in said.stdout, said


def test_programs_are_unpacked(w):
    team(w)
    made = make(w, "--repo", "courier", "--no-models")
    install(w, "one.bundle", "away", "--trust", made["key"], "--programs", w.root / "programs")
    new = w.root / "programs" / "usr" / "bin"
    assert (new / "codeask").read_bytes() == pathlib.Path(CODEASK).read_bytes() and (new / "codeaskd").stat().st_mode & 0o777 == 0o755
    r = subprocess.run([new / "codeask", "search", "--repo", "courier", "exponential backoff"], env={**w.env, "CODEASK_HOME": str(w.root / "away")}, capture_output=True, text=True)
    assert r.returncode == 0 and "src/retry.py" in r.stdout, r
    o = install(w, "one.bundle", "other", "--trust", made["key"], "--programs", w.root / "programs", code=2)["error"]
    assert o["code"] == "usage" and not (w.root / "other" / "index.mdb").exists(), o


if __name__ == "__main__":
    main(globals())
