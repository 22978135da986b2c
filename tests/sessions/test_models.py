"""model pull, verify, quantize: files from a server that cuts, lies, moves and refuses; never anything but what was named."""
import hashlib
import http.server
import os
import pty
import signal
import struct
import subprocess
import threading
import time

from lib import CODEASK, main, wait_for
from tiny import put_writer


def text(s):
    return struct.pack("<Q", len(s)) + s


def gguf(fill=0, rows=600):
    """A model of one F32 matrix [rows, 256] and one norm."""
    keys = text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
    tensors = text(b"blk.0.attn_q.weight") + struct.pack("<IQQIQ", 2, 256, rows, 0, 0)
    tensors += text(b"blk.0.attn_norm.weight") + struct.pack("<IQIQ", 1, 256, 0, rows * 1024)
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 1) + keys + tensors
    head += b"\0" * (-len(head) % 32)
    values = [((i * 2654435761 + fill) % 65536 - 32768) / 32768 for i in range(256 * rows + 256)]
    return head + struct.pack(f"<{len(values)}f", *values)


MODEL = gguf()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        s = self.server
        path = self.path.split("?")[0]
        wanted = self.headers.get("Range")
        s.seen.append((self.path, wanted, self.headers.get("If-Range"), dict(self.headers)))
        if path == "/moved.gguf":
            self.send_response(302)
            self.send_header("Location", "/m.gguf")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if path == "/huge.gguf":
            self.send_response(200)
            self.send_header("Content-Length", str(2 * 10**12))
            self.end_headers()
            self.wfile.write(b"GGUF")
            self.close_connection = True
            return
        body = s.files.get(path)
        if body is None:
            self.send_error(403 if path == "/gated.gguf" else 404)
            return
        tag = '"%s"' % hashlib.md5(body).hexdigest()
        start = 0
        if wanted and self.headers.get("If-Range") == tag:
            start = int(wanted[6:-1])
        if start and start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        cut = s.cuts.pop(0) if s.cuts else None
        if s.slow:
            for i in range(start, len(body), 20000):
                self.wfile.write(body[i:i + 20000])
                time.sleep(0.05)
            return
        self.wfile.write(body[start:cut] if cut else body[start:])
        if cut:
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass


class Server:
    def __enter__(self):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.seen, self.http.files, self.http.cuts, self.http.slow = [], {"/m.gguf": MODEL}, [], False
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.host = "127.0.0.1:%d" % self.http.server_port
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def url(self, path):
        return f"http://{self.host}/{path}"

    def __getattr__(self, name):
        return getattr(self.__dict__["http"], name)


def names(w):
    return sorted(p.name for p in (w.home / "models").iterdir())


def test_one_file(w):
    with Server() as s:
        o = w.json("model", "pull", s.url("m.gguf"), "--sha256", hashlib.sha256(MODEL).hexdigest())
        assert o["name"] == "m.gguf" and o["bytes"] == len(MODEL) and o["host"] == s.host and o["resumed"] == 0, o
        assert names(w) == ["m.gguf"] and (w.home / "models" / "m.gguf").read_bytes() == MODEL
        (seen,) = s.seen
        assert set(seen[3]) <= {"Host", "User-Agent", "Accept"}, seen  # nothing of the machine is told
        assert "m" in [m["name"] for m in w.json("model", "list")["models"]]
        o = w.json("model", "pull", s.url("m.gguf"), code=2)["error"]
        assert o["code"] == "usage" and "is there already" in o["message"] and len(s.seen) == 1, o
        o = w.json("model", "pull", s.url("moved.gguf?x=1"), "--name", "other")
        assert o["name"] == "other.gguf" and names(w) == ["m.gguf", "other.gguf"], o
    assert not w.socket_answers(), "no daemon is wanted for it"


def test_cut_again_and_again(w):
    with Server() as s:
        s.http.cuts[:] = [100_000, 100_001, 300_000]
        o = w.json("model", "pull", s.url("m.gguf"), "--sha256", hashlib.sha256(MODEL).hexdigest())
        assert [r[1] for r in s.seen] == [None, "bytes=100000-", "bytes=100001-", "bytes=300000-"], s.seen
        assert (w.home / "models" / "m.gguf").read_bytes() == MODEL and o["bytes"] == len(MODEL)
        assert names(w) == ["m.gguf"]




