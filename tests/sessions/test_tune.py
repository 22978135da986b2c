"""`codeask tune`: from the index to an adapter that answers are written with, interrupted, asked beside, taken back; and who is never answered
with it."""
import json
import os
import shutil
import signal
import stat
import time

import tiny
from lib import CODEASK, SOURCES, Told, big_sources, ended, main, process, wait_for, write
from test_http import Server

SMALL = ("--records", "16", "--context", "128", "--rank", "4")
CONFIG = "embed = no\nanswer_model = told\ntune_checkpoint_seconds = 0\n"


def home(w, config=CONFIG):
    w.config(config)
    folder = w.home / "models" / "told"
    folder.mkdir(parents=True)
    tiny.put_writer(folder)


def code(w, name="courier", files=12):
    repo = w.repo(name, {**SOURCES, **big_sources(files, name)})
    for i in range(6):
        write(repo, {f"src/more{i}.py": f'def more_{name}_{i}(value):\n    """Turns value number {i} of {name} around once more."""\n    return value * {i}\n'})
        w.git(repo, "add", "-A")
        w.git(repo, "commit", "-qm", f"More of {name}: value number {i} is turned around")
    return repo


def tuner(w):
    """The tuning process of the home's daemon: its id and state."""
    daemon = w.pid()
    for p in os.listdir("/proc"):
        try:
            found = process(p) if p.isdigit() else None
            if found and int(found[1]) == daemon and "--tune" in open(f"/proc/{p}/cmdline").read():
                return int(p), found[0]
        except OSError:
            pass
    return None


def same_in_gguf(folder):
    """The adapter as llama.cpp has it beside it as PEFT has it: the same numbers, as gguf-py reads them; where that is not there, the file's head."""
    data = (folder / "adapter.gguf").read_bytes()
    assert data[:4] == b"GGUF" and b"adapter.lora.alpha" in data[:600]
    try:
        import gguf
    except ImportError:
        return print("gguf-py is not here: the file's head alone is looked at", flush=True)
    weights = (folder / "adapter_model.safetensors").read_bytes()
    size = int.from_bytes(weights[:8], "little")
    head = json.loads(weights[8:8 + size])
    head.pop("__metadata__", None)
    config = json.loads((folder / "adapter_config.json").read_text())
    reader = gguf.GGUFReader(folder / "adapter.gguf")
    said = {k: reader.fields[k].contents() for k in ("general.type", "general.architecture", "adapter.type", "adapter.lora.alpha")}
    assert said == {"general.type": "adapter", "general.architecture": "qwen2", "adapter.type": "lora", "adapter.lora.alpha": config["lora_alpha"]}, said
    names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
    tensors = {t.name: t for t in reader.tensors}
    assert len(tensors) == len(head)
    for name, t in head.items():
        _, _, _, _, layer, _, module, letter, _ = name.split(".")
        ours, (begin, end) = tensors[f"blk.{layer}.{names[module]}.weight.{letter.lower()}"], t["data_offsets"]
        assert [int(n) for n in reversed(ours.shape)] == t["shape"] and ours.data.tobytes() == weights[8 + size + begin:8 + size + end], name


def adapter_bytes(w, name):
    return (w.home / "adapters" / name / "adapter_model.safetensors").read_bytes()


