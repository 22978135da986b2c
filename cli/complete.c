/* Shell completions and the manual page, from the rows. The build writes them to share/. */
#include "cli/show.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* First words: "repo" once for all of its commands. */
static void first_words(struct buf *out, const char *between)
{
    char last[64] = "";
    size_t from = out->len;
    for (const struct method *m = methods; m->name; m++) {
        size_t n = strcspn(m->name, " ");
        if (strlen(last) == n && !strncmp(last, m->name, n))
            continue;
        snprintf(last, sizeof last, "%.*s", (int)n, m->name);
        buf_addf(out, "%s%s", out->len > from ? between : "", last);
    }
    buf_addf(out, "%shelp", between);
}

static void second_words(struct buf *out, const char *group)
{
    size_t n = strlen(group), from = out->len;
    for (const struct method *m = methods; m->name; m++)
        if (!strncmp(m->name, group, n) && m->name[n] == ' ')
            buf_addf(out, "%s%s", out->len > from ? " " : "", m->name + n + 1);
}

/* The next group's name ("repo"), a word of its own; m: where the look begins. NULL: there is no further one. */
static const struct method *next_group(const struct method *m, char group[64])
{
    for (; m->name; m++) {
        size_t n = strcspn(m->name, " ");
        if (!m->name[n] || (strlen(group) == n && !strncmp(m->name, group, n)))
            continue;
        snprintf(group, 64, "%.*s", (int)n, m->name);
        return m + 1;
    }
    return NULL;
}

/* What completes a command's first argument and is no file; NULL: nothing. */
static const char *argument_words(const struct method *m)
{
    return !strncmp(m->name, "editor ", 7) ? "neovim emacs helix kate zed sublime vscode" : NULL;
}

static void bash_row(struct buf *out, const struct method *m)
{
    buf_addf(out, "    '%s') words='", m->name);
    for (const struct method_flag *f = m->flags; f && f->name; f++)
        buf_addf(out, "--%s ", f->name);
    buf_addf(out, "--help%s%s' ;;\n", argument_words(m) ? " " : "", argument_words(m) ? argument_words(m) : "");
}

static void bash(struct buf *out)
{
    buf_adds(out, "# bash completion for codeask; made from the table of its commands\n"
                  "_codeask() {\n"
                  "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]-} words=\n"
                  "  case $prev in\n"
                  "    -C|--dir) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
                  "    --branch) COMPREPLY=($(compgen -W \"$(git for-each-ref --format='%(refname:short)' 2>/dev/null)\" -- "
                  "\"$cur\")); return ;;\n"
                  "    --path) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
                  "    --repo|--lang|--kind|--limit|-n|--timeout) return ;;\n"
                  "  esac\n"
                  "  if [ \"$COMP_CWORD\" = 1 ] && [[ $cur != -* ]]; then\n"
                  "    COMPREPLY=($(compgen -W '");
    first_words(out, " ");
    buf_adds(out, "' -- \"$cur\")); return\n  fi\n  case $cmd in\n");
    char group[64] = "";
    for (const struct method *at = methods; (at = next_group(at, group));) {
        buf_addf(out, "    %s) if [ \"$COMP_CWORD\" = 2 ]; then words='", group);
        second_words(out, group);
        buf_addf(out, "'; else cmd=\"%s ${COMP_WORDS[2]}\"; fi ;;\n", group);
    }
    buf_adds(out, "    help) words='");
    first_words(out, " ");
    buf_adds(out, "' ;;\n  esac\n  [ -n \"$words\" ] || case $cmd in\n");
    for (const struct method *m = methods; m->name; m++)
        bash_row(out, m);
    buf_adds(out, "    *) words='--json --dir --help' ;;\n  esac\n"
                  "  if [[ $cur != -* ]] && [[ $cmd == inspect || $cmd == 'repo add' ]]; then\n"
                  "    COMPREPLY=($(compgen -f -- \"$cur\")); return\n  fi\n"
                  "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
                  "complete -o filenames -F _codeask codeask\n");
}