def test_goes_on_after_an_interrupt(w):
    with Server() as s:
        s.http.slow = True
        p = w.popen(CODEASK, "model", "pull", s.url("m.gguf"), start_new_session=True)
        part = w.home / "models" / "m.gguf.part"
        wait_for(lambda: part.exists() and part.stat().st_size > 50_000, "some bytes")
        os.killpg(p.pid, signal.SIGINT)  # as a terminal does it
        out, said = p.communicate(timeout=20)
        assert p.returncode == 130 and "goes on from what is there" in said, (p.returncode, out, said)
        had = part.stat().st_size
        assert had > 50_000
        s.http.slow = False
        o = w.json("model", "pull", s.url("m.gguf"))
        assert o["resumed"] == had and s.seen[-1][1] == f"bytes={had}-", (o, had, s.seen)
        assert (w.home / "models" / "m.gguf").read_bytes() == MODEL and names(w) == ["m.gguf"]
        # all of it was there, and the rename was not
        (w.home / "models" / "m.gguf").rename(part)
        (w.home / "models" / "m.gguf.part.from").write_text(s.url("m.gguf") + '\n"%s"\n' % hashlib.md5(MODEL).hexdigest())
        assert w.json("model", "pull", s.url("m.gguf"))["resumed"] == len(MODEL)
        assert (w.home / "models" / "m.gguf").read_bytes() == MODEL


def test_another_file_in_between(w):
    with Server() as s:
        models = w.home / "models"
        models.mkdir(parents=True)
        (models / "m.gguf.part").write_bytes(b"x" * 5000)
        (models / "m.gguf.part.from").write_text(s.url("m.gguf") + '\n"of yesterday"\n')
        assert w.json("model", "pull", s.url("m.gguf"))["resumed"] == 0
        assert (models / "m.gguf").read_bytes() == MODEL
        (models / "m.gguf").unlink()
        (models / "m.gguf.part").write_bytes(b"x" * 5000)  # of another address: no word of it
        (models / "m.gguf.part.from").write_text(s.url("else.gguf") + '\n"tag"\n')
        w.json("model", "pull", s.url("m.gguf"))
        assert s.seen[-1][1] is None and (models / "m.gguf").read_bytes() == MODEL


def test_refusals(w):
    with Server() as s:
        s.http.files.update({"/login.gguf": b"<html>please log in</html>" * 9, "/short.gguf": MODEL[:-1000]})

        def refused(code, says, *args):
            o = w.json("model", "pull", *args, code=2)["error"]
            assert o["code"] == code and says in o["message"] + o["hint"], o
            return o

        refused("not_found", f"{s.host} has no such file (404)", s.url("none.gguf"))
        refused("denied", "(403)", s.url("gated.gguf"))
        refused("bad_format", "its SHA-256 is", s.url("m.gguf"), "--sha256", "0" * 64)
        assert names(w) == [], names(w)
        o = refused("disk_full", "are free", s.url("huge.gguf"))
        assert "2000.0 GB more are wanted" in o["hint"], o
        refused("bad_format", "no GGUF file", s.url("login.gguf"))
        refused("bad_format", "past the end", s.url("short.gguf"))
        assert names(w) == ["login.gguf.bad", "short.gguf.bad"], names(w)
        s.http.files.update({"/d/config.json": b"{}", "/d/model.safetensors": b"<html>"})
        refused("bad_format", "put aside as", s.url("d/"))
        assert [m["name"] for m in w.json("model", "list")["models"] if m["removable"]] == []
        asked = len(s.seen)
        refused("usage", "no http:// or https:// address", "ftp://127.0.0.1/m.gguf")
        refused("usage", "no http:// or https:// address", "file:///etc/passwd")
        refused("usage", "no .gguf file and no folder", s.url("model.bin"))
        refused("usage", "64 hexadecimal digits", s.url("m.gguf"), "--sha256", "abc")
        refused("usage", "gives no name", s.url("m.gguf"), "--name", "../m")
        assert len(s.seen) == asked, "nothing was asked for"
        assert "m.gguf" not in names(w)
        assert w.json("model", "list")["answer_model"] is None
    refused("unavailable", "onnect", "http://127.0.0.1:9/m.gguf")


def test_shards_and_folders(w):
    with Server() as s:
        def shard(no):
            keys = b"".join(text(k) + struct.pack("<II", 4, v) for k, v in
                            [(b"split.no", no), (b"split.count", 2), (b"split.tensors.count", 2)])
            tensor = text(b"t%d" % no) + struct.pack("<IQIQ", 1, 8, 0, 0)
            head = b"GGUF" + struct.pack("<IQQ", 3, 1, 3) + keys + tensor
            return head + b"\0" * (-len(head) % 32) + b"\0" * 32

        s.http.files.update({"/d/big-00001-of-00002.gguf": shard(0), "/d/big-00002-of-00002.gguf": shard(1)})
        o = w.json("model", "pull", s.url("d/big-00001-of-00002.gguf"))
        assert o["files"] == 2 and names(w) == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"], o
        assert [m["name"] for m in w.json("model", "list")["models"] if m["removable"]] == ["big-00001-of-00002"]
        header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
        weights = struct.pack("<Q", len(header)) + header + b"\0" * 8
        index = b'{"weight_map":{"a":"one.safetensors"}}'
        s.http.files.update({"/org/name/config.json": b'{"model_type":"llama"}', "/org/name/tokenizer.json": b"{}",
                             "/org/name/model.safetensors.index.json": index, "/org/name/one.safetensors": weights})
        o = w.json("model", "pull", s.url("org/name/"))
        assert o["name"] == "name" and o["files"] == 4, o
        assert sorted(p.name for p in (w.home / "models" / "name").iterdir()) == [
            "config.json", "model.safetensors.index.json", "one.safetensors", "tokenizer.json"]
        o = w.json("model", "verify", w.home / "models" / "name")
        assert o["family"] == "llama" and o["tensors"] == 1 and o["sha256"] == hashlib.sha256(weights).hexdigest(), o


