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


# what the extension posts, what is clicked, and the page as it stands then; the page's own policy has to let the panel's script run, and no other
PANEL = """
const { page } = require(process.argv[1] + "/out/page");
const messages = [{ asked: "where is <b>it</b>?" }, { busy: true }, { sources: [{ n: 1, label: "[1] src/retry.py:5" }, { n: 7, label: "[7] src/pool.py:13" }] },
  { html: "<p>In the policy [7], as [1] says.</p><pre><code>a[1]</code></pre><img src=x onerror=\\"document.title='active'\\"><script>document.title='active'</" + "script>" }, { busy: false },
  { asked: "and then?" }, { busy: true }, { error: "it ended" }, { busy: false }];
const stub = `<script nonce="n">window.said = []; window.acquireVsCodeApi = () => ({ postMessage: (m) => said.push(m) });</script>`;
const drive = `<script nonce="n">
for (const data of ${JSON.stringify(messages).replace(/</g, "\\\\u003c")}) window.dispatchEvent(new MessageEvent("message", { data }));
for (const b of document.querySelectorAll(".ref, .sources button")) b.click();
document.getElementById("question").value = " next ";
document.getElementById("question").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
document.getElementById("fresh").click();
document.body.append(Object.assign(document.createElement("output"), { textContent: JSON.stringify(said) }));</script>`;
console.log(page("n").replace('<script nonce="n">', () => stub + '<script nonce="n">').replace("</body>", () => drive + "</body>"));
"""


def panel():
    """in a browser without a screen: sources and numbers in the text open, nothing in an answer is active"""
    browser = shutil.which("chromium")
    if not browser:
        print("the panel was not looked at: the package chromium of the distribution is wanted")
        return
    made = subprocess.run([shutil.which("node"), "-e", PANEL, OUT], capture_output=True, text=True, check=True).stdout
    (OUT / "panel.html").write_text(made)
    seen = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom",
                           f"--user-data-dir={OUT}/browser", (OUT / "panel.html").as_uri()], capture_output=True, text=True, timeout=60).stdout
    assert "<title>codeask</title>" in seen and "&lt;b&gt;it&lt;/b&gt;" in seen and "it ended" in seen, seen
    assert "<code>a[1]</code>" in seen, "code is left as it is"
    said = json.loads(re.search(r"<output>(.*?)</output>", seen).group(1))
    assert said == [{"open": {"turn": 0, "n": n}} for n in (7, 1, 1, 7)] + [{"ask": "next"}, {"fresh": True}], said


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

    panel()

    repo = w.repo()
    told = Told(w, "say nothing\n")
    w.json("ask", "where is the retry policy?", cwd=repo)
    policy = next(n for n, text in told.sources(1).items() if "src/retry.py" in text.splitlines()[0])
    told.script(f"say `RetryPolicy` decides how often a request is tried \nsay again [{policy}].\n")
    told.script("say It waits \nsleep 60000\n", 5)  # of the question that is taken back
    told.script("say It waits \nsleep 60000\n", 9)  # the same in the panel
    for name, passed in (("extension", 2), ("ask", 4), ("panel", 4)):  # one behind the other: the model's prompts are counted
        done = subprocess.run([shutil.which("node"), "--test", f"test/{name}.test.js"], cwd=OUT, env={**w.env, "CODEASK": CODEASK, "REPO": str(repo)},
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and re.search(rf"pass {passed}$", done.stdout, re.M), (name, told.prompts(), done.stdout + done.stderr)


def npm_and_node():
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout if node else ""
    return shutil.which("npm") and int((re.match(r"v(\d+)", version) or [0, 0])[1]) >= 18


if __name__ == "__main__":
    if not npm_and_node():
        print("no node 18 with npm: the packages nodejs and npm of the distribution are wanted")
        sys.exit(77)
    main(globals())
