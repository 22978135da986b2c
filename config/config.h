/* The settings: a file of `key = value` lines ('#' begins a comment, '-' and '_' are one in keys, sizes take K, M, G, T).
 * An unknown key, a value out of bounds or a key given twice is an error that names file and line: a misspelt setting must
 * not be a silent default. */
#ifndef CODEASK_CONFIG_CONFIG_H
#define CODEASK_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To add a setting, add its row: X(field, "key", KIND, default, least, most, choices, help). Defaults are written as in the
 * file and go through the same checks. KIND: INT int64_t; SIZE uint64_t, bytes; YESNO bool; TEXT char *, may be empty,
 * bounds are its length; CHOICE int, the index into choices (words parted by '|'). */
#define CONFIG_LIST(X)                                                                                                 \
    X(workers, "workers", INT, "0", 0, 256, NULL, "worker processes that cut files; 0: one a core, 8 at most")         \
    X(index_threads, "index_threads", INT, "0", 0, 256, NULL,                                                          \
      "threads that embed while nobody waits; 0: every core, at low priority")                                         \
    X(engine_threads, "engine_threads", INT, "0", 0, 256, NULL, "threads that compute for a waiting user; 0: every core") \
    X(embed, "embed", YESNO, "yes", 0, 1, NULL, "embed code; no: words and symbols only")                              \
    X(embed_model, "embed_model", TEXT, "all-MiniLM-L6-v2", 1, 200, NULL, "the embedding model's name (codeask model list)") \
    X(answer_model, "answer_model", TEXT, "", 0, 200, NULL,                                                            \
      "the model that writes answers (codeask model list); empty: none, and answers quote the sources")                \
    X(draft_model, "draft_model", TEXT, "", 0, 200, NULL,                                                              \
      "a small model of the answer model's vocabulary that guesses ahead for it: the same text, faster; empty: none")  \
    X(answer_adapter, "answer_adapter", TEXT, "", 0, 200, NULL,                                                        \
      "a folder of PEFT (LoRA) that the answer model writes with: a path, or a name in adapters/ of the home; empty: none") \
    X(tune_checkpoint_seconds, "tune_checkpoint_seconds", INT, "60", 0, 86400, NULL,                                   \
      "seconds of tuning that an interruption may cost; 0: none, a checkpoint after each step")                        \
    X(rerank_model, "rerank_model", TEXT, "", 0, 200, NULL,                                                            \
      "a cross-encoder that reads the best hits again (codeask model list); empty: none")                              \
    X(rerank_ms, "rerank_ms", INT, "400", 10, 60000, NULL, "the reranker may take so long for a question")             \
    X(generate, "generate", YESNO, "yes", 0, 1, NULL, "let the answer model write; no: as always with --no-generate")  \
    X(answer_tokens, "answer_tokens", INT, "768", 32, 32768, NULL, "tokens of an answer; kept free in the model's window") \
    X(reasoning_tokens, "reasoning_tokens", INT, "0", 0, 65536, NULL,                                                  \
      "tokens that a model may think before it answers, where it is one that does")                                    \
    X(read_ms_cpu, "read_ms_cpu", INT, "4000", 100, 600000, NULL,                                                      \
      "an answer's sources are no more than the model reads in so many milliseconds, on a CPU")                        \
    X(read_ms_gpu, "read_ms_gpu", INT, "1500", 100, 600000, NULL, "the same on a GPU")                                 \
    X(generate_seconds, "generate_seconds", INT, "180", 1, 3600, NULL, "an answer that is not written by then is cut short") \
    X(conversations, "conversations", INT, "64", 1, 4096, NULL, "conversations that are remembered, in memory")        \
    X(conversation_bytes, "conversation_bytes", SIZE, "8M", 64 << 10, 1 << 30, NULL, "of all of them together")        \
    X(conversation_minutes, "conversation_minutes", INT, "60", 1, 7 * 1440, NULL,                                      \
      "a conversation is forgotten so long after its last question")                                                   \
    X(engine_program, "engine_program", TEXT, "", 0, 1024, NULL,                                                       \
      "another program of this version that runs the models; empty: codeaskd itself")                                  \
    X(provider, "provider", CHOICE, "auto", 0, 2, "auto|cpu|cuda", "what computes; auto: the best that opens")         \
    X(max_file_bytes, "max_file_bytes", SIZE, "2M", 1 << 10, 1 << 28, NULL, "larger files are listed, not read")       \
    X(worker_memory, "worker_memory", SIZE, "1G", 64 << 20, 1LL << 36, NULL, "address space of one worker process")    \
    X(worker_seconds, "worker_seconds", INT, "20", 1, 3600, NULL, "CPU time that one file may cost a worker")          \
    X(engine_memory, "engine_memory", SIZE, "0", 0, 1LL << 42, NULL,                                                   \
      "address space of the engine process; 0: half of the machine's memory")                                          \
    X(gpu_memory, "gpu_memory", SIZE, "0", 0, 1LL << 42, NULL,                                                         \
      "of a GPU's memory models and their caches take at most so much; 0: what is free but for a reserve")             \
    X(gpu_idle_minutes, "gpu_idle_minutes", INT, "30", 0, 7 * 1440, NULL,                                              \
      "a GPU that nothing was asked of for so long is given back with all its memory; the next question loads the models again. 0: never") \
    X(prefix_bytes, "prefix_bytes", SIZE, "1G", 0, 1LL << 44, NULL,                                                    \
      "prompts that the answer model has read are kept on disk up to here, so that a follow-up need not read them again; 0: none")  \
    X(max_index_bytes, "max_index_bytes", SIZE, "64G", 1 << 20, 1LL << 44, NULL, "the index stops growing there")     \
    X(sweep_hours, "sweep_hours", INT, "24", 0, 24 * 3650, NULL, "what no branch holds is swept after it")             \
    X(history, "history", YESNO, "yes", 0, 1, NULL, "read the commits of repositories, for `history` and questions why")     \
    X(history_people, "history_people", YESNO, "yes", 0, 1, NULL, "`history` says who knows a part of the code")            \
    X(watch_limit, "watch_limit", INT, "65536", 0, 10000000, NULL,                                                     \
      "directories watched for changes; past it a repository is only compared every ten seconds")                      \
    X(listen, "listen", TEXT, "", 0, 255, NULL, "HOST:PORT where the daemon answers over HTTP; empty: it does not")          \
    X(tls, "tls", CHOICE, "no", 0, 2, "no|generated|files",                                                                \
      "HTTPS: with a certificate made in the home, or with the files below")                                           \
    X(tls_certificate, "tls_certificate", TEXT, "", 0, 1024, NULL, "PEM file of the certificate and what it is signed by")  \
    X(tls_key, "tls_key", TEXT, "", 0, 1024, NULL, "PEM file of its key, mode 0600")                                     \
    X(answers_at_once, "answers_at_once", INT, "0", 0, 512, NULL,                                                        \
      "answers that models may write at a time; 0: one a core, at most 4, which is what a model on this machine does well") \
    X(proxy_addresses, "proxy-addresses", TEXT, "", 0, 1024, NULL,                                                     \
      "addresses or networks of reverse proxies that are believed who asks; one on this machine with its user: 127.0.0.1@www-data") \
    X(proxy_user_header, "proxy-user-header", TEXT, "", 0, 64, NULL, "the header in which they name the user")          \
    X(user_rate, "user_rate", INT, "3000", 0, 10000000, NULL, "requests that a user of the server may make in a minute; 0: any number") \
    X(user_burst, "user_burst", INT, "600", 1, 10000000, NULL, "of them at once")                                           \
    X(user_open, "user_open", INT, "256", 1, 1024, NULL, "requests of a user that may wait or run")                         \
    X(audit, "audit", CHOICE, "yes", 0, 2, "no|yes|redacted",                                                              \
      "audit.jsonl: who asked what, and what was given out; redacted: without the questions")                          \
    X(audit_bytes, "audit_bytes", SIZE, "16M", 64 << 10, 1LL << 34, NULL, "of that file; then another is begun, and four are kept") \
    X(http_body_bytes, "http_body_bytes", SIZE, "4M", 1 << 10, 16 << 20, NULL, "a larger body of an HTTP request is refused") \
    X(http_head_seconds, "http_head_seconds", INT, "10", 1, 600, NULL, "the headers of an HTTP request may take so long")    \
    X(http_body_seconds, "http_body_seconds", INT, "30", 1, 3600, NULL, "its body may take so long")                        \
    X(http_stall_seconds, "http_stall_seconds", INT, "60", 1, 3600, NULL, "a client that takes nothing of its reply is left after it") \
    X(http_idle_seconds, "http_idle_seconds", INT, "60", 1, 3600, NULL, "an HTTP connection without a request is closed after it") \
    X(http_connections, "http_connections", INT, "4096", 1, 1000000, NULL, "HTTP connections at a time")                    \
    X(mirror_minutes, "mirror_minutes", INT, "10", 0, 100000, NULL,                                                        \
      "mirrors of repositories elsewhere are fetched again after it; 0: only when a webhook says so")                  \
    X(mirror_bytes, "mirror_bytes", SIZE, "8G", 1 << 20, 1LL << 44, NULL, "a mirror may take so much of the disk")          \
    X(mirror_seconds, "mirror_seconds", INT, "3600", 1, 7 * 86400, NULL, "a fetch may take so long")                       \
    X(mirror_stall_seconds, "mirror_stall_seconds", INT, "60", 1, 3600, NULL, "a git server that says nothing is left after it") \
    X(mirror_hosts, "mirror_hosts", TEXT, "", 0, 4096, NULL,                                                               \
      "git servers inside of this network, parted by commas: others are not fetched from where their address is private") \
    X(mirror_known_hosts, "mirror_known_hosts", TEXT, "", 0, 1024, NULL,                                                   \
      "file of host keys that ssh trusts; empty: the user's and the system's")                                         \
    X(net_ca, "net_ca", TEXT, "", 0, 1024, NULL, "PEM file of certificates that are trusted beside the system's, of git servers and endpoints") \
    X(answer_endpoint, "answer_endpoint", TEXT, "", 0, 1024, NULL,                                                         \
      "http(s)://HOST:PORT/v1 of a server with OpenAI's API that writes answers; empty: none, all stays on this machine") \
    X(answer_endpoint_model, "answer_endpoint_model", TEXT, "", 0, 200, NULL, "the model there")                           \
    X(answer_endpoint_key, "answer_endpoint_key", TEXT, "", 0, 1024, NULL, "file with its key, mode 0600; empty: none")    \
    X(embed_endpoint, "embed_endpoint", TEXT, "", 0, 1024, NULL, "the same of one that embeds")                            \
    X(embed_endpoint_model, "embed_endpoint_model", TEXT, "", 0, 200, NULL, "the model there")                             \
    X(embed_endpoint_key, "embed_endpoint_key", TEXT, "", 0, 1024, NULL, "file with its key, mode 0600; empty: none")      \
    X(endpoint_stall_seconds, "endpoint_stall_seconds", INT, "60", 1, 3600, NULL, "an endpoint that says nothing is left after it") \
    X(endpoint_look_seconds, "endpoint_look_seconds", INT, "10", 0, 3600, NULL,                                            \
      "an endpoint that was asked once is looked at so often: whether it is there, and again; 0: only when it is asked")   \
    X(hook_secret, "hook_secret", TEXT, "", 0, 1024, NULL,                                                                 \
      "file with the secret of webhooks, mode 0600; empty: there are none")                                            \
    X(idle_exit_seconds, "idle_exit_seconds", INT, "1800", 0, 365 * 86400, NULL,                                       \
      "an autostarted daemon without clients and work ends after it; 0: never")                                        \
    X(log_level, "log_level", CHOICE, "warn", 0, 3, "error|warn|info|debug", "what the log holds (never code or questions)") \
    X(server, "server", TEXT, "", 0, 1024, NULL,                                                                       \
      "https://HOST:PORT of a team's server that answers first, as CODEASK_SERVER does; empty: none")                  \
    X(server_token_file, "server-token-file", TEXT, "", 0, 1024, NULL,                                                  \
      "a file of mode 0600 with the token for it, where CODEASK_TOKEN is not set")                                     \
    X(server_fingerprint, "server-fingerprint", TEXT, "", 0, 1024, NULL,                                                \
      "SHA-256 of its certificate, as `codeask serve` shows it there: then that one counts, and no authority")         \
    X(server_proxy, "server-proxy", TEXT, "", 0, 1024, NULL, "a proxy on the way to it; empty: none, whatever the environment says") \
    X(push_overlay, "push-overlay", YESNO, "no", 0, 1, NULL,                                                           \
      "with a server: send it what differs here from its commit, secrets masked, for the session; no: answers are of its commit")

