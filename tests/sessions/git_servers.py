"""Git servers on this machine, good ones and such as nobody should have to speak to: smart HTTP over TLS by git's own http-backend, and sshd."""
import base64
import http.server
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

BACKEND = next((p for p in ("/usr/lib/git-core/git-http-backend", "/usr/libexec/git-core/git-http-backend") if os.path.exists(p)), None)
SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if os.path.exists("/usr/sbin/sshd") else None)


def certificate(folder):
    """A certificate for 127.0.0.1 that signs itself: (certificate, key)."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


class Https:
    """https://127.0.0.1:PORT/MODE/NAME.git serves root/NAME.git; MODE says what is wrong with it:
    ok, auth (ada:secret), hang (never answers), drip (a byte now and then, without end), stop (half of the pack, then nothing), cut (half of the pack, then the end),
    broken (a byte of the pack is another), redirect, html (no git), lies (a tip that it does not send)."""

    def __init__(self, root, folder):
        self.root, self.asked, self.auth, self.slow, self.to = root, [], [], 0, ""
        self.cert, key = certificate(folder)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer(b"")

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body):
                server.asked.append(self.path)
                server.auth.append(self.headers.get("Authorization"))
                mode, rest = self.path.lstrip("/").split("/", 1)
                path, _, query = rest.partition("?")
                if mode == "hang":
                    time.sleep(30)
                elif mode == "redirect":
                    self.whole(302, "text/plain", b"", {"Location": f"{server.to}/{rest}"})
                elif mode == "html":
                    self.whole(200, "text/html", b"<html>sign in</html>")
                elif mode == "auth" and self.headers.get("Authorization") != "Basic " + base64.b64encode(b"ada:secret").decode():
                    self.whole(401, "text/plain", b"", {"WWW-Authenticate": 'Basic realm="git"'})
                elif mode == "drip":
                    self.send_response(200)
                    self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for _ in range(300):
                        self.wfile.write(b"1\r\n0\r\n")
                        time.sleep(0.1)
                else:
                    status, headers, out = server.backend(self.command, path, query, body, self.headers)
                    if mode == "lies" and not body:
                        tip = out.split(b" refs/heads/main")[0][-40:]
                        out = out.replace(tip, b"12" * 20)
                    elif mode == "lies":  # whatever is wanted, it sends what it has
                        _, headers, out = server.backend(self.command, path, query, server.want(path), self.headers)
                    elif mode == "broken" and body and b"PACK" in out:
                        at = out.index(b"PACK") + 60
                        out = out[:at] + bytes([out[at] ^ 0xFF]) + out[at + 1:]
                    elif mode in ("stop", "cut") and body and b"PACK" in out:
                        self.send_response(200)
                        self.send_header("Content-Type", headers["Content-Type"])
                        self.send_header("Content-Length", str(len(out)))
                        self.end_headers()
                        self.wfile.write(out[:out.index(b"PACK") + (len(out) - out.index(b"PACK")) // 2])
                        self.wfile.flush()
                        if mode == "stop":
                            time.sleep(30)
                        self.close_connection = True
                        return
                    if server.slow and body:
                        self.send_response(status)
                        self.send_header("Content-Type", headers["Content-Type"])
                        self.send_header("Content-Length", str(len(out)))
                        self.end_headers()
                        for i in range(0, len(out), 4096):
                            self.wfile.write(out[i:i + 4096])
                            time.sleep(server.slow)
                        return
                    self.whole(status, headers.get("Content-Type", "text/plain"), out)

            def whole(self, status, kind, body, headers={}):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for k, v in headers.items():
                    self.send_header(k, v)
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def url(self, mode, name="courier"):
        return f"https://127.0.0.1:{self.port}/{mode}/{name}.git"

    def want(self, path):
        tip = subprocess.run(["git", "-C", str(self.root / path.split("/")[0]), "rev-parse", "refs/heads/main"], check=True, capture_output=True, text=True).stdout.strip()
        return f"0032want {tip}\n".encode() + b"00000009done\n"

    def backend(self, method, path, query, body, headers):
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": "/" + path, "QUERY_STRING": query, "REQUEST_METHOD": method,
               "CONTENT_TYPE": headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "127.0.0.1", "GIT_CONFIG_NOSYSTEM": "1",
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "HOME": str(self.root)}
        out = subprocess.run([BACKEND], env=env, input=body, capture_output=True).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        return int(fields.get("Status", "200").split()[0]), fields, rest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ssh:
    """sshd of this user on 127.0.0.1, and a key that it lets in."""

    def __init__(self, w):
        self.folder = folder = w.root / "ssh"
        folder.mkdir(mode=0o700)
        self.port = free_port()
        for name in ("host", "other", "key", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "authorized").write_bytes((folder / "key.pub").read_bytes())
        self.start(w, "host")
        self.key, self.known = folder / "key", folder / "known_hosts"
        self.trust("host")

    def trust(self, name):
        kind, key = (self.folder / f"{name}.pub").read_text().split()[:2]
        self.known.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def start(self, w, host):
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        (self.folder / "config").write_text(
            f"Port {self.port}\nAddressFamily inet\nListenAddress 127.0.0.1\nHostKey {self.folder / host}\nAuthorizedKeysFile {self.folder / 'authorized'}\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nPidFile none\nPermitRootLogin yes\nLogLevel ERROR\n")
        w.popen(SSHD, "-D", "-e", "-f", self.folder / "config")
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.02)
