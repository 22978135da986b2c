#include "service/methods.h"

#include <stdio.h>
#include <string.h>

/* Flags that several rows share. --json and the colour of the output concern the client alone; they never travel. */
#define F_JSON {"json", 0, FLAG_BOOL, NULL, "print one JSON object instead of text"}
#define F_DIR {"dir", 'C', FLAG_DIR, "DIR", "as if started in DIR"}
#define F_LIMIT {"limit", 'n', FLAG_INT, "N", "at most N results"}
#define F_REPO {"repo", 0, FLAG_STRINGS, "NAME", "this repository instead of the one around the directory (repeatable)"}
#define F_ALL_REPOS {"all-repos", 0, FLAG_BOOL, NULL, "every known repository"}
#define F_BRANCH {"branch", 0, FLAG_STRING, "REF", "this branch, tag or commit instead of the working tree"}
#define F_TIMEOUT {"timeout", 0, FLAG_INT, "SECONDS", "give up after SECONDS (default: never)"}
#define F_SERVER {"server", 0, FLAG_STRING, "URL", "ask this server, as CODEASK_SERVER does; none: the local index alone"}
#define F_SCOPE F_SERVER, F_DIR, F_REPO, F_ALL_REPOS, F_BRANCH
#define F_FILTERS                                                                                                      \
    {"path", 0, FLAG_STRING, "PREFIX", "only below this path of the repository"},                                      \
        {"lang", 0, FLAG_STRING, "LANGUAGE", "only files in this language"},                                           \
        {"kind", 0, FLAG_STRING, "KIND", "only this kind of definition (function, class, struct, …)"},                 \
        {"unique-files", 0, FLAG_BOOL, NULL, "one result a file"},                                                     \
        {"regex", 0, FLAG_BOOL, NULL, "the query is a regular expression"},                                            \
        {"explain", 0, FLAG_BOOL, NULL, "show each signal's share of a score"}
#define F_END {NULL, 0, FLAG_BOOL, NULL, NULL}

