;; codeask for the files that eglot knows no server for, and by hand in any other: M-x codeask-eglot.
;; M-x codeask-ask asks a question about the repository of the file.
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs '(prog-mode . ("@CODEASK@" "lsp")) t))

(defun codeask-eglot ()
  "Let codeask serve the files of this major mode in this project."
  (interactive)
  (require 'eglot)
  (let ((eglot-server-programs (list (cons major-mode '("@CODEASK@" "lsp")))))
    (apply #'eglot (append (eglot--guess-contact) '(t)))))

(defun codeask-ask (question)
  "Ask QUESTION about the repository around this file, and show the answer."
  (interactive "sAsk codeask: ")
  (let ((buffer (get-buffer-create "*codeask*")) (inhibit-read-only t))
    (with-current-buffer buffer (erase-buffer))
    (call-process "@CODEASK@" nil (list buffer nil) nil "ask" "--" question)
    (with-current-buffer buffer (goto-char (point-min)) (special-mode))
    (display-buffer buffer)))
