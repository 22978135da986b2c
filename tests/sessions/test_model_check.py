"""scripts/model-check on a tiny model that writes: every check runs, what is wrong is named, and the exit status says it."""
import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys

from lib import BUILD, main
from tiny import CHATML, put_model, put_writer

SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "model-check"


def check(w, *args, timeout=150):
    return subprocess.run([sys.executable, str(SCRIPT), "--build", str(BUILD), *map(str, args)], env=w.env, capture_output=True, text=True,
                          timeout=timeout)


def facts(w, folder):
    run = check(w, "--json", "--no-citations", folder)
    return run.returncode, json.loads(run.stdout)


def test_checks(w):
    code, o = facts(w, put_writer(w.root / "writer", window=4096))
    v = o["verdicts"]
    assert code == 1 and not o["good"], o  # random weights know no text
    assert v["text"] == "BAD" and o["text"]["tokens"] == 256 and o["text"]["perplexity"] > 68
    assert v["template"] == v["json"] == v["speed"] == "good", v
    assert o["template"]["forged"] == 0 and o["template"]["marks"] == 9 and o["template"]["text"].startswith("<|im_start|>system\nBe brief.")
    assert set(o["stop"]["tokens"]) == {"<|endoftext|>", "<|im_end|>"} and o["stop"]["leaked"] == 0
    assert o["json"]["valid"] + o["json"]["cut"] == 4 and o["speed"]["prompt"] > 0 and o["speed"]["answer"] > 0
    assert o["model"]["family"] == "qwen2" and o["model"]["context"] == 4096
    page = check(w, "--no-citations", w.root / "writer").stdout
    assert "not fit for answers" in page and "BAD   text" in page and "good  json" in page and len(page.splitlines()) < 60, page


def test_limit_beside_llama(w):
    """Twice llama.cpp's own difference, no less than rounding moves; further off is wrong, or weak where ours is nearer to the truth."""
    sys.dont_write_bytecode = True  # beside the script
    loader = importlib.machinery.SourceFileLoader("model_check", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("model_check", loader))
    loader.exec_module(module)

    def verdict(**llama):
        (found,) = [v for v, name, _ in module.judge({}, dict(perplexity=9.0, **llama), None, None, "not asked") if name == "llama.cpp"]
        return found
    assert verdict(kl=1.5e-4, own=8e-5) == verdict(kl=9e-5, own=0) == "good"
    assert verdict(kl=1.7e-4, own=8e-5) == verdict(kl=1.1e-4, own=0) == verdict(kl=9e-4, own=1e-6) == "BAD"
    assert verdict(kl=9e-4, own=1e-6, exact_ours=1e-4, exact_theirs=2e-4) == "weak"
    assert verdict(kl=9e-4, own=1e-6, exact_ours=3e-4, exact_theirs=2e-4) == "BAD"


def test_bad_files(w):
    code, o = facts(w, put_writer(w.root / "loop", template="{% for m in messages %}{{ raise_exception('no roles') }}{% endfor %}"))
    assert code == 1 and o["error"]["step"] == "template" and "no roles" in o["error"]["message"], o
    code, o = facts(w, put_model(w.root / "embeds", "qwen3_embedding"))
    assert code == 1 and "embeds" in o["error"]["message"], o
    broken = put_writer(w.root / "broken")
    with open(broken / "model.safetensors", "r+b") as f:
        f.truncate(5000)
    code, o = facts(w, broken)
    assert code == 1 and "model.safetensors" in o["error"]["message"], o
    assert check(w, w.root / "nothing.gguf").returncode == 2
    assert CHATML


if __name__ == "__main__":
    main(globals())
