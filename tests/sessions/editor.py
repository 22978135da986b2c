"""Real editors without a screen, for the session tests: a script runs in the editor and leaves what it saw in `out`."""
import json
import shutil
import subprocess

NVIM, EMACS = shutil.which("nvim"), shutil.which("emacs")

NVIM_FRAME = '''
local out = {}
-- a request that is waited for; its answer goes to out[name]
local function ask(client, name, method, params)
  local answer
  client.request(method, params, function(err, result) answer = { err = err, result = result } end, 0)
  vim.wait(30000, function() return answer ~= nil end, 10)
  out[name] = answer or { err = "no answer" }
  return out[name].result
end
local function session()
%s
end
local well, wrong = pcall(session)
out.wrong = not well and tostring(wrong) or nil
local file = io.open(OUT, "w")
file:write(vim.json.encode(out))
file:close()
for _, client in pairs(vim.lsp.get_active_clients()) do client.stop() end
vim.wait(5000, function() return next(vim.lsp.get_active_clients()) == nil end, 20)
vim.cmd("qall!")
'''

EMACS_FRAME = ''';;; -*- lexical-binding: t -*-
(require 'package)
(package-initialize)
(require 'json)
(require 'project)
(defvar out nil)
(defun keep (name value) (push (cons name value) out))
(condition-case wrong
    (progn
%s
)
  (error (keep 'wrong (error-message-string wrong))))
(let ((json-encoding-pretty-print nil))
  (with-temp-file OUT (insert (json-encode out))))
(when (fboundp 'eglot-shutdown-all) (ignore-errors (eglot-shutdown-all)))
'''


def finish(w, process, out, seconds=120):
    said, wrong = process.communicate(timeout=seconds)
    assert out.exists(), said + wrong
    got = json.loads(out.read_text())
    assert not got.get("wrong"), (got["wrong"], wrong)
    return got


def neovim(w, script, **names):
    """Runs the body of a Lua function; it finds the names as globals."""
    out, file = w.root / "out.json", w.root / "session.lua"
    out.unlink(missing_ok=True)
    given = "".join(f"{k} = {json.dumps(str(v))}\n" for k, v in {**names, "OUT": out}.items())
    file.write_text(given + NVIM_FRAME % script)
    return finish(w, w.popen(NVIM, "--headless", "-u", "NONE", "-i", "NONE", "-n", "-S", file), out)


def emacs(w, script, **names):
    """Runs forms of Emacs Lisp; they find the names as variables, and (keep 'NAME VALUE) tells what they saw."""
    out, file = w.root / "out.json", w.root / "session.el"
    out.unlink(missing_ok=True)
    given = "".join(f"(defvar {k} {json.dumps(str(v))})\n" for k, v in {**names, "OUT": out}.items())
    file.write_text(EMACS_FRAME.replace("(defvar out nil)", given + "(defvar out nil)", 1) % script)
    return finish(w, w.popen(EMACS, "--batch", "--load", file), out)


def emacs_has(library):
    return EMACS is not None and subprocess.run([EMACS, "--batch", "--eval", f"""(progn (require 'package) (package-initialize) (require '{library}))"""],
                                                capture_output=True).returncode == 0