def test_tunes_and_reverts(w):
    home(w)
    repo = code(w)
    r = w.run("tune", "--status", cwd=repo)
    assert r.returncode == 0 and "no adapter was made yet" in r.stdout, r
    o = w.json("tune", "--steps", "10", "--name", "one", *SMALL, cwd=repo, timeout=120)
    report = o["report"]
    assert o["state"] == "done" and o["adapter"] == "one" and o["promoted"] and report["promote"] and report["why"] == [], o
    assert report["perplexity"]["ratio"]["low"] > 1 and report["steps"] == 10 and report["tokens"] > 1000
    learned, held = o["records"]["learned"], o["records"]["held"]
    for kind in ("doc", "code", "where", "returns", "commit", "change", "fill", "source", "refuse"):
        assert learned[kind] > 0, (kind, learned)
    assert sum(held.values()) > 10
    folder = w.home / "adapters" / "one"
    assert json.loads((folder / "report.json").read_text())["promote"] is True
    for f in folder.iterdir():
        assert stat.S_IMODE(f.stat().st_mode) == 0o600, f
    same_in_gguf(folder)
    r = w.run("tune", "--status", cwd=repo)
    assert "answers are written with one" in r.stdout and "held-out perplexity" in r.stdout, r
    o = w.json("eval", cwd=repo, timeout=120)  # the one in use, by what it was not shown: the same figures
    assert o["report"]["perplexity"] == report["perplexity"] and not o["promoted"], o
    # another, not used; its name is taken; and one step back
    o = w.json("tune", "--steps", "3", "--name", "two", "--no-use", *SMALL, cwd=repo, code=1, timeout=120)
    assert o["state"] == "done" and not o["promoted"]
    r = w.run("tune", "--name", "two", cwd=repo)
    assert r.returncode == 2 and "two is there already" in r.stderr, r
    assert w.json("tune", "--status", cwd=repo)["in_use"] == "one"
    assert w.json("eval", "two", "--use", cwd=repo, timeout=120)["promoted"]
    assert w.json("tune", "--status", cwd=repo)["in_use"] == "two"
    assert w.run("tune", "--revert", cwd=repo).stdout == "answers are written with one\n"
    assert w.run("tune", "--revert", cwd=repo).stdout == "answers are written without an adapter\n"
    r = w.run("tune", "--revert", cwd=repo)
    assert r.returncode == 2 and "without an adapter" in r.stderr, r
    # as llama.cpp has it, from elsewhere: the same adapter, measured by the same records
    foreign = w.home / "adapters" / "foreign"
    foreign.mkdir()
    for name in ("adapter.gguf", "corpus"):
        shutil.copy(folder / name, foreign / name)
    o = w.json("eval", "foreign", "--context", "128", cwd=repo, timeout=120)
    assert o["report"]["perplexity"]["tuned"] == report["perplexity"]["tuned"], o
    # merged, for programs that know no adapters: a model of its own
    models = w.home / "models"
    r = w.run("model", "merge", models / "told", folder, models / "whole")
    assert r.returncode == 0 and "whole" in r.stdout, r
    assert {f.name for f in (models / "whole").iterdir()} == {f.name for f in (models / "told").iterdir()}
    assert (models / "whole" / "model.safetensors").read_bytes() != (models / "told" / "model.safetensors").read_bytes()
    assert w.json("model", "verify", "whole", cwd=repo)["sha256"] != w.json("model", "verify", "told", cwd=repo)["sha256"]
    r = w.run("model", "merge", models / "told", folder, models / "whole")
    assert r.returncode == 2 and "whole" in r.stderr, r
    r = w.run("model", "merge", models / "whole", folder, models / "twice")  # it is of another base by now
    assert r.returncode == 2 and "told" in r.stderr and not (models / "twice").exists(), r


def test_goes_on_after_kills(w):
    """The daemon is killed at any moment, the process too, and it is stopped and continued: the same adapter as without."""
    home(w)
    repo = code(w)
    w.json("tune", "--steps", "12", "--name", "whole", "--no-use", *SMALL, cwd=repo, code=1, timeout=120)
    assert w.run("tune", "--steps", "12", "--name", "killed", "--no-use", "--no-wait", *SMALL, cwd=repo).returncode == 0
    for i in range(4):
        wait_for(lambda: tuner(w) or w.json("tune", "--status", cwd=repo)["state"] == "done", "a process that tunes")
        time.sleep(0.05 * i)
        child = tuner(w)
        os.kill(w.pid(), signal.SIGKILL)
        if child:  # whoever would go on with it starts another: it ends with its daemon
            wait_for(lambda: ended(child[0]), "the end of the process")
        assert w.run("search", "value", cwd=repo).returncode == 0  # starts a daemon, which goes on
    done = wait_for(lambda: (o := w.json("tune", "--status", cwd=repo))["state"] in ("done", "failed") and o, "the adapter", 60)
    assert done["state"] == "done" and adapter_bytes(w, "killed") == adapter_bytes(w, "whole"), done
    # stopped, and continued by the next daemon
    assert w.run("tune", "--steps", "4000", "--name", "stopped", "--no-use", "--no-wait", *SMALL, cwd=repo).returncode == 0
    wait_for(lambda: w.json("tune", "--status", cwd=repo).get("step", 0) > 3, "some steps")
    o = w.json("tune", "--stop", cwd=repo)
    assert o["state"] == "stopped" and tuner(w) is None, o
    w.run("stop")
    r = w.run("tune", "--resume", "--no-wait", cwd=repo)
    assert r.returncode == 0, r
    wait_for(lambda: w.json("tune", "--status", cwd=repo)["state"] == "learning", "that it goes on")
    # the process dies: that is told, and it can go on
    os.kill(wait_for(lambda: tuner(w), "the process")[0], signal.SIGKILL)
    failed = wait_for(lambda: (o := w.json("tune", "--status", cwd=repo))["state"] == "failed" and o, "the failure")
    assert failed["error"]["code"] == "crashed", failed
    assert w.run("tune", "--resume", "--no-wait", cwd=repo).returncode == 0
    wait_for(lambda: w.json("tune", "--status", cwd=repo)["state"] == "learning", "that it goes on again")
    assert w.run("tune", "--stop", cwd=repo).returncode == 0


def test_stands_still_for_questions(w):
    home(w)
    repo = code(w)
    assert w.run("tune", "--steps", "100000", "--no-wait", *SMALL, cwd=repo).returncode == 0
    wait_for(lambda: w.json("tune", "--status", cwd=repo).get("step", 0) > 3, "some steps")
    wait_for(lambda: tuner(w)[1] != "T", "that it works")
    asked = []

    def stands_still():
        if tuner(w)[1] == "T":
            return True
        while sum(p.poll() is None for p in asked) < 4:  # an answer may take less than the time between two looks: some are always asked for
            asked.append(w.popen(CODEASK, "ask", "-C", repo, f"where is value {len(asked) % 6} turned around?"))
        return False

    wait_for(stands_still, "that it stands still", 2)
    for p in asked:
        assert p.communicate(timeout=60)[0] and p.returncode == 0
    wait_for(lambda: tuner(w)[1] != "T", "that it goes on")
    assert w.run("tune", "--stop", cwd=repo).returncode == 0
    assert w.run("stop").returncode == 0


