"""Rows secrets.*: of planted keys the share that is found (tests/unit/indexer/test_secrets.c), and of the chunks of real repositories the share that
holds something masked. Those repositories are public and hold no keys that work: what is masked there counts as falsely masked, though nearly
all of it are keys in fixtures."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from search_load import RELEASE, environment

ROWS = ("secrets.recall", "secrets.false_masks")


def recall():
    said = subprocess.run([RELEASE / "test_indexer_secrets"], capture_output=True, text=True)
    found = re.search(r"recall ([0-9.]+) of (\d+)", said.stdout + said.stderr)
    if not found:
        return {"name": ROWS[0], "why": "test_indexer_secrets printed no figure"}
    return {"name": ROWS[0], "value": float(found[1]), "unit": "of planted keys", "against": f"{found[2]} keys in as many places", "ratio": None, "goal": .95}


def indexed(home, clones):
    """the chunks of every clone, and those with something masked"""
    home.mkdir(exist_ok=True)
    if not (home / "index.mdb").exists():
        (home / "config").write_text("embed = no\nhistory = no\n")
        for clone in sorted(p for p in pathlib.Path(clones).iterdir() if (p / ".git").exists()):
            subprocess.run([RELEASE / "codeask", "index", "-C", clone], env=environment(home), check=True, capture_output=True)
    subprocess.run([RELEASE / "codeask", "stop"], env=environment(home), capture_output=True)
    said = subprocess.run([RELEASE / "secrets_count", home], check=True, capture_output=True, text=True).stdout
    return map(int, re.search(r"(\d+) of (\d+) chunks", said).groups())


def main():
    print(json.dumps(recall()), flush=True)
    clones = os.environ.get("CODEASK_BENCH_REPOS", "")
    if not clones:
        print(json.dumps({"name": ROWS[1], "why": "CODEASK_BENCH_REPOS does not name a folder with clones"}))
        return
    kept = os.environ.get("CODEASK_BENCH_HOME")  # as in search_load.py
    home = pathlib.Path(kept or tempfile.mkdtemp(prefix="codeask-secrets-"))
    try:
        masked, chunks = indexed(home, clones)
        print(json.dumps({"name": ROWS[1], "value": 100 * masked / chunks, "unit": "% of chunks", "against": f"{masked} of {chunks} chunks of real repositories",
                          "ratio": None, "goal": .1}))
    finally:
        if not kept:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