static const struct method_flag query_flags[] = {F_SCOPE, F_FILTERS, F_LIMIT, F_TIMEOUT, F_JSON, F_END};
static const struct method_flag ask_flags[] = {
    {"continue", 0, FLAG_ID, "[ID]", "go on with a conversation; without ID: with this user's latest one here"},
    {"no-generate", 0, FLAG_BOOL, NULL, "quote the sources; no model writes"},
    F_SCOPE,
    F_FILTERS,
    F_LIMIT,
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag symbol_flags[] = {
    F_SCOPE,
    {"callers", 0, FLAG_BOOL, NULL, "who calls it"},
    {"callees", 0, FLAG_BOOL, NULL, "what it calls"},
    {"references", 0, FLAG_BOOL, NULL, "every use of the name"},
    {"definitions", 0, FLAG_BOOL, NULL, "the definitions, beside what else is asked for"},
    {"exact", 0, FLAG_BOOL, NULL, "the name as it is spelled, or nothing"},
    {"count", 0, FLAG_BOOL, NULL, "of callers and references only how many there are (with --json)"},
    F_LIMIT,
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag index_flags[] = {
    F_DIR,
    F_REPO,
    F_BRANCH,
    {"all-branches", 0, FLAG_BOOL, NULL, "every local branch, and the working tree"},
    {"no-wait", 0, FLAG_BOOL, NULL, "return at once; the work goes on in the background"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag history_flags[] = {
    F_SERVER,
    F_DIR,
    {"repo", 0, FLAG_STRINGS, "NAME", "this repository instead of the one around the directory; FILE is then from its root"},
    F_BRANCH,
    {"no-wait", 0, FLAG_BOOL, NULL, "answer with the commits that are in, where they are still being read"},
    {"limit", 'n', FLAG_INT, "N", "at most N commits"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag tour_flags[] = {
    F_SERVER,
    F_DIR,
    {"repo", 0, FLAG_STRINGS, "NAME", "this repository instead of the one around the directory; PATH is then from its root"},
    F_BRANCH,
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag tune_flags[] = {
    F_DIR,
    F_REPO,
    F_ALL_REPOS,
    {"status", 0, FLAG_BOOL, NULL, "show what runs, and which adapter answers are written with"},
    {"stop", 0, FLAG_BOOL, NULL, "stop what runs at its next step; it can go on"},
    {"resume", 0, FLAG_BOOL, NULL, "go on with what was stopped or has failed"},
    {"revert", 0, FLAG_BOOL, NULL, "answer (with --embedder: search) with the adapter before, or with none"},
    {"embedder", 0, FLAG_BOOL, NULL, "tune how questions are embedded instead of the model that answers; nothing is embedded anew"},
    {"name", 0, FLAG_STRING, "NAME", "what the adapter is called (default: the model's name and the time)"},
    {"rank", 0, FLAG_INT, "N", "of the adapter (default: 16)"},
    {"epochs", 0, FLAG_INT, "N", "how often everything is read (default: 1)"},
    {"steps", 0, FLAG_INT, "N", "steps, instead of --epochs"},
    {"records", 0, FLAG_INT, "N", "records of a kind that are learned (default: 2000)"},
    {"context", 0, FLAG_INT, "N", "tokens of the longest record (default: 1024)"},
    {"seed", 0, FLAG_INT, "N", "draws what is held out, the order and the beginning (default: 1)"},
    {"no-use", 0, FLAG_BOOL, NULL, "measure it, and leave answers as they are"},
    {"no-wait", 0, FLAG_BOOL, NULL, "return at once; the work goes on in the background"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag eval_flags[] = {
    F_DIR,
    F_REPO,
    F_ALL_REPOS,
    {"use", 0, FLAG_BOOL, NULL, "answer with it where it is better"},
    {"records", 0, FLAG_INT, "N", "records of a kind that it is measured by are a fourth of it (default: 2000)"},
    {"context", 0, FLAG_INT, "N", "tokens of the longest record (default: 1024)"},
    {"seed", 0, FLAG_INT, "N", "draws what it is measured by (default: 1)"},
    {"no-wait", 0, FLAG_BOOL, NULL, "return at once; the work goes on in the background"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag feedback_flags[] = {
    F_SERVER,
    F_DIR,
    {"expected", 0, FLAG_STRING, "PATH:LINE", "where the right place is"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag pull_flags[] = {
    {"sha256", 0, FLAG_STRING, "HEX", "the hash that the file must have"},
    {"name", 0, FLAG_STRING, "NAME", "what the model is called here (default: the end of the address)"},
    F_JSON,
    F_END,
};
static const struct method_flag quantize_flags[] = {
    {"text", 0, FLAG_STRING, "PATH|index", "weigh errors by what the model reads in this file, this folder, or the index"},
    {"threads", 0, FLAG_INT, "N", "threads (default: one a core)"},
    F_JSON,
    F_END,
};
static const struct method_flag plain_flags[] = {F_TIMEOUT, F_JSON, F_END};
static const struct method_flag purge_flags[] = {
    F_DIR,
    {"yes", 0, FLAG_BOOL, NULL, "do not ask what a PATH means"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag export_flags[] = {
    {"repo", 0, FLAG_STRINGS, "NAME", "this repository (repeatable); without it all that you may read"},
    {"user", 0, FLAG_STRING, "NAME", "of them only what this user may read over the network"},
    {"dry-run", 0, FLAG_BOOL, NULL, "tell what would leave, and write nothing"},
    {"oci", 0, FLAG_BOOL, NULL, "FILE is a folder: an OCI image layout instead of an archive"},
    {"no-models", 0, FLAG_BOOL, NULL, "without the models' files, where the other machine has them"},
    {"no-programs", 0, FLAG_BOOL, NULL, "without the programs"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag verify_flags[] = {
    {"key", 0, FLAG_STRING, "KEY", "it must be signed by this one: a fingerprint, or a file with a public key"},
    F_JSON,
    F_END,
};
static const struct method_flag import_flags[] = {
    {"key", 0, FLAG_STRING, "KEY", "it must be signed by this one: a fingerprint, or a file with a public key"},
    {"trust", 0, FLAG_STRING, "FINGERPRINT", "trust this signer from now on"},
    {"programs", 0, FLAG_STRING, "DIR", "put its programs below DIR, too"},
    F_JSON,
    F_END,
};
static const struct method_flag add_flags[] = {
    {"credentials", 0, FLAG_STRING, "FILE", "of a URL: a private key (ssh), or lines `machine HOST login USER password TOKEN` (https); mode 0600"},
    {"branches", 0, FLAG_STRING, "NAME,…", "of a URL: branches to hold beside the default one; * and ? stand for anything"},
    {"no-wait", 0, FLAG_BOOL, NULL, "of a URL: return at once; it is fetched in the background"},
    {"local-only", 0, FLAG_BOOL, NULL, "its text never leaves this machine (repo pin)"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag doctor_flags[] = {
    {"privacy", 0, FLAG_BOOL, NULL, "tell what may leave this machine, and why"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag use_flags[] = {
    {"none", 0, FLAG_STRING, "ROLE", "no model that answers (answer), or none that reranks (rerank)"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag editor_flags[] = {
    {"dry-run", 0, FLAG_BOOL, NULL, "show what would change, and change nothing"},
    F_END,
};
static const struct method_flag token_flags[] = {
    {"expires", 0, FLAG_STRING, "TIME", "30d, 12h, 15m or never (default: 90d)"},
    {"scope", 0, FLAG_STRING, "NAME,…", "what it is good for: read, feedback, metrics, admin (default: " ACCESS_DEFAULT ")"},
    F_TIMEOUT,
    F_JSON,
    F_END,
};
static const struct method_flag serve_flags[] = {{"listen", 0, FLAG_STRING, "HOST:PORT", "where; [::1]:7411 for IPv6"}, F_END};
static const struct method_flag carry_flags[] = {F_SERVER, F_DIR, F_END};
static const struct method_flag read_flags[] = {
    F_DIR,
    {"repo", 0, FLAG_STRINGS, "NAME", "this repository instead of the one around the directory; FILE is then from its root"},
    F_BRANCH,
    {"limit", 'n', FLAG_INT, "N", "at most N lines (default 400)"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag outline_flags[] = {
    F_DIR,
    F_REPO,
    F_BRANCH,
    {"text", 0, FLAG_STRING, "TEXT", "what the file holds in an editor"},
    {"references", 0, FLAG_BOOL, NULL, "what it uses, too"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag unsaved_flags[] = {
    {"text", 0, FLAG_STRING, "TEXT", "what it holds"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag paths_flags[] = {
    F_DIR,
    F_REPO,
    F_BRANCH,
    {"path", 0, FLAG_STRINGS, "PATH", "a file, as from the directory or from the root"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag page_flags[] = {
    {"title", 0, FLAG_STRING, "TITLE", "what its name is made of"},
    {"text", 0, FLAG_STRING, "TEXT", "what it holds"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag embed_flags[] = {
    {"text", 0, FLAG_STRINGS, "TEXT", "a text; at most 256"},
    {"model", 0, FLAG_STRING, "NAME", "which model is meant: the one that is chosen, or there is none"},
    {"question", 0, FLAG_BOOL, NULL, "as questions are embedded; else as what they find"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag complete_flags[] = {
    {"messages", 0, FLAG_OBJECTS, "MESSAGE", "{\"role\": \"system\", \"user\" or \"assistant\", \"text\": …}"},
    {"model", 0, FLAG_STRING, "NAME", "which model is meant: the one that is chosen, or there is none"},
    {"max_tokens", 0, FLAG_INT, "N", "tokens of the answer (default: answer_tokens)"},
    {"temperature", 0, FLAG_NUMBER, "T", "0: always the likeliest (default)"},
    {"top_p", 0, FLAG_NUMBER, "P", "of the likeliest that make up P"},
    {"seed", 0, FLAG_INT, "N", "the same text for the same request"},
    {"stop", 0, FLAG_STRINGS, "TEXT", "the answer ends before it; at most 8"},
    {"schema", 0, FLAG_STRING, "JSON", "a JSON schema that the answer fits"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag match_flags[] = {
    {"url", 0, FLAG_STRINGS, "URL", "addresses of the clone's remotes, as HOST/PATH"},
    {"root", 0, FLAG_STRINGS, "COMMIT", "its commits without a parent"},
    {"commit", 0, FLAG_STRINGS, "COMMIT", "what it is at, then the ancestors"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag tree_flags[] = {
    {"repo", 0, FLAG_STRING, "NAME", "the repository"},
    {"commit", 0, FLAG_STRING, "COMMIT", "that one of its indexed branches names"},
    {"path", 0, FLAG_STRINGS, "DIR", "directories; an empty text is the root"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag put_flags[] = {
    {"repo", 0, FLAG_STRING, "NAME", "the repository"},
    {"commit", 0, FLAG_STRING, "COMMIT", "that one of its indexed branches names"},
    {"files", 0, FLAG_OBJECTS, "FILE", "{\"path\", and \"blob\" or \"gone\": true}; the places of those whose content is wanted come back as \"missing\""},
    {"contents", 0, FLAG_OBJECTS, "CONTENT", "{\"path\", \"blob\", \"bytes\"}, kept for the next request with files"},
    F_TIMEOUT,
    F_END,
};
static const struct method_flag drop_flags[] = {{"overlay", 0, FLAG_STRING, "ID", "as `overlay put` gave it"}, F_TIMEOUT, F_END};
static const struct method_flag dir_flags[] = {F_DIR, F_TIMEOUT, F_JSON, F_END};

#define QUERY_DETAIL                                                                                                   \
    "\"Quoted text\" inside the query is literal. A - reads standard input (a stack trace, a compiler error, a log) as "  \
    "context; words beside it are the question.\n\n"                                                                   \
    "A repository that was never seen before is indexed first: the answer comes as soon as its words and symbols are "  \
    "in, and says how much is embedded."

const struct method methods[] = {
    {"ask", "QUESTION|-", "query…", "answer a question about the repository, with citations",
     QUERY_DETAIL "\n\n"
     "Where a model that writes is chosen (`codeask model use`), the citations are shown at once and the text as it is written; what it "
     "cites is checked, and what it invents is taken out. A conversation is kept in the daemon's memory, for an hour after its last question.",
     ask_flags,
     .starts_daemon = true, .access = ACCESS_READ, .forward = FORWARD_VIEW},
    {"search", "QUERY|-", "query…", "find the places in the code that fit a query best", QUERY_DETAIL, query_flags,
     .starts_daemon = true, .access = ACCESS_READ, .forward = FORWARD_VIEW},
    {"symbol", "NAME", "name", "show where a name is defined and who uses it",
     "Without --callers, --callees or --references the definitions are shown. Case and small slips in NAME are forgiven, but with --exact.",
     symbol_flags, .starts_daemon = true, .access = ACCESS_READ, .forward = FORWARD_VIEW},
    {"history", "FILE[:LINE[-LINE]]", "place", "show why lines are as they are: the commits behind them, and who knows them",
     "Follows the lines through moves inside the file and renames, and passes over changes of whitespace, merges and the commits named in "
     ".git-blame-ignore-revs. Without LINE: the commits of the whole file.",
     history_flags, .starts_daemon = true, .access = ACCESS_READ, .forward = FORWARD_COMMITTED},
    {"tour", "[PATH]", "path", "show a newcomer around: what is here, where to start reading, in which order, and why",
     "Entry points and commands come from the manifests (package.json, pyproject.toml, Cargo.toml, …) and the main functions, modules and "
     "their edges from who uses what. With PATH only what lies below that directory.",
     tour_flags, .starts_daemon = true, .access = ACCESS_READ, .forward = FORWARD_VIEW},
    {"index", NULL, "", "bring the index up to date",
     "Returns when the words, symbols and vectors of what was asked for are in. Ctrl-C ends the wait, not the work.",
     index_flags, .starts_daemon = true},
    {"tune", NULL, "", "tune the model that answers on the repository's own code, and use the result where it is better",
     "Records are made out of the index, some are held out, an adapter (LoRA) learns the others in a process of its own that stands still while "
     "anybody asks, and both models are measured by what was held out. Only an adapter that is better there, and refuses and cites no worse, is used. "
     "Ctrl-C ends the wait, not the work; exit status 1 where it is not used.",
     tune_flags, .starts_daemon = true},
    {"eval", "[NAME]", "name", "measure an adapter beside the model it is for",
     "NAME is a folder in adapters/ of the home (PEFT's format), by default the one that answers are written with. One that was made here is measured "
     "by what it was not shown; another by records of what is indexed. Exit status 1 where it is not better.",
     eval_flags, .starts_daemon = true},
    {"feedback", "ID good|bad", "id verdict", "say whether an answer was good or bad",
     "ID is what `ask` shows behind an answer (\"id\" under --json). What was asked and shown is kept with the verdict in state.mdb, for "
     "evaluation and tuning on this machine; secrets are masked.",
     feedback_flags, .starts_daemon = true, .access = ACCESS_FEEDBACK, .forward = FORWARD_ID},
    {"status", NULL, "", "show repositories, models, jobs and memory of the running daemon",
     "Never starts the daemon: exit status 1 when none runs.", plain_flags, .access = ACCESS_READ},
    {"doctor", NULL, "", "check the installation", "Never starts the daemon. Exit status 1 when a check failed.", doctor_flags,
     .local = true},
    {"inspect", "FILE", "file", "show how a file is cut: language, chunks, symbols, secrets", NULL, dir_flags,
     .starts_daemon = true},
    {"repo add", "[DIR|URL]", "dir", "make a repository or a plain directory known, and index it",
     "Naming a repository that belongs to another user is the consent to read it. Its hooks, filters and configured "
     "programs never run.\n\n"
     "A URL (https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, file:///PATH) is mirrored in the home, and fetched again every "
     "`mirror-minutes` and when a webhook says so. Given once more, its credentials and branches are replaced.",
     add_flags, .starts_daemon = true},
    {"repo remove", "NAME", "name", "forget a repository and what was indexed of it", NULL, plain_flags, .starts_daemon = true},
    {"repo pin", "NAME local|anywhere", "name where", "keep a repository's text on this machine, or let endpoints have it",
     "Without an endpoint in the settings all stays here in any case. Of a pinned repository no text is sent to one, neither to be embedded "
     "nor with a question; a question about several of which one is pinned is answered on this machine.",
     plain_flags, .starts_daemon = true},
    {"repo list", NULL, "", "list the known repositories", NULL, plain_flags, .starts_daemon = true,
     .access = ACCESS_READ},
    {"model list", NULL, "", "list the models that can be found", NULL, plain_flags, .once = true},
    {"model verify", "[NAME|PATH]", "name", "load a model and run it once; look at every byte of a model's files",
     "A NAME is loaded as it is for use. A PATH (with a slash: ./m.gguf, a folder of safetensors) is read from end to end: shapes, "
     "offsets, numbers that are none, and its SHA-256.",
     plain_flags, .once = true, .apart_path = true},
    {"model use", "[NAME]", "name", "choose the model that embeds, the one that writes answers, or the one that reads the best hits again",
     "What the model can do decides which of the three it becomes. `--none answer` and `--none rerank` go on without one.", use_flags,
     .once = true},
    {"model pull", "URL", "url", "fetch a model from the address you name",
     "A .gguf file (of several, NAME-00001-of-00003.gguf: all of them), or a folder of safetensors, whose address ends in a slash. Only "
     "the named host is spoken to, and those that it redirects to. What is interrupted goes on where it ended when the same command is "
     "given again.",
     pull_flags, .apart = true},
    {"model quantize", "IN OUT TYPE", "in out type", "write a model's weights in fewer bits",
     "IN is a GGUF file (F32, F16 or BF16 at best) and OUT the new one, or both are folders: safetensors in, model.gguf out, with the "
     "same tokenizer and configuration. TYPE is Q8_0, Q4_K, Q6_K, MXFP4 or NVFP4. With --text the model reads up to 16,384 tokens first, and "
     "bits are spent where its products need them; `index` is the text that this home has indexed (not while a daemon runs). Vectors, routers and what takes no more bits already "
     "stay as they are; the token embedding and the output take Q6_K or Q8_0.",
     quantize_flags, .apart = true},
    {"purge", "BLOB|PATH", "blob", "take a content out of the home for good: index, vectors, caches, feedback and questions that quote it",
     "BLOB is the git hash of a content, in 40 hexadecimal digits; PATH a file of the repository around the directory, of which the content "
     "is meant that it has now, and which is asked about first, unless --yes is given. Other versions of a file are other contents "
     "(`git log --format= --raw --no-abbrev -- PATH`). A tombstone outlives the index: nothing is made of that content again, wherever it comes back. "
     "Repositories are not changed; what still holds the content is listed, and adapters that were trained on it are blocked.",
     purge_flags, .starts_daemon = true, .access = ACCESS_ADMIN},
    {"model merge", "IN ADAPTER OUT", "in adapter out", "write a model with an adapter's changes in its own weights",
     "IN is a folder of safetensors (F32 or BF16), ADAPTER a folder in PEFT's format, OUT the new folder: for programs that know no adapters.",
     plain_flags, .apart = true},
    {"backup", "DIR", "to", "copy what cannot be rebuilt into a new or empty directory",
     "The repositories, settings and feedback of state.mdb, the adapters and the configuration file, with a manifest of their hashes. "
     "The daemon goes on meanwhile. The index is not copied: it is built again out of the repositories.",
     plain_flags, .once = true},
    {"restore", "DIR", "dir", "put back what a backup holds",
     "DIR is checked as a whole before anything is changed. What is replaced stays beside it as FILE.before-restore-N. Not while the "
     "daemon runs: codeask stop.",
     plain_flags, .once = true},
    {"bundle export", "[FILE]", "to", "write programs, index, models and settings of repositories into one signed file, for a newcomer",
     "The file is an OCI image archive: `bundle import` installs it on a machine without a network, and container tools run it. Questions are answered "
     "from it as they are here. No token, user, audit log, feedback, conversation or credential goes in, and nothing of other repositories. The "
     "signing key is made in the home at first (bundle.key); its fingerprint is shown.",
     export_flags, .once = true, .access = ACCESS_ADMIN},
    {"bundle import", "FILE", "file", "check a bundle, and install it into an empty home",
     "Every byte is checked first, the signature against the signers that are trusted. The home must hold nothing but an older bundle, which is replaced: "
     "CODEASK_HOME names another one. Not while the daemon runs: codeask stop.",
     import_flags, .apart = true},
    {"bundle verify", "FILE", "file", "check a bundle, and tell what is in it", NULL, verify_flags, .apart = true},
    {"mcp", NULL, "", "speak the Model Context Protocol on standard input and output, for agents",
     "An agent's program starts this by itself: the command is `codeask mcp`, its arguments at most `-C DIR`. It offers search, ask, symbol, "
     "read, history and status about the repository around DIR (default: where it is started) and all that are known.",
     carry_flags, .starts_daemon = true, .local = true},
    {"lsp", NULL, "", "speak the Language Server Protocol on standard input and output, for editors",
     "An editor starts this by itself. Definitions, references, hovers with the reason of the last change, and questions about the code at "
     "the cursor, beside the language's own server. DIR is what questions are about where the editor names no folder.",
     carry_flags, .starts_daemon = true, .local = true},
    {"editor install", "NAME", "name", "let an editor start codeask: neovim, emacs, helix, kate, zed, sublime, vscode",
     "Writes a marked piece into the editor's own configuration and leaves all else there as it is; a second time it changes nothing. What is "
     "there already and is not the piece of this version is never replaced. docs/editors.md says what each editor gets.",
     editor_flags, .local = true},
    {"editor uninstall", "NAME", "name", "take codeask out of an editor's configuration again", NULL, editor_flags, .local = true},
    {"token create", "NAME", "name", "make a token for a user of the server, and print it",
     "The user NAME is made where there is none, and may read nothing before `access grant`. The token is shown this once: only a hash of it is kept.",
     token_flags, .once = true, .access = ACCESS_ADMIN},
    {"token list", NULL, "", "list tokens: whose, for what, until when", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"token revoke", "NAME|ID", "name", "revoke one token, or all of a user, at once", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"user list", NULL, "", "list the users of the server, and their groups", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"user remove", "NAME", "name", "forget a user, with tokens, groups and permissions", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"group add", "GROUP USER", "group user", "put a user into a group", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"group remove", "GROUP USER", "group user", "take a user out of a group", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"access grant", "USER|@GROUP REPO", "who repository", "let a user or a group read a repository over the network",
     "Who is given nothing may read nothing.", plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"access revoke", "USER|@GROUP REPO", "who repository", "take that back", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"access list", NULL, "", "list who may read what over the network", NULL, plain_flags, .once = true, .access = ACCESS_ADMIN},
    {"serve", NULL, "", "answer over HTTP, in the foreground",
     "The daemon of this home, with the API that /openapi.json describes, on 127.0.0.1:7411 where neither --listen nor `listen` of the "
     "configuration says otherwise. Without a token only the same user of this machine is let in. A daemon that was started for a command makes "
     "room, and its work goes on here.",
     serve_flags, .local = true},
    {"stop", NULL, "", "end the daemon; unfinished work resumes when it runs again", NULL, plain_flags},
    {NULL},
};

const struct method codec_methods[] = {
    {"read", "FILE[:LINE[-LINE]]", "place", "read a file or lines of it as they are indexed, secrets masked; of a directory: what is in it", NULL,
     read_flags, .access = ACCESS_READ, .forward = FORWARD_VIEW},
    {"outline", "FILE", "place", "the definitions of a file in their order, or of a text as that file", NULL, outline_flags},
    {"unsaved", "FILE", "place", "what a file holds in this session's editor, over what is indexed of it; without a text: nothing any more", NULL,
     unsaved_flags},
    {"paths", NULL, "", "which of many texts name a file", NULL, paths_flags},
    {"metrics", NULL, "", "figures of the daemon for a monitoring system", NULL, plain_flags, .access = ACCESS_METRICS},
    {"embed", NULL, "", "vectors of texts, as the index holds them (base64 of 32-bit floats, little-endian)", NULL, embed_flags, .access = ACCESS_READ},
    {"complete", NULL, "", "what the model that writes answers says to messages, without anything of the index", NULL, complete_flags,
     .access = ACCESS_READ},
    {"self", NULL, "", "who is asking, and what his token is good for", NULL, plain_flags, .access = ACCESS_ANY},
    {"overlay match", NULL, "", "which repository a clone elsewhere is of, and a commit that both have", NULL, match_flags, .access = ACCESS_READ},
    {"overlay tree", NULL, "", "tree objects of a commit, as git keeps them", NULL, tree_flags, .access = ACCESS_READ},
    {"overlay put", NULL, "", "what differs in a clone elsewhere, held in memory for the requests that name it", NULL, put_flags, .access = ACCESS_READ},
    {"overlay drop", NULL, "", "forget that", NULL, drop_flags, .access = ACCESS_READ},
    {"page", NULL, "", "keep a text as a file that an editor shows", NULL, page_flags},
    {NULL},
};

enum { COMMANDS = sizeof methods / sizeof *methods - 1, ALL = COMMANDS + sizeof codec_methods / sizeof *codec_methods - 1 };
_Static_assert(ALL <= METHODS_MAX, "METHODS_MAX");

size_t methods_place(const struct method *m)
{
    return m >= methods && m < methods + COMMANDS ? (size_t)(m - methods) : COMMANDS + (size_t)(m - codec_methods);
}

const struct method *methods_at(size_t i)
{
    return i < COMMANDS ? &methods[i] : i < ALL ? &codec_methods[i - COMMANDS] : NULL;
}

static const struct {
    const char *name;
    enum access access;
} accesses[] = {{"read", ACCESS_READ}, {"feedback", ACCESS_FEEDBACK}, {"metrics", ACCESS_METRICS}, {"admin", ACCESS_ADMIN}};
enum { ACCESSES = sizeof accesses / sizeof *accesses };

bool access_of(unsigned *out, const char *text)
{
    *out = 0;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ","), i = 0;
        while (i < ACCESSES && (strlen(accesses[i].name) != n || memcmp(accesses[i].name, p, n)))
            i++;
        if (i == ACCESSES)
            return false;
        *out |= accesses[i].access;
        p += n + (p[n] == ',');
    }
    return *out != 0;
}

void access_text(char out[ACCESS_TEXT], unsigned access)
{
    size_t n = 0;
    for (size_t i = 0; i < ACCESSES; i++)
        if (access & accesses[i].access)
            n += (size_t)snprintf(out + n, ACCESS_TEXT - n, "%s%s", n ? "," : "", accesses[i].name);
    out[n] = 0;
}

bool method_apart(const struct method *m, const char *argument)
{
    return m->apart || (m->apart_path && argument && strchr(argument, '/'));
}

static const struct method *named(const struct method *m, const char *name)
{
    for (; m->name; m++) {
        const char *a = m->name, *b = name;
        while (*a && (*a == *b || (*a == ' ' && *b == '.')))
            a++, b++;
        if (!*a && !*b)
            return m;
    }
    return NULL;
}

const struct method *method_named(const char *name)
{
    return named(methods, name);
}

const struct method *request_named(const char *name)
{
    const struct method *m = method_named(name);
    return m ? m : named(codec_methods, name);
}
