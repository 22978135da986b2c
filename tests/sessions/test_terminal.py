"""What people see: the real client on a pseudo-terminal."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from lib import CODEASK, big_sources, main


def on_terminal(w, *args, cwd, columns=90, env=None, seconds=60, stderr_only=False):
    """Runs the client on a terminal; what it wrote there, and its exit status."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    out = subprocess.DEVNULL if stderr_only else theirs
    p = subprocess.Popen([CODEASK, *map(str, args)], cwd=cwd, env={**w.env, "TERM": "xterm-256color", **(env or {})},
                         stdin=subprocess.DEVNULL, stdout=out, stderr=theirs)
    os.close(theirs)
    seen, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([mine], [], [], 0.1)[0]:
            try:
                got = os.read(mine, 65536)
            except OSError:
                break
            if not got:
                break
            seen += got
        elif p.poll() is not None:
            break
    os.close(mine)
    return seen.decode(errors="replace").replace("\r\n", "\n"), p.wait(10)


def plain(text):
    return re.sub("\033\\[[0-9;]*[mK]", "", text)


def test_answer_in_colour(w):
    repo = w.repo()
    w.run("index", cwd=repo)
    seen, status = on_terminal(w, "where is the retry policy?", cwd=repo)
    assert status == 0
    assert "\033[34mclass\033[0m" in seen, "no highlighting"
    assert "```" not in seen and "**`" not in seen, "raw Markdown"
    assert "[1] src/retry.py:" in plain(seen)
    assert all(len(line) <= 92 or "│" not in line for line in plain(seen).split("\n"))


def test_no_color(w):
    repo = w.repo()
    w.run("index", cwd=repo)
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        seen, status = on_terminal(w, "where is the retry policy?", cwd=repo, env=env)
        assert status == 0 and "\033" not in seen, repr(seen)


def test_search_fits_the_width(w):
    repo = w.repo()
    w.run("index", cwd=repo)
    for columns in (50, 90):
        seen, _ = on_terminal(w, "search", "retry", cwd=repo, columns=columns)
        lines = plain(seen).split("\n")
        assert any(re.match(r"src/retry.py:\d+  \w+ \(\w+\)", line) for line in lines), lines
        assert all(len(line) <= columns for line in lines if "│" in line), lines


def test_progress_bar(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(4000))
    seen, status = on_terminal(w, "index", cwd=repo, stderr_only=True)
    assert status == 0
    assert re.search(r"indexing \w+  [━╸]+", plain(seen)) and re.search(r"\d+/4000 files", plain(seen)), repr(seen[:500])
    assert seen.endswith("\r\033[K"), "the bar is wiped"


def test_no_bar_in_a_pipe(w):
    w.config("embed = no\n")
    repo = w.repo(files=big_sources(300))
    r = w.run("index", cwd=repo)
    assert r.returncode == 0 and r.stderr == ""


def test_completion_works(w):
    shell = ('source <(%s completion bash); COMP_WORDS=(codeask %%s); COMP_CWORD=%%d; _codeask; echo "${COMPREPLY[@]}"' % CODEASK)
    for words, index, wanted in (("se", 1, "search"), ("repo re", 2, "remove"), ("search --uni", 2, "--unique-files"),
                                 ("repo add --ti", 3, "--timeout")):
        out = subprocess.run(["bash", "-c", shell % (words, index)], env=w.env, capture_output=True, text=True)
        assert out.stdout.strip() == wanted, (words, out)


if __name__ == "__main__":
    main(globals())