def test_the_bar(w):
    with Server() as s:
        s.http.slow = True
        parent, child = pty.openpty()
        p = subprocess.Popen([CODEASK, "model", "pull", s.url("m.gguf")], env={**w.env, "TERM": "xterm"}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=child)
        os.close(child)
        seen = b""
        while True:
            try:
                piece = os.read(parent, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        assert p.wait(20) == 0 and b"fetched" in p.stdout.read()
        assert b"pulling m.gguf from " + s.host.encode() in seen and " of ".encode() in seen and "━".encode() in seen, seen[-300:]
        os.close(parent)


def test_quantize_and_verify(w):
    (w.root / "in.gguf").write_bytes(MODEL)
    o = w.json("model", "quantize", "in.gguf", "out.gguf", "q4_k")
    assert o["type"] == "Q4_K" and o["tensors"] == 2 and o["changed"] == 1 and 0 < o["error"] < 0.08, o
    assert o["bytes_in"] == len(MODEL) and o["bytes_out"] == (w.root / "out.gguf").stat().st_size
    v = w.json("model", "verify", "./out.gguf")
    assert v["container"] == "gguf" and v["family"] == "llama" and {t["type"]: t["tensors"] for t in v["types"]} == {"F32": 1, "Q4_K": 1}
    assert v["sha256"] == hashlib.sha256((w.root / "out.gguf").read_bytes()).hexdigest()
    for args, code, says in [(("in.gguf", "out.gguf", "Q8_0"), "usage", "is there already"), (("in.gguf", "x.gguf", "Q3_K"), "usage", "Q8_0, Q4_K"),
                             (("none.gguf", "x.gguf", "Q8_0"), "not_found", "none.gguf"), (("in.gguf", "no/x.gguf", "Q8_0"), "io", "no/x.gguf")]:
        e = w.json("model", "quantize", *args, code=2)["error"]
        assert e["code"] == code and says in e["message"], e
    bad = bytearray(MODEL)
    bad[-4:] = b"\xff\xff\xff\xff"
    (w.root / "bad.gguf").write_bytes(bad)
    e = w.json("model", "verify", "./bad.gguf", code=2)["error"]
    assert e["code"] == "bad_format" and "blk.0.attn_norm.weight: value 255 is not a finite number" in e["message"], e
    (w.root / "cut.gguf").write_bytes(MODEL[:-5])
    assert "past the end" in w.json("model", "verify", "./cut.gguf", code=2)["error"]["message"]
    assert not (w.home / "codeaskd.sock").exists()


def test_quantize_by_text(w):
    """What the model reads of a folder or of the index decides where bits go; the same text gives the same bytes."""
    writer, repo = put_writer(w.root / "writer"), w.repo()
    plain = w.json("model", "quantize", writer, w.root / "plain", "NVFP4")
    assert plain["weighed"] == 0 and plain["text_tokens"] == 0
    made = [w.json("model", "quantize", "--text", repo, writer, w.root / f"by-text-{i}", "NVFP4") for i in range(2)]
    assert made[0]["weighed"] > 15 and made[0]["text_tokens"] > 500, made
    weights = [(w.root / n / "model.gguf").read_bytes() for n in ("plain", "by-text-0", "by-text-1")]
    assert weights[1] == weights[2] and weights[0] != weights[1] and len(weights[0]) == len(weights[1])
    w.config("embed = no\n")
    w.run("index", cwd=repo)
    busy = w.json("model", "quantize", "--text", "index", writer, w.root / "by-index", "NVFP4", code=2)
    assert busy["error"]["code"] == "busy" and "codeask stop" in busy["error"]["hint"], busy
    w.run("stop")
    assert w.json("model", "quantize", "--text", "index", writer, w.root / "by-index", "NVFP4")["weighed"] > 15
    for wrong in (w.root / "gone", w.root / "by-index" / "model.gguf"):
        assert "error" in w.json("model", "quantize", "--text", wrong, writer, w.root / "never", "NVFP4", code=2)
    assert not (w.root / "never").exists()


if __name__ == "__main__":
    main(globals())
