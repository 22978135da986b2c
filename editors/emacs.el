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

(defun codeask--insert (process text)
  "Put TEXT of PROCESS at the end of its buffer; the reader stays where he is."
  (when (buffer-live-p (process-buffer process))
    (with-current-buffer (process-buffer process)
      (let ((inhibit-read-only t))
        (save-excursion (goto-char (point-max)) (insert text))))))

(defun codeask-ask (question)
  "Ask QUESTION about the repository around this file.
The answer comes into a buffer of its own; RET on one of its sources opens that."
  (interactive "sAsk codeask: ")
  (require 'compile)
  (let* ((here (expand-file-name default-directory))
         (root (or (locate-dominating-file here ".git") here))
         (buffer (get-buffer-create "*codeask*"))
         (before (get-buffer-process buffer)))
    (when before (delete-process before))
    (with-current-buffer buffer
      (let ((inhibit-read-only t)) (erase-buffer))
      (special-mode)
      (setq default-directory (file-name-as-directory (expand-file-name root)))
      (setq-local compilation-error-regexp-alist '(("^\\[[0-9]+\\] \\(.+?\\):\\([0-9]+\\)" 1 2)))
      (compilation-minor-mode 1)
      (make-process :name "codeask" :buffer buffer :connection-type 'pipe :noquery t :sentinel #'ignore
                    :filter #'codeask--insert :command (list "@CODEASK@" "ask" "-C" here "--" question)))
    (message "codeask: looking …")
    (display-buffer buffer)))
