#!/usr/bin/env python3
"""Row answer.first_token_s: from `codeask ask` to the first token of the answer that a model writes, with a model of Qwen2.5-0.5B's shape
and random weights, over this project's own sources, indexed before, by words. Its tokenizer knows the words of docs/; how many tokens are
read is what the packer allows by the rate measured when the model was opened. The goal is what packing allows for reading
(`read_ms_cpu`, 4 s)."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

import random_gguf

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
QUESTIONS = ["where are prefixes kept that a prompt shares with an earlier one?", "how does a team share the parts of an op?",
             "what happens when pages of the cache run out?", "who decides which sources a model reads?", "how is a follow-up recognized?"]


def main():
    with tempfile.TemporaryDirectory(prefix="codeask-answer-") as scratch:
        scratch = pathlib.Path(scratch)
        home, repo = scratch / "home", scratch / "repo"
        (home / "models").mkdir(parents=True)
        random_gguf.write(home / "models" / "random.gguf", "0.5b", "q8_0", "".join(f.read_text() for f in sorted((ROOT / "docs").glob("*.md"))))
        (home / "config").write_text("embed = no\nanswer_model = random\nanswer_tokens = 32\n")
        shutil.copytree(ROOT, repo, ignore=shutil.ignore_patterns("build", ".git"), symlinks=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
        env.update(CODEASK_HOME=str(home), CODEASK_MODELS=str(home / "models"))

        def ask(question):
            done = subprocess.run([RELEASE / "codeask", "ask", "--json", question], cwd=repo, env=env, capture_output=True, text=True, timeout=300)
            if not done.stdout.startswith("{"):
                raise SystemExit(f"codeask ask: {done.stderr or done.stdout}")
            return json.loads(done.stdout)

        try:
            subprocess.run([RELEASE / "codeask", "index"], cwd=repo, env=env, check=True, capture_output=True, timeout=300)
            ask(QUESTIONS[0])  # opens the model, which measures itself
            answers = [ask(q) for q in QUESTIONS[1:]]
        finally:
            subprocess.run([RELEASE / "codeask", "stop"], env=env, capture_output=True)
    took = [a["timings"]["first_token"] / 1e3 for a in answers if "first_token" in a["timings"]]
    if len(took) < len(answers):
        return print(json.dumps({"name": "answer.first_token_s", "why": f"nothing was written: {answers[0].get('note', answers[0]['mode'])}"}))
    tokens = [a["tokens"]["prompt"] for a in answers]
    print(json.dumps({"name": "answer.first_token_s", "value": round(statistics.median(took), 2), "unit": "s", "goal": 4, "ratio": None,
                      "against": f"the whole of `ask`; prompts of {min(tokens)} to {max(tokens)} tokens, worst {max(took):.2f} s"}))


main()
