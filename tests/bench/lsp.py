"""Rows lsp.<method>_ms: `codeask lsp` as an editor speaks to it, at random names in random source files of a real clone (CODEASK_BENCH_LSP,
else the largest of CODEASK_BENCH_REPOS); 95th percentiles, one request at a time, without vectors. lsp.calls_ms: a call hierarchy's item with
its callers and callees; lsp.workspace_ms: a name, and lsp.meant_ms: a sentence, among the symbols of the workspace; lsp.lens_ms: one lens
resolved; lsp.unsaved_ms: from an edit to the answer about it (a definition, looked up right after the edit).
lsp.unsaved_search_ms: in a generated repository of 50,000 files, from an edit to a search that finds the word that was typed."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "sessions"))
from lsp_client import Lsp  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
FILES, NAMES, EDITS, SEED, GOAL_MS, UNSAVED_GOAL_MS, MANY = 40, 300, 40, 1, 50, 300, 50_000
AT_NAMES = {"hover": "hover", "definition": "definition", "references": "references", "implementation": "implementation"}
OF_FILES = {"symbols": "documentSymbol", "folding": "foldingRange", "lenses": "codeLens", "links": "documentLink"}
REPOSITORY = [*AT_NAMES, *OF_FILES, "calls", "workspace", "meant", "lens", "unsaved"]
SENTENCES = ["where is {} read from the configuration", "how does {} report an error", "who frees {} at the end", "tests of {}"]
SOURCE = {".c", ".h", ".cc", ".cpp", ".py", ".go", ".rs", ".java", ".ts", ".js", ".rb", ".kt", ".cs", ".php", ".swift", ".scala"}


def size(repo):
    out = subprocess.run(["git", "-C", str(repo), "ls-files"], capture_output=True, text=True)
    return len(out.stdout.splitlines()) if out.returncode == 0 else 0


def choose():
    if os.environ.get("CODEASK_BENCH_LSP"):
        return pathlib.Path(os.environ["CODEASK_BENCH_LSP"])
    folders = [pathlib.Path(f) for f in os.environ.get("CODEASK_BENCH_REPOS", "").split(":") if f]
    repos = [r for f in folders for r in sorted(f.iterdir()) if (r / ".git").exists()]
    return max(repos, key=size, default=None)


def names(path, rng):
    """positions of some identifiers, and they"""
    found = [(i, m.start(), m.group()) for i, line in enumerate(path.read_text(errors="replace").split("\n")) for m in re.finditer(r"[A-Za-z_]\w{3,}", line)]
    return rng.sample(found, min(len(found), NAMES // FILES + 1))


class Server:
    """A home, the repository indexed in it, and a client that takes times."""

    def __init__(self, repo, home):
        self.repo, self.took, self.answered = repo, {}, 0
        home.mkdir(mode=0o700)
        (home / "config").write_text("embed = no\n")
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}, "CODEASK_HOME": str(home)}

    def __enter__(self):
        subprocess.run([RELEASE / "codeask", "index", "-C", self.repo], env=self.env, check=True, capture_output=True)
        self.client = Lsp([str(RELEASE / "codeask"), "lsp"], self.repo, self.env)
        self.client.begin(self.repo)
        return self

    def __exit__(self, *_):
        self.client.end()
        subprocess.run([RELEASE / "codeask", "stop"], env=self.env, capture_output=True)

    def wait_history(self, path):
        """it is read behind the index"""
        for _ in range(600):
            told = subprocess.run([RELEASE / "codeask", "history", "-C", self.repo, "--json", f"{path}:1"], env=self.env, capture_output=True, text=True)
            if "note" not in json.loads(told.stdout):
                return
            time.sleep(.5)

    def timed(self, row, *requests):
        """the last request's result; a request may be made of the one before"""
        began, got = time.perf_counter(), None
        for method, params in requests:
            got = self.client.result(method, params(got) if callable(params) else params)
        self.took.setdefault(row, []).append((time.perf_counter() - began) * 1000)
        self.answered += bool(got)
        return got