#define CONFIG_TYPE_INT int64_t
#define CONFIG_TYPE_SIZE uint64_t
#define CONFIG_TYPE_YESNO bool
#define CONFIG_TYPE_TEXT char *
#define CONFIG_TYPE_CHOICE int

/* Owns its texts. */
struct config {
#define X(field, key, kind, def, least, most, choices, help) CONFIG_TYPE_##kind field;
    CONFIG_LIST(X)
#undef X
};

/* Defaults, then the file at path (which need not exist; NULL: defaults only). ERR_USAGE names file and line. */
int config_open(struct config *out, const char *path, struct err *e);
/* The same from memory; name stands for the file in messages. */
int config_parse(struct config *out, const char *name, const char *text, size_t len, struct err *e);
void config_close(struct config *c);
/* One setting, checked as in the file: for tests and the command line. */
int config_set(struct config *c, const char *key, const char *value, struct err *e);

/* The table, for help, doctor and the manual. */
struct config_row {
    const char *key;
    enum config_kind { CONFIG_INT, CONFIG_SIZE, CONFIG_YESNO, CONFIG_TEXT, CONFIG_CHOICE } kind;
    const char *def; /* as written in the file */
    int64_t least, most;
    const char *choices, *help;
    size_t at; /* offset in struct config */
};
extern const struct config_row config_rows[];
extern const size_t config_nrows;
/* Appends the row's value of c as it would be written in the file. */
void config_show(struct buf *out, const struct config *c, const struct config_row *row);

#endif
