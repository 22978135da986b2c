"""A headless Chromium, driven by W3C WebDriver (https://www.w3.org/TR/webdriver2/): plain HTTP with JSON, spoken to chromedriver."""
import base64
import http.client
import json
import re
import shutil
import subprocess
import tempfile
import time

KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Tab": "\ue004"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's number, as the standard has it
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-quic", "--lang=en"]


def programs():
    return shutil.which("chromium"), shutil.which("chromedriver")


class Browser:
    def __init__(self, width=1200, height=900, dark=False, hosts=None):
        chromium, driver = programs()
        self.profile = tempfile.TemporaryDirectory(prefix="codeask-browser-")
        self.driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = None
        while port is None:
            line = self.driver.stdout.readline()
            assert line, "chromedriver did not start"
            found = re.search(r"on port (\d+)", line)
            port = int(found[1]) if found and "successfully" in line else None
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        args = OPTIONS + [f"--user-data-dir={self.profile.name}", f"--window-size={width},{height}"]
        args += ["--blink-settings=preferredColorScheme=0"] if dark else []
        args += [f"--host-resolver-rules={hosts}"] if hosts else []
        chrome = {"binary": chromium, "args": args}
        wanted = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}}, whole=True)["sessionId"]

    def call(self, method, path, body=None, whole=False):
        self.http.request(method, path if whole else f"/session/{self.session}{path}", json.dumps(body) if body is not None else None)
        value = json.loads(self.http.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        """what `return …` of a script gives"""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def all(self, css):
        return [e[ELEMENT] for e in self.call("POST", "/elements", {"using": "css selector", "value": css})]

    def wait(self, css, text=None, seconds=20):
        """the first element that fits, once there is one (that holds the text)"""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for e in self.all(css):
                try:
                    if text is None or text in self.text(e):
                        return e
                except RuntimeError:  # gone meanwhile
                    pass
            time.sleep(0.05)
        raise AssertionError(f"no {css} with {text!r}; the page says: {self.run('return document.body.innerText')}")

    def text(self, element):
        return self.call("GET", f"/element/{element}/text")

    def act(self, css, text, action, body):
        """once more where the view changes just then"""
        for attempt in range(5):
            try:
                return self.call("POST", f"/element/{self.wait(css, text)}/{action}", body)
            except RuntimeError as e:
                if "stale element" not in str(e) or attempt == 4:
                    raise

    def click(self, css, text=None):
        self.act(css, text, "click", {})

    def type(self, css, text):
        """a name of KEYS, or a text"""
        self.act(css, None, "value", {"text": KEYS.get(text, text)})

    def key(self, text):
        """to whatever has the focus"""
        actions = [{"type": t, "value": KEYS.get(text, text)} for t in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def log(self, kind="browser"):
        """since the last asking: what the console says ("browser"), or each request ("performance")"""
        return self.call("POST", "/se/log", {"type": kind})

    def requested(self):
        """the addresses that it asked for since the last asking"""
        messages = [json.loads(row["message"])["message"] for row in self.log("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.profile.cleanup()
