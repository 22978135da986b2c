"""tour: what a newcomer is shown of a repository, every place of it read again."""
from lib import main, write

FILES = {
    "README.md": "# Courier\n\n[![build](https://x.example/b.svg)](https://x.example)\n\nA small courier that carries parcels from one "
                 "[depot](https://x.example)\nto another, with retries.\n\n## Use\n\nRun it.\n",
    "package.json": '{\n  "name": "courier",\n  "bin": {"courier": "./src/cli.js"},\n  "main": "./dist/index.js",\n'
                    '  "scripts": {"build": "tsc", "test": "node --test"}\n}\n',
    "src/cli.js": '#!/usr/bin/env node\nconst { carry } = require("./carry/carry");\n\nfunction main() {\n  carry(process.argv[2]);\n}\n\nmain();\n',
    "src/index.ts": 'export { carry } from "./carry/carry";\n',
    "src/carry/carry.js": '"use strict";\nconst { openDepot } = require("../depot/depot");\n\n/** Carries a parcel. */\n'
                          'function carry(parcel) {\n  return openDepot(parcel).store(parcel);\n}\n\nmodule.exports = { carry };\n',
    "src/depot/depot.js": '/** Opens the depot of a parcel. */\nfunction openDepot(parcel) {\n  return new Depot(parcel);\n}\n\n'
                          'class Depot {\n  store(parcel) {\n    return parcel;\n  }\n}\n\nmodule.exports = { openDepot, Depot };\n',
    "test/carry.test.js": 'const { carry } = require("../src/carry/carry");\n\ntest("carries", () => {\n  carry("x");\n});\n',
    "examples/mini/package.json": '{\n  "name": "mini-example",\n  "main": "./mini.js"\n}\n',
    "examples/mini/mini.js": 'const { carry } = require("courier");\ncarry("y");\n',
}


def lines(repo, place):
    return (repo / place["path"]).read_text().split("\n")[place["start_line"] - 1:place["end_line"]]


def places(o):
    if isinstance(o, dict):
        if "start_line" in o:
            yield o
        for v in o.values():
            yield from places(v)
    elif isinstance(o, list):
        for v in o:
            yield from places(v)


def test_shows_a_repository(w):
    repo = w.repo(files=FILES)
    o = w.json("tour", cwd=repo)
    assert o["about"]["text"] == "A small courier that carries parcels from one depot to another, with retries.", o["about"]
    assert lines(repo, o["about"])[0].startswith("A small courier")
    entries = {(e["name"], e["kind"]): e for e in o["entry_points"]}
    cli = entries["courier", "program"]
    assert cli["targets"] == ["./src/cli.js"] and cli["role"] == "main" and not cli["implicit"]
    assert (cli["at"]["path"], cli["at"]["start_line"], cli["at"]["symbol"]) == ("src/cli.js", 4, "main")
    assert (cli["declared"]["path"], cli["declared"]["start_line"]) == ("package.json", 3)
    assert entries["courier", "library"]["at"]["path"] == "src/index.ts", "what dist/ was built from"
    assert entries["mini-example", "library"]["role"] == "example"
    commands = {c["command"]: c for c in o["commands"]}
    assert commands["npm run build"]["purpose"] == "build" and commands["npm run test"]["runs"] == "node --test"
    modules = {m["path"]: m for m in o["modules"]}
    assert set(modules) == {"src/", "src/carry/", "src/depot/"}, modules.keys()
    assert modules["src/depot/"]["hub"]["symbol"] == "openDepot" and modules["src/depot/"]["used_by"] == 1
    use = modules["src/carry/"]["uses"]
    assert [u["path"] for u in use] == ["src/depot/"] and "openDepot" in lines(repo, use[0]["at"])[0]
    assert {b["role"]: b["files"] for b in o["beside"]} == {"test": 1, "example": 2}
    stops = [(s["path"], s["symbol"], s["reason"]) for s in o["reading"]]
    assert stops[0] == ("README.md", None, "says what it is")
    assert stops[1] == ("src/cli.js", "main", "declared entry point of the program `courier` in package.json:3"), stops
    assert any(s[:2] == ("src/depot/depot.js", "openDepot") for s in stops), stops
    assert stops[-1][0] == "test/carry.test.js" and "`carry`" in stops[-1][2], stops
    for p in places(o):
        assert p["commit"] and len(lines(repo, p)) == p["end_line"] - p["start_line"] + 1, p
    text = w.run("tour", cwd=repo).stdout
    assert "src/cli.js:4" in text and "mini-example" not in text and "1 in tests, examples" in text, text


def test_follows_the_worktree(w):
    repo = w.repo(files=FILES)
    w.json("tour", cwd=repo)
    write(repo, {"package.json": '{\n  "name": "courier",\n  "bin": {"porter": "./src/cli.js"}\n}\n'})
    w.json("index", cwd=repo)  # a save is noticed a moment later
    o = w.json("tour", cwd=repo)
    assert [e["name"] for e in o["entry_points"] if e["kind"] == "program"] == ["porter"]
    assert o["entry_points"][0]["declared"]["commit"] is None
    o = w.json("tour", "--branch", "main", cwd=repo)
    assert [e["name"] for e in o["entry_points"] if e["kind"] == "program"] == ["courier"]


def test_of_a_directory(w):
    repo = w.repo(files=FILES)
    o = w.json("tour", "examples", cwd=repo)
    assert o["path"] == "examples/"
    assert [(e["name"], e["role"]) for e in o["entry_points"]] == [("mini-example", "main")], o["entry_points"]
    assert o == {**w.json("tour", "mini/..", cwd=repo / "examples"), "freshness": o["freshness"]}


def test_nothing_to_show(w):
    repo = w.repo(files={"notes": "x\n"})
    o = w.json("tour", cwd=repo, code=1)
    assert o["about"] is None and o["entry_points"] == []


def test_a_broken_manifest_is_said(w):
    repo = w.repo(files={**FILES, "package.json": "{"})
    o = w.json("tour", cwd=repo)
    assert o["note"] == "1 manifest could not be read"


if __name__ == "__main__":
    main(globals())