def edit(c, path, version, text="\n"):
    c.note("textDocument/didChange", {"textDocument": {"uri": path.as_uri(), "version": version}, "contentChanges": [
        {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": text}]})


def one_name(s, rng, here, line, column, name):
    at = {**here, "position": {"line": line, "character": column}, "context": {"includeDeclaration": True}}
    for row, method in AT_NAMES.items():
        s.timed(row, (f"textDocument/{method}", at))
    item = (s.client.result("textDocument/prepareCallHierarchy", at) or [None])[0]
    if item:
        s.timed("calls", ("textDocument/prepareCallHierarchy", at), ("callHierarchy/incomingCalls", {"item": item}), ("callHierarchy/outgoingCalls", {"item": item}))
    s.timed("workspace", ("workspace/symbol", {"query": name}))
    s.timed("meant", ("workspace/symbol", {"query": rng.choice(SENTENCES).format(name)}))


def measure(repo, home):
    rng = random.Random(SEED)
    tracked = subprocess.run(["git", "-C", str(repo), "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    files = [repo / f for f in tracked if pathlib.Path(f).suffix in SOURCE and (repo / f).is_file() and 2000 < (repo / f).stat().st_size < 400_000]
    files = rng.sample(files, min(len(files), FILES))
    with Server(repo, home) as s:
        s.wait_history(files[0].relative_to(repo))
        for path in files:
            here = {"textDocument": {"uri": path.as_uri()}}
            s.client.open(path, path.read_text(errors="replace"))
            for row, method in OF_FILES.items():
                got = s.timed(row, (f"textDocument/{method}", here))
                lenses = got if row == "lenses" else []
                for lens in rng.sample(lenses, min(len(lenses), 5)):
                    s.timed("lens", ("codeLens/resolve", lens))
            for line, column, name in names(path, rng):
                one_name(s, rng, here, line, column, name)
            s.client.note("textDocument/didClose", here)
        path = files[0]
        s.client.open(path, path.read_text(errors="replace"))
        for i in range(EDITS):
            line, column, _ = names(path, rng)[0]
            edit(s.client, path, i + 2)
            s.timed("unsaved", ("textDocument/definition", {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}))
    return s


def many(home, repo):
    """50,000 files of some functions each."""
    for i in range(MANY):
        path = repo / f"d{i // 500:03}" / f"m{i:05}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"def step_{i}_{k}(value):\n    return step_{i * 7 % MANY}_{k}(value) + {k}\n\n\n" for k in range(4)))
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", repo, *command], check=True, capture_output=True)
    path, rng = repo / "d000" / "m00000.py", random.Random(SEED)
    with Server(repo, home) as s:
        s.client.open(path)
        for i in range(EDITS):
            word = "typed_" + "".join(rng.choices("abcdefgh", k=8))
            edit(s.client, path, i + 2, f"def {word}(value):\n    return value\n\n")
            found = s.timed("unsaved_search", ("workspace/symbol", {"query": f"where is {word} defined"}))
            assert any(row["name"] == word for row in found), (word, found)
    return s


def tell(row, s, goal):
    values = sorted(s.took[row])
    print(json.dumps({"name": f"lsp.{row}_ms", "value": round(values[int(len(values) * .95)], 2), "unit": "ms", "goal": goal,
                      "median": round(values[len(values) // 2], 2), "worst": round(values[-1], 2), "requests": len(values),
                      "repository": s.repo.name, "answered": s.answered}), flush=True)


def main():
    repo = choose()
    with tempfile.TemporaryDirectory(prefix="codeask-bench-") as folder:
        folder = pathlib.Path(folder)
        if repo:
            s = measure(repo, folder / "home")
        for row in REPOSITORY:
            if repo:
                tell(row, s, UNSAVED_GOAL_MS if row == "unsaved" else GOAL_MS)
            else:
                print(json.dumps({"name": f"lsp.{row}_ms", "why": "CODEASK_BENCH_REPOS does not name a folder with clones"}))
        tell("unsaved_search", many(folder / "many-home", folder / "many"), UNSAVED_GOAL_MS)


if __name__ == "__main__":
    main()
