"""Rows lsp.hover_ms, lsp.definition_ms, lsp.references_ms: `codeask lsp` as an editor speaks to it, at random names in random source files
of a real clone (CODEASK_BENCH_LSP, else the largest of CODEASK_BENCH_REPOS); 95th percentiles, one request at a time, without vectors.
lsp.unsaved_ms: from an edit to the answer about it (a definition, looked up right after the edit); lsp.lens_ms: one lens resolved."""
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
FILES, NAMES, EDITS, SEED, GOAL_MS, UNSAVED_GOAL_MS = 40, 300, 40, 1, 50, 300
METHODS = {"hover": "textDocument/hover", "definition": "textDocument/definition", "references": "textDocument/references"}
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
    """positions of some identifiers"""
    found = [(i, m.start()) for i, line in enumerate(path.read_text(errors="replace").split("\n")) for m in re.finditer(r"[A-Za-z_]\w{3,}", line)]
    return rng.sample(found, min(len(found), NAMES // FILES + 1))


def p95(took):
    took.sort()
    return round(took[int(len(took) * .95)], 2)


def measure(repo, home):
    rng = random.Random(SEED)
    env = {k: v for k, v in os.environ.items() if not k.startswith("CODEASK_")}
    (home / "config").write_text("embed = no\n")
    env.update(CODEASK_HOME=str(home))
    tracked = subprocess.run(["git", "-C", str(repo), "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    files = [repo / f for f in tracked if pathlib.Path(f).suffix in SOURCE and (repo / f).is_file() and 2000 < (repo / f).stat().st_size < 400_000]
    files = rng.sample(files, min(len(files), FILES))
    try:
        subprocess.run([RELEASE / "codeask", "index", "-C", repo], env=env, check=True, capture_output=True)
        for _ in range(600): # the history is read behind the index
            place = files[0].relative_to(repo)
            told = subprocess.run([RELEASE / "codeask", "history", "-C", repo, "--json", f"{place}:1"], env=env, capture_output=True, text=True)
            if "note" not in json.loads(told.stdout):
                break
            time.sleep(.5)
        c = Lsp([str(RELEASE / "codeask"), "lsp"], repo, env)
        c.begin(repo)
        took, some = {k: [] for k in [*METHODS, "unsaved", "lens"]}, 0
        for path in files:
            here = {"textDocument": {"uri": path.as_uri()}, "context": {"includeDeclaration": True}}
            c.open(path, path.read_text(errors="replace"))
            for line, column in names(path, rng):
                for name, method in METHODS.items():
                    began = time.perf_counter()
                    got = c.result(method, {**here, "position": {"line": line, "character": column}})
                    took[name].append((time.perf_counter() - began) * 1000)
                    some += bool(got)
            lenses = c.result("textDocument/codeLens", here)
            for lens in rng.sample(lenses, min(len(lenses), 5)):
                began = time.perf_counter()
                c.result("codeLens/resolve", lens)
                took["lens"].append((time.perf_counter() - began) * 1000)
            c.note("textDocument/didClose", here)
        path = files[0]
        here = {"textDocument": {"uri": path.as_uri()}}
        c.open(path, path.read_text(errors="replace"))
        for i in range(EDITS):
            line, column = names(path, rng)[0]
            began = time.perf_counter()
            c.note("textDocument/didChange", {"textDocument": {"uri": path.as_uri(), "version": i + 2}, "contentChanges": [
                {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "\n"}]})
            c.result("textDocument/definition", {**here, "position": {"line": line, "character": column}})
            took["unsaved"].append((time.perf_counter() - began) * 1000)
        c.end()
    finally:
        subprocess.run([RELEASE / "codeask", "stop"], env=env, capture_output=True)
    return took, some


def main():
    repo = choose()
    rows = ["lsp.hover_ms", "lsp.definition_ms", "lsp.references_ms", "lsp.unsaved_ms", "lsp.lens_ms"]
    if not repo:
        for name in rows:
            print(json.dumps({"name": name, "why": "CODEASK_BENCH_REPOS does not name a folder with clones"}))
        return
    with tempfile.TemporaryDirectory(prefix="codeask-bench-") as home:
        os.chmod(home, 0o700)
        took, some = measure(repo, pathlib.Path(home))
    for name in rows:
        values = took[name[4:-3]]
        print(json.dumps({"name": name, "value": p95(values), "unit": "ms", "goal": UNSAVED_GOAL_MS if "unsaved" in name else GOAL_MS,
                          "median": round(sorted(values)[len(values) // 2], 2), "worst": round(max(values), 2), "requests": len(values),
                          "repository": repo.name, "answered": some}))


if __name__ == "__main__":
    main()
