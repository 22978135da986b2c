"""`codeask lsp` driven by Emacs with eglot, in batch mode, as `codeask editor install emacs` configures it: what its commands and their backends
show, not what goes over the wire."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from editor import emacs, emacs_has  # noqa: E402
from lib import CODEASK, main  # noqa: E402

SCRIPT = '''
(load INIT)
(require 'eglot)
(require 'xref)
(defun where (xref)
  (let ((at (xref-item-location xref)))
    (list (file-truename (xref-location-group at)) (xref-location-line at) (substring-no-properties (xref-item-summary xref)))))
(find-file (concat ROOT "/src/pool.py"))
(codeask-eglot)
(let ((server (eglot-current-server)) (name nil))
  (keep 'managed (if (and server eglot--managed-mode) t :json-false))
  (search-forward "send_with_retry(request")
  (search-backward "send_with")
  (setq name (xref-backend-identifier-at-point 'eglot))
  (keep 'definition (vconcat (mapcar #'where (xref-backend-definitions 'eglot name))))
  (keep 'references (vconcat (mapcar #'where (xref-backend-references 'eglot name))))
  (eglot-hover-eldoc-function (lambda (text &rest _) (keep 'hover (substring-no-properties text))))
  (with-timeout (30) (while (not (assq 'hover out)) (accept-process-output nil 0.05)))
  (let ((actions (eglot-code-actions (point))))
    (keep 'actions (vconcat (mapcar (lambda (a) (plist-get a :title)) actions)))
    (let ((command (plist-get (aref (vconcat actions) 0) :command)))
      (keep 'explained (plist-get (eglot-execute-command server (plist-get command :command) (plist-get command :arguments)) :markdown))))
  (keep 'asked (plist-get (eglot-execute-command server 'codeask.ask ["where is the retry policy?"]) :markdown))
  (goto-char (point-min))
  (insert "def numbat():\\n    pass\\n\\n\\n")
  (keep 'symbols (vconcat (mapcar (lambda (s) (plist-get s :name))
    (progn (eglot--signal-textDocument/didChange)
           (jsonrpc-request server :textDocument/documentSymbol (list :textDocument (eglot--TextDocumentIdentifier))))))))
(set-buffer-modified-p nil)
(codeask-ask "where is the retry policy?")
(with-current-buffer "*codeask*"
  (while (process-live-p (get-buffer-process (current-buffer))) (accept-process-output nil 0.05))
  (keep 'buffer (buffer-string))
  (goto-char (point-min))
  (re-search-forward "^\\\\[1\\\\] .*$")
  (keep 'source (match-string 0))
  (set-window-buffer (selected-window) (current-buffer))
  (beginning-of-line)
  (compile-goto-error))
(keep 'followed (list (file-truename (buffer-file-name (window-buffer))) (with-current-buffer (window-buffer) (line-number-at-pos))))
(with-temp-buffer ; a mode that eglot has no server for
  (setq buffer-file-name (concat ROOT "/lib/build.awk"))
  (awk-mode)
  (keep 'fallback (append (nth 3 (eglot--guess-contact)) nil)))
'''


def test_emacs(w):
    repo = w.repo()
    made = w.run("editor", "install", "emacs", env={"XDG_CONFIG_HOME": ""})
    assert made.returncode == 0, made.stderr
    got = emacs(w, SCRIPT, ROOT=repo, INIT=w.root / ".emacs.d/init.el")
    retry, pool = repo / "src/retry.py", repo / "src/pool.py"
    line = retry.read_text().split("\n").index("def send_with_retry(request, policy):") + 1
    assert got["managed"] is True, got
    assert got["definition"] == [[str(retry.resolve()), line, "def send_with_retry(request, policy):"]], got["definition"]
    assert {r[0] for r in got["references"]} >= {str(pool.resolve())}, got["references"]
    assert "Sends a request and repeats it as the policy says." in got["hover"] or "send_with_retry(request, policy)" in got["hover"], got["hover"]
    assert got["actions"][:2] == ["Explain send_with_retry", "How is send_with_retry used?"], got["actions"]
    assert got["explained"].startswith("# Explain send_with_retry\n"), got["explained"]
    assert "RetryPolicy" in got["asked"], got["asked"]
    assert "RetryPolicy" in got["buffer"], got["buffer"]
    path, at = got["followed"]
    assert got["source"].startswith(f"[1] {pathlib.Path(path).relative_to(repo.resolve())}:{at}"), (got["source"], got["followed"])
    assert got["fallback"] == [CODEASK, "lsp"], got["fallback"]
    assert "numbat" in got["symbols"] and "ConnectionPool" in got["symbols"], got["symbols"]


if __name__ == "__main__":
    if not emacs_has("eglot"):
        print("no Emacs with eglot: the packages emacs-nox and, where Emacs is older than 29, elpa-eglot of the distribution are wanted")
        sys.exit(77)
    main(globals())
