"""The Debian package: what is in it, and that what it unpacks to answers, with vectors, wherever it lies."""
import os
import re
import shutil
import subprocess
import sys

from lib import BUILD, main


def run(*command, **how):
    done = subprocess.run(command, capture_output=True, text=True, **how)
    assert done.returncode == 0, (command, done.stdout[-3000:] + done.stderr[-3000:])
    return done.stdout


def test_package(w):
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", w.root / "made")
    deb = next((w.root / "made").glob("codeask_*.deb"))
    fields = run("dpkg-deb", "--field", deb)
    assert re.search(r"^Depends: .*\blibwebsockets-evlib-uv\b", fields, re.M) and "libc6 (>= " in fields, fields
    root = w.root / "unpacked"
    run("dpkg-deb", "-R", deb, root)
    for path in ("usr/bin/codeask", "usr/bin/codeaskd", "usr/share/man/man1/codeask.1.gz", "usr/share/bash-completion/completions/codeask",
                 "usr/share/zsh/vendor-completions/_codeask", "usr/share/fish/vendor_completions.d/codeask.fish", "usr/lib/systemd/system/codeask.service",
                 "usr/lib/sysusers.d/codeask.conf", "usr/share/codeask/models/all-MiniLM-L6-v2/model.safetensors", "usr/share/doc/codeask/copyright",
                 "DEBIAN/postinst", "DEBIAN/prerm", "DEBIAN/postrm"):
        assert (root / path).stat().st_size > 0, path
    licences = (root / "usr/share/doc/codeask/copyright").read_text()
    for name in ("tree-sitter-c", "page/preact", "page/highlight", "models/all-MiniLM-L6-v2"):
        assert f"\n{name}\n" in licences, name
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", root / "DEBIAN" / script)
    symbols = run("readelf", "-S", root / "usr/bin/codeaskd")
    assert ".debug_info" not in symbols, "stripped"

    repo = w.repo()
    w.env["PATH"] = f"{root}/usr/bin:/usr/bin:/bin"
    w.env.pop("CODEASK_MODELS", None)
    run("codeask", "index", cwd=repo, env=w.env)
    answer = run("codeask", "where is the retry policy?", cwd=repo, env=w.env)
    assert "src/retry.py" in answer and "all embedded" in answer, answer
    assert "all-MiniLM-L6-v2" in run("codeask", "model", "list", cwd=repo, env=w.env)
    run("codeask", "stop", env=w.env)

    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "codeask.service"], capture_output=True, text=True)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "codeask.service" in line and "Unknown" in line or "not executable" in line]
        assert not ours, ours
        shown = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--root={root}", "codeask.service"], capture_output=True, text=True)
        found = re.search(r"exposure level for codeask.service: ([0-9.]+)", shown.stdout)
        print("exposure by systemd-analyze:", found[1] if found else "not told", flush=True)
        assert not found or float(found[1]) < 3, shown.stdout


if __name__ == "__main__":
    if not (shutil.which("cpack") and shutil.which("dpkg-shlibdeps")) or not os.path.exists(BUILD / "CPackConfig.cmake"):
        print("no packages are made here: cpack and dpkg-dev are wanted")
        sys.exit(77)
    main(globals())