def test_what_cannot_be(w):
    w.config("embed = no\n")
    repo = w.repo()
    r = w.run("tune", cwd=repo)
    assert r.returncode == 2 and "no model that answers" in r.stderr and "codeask model use" in r.stderr, r
    w.run("stop")
    home(w)
    empty = w.repo("empty", {}, commit=False)
    one = w.repo("one", {"a.py": "x = 1\n"})
    for where in (empty, one):
        r = w.run("tune", *SMALL, cwd=where)
        assert r.returncode == 2 and "too few" in r.stderr and "documented code" in r.stderr, r
    r = w.run("tune", "--name", "../x", cwd=repo)
    assert r.returncode == 2 and "a name is" in r.stderr, r
    r = w.run("tune", "--stop", "--revert", cwd=repo)
    assert r.returncode == 2 and "exclude" in r.stderr, r
    r = w.run("eval", cwd=repo)
    assert r.returncode == 2 and "nothing to measure" in r.stderr, r
    r = w.run("eval", "none", cwd=repo)
    assert r.returncode == 2 and "no adapter is called none" in r.stderr, r
    r = w.run("tune", "--resume", cwd=repo)
    assert r.returncode in (0, 2), r


def test_another_base_is_refused_by_name(w):
    home(w)
    repo = code(w)
    w.json("tune", "--steps", "3", "--name", "mine", "--no-use", *SMALL, cwd=repo, code=1, timeout=120)
    weights = w.home / "models" / "told" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    r = w.run("eval", "mine", cwd=repo, timeout=120)
    assert r.returncode == 2 and "of the model told" in r.stderr and "mine" in r.stderr, r


def test_a_purge_blocks_it(w):
    """What it learned of a purged content cannot be taken out of its weights: it is blocked, and its texts are gone."""
    home(w)
    repo = code(w)
    assert w.json("tune", "--steps", "10", "--name", "one", *SMALL, cwd=repo, timeout=120)["promoted"]
    folder = w.home / "adapters" / "one"
    learned = set((folder / "contents").read_text().split())
    at = {line.split()[2]: line.split()[3] for line in w.git(repo, "ls-tree", "-r", "HEAD").splitlines()}
    blob = next(b for b in at if b in learned and at[b].startswith("gen/"))
    marker = next(line for line in (repo / at[blob]).read_bytes().splitlines() if b"def step_" in line).split(b"(")[0]
    held = lambda: [str(f) for f in w.home.rglob("*") if f.is_file() and marker in f.read_bytes()]
    assert str(folder / "corpus") in held(), held()
    o = w.json("purge", blob, cwd=repo, timeout=120)
    assert {h["name"]: (h["holds"], h["blocked"]) for h in o["holders"] if h["kind"] == "adapter"} == {"one": (True, True)}, o
    assert not held(), held()
    o = w.json("tune", "--status", cwd=repo)
    assert not o.get("in_use"), o
    o = w.json("eval", "one", "--use", *SMALL[:4], cwd=repo, timeout=120, code=2)
    assert "purged" in o["error"]["message"], o


def test_never_for_who_may_not_read_it(w):
    home(w)
    courier, vault = code(w), code(w, "vault")
    assert all(w.run("index", cwd=r).returncode == 0 for r in (courier, vault))
    o = w.json("tune", "--all-repos", "--steps", "10", "--name", "both", *SMALL, cwd=vault, timeout=120)
    assert o["promoted"] and len(o["repos"]) == 2, o
    o = w.json("tune", "--status", cwd=vault)
    assert o["in_use"] == "both"
    shutil.rmtree(w.home / "models" / "told")
    told = Told(w, "say x\n")  # another model of that name, which tells what it is asked with
    config = (w.home / "config").read_text()
    tokens = {}
    w.run("stop")
    for user, names in {"alice": ["courier"], "carol": ["courier", "vault"]}.items():
        tokens[user] = {"Authorization": "Bearer " + w.run("token", "create", user).stdout.strip()}
        for name in names:
            assert w.run("access", "grant", user, name).returncode == 0
    s = Server(w, config)
    question = {"query": "how long is the wait before a retry?", "repo": ["courier"]}
    used = {}
    for user, headers in (("alice", tokens["alice"]), ("carol", tokens["carol"]), ("owner", {})):
        n = told.prompts()
        status, got, _ = s.ask("POST", "/v1/ask", question, headers)
        assert status == 200 and told.prompts() == n + 1, got
        used[user] = told.prompt(n + 1).get("adapter")
    folder = str(w.home / "adapters" / "both")
    assert used == {"alice": None, "carol": folder, "owner": folder}, used


if __name__ == "__main__":
    main(globals())