/* Text inside '…' of a shell, and ':' and brackets that zsh would read. */
static void quoted(struct buf *out, const char *s)
{
    for (; *s; s++)
        if (*s == '\'')
            buf_adds(out, "'\\''");
        else if (*s == '[' || *s == ']' || *s == ':')
            buf_addf(out, "\\%c", *s);
        else
            buf_addc(out, *s);
}

static void zsh(struct buf *out)
{
    buf_adds(out, "#compdef codeask\n# made from the table of codeask's commands\n_codeask() {\n  local -a commands\n"
                  "  commands=(\n");
    for (const struct method *m = methods; m->name; m++)
        if (!strchr(m->name, ' ')) {
            buf_addf(out, "    '%s:", m->name);
            quoted(out, m->help);
            buf_adds(out, "'\n");
        }
    buf_adds(out, "    'repo:add, remove or list repositories'\n    'model:list, verify or choose models'\n"
                  "    'editor:let an editor start codeask'\n"
                  "    'help:show a command'\\''s options'\n  )\n"
                  "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                  "  local cmd=$words[2]\n  case $cmd in\n"
                  "");
    char group[64] = "";
    for (const struct method *at = methods; (at = next_group(at, group));) {
        buf_addf(out, "    %s) if (( CURRENT == 3 )); then compadd -- ", group);
        second_words(out, group);
        buf_addf(out, "; return; fi; cmd=\"%s $words[3]\" ;;\n", group);
    }
    buf_adds(out, "  esac\n  case $cmd in\n");
    for (const struct method *m = methods; m->name; m++) {
        buf_addf(out, "    '%s') _arguments", m->name);
        for (const struct method_flag *f = m->flags; f && f->name; f++) {
            buf_addf(out, " \\\n      '%s--%s[", f->type == FLAG_STRINGS ? "*" : "", f->name);
            quoted(out, f->help);
            buf_adds(out, "]");
            if (f->argument && f->type != FLAG_ID)
                buf_addf(out, ":%s:%s", f->argument, f->type == FLAG_DIR ? "_files -/" : !strcmp(f->name, "path") ? "_files" : " ");
            buf_adds(out, "'");
        }
        bool files = !strcmp(m->name, "inspect") || !strcmp(m->name, "repo add");
        if (argument_words(m))
            buf_addf(out, " \\\n      '*:argument:(%s)' ;;\n", argument_words(m));
        else
            buf_addf(out, " \\\n      '*:argument:%s' ;;\n", files ? "_files" : " ");
    }
    buf_adds(out, "  esac\n}\n_codeask \"$@\"\n");
}

static void fish(struct buf *out)
{
    buf_adds(out, "# fish completion for codeask; made from the table of its commands\ncomplete -c codeask -f\n");
    for (const struct method *m = methods; m->name; m++) {
        const char *space = strchr(m->name, ' ');
        char when[128];
        if (space) {
            buf_addf(out, "complete -c codeask -n 'test (count (commandline -opc)) = 1' -a %.*s\n", (int)(space - m->name), m->name);
            snprintf(when, sizeof when, "__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s",
                     (int)(space - m->name), m->name, space + 1);
            buf_addf(out, "complete -c codeask -n '__fish_seen_subcommand_from %.*s' -a %s -d '", (int)(space - m->name), m->name,
                     space + 1);
        } else {
            snprintf(when, sizeof when, "__fish_seen_subcommand_from %s", m->name);
            buf_addf(out, "complete -c codeask -n 'test (count (commandline -opc)) = 1' -a %s -d '", m->name);
        }
        for (const char *s = m->help; *s; s++)
            buf_addf(out, *s == '\'' ? "\\%c" : "%c", *s);
        buf_adds(out, "'\n");
        for (const struct method_flag *f = m->flags; f && f->name; f++) {
            buf_addf(out, "complete -c codeask -n '%s' -l %s", when, f->name);
            if (f->letter)
                buf_addf(out, " -s %c", f->letter);
            if (f->argument && f->type != FLAG_ID)
                buf_adds(out, f->type == FLAG_DIR ? " -x -a '(__fish_complete_directories)'" : " -x");
            buf_adds(out, " -d '");
            for (const char *s = f->help; *s; s++)
                buf_addf(out, *s == '\'' ? "\\%c" : "%c", *s);
            buf_adds(out, "'\n");
        }
        if (!strcmp(m->name, "inspect") || !strcmp(m->name, "repo add"))
            buf_addf(out, "complete -c codeask -n '%s' -F\n", when);
        if (argument_words(m))
            buf_addf(out, "complete -c codeask -n '%s' -a '%s'\n", when, argument_words(m));
    }
}

