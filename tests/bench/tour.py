"""Row tour.entry_points: the share of the entry points that the manifests of real repositories declare which `codeask tour` names.

The repositories are the clones in CODEASK_BENCH_REPOS (a colon parts several folders), by name, the first CODEASK_BENCH_TOUR (20) whose
manifests declare anything. What they declare is read here a second time, independently, out of the files that git tracks: JSON, TOML
and XML with Python's own parsers, the rest with expressions made from each format's documentation. An entry point is (manifest,
name, target); it is named when the tour has an entry declared in that manifest with that name and, where the format gives one, that
target. The figure is the mean over repositories, so that one with hundreds of examples does not decide it; `pooled` counts all alike.
Each one that is missed is printed.
"""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import tomllib
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RELEASE = pathlib.Path(os.environ.get("CODEASK_BENCH_RELEASE", ROOT / "build" / "release"))
ROW = "tour.entry_points"
MOST = int(os.environ.get("CODEASK_BENCH_TOUR", "20"))


def leaves(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from leaves(v)
    elif isinstance(value, list):
        for v in value:
            yield from leaves(v)


def package_json(text, path):
    o = json.loads(text)
    package = o.get("name") or path.parent.name or "package"
    bins = o.get("bin")
    if isinstance(bins, str):
        yield package.split("/")[-1] if package.startswith("@") else package, bins
    elif isinstance(bins, dict):
        yield from bins.items()
    for key in ("main", "module"):
        if isinstance(o.get(key), str) and o[key]:
            yield package, o[key]
    exports = o.get("exports")
    if isinstance(exports, dict) and any(k.startswith(".") for k in exports):
        for sub, value in exports.items():
            for target in leaves(value):
                yield package + sub[1:], target
    else:
        for target in leaves(exports):
            yield package, target


def pyproject_toml(text, path):
    o = tomllib.loads(text)
    project, poetry = o.get("project", {}), o.get("tool", {}).get("poetry", {})
    tables = [project.get("scripts", {}), project.get("gui-scripts", {}), *project.get("entry-points", {}).values(),
              poetry.get("scripts", {}), *poetry.get("plugins", {}).values()]
    for table in tables:
        for name, value in table.items():
            if isinstance(value, dict):
                value = value.get("callable") or value.get("reference") or ""
            yield name, value.split("[")[0].strip()


def setup_cfg(text, path):
    section = re.search(r"^\[options\.entry_points\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    for line in re.findall(r"^[ \t]+(\S.*)$", section.group(1), re.M) if section else []:
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            yield name.strip(), value.split("[")[0].strip()


def setup_py(text, path):
    for body in re.findall(r"['\"](?:console|gui)_scripts['\"]\s*:\s*\[(.*?)\]", text, re.S):
        for line in re.findall(r"['\"](.*?)['\"]", body):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


def cargo_toml(text, path, tracked):
    o = tomllib.loads(text)
    package = o.get("package", {}).get("name")
    lib, bins, folder = o.get("lib"), o.get("bin", []), path.parent

    def there(name):
        return str(folder / name) in tracked
    if lib is not None:
        yield lib.get("name", package), lib.get("path", "src/lib.rs")
    elif package and there("src/lib.rs"):
        yield package, "src/lib.rs"
    paths = set()
    for b in bins:
        target = b.get("path") or next((p for p in (f"src/bin/{b['name']}.rs", "src/main.rs") if there(p)), None)
        paths.add(target)
        yield b["name"], target
    if package and o["package"].get("autobins", True):
        if there("src/main.rs") and "src/main.rs" not in paths:
            yield package, "src/main.rs"
        for t in sorted(tracked):
            m = re.fullmatch(re.escape(str(folder / "src/bin") + "/") + r"(?:([^/]+)\.rs|([^/]+)/main\.rs)", t)
            if m and os.path.relpath(t, folder) not in paths:
                yield m[1] or m[2], os.path.relpath(t, folder)


def go_mod(text, path):
    m = re.search(r"^module\s+(\S+)", text, re.M)
    if m:
        yield m[1], None


def tag(element):
    return element.tag.split("}")[-1]


def pom_xml(text, path):
    root = xml.fromstring(text)
    name = next((c.text.strip() for c in root if tag(c) == "artifactId"), None)
    for e in root.iter():
        if tag(e) in ("mainClass", "Main-Class", "start-class") and e.text:
            yield name, e.text.strip()


def gradle(text, path):
    for line in text.splitlines():
        m = re.search(r"\bmainClass(?:Name)?\s*(?:\.set\(|=|:)\s*['\"]([^'\"]+)", line)
        if m and not line.strip().startswith("//"):
            yield path.parent.name, m[1]


def composer_json(text, path):
    o = json.loads(text)
    for target in leaves(o.get("bin")):
        yield target.split("/")[-1], target
    autoload = o.get("autoload", {})
    for kind in ("psr-4", "psr-0"):
        for prefix, value in autoload.get(kind, {}).items():
            for target in leaves(value):
                yield prefix or o.get("name"), target
    for kind in ("files", "classmap"):
        for target in autoload.get(kind, []):
            yield o.get("name"), target


def gemspec(text, path):
    m = re.search(r"\.executables\s*(?:=|<<)\s*(.+)", text)
    if m and "`" not in m[1] and "map" not in m[1]:
        bindir = re.search(r"\.bindir\s*=\s*['\"](.+?)['\"]", text)
        words = re.findall(r"['\"](.+?)['\"]", m[1]) or re.sub(r"%w[\[({](.*?)[\])}].*", r"\1", m[1]).split()
        for name in words:
            yield name, f"{bindir[1] if bindir else 'bin'}/{name}"
    name = re.search(r"\.name\s*=\s*['\"](.+?)['\"]", text)
    if name:
        yield name[1], None


def msbuild(text, path):
    root = xml.fromstring(text.lstrip("\ufeff"))
    values = {tag(e): (e.text or "").strip() for e in root.iter() if tag(e) in ("OutputType", "AssemblyName")}
    name = values.get("AssemblyName", "")
    if values.get("OutputType") in ("Exe", "WinExe"):
        yield name if name and "$" not in name else path.name.rsplit(".", 1)[0], None


def package_swift(text, path):
    text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
    for kind in ("executable", "library", "executableTarget"):
        for m in re.finditer(r"\." + kind + r"\s*\(\s*name:\s*\"([^\"]+)\"", text):
            yield m[1], None


def mix_exs(text, path):
    app = re.search(r"\bapp:\s*:(\w+)", text)
    for m in re.finditer(r"^\s*mod:\s*\{\s*([\w.]+)", text, re.M):
        yield app[1], m[1]
    for m in re.finditer(r"main_module:\s*([\w.]+)", text):
        yield app[1], m[1]


def cmake(text, path):
    text = re.sub(r"#.*", "", text)
    project = re.search(r"\bproject\s*\(\s*(\S+?)[\s)]", text, re.I)
    for m in re.finditer(r"\badd_(?:executable|library)\s*\(\s*(\S+?)[\s)]+(\w*)", text, re.I):
        name = m[1].replace("${PROJECT_NAME}", project[1]) if project else m[1]
        if m[2] not in ("ALIAS", "IMPORTED") and "$" not in name:
            yield name, None


def automake(text, path):
    text = text.replace("\\\n", " ")
    for m in re.finditer(r"^[ \t]*\w*(?:_PROGRAMS|_LTLIBRARIES|_LIBRARIES)[ \t]*\+?=(.*)$", text, re.M):
        for name in m[1].split("#")[0].split():
            if "$" not in name:
                yield name, None


def meson(text, path):
    text = re.sub(r"#.*", "", text)
    for m in re.finditer(r"\b(?:executable|library|shared_library|static_library|both_libraries)\s*\(\s*'([^']+)'", text):
        yield m[1], None


def build_zig(text, path):
    text = re.sub(r"//.*", "", text)
    for m in re.finditer(r"\badd(?:Executable|Library|StaticLibrary|SharedLibrary)\s*\(\s*\.\{\s*\.name\s*=\s*\"([^\"]+)\"", text):
        yield m[1], None
    for m in re.finditer(r"\baddModule\s*\(\s*\"([^\"]+)\"", text):
        yield m[1], None


def cabal(text, path):
    package = re.search(r"^name:\s*(\S+)", text, re.M | re.I)
    for m in re.finditer(r"^(library|executable|test-suite)[ \t]*(\S*)[ \t]*\n((?:[ \t].*\n|\n)*)", text, re.M | re.I):
        main = re.search(r"^\s+main-is:\s*(\S+)", m[3], re.M | re.I)
        folder = re.search(r"^\s+hs-source-dirs:\s*(\S+)", m[3], re.M | re.I)
        prefix = folder[1] + "/" if folder and folder[1] != "." else ""
        yield m[2] or package[1], prefix + main[1] if main else None


FORMATS = {"package.json": package_json, "pyproject.toml": pyproject_toml, "setup.cfg": setup_cfg, "setup.py": setup_py,
           "Cargo.toml": cargo_toml, "go.mod": go_mod, "pom.xml": pom_xml, "build.gradle": gradle, "build.gradle.kts": gradle,
           "composer.json": composer_json, ".gemspec": gemspec, ".csproj": msbuild, ".fsproj": msbuild, "Package.swift": package_swift,
           "mix.exs": mix_exs, "CMakeLists.txt": cmake, "Makefile.am": automake, "meson.build": meson, "build.zig": build_zig, ".cabal": cabal}


def declared(repo):
    """{(manifest, name, target or None)} of what git tracks"""
    tracked = subprocess.run(["git", "-C", repo, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    there, out = set(tracked), set()
    for name in filter(None, tracked):
        path = pathlib.PurePosixPath(name)
        reader = FORMATS.get(path.name) or FORMATS.get(path.suffix)
        file = repo / name
        if not reader or not file.is_file() or file.is_symlink():
            continue
        try:
            text = file.read_text(encoding="utf-8")
            found = reader(text, path, there) if reader is cargo_toml else reader(text, path)
            out |= {(name, str(n), t) for n, t in found if n}
        except (ValueError, xml.ParseError) as error:
            print(f"  {repo.name}: {name} is left out: {error}")
    return out


def named(repo, env):
    done = subprocess.run([str(RELEASE / "codeask"), "tour", "--json", "-C", str(repo)], env=env, capture_output=True, text=True, timeout=600)
    o = json.loads(done.stdout)
    assert "entry_points" in o, o
    for e in o["entry_points"]:
        if e["declared"]:
            for target in [None, *e["targets"]]:
                yield e["declared"]["path"], e["name"], target


def clones():
    for folder in filter(None, os.environ.get("CODEASK_BENCH_REPOS", "").split(":")):
        yield from sorted(p for p in pathlib.Path(folder).iterdir() if (p / ".git").exists())


def main():
    shares, found, all_of, repos = [], 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="codeask-bench-") as home:
        env = {**os.environ, "CODEASK_HOME": home}
        for repo in clones():
            want = declared(repo)
            if not want or repos == MOST:
                continue
            repos += 1
            missed = sorted(want - set(named(repo, env)), key=str)
            shares.append(1 - len(missed) / len(want))
            found, all_of = found + len(want) - len(missed), all_of + len(want)
            print(f"{repo.name}: {len(want) - len(missed)} of {len(want)}", flush=True)
            for manifest, name, target in missed:
                print(f"  missed: {manifest}: {name} -> {target}")
        subprocess.run([str(RELEASE / "codeask"), "stop"], env=env, capture_output=True)
    if not shares:
        print(json.dumps({"name": ROW, "why": "CODEASK_BENCH_REPOS names no clones whose manifests declare anything"}))
        return
    print(json.dumps({"name": ROW, "value": round(sum(shares) / len(shares), 4), "unit": "share", "goal": 0.9, "repositories": repos,
                      "declared": all_of, "pooled": round(found / all_of, 4), "least": round(min(shares), 4)}))


if __name__ == "__main__":
    main()
