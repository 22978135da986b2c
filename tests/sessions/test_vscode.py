"""The VS Code extension: it builds with the locked packages, what it packs is what it needs, and its own tests speak to the real server."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import BUILD, CODEASK, Told, main  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "editors/vscode"
OUT = BUILD / "vscode"


def test_the_lock(w):
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    rows = {name: row for name, row in lock["packages"].items() if name}
    assert rows and all(re.match(r"sha512-", row["integrity"]) for row in rows.values()), rows
    assert not any("resolved" in row for row in rows.values()), "the registry is whatever npm is set up for"


def test_build_and_speak(w):
    built = subprocess.run([SOURCE / "build", OUT], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    with zipfile.ZipFile(OUT / "codeask.vsix") as z:
        names = set(z.namelist())
        about = json.loads(z.read("extension/package.json"))
        assert z.read("extension.vsixmanifest").startswith(b"<?xml")
    assert "extension/" + about["main"].removeprefix("./") in names and "[Content_Types].xml" in names
    assert "extension/node_modules/vscode-languageclient/package.json" in names
    assert not any("/typescript/" in n or "/@types/" in n for n in names)

    repo = w.repo()
    told = Told(w, "say nothing\n")
    w.json("ask", "where is the retry policy?", cwd=repo)
    policy = next(n for n, text in told.sources(1).items() if "src/retry.py" in text.splitlines()[0])
    told.script(f"say `RetryPolicy` decides how often a request is tried \nsay again [{policy}].\n")
    told.script("say It waits \nsleep 60000\n", 5)  # of the question that is taken back
    done = subprocess.run([shutil.which("node"), "--test", "test/"], cwd=OUT, env={**w.env, "CODEASK": CODEASK, "REPO": str(repo)},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (told.prompts(), done.stdout + done.stderr)
    assert re.search(r"^# pass 4$", done.stdout, re.M) or "pass 4" in done.stdout, done.stdout


def npm_and_node():
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout if node else ""
    return shutil.which("npm") and int((re.match(r"v(\d+)", version) or [0, 0])[1]) >= 18


if __name__ == "__main__":
    if not npm_and_node():
        print("no node 18 with npm: the packages nodejs and npm of the distribution are wanted")
        sys.exit(77)
    main(globals())