/* roff: a backslash, and a dot or quote that begins a line, mean something. */
static void roff(struct buf *out, const char *s)
{
    for (bool first = true; *s; first = *s == '\n', s++) {
        if (first && (*s == '.' || *s == '\''))
            buf_adds(out, "\\&");
        if (*s == '\\')
            buf_adds(out, "\\e");
        else if (*s == '-')
            buf_adds(out, "\\-");
        else if (*s == '\n' && s[1] == '\n')
            buf_adds(out, "\n.PP"); /* an empty line: the second newline follows */
        else
            buf_addc(out, *s);
    }
}

static void man(struct buf *out)
{
    buf_addf(out, ".TH CODEASK 1 \"\" \"codeask %s\"\n.SH NAME\ncodeask \\- questions about your own code, answered on your own "
                  "machine\n.SH SYNOPSIS\n.B codeask\n.I question\n.br\n.B codeask\n.I command\n.RI [ option ]...\n", CODEASK_VERSION);
    buf_adds(out, ".SH DESCRIPTION\nAnswers questions about the git repository around the current directory, with citations that were "
                  "read again from the source. The first question starts the daemon\n.BR codeaskd ,\nwhich indexes the repository; "
                  "nothing leaves the machine. Several bare words are one question. A lone word that is close to a command is taken "
                  "for a slip.\n.PP\n.B \\-\\-\nends the options;\n.B \\-\nreads standard input as context. Results go to standard "
                  "output, progress to standard error.\n.SH COMMANDS\n");
    for (const struct method *m = methods; m->name; m++) {
        buf_adds(out, ".SS codeask ");
        roff(out, m->name);
        if (m->arguments) {
            buf_adds(out, " ");
            roff(out, m->arguments);
        }
        buf_addc(out, '\n');
        buf_addc(out, (char)toupper((unsigned char)m->help[0]));
        roff(out, m->help + 1);
        buf_adds(out, ".\n");
        if (m->detail) {
            buf_adds(out, ".PP\n");
            roff(out, m->detail);
            buf_addc(out, '\n');
        }
        for (const struct method_flag *f = m->flags; f && f->name; f++) {
            buf_adds(out, ".TP\n");
            if (f->letter)
                buf_addf(out, ".BR \\-%c \", \" ", f->letter);
            else
                buf_adds(out, ".B ");
            buf_adds(out, "\\-\\-");
            roff(out, f->name);
            if (f->argument)
                buf_addf(out, f->letter ? " \" %s\"" : " %s", f->argument);
            buf_addc(out, '\n');
            roff(out, f->help);
            buf_addc(out, '\n');
        }
    }
    buf_adds(out, ".SH EXIT STATUS\n.TP\n.B 0\nfound, answered\n.TP\n.B 1\nnothing found, or not enough evidence\n.TP\n.B 2\nwrong "
                  "usage, or failure\n.SH ENVIRONMENT\n.TP\n.B CODEASK_HOME\nwhere the index and the state are (default: the XDG data "
                  "directory)\n.TP\n.B CODEASK_CONFIG\nthe settings\n.TP\n.B CODEASK_MODELS\nfolders with models, parted by colons\n.TP\n"
                  ".B NO_COLOR\nno colours\n");
}

bool show_completion(struct buf *out, const char *topic)
{
    if (!strcmp(topic, "bash"))
        bash(out);
    else if (!strcmp(topic, "zsh"))
        zsh(out);
    else if (!strcmp(topic, "fish"))
        fish(out);
    else if (!strcmp(topic, "man"))
        man(out);
    else
        return false;
    return true;
}
