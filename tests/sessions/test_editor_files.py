"""`codeask editor install|uninstall`: every editor's configuration, in a home that has one already, checked against the fields that the
editors read."""
import json
import os
import re
import stat
import sys
import tomllib

from lib import CODEASK, main

# the fields that are read: KDE/kate addons/lspclient (lspclientservermanager.cpp), zed-industries/zed context_servers,
# sublimelsp/LSP sublime-package.json (ClientConfig), helix-editor/helix (LanguageServerConfiguration, LanguageConfiguration)
KATE = {"command": list, "rootIndicationFileNames": list, "highlightingModeRegex": str, "initializationOptions": dict, "settings": dict, "url": str}
ZED = {"source": str, "enabled": bool, "command": str, "args": list, "env": dict, "timeout": int}
SUBLIME = {"enabled": bool, "command": list, "selector": str, "initializationOptions": dict, "settings": dict, "disabled_capabilities": dict}
HELIX_SERVER = {"command": str, "args": list, "config": dict, "timeout": int, "environment": dict}
HELIX_LANGUAGE = {"name": str, "language-servers": list}

FILES = {
    "neovim": ".config/nvim/plugin/codeask.lua", "emacs": ".emacs.d/init.el", "helix": ".config/helix/languages.toml",
    "kate": ".config/kate/lspclient/settings.json", "zed": ".config/zed/settings.json",
    "sublime": ".config/sublime-text/Packages/User/LSP.sublime-settings",
}
THEIRS = {
    "emacs": "(setq inhibit-startup-screen t)\n",
    "helix": '[[language]]\nname = "python"\nlanguage-servers = ["pylsp"]\n',
    "kate": '{\n    "servers": {\n        "c": {\n            "command": ["clangd"]\n        }\n    }\n}\n',
    "zed": '// Zed settings\n{\n  "theme": "One", // mine\n  "context_servers": {\n    "other": {"command": "x"},\n  },\n}\n',
    "sublime": '// over the defaults\n{\n\t"clients": {\n\t\t"gopls": {"enabled": true,},\n\t},\n}\n',
}


def fits(row, schema):
    for key, value in row.items():
        assert key in schema and isinstance(value, schema[key]), (key, value)


def plain_json(text):
    """JSON without the comments and commas that editors allow"""
    text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda m: m.group(1) or "", text)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", text))


def editor(w, *args, code=0):
    r = w.run("editor", *args, env={"XDG_CONFIG_HOME": ""})
    assert r.returncode == code, (args, r.returncode, r.stdout, r.stderr)
    return r.stdout + r.stderr


def check(name, text):
    if name == "helix":
        made = tomllib.loads(text)
        fits(made["language-server"]["codeask"], HELIX_SERVER)
        names = [row["name"] for row in made["language"]]
        assert len(names) == len(set(names)) and "c" in names, names
        for row in made["language"]:
            fits(row, HELIX_LANGUAGE)
        assert made["language-server"]["codeask"]["command"] == CODEASK
    elif name in ("kate", "zed", "sublime"):
        key, schema = {"kate": ("servers", KATE), "zed": ("context_servers", ZED), "sublime": ("clients", SUBLIME)}[name]
        if name == "kate":
            json.loads(text)  # it takes no comments
        row = plain_json(text)[key]["codeask"]
        fits(row, schema)
        assert CODEASK in row["command"], row
    else:
        assert CODEASK in text


def test_where_nothing_is(w):
    for name, file in FILES.items():
        path = w.root / file
        shown = editor(w, "install", name, "--dry-run")
        assert not path.exists() and f"+++ {path}" in shown and "\n+" in shown, shown
        editor(w, "install", name)
        text = path.read_text()
        check(name, text)
        assert "already" in editor(w, "install", name) and path.read_text() == text
        assert "\n-" in editor(w, "uninstall", name, "--dry-run") and path.read_text() == text
        editor(w, "uninstall", name)
        assert not path.exists(), name
        assert "nothing of codeask's" in editor(w, "uninstall", name)


def test_what_the_user_has_stays(w):
    for name, theirs in THEIRS.items():
        path = w.root / FILES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        real = w.root / f"dotfiles-{name}"
        real.write_text(theirs)
        real.chmod(0o600)
        path.symlink_to(real)
        editor(w, "install", name)
        check(name, path.read_text())
        assert path.is_symlink() and stat.S_IMODE(os.stat(path).st_mode) == 0o600
        editor(w, "uninstall", name)
        assert path.read_text() == theirs, (name, path.read_text())


def test_nothing_is_replaced(w):
    for name in ("helix", "zed", "neovim"):
        path = w.root / FILES[name]
        editor(w, "install", name)
        changed = path.read_text().replace("lsp", "lps").replace("mcp", "pcm")
        path.write_text(changed)
        assert "uninstall" in editor(w, "install", name, code=2)
        assert path.read_text() == changed
    path = w.root / FILES["kate"]
    path.parent.mkdir(parents=True)
    path.write_text("no JSON")
    assert "safely" in editor(w, "install", "kate", code=2) and path.read_text() == "no JSON"
    assert "did you mean neovim" in editor(w, "install", "nvim", code=2)


def test_vscode(w):
    """VS Code installs its extensions itself: its command is asked."""
    fake = w.root / "bin"
    fake.mkdir()
    (fake / "code").write_text(f'#!/bin/sh\necho "$@" >> {w.root}/asked\n')
    (fake / "code").chmod(0o755)
    path = {"PATH": f"{fake}:{os.environ['PATH']}"}
    r = w.run("editor", "uninstall", "vscode", "--dry-run", env=path)
    assert r.returncode == 0 and r.stdout == "would run: code --uninstall-extension codeask.codeask\n", r
    assert w.run("editor", "uninstall", "vscode", env=path).returncode == 0
    assert (w.root / "asked").read_text() == "--uninstall-extension codeask.codeask\n"


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main(globals())
