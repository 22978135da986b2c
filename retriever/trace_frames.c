/* Frames of running programs: one function a family of runtimes. */
#include "retriever/trace_shapes.h"

#include <string.h>

static const struct str NOTHING = {"", 0};

static bool digits_then(struct str *s, const char *literal)
{
    struct str rest = *s;
    uint32_t n;
    if (!str_number(&rest, &n) || !str_eat(&rest, literal))
        return false;
    *s = rest;
    return true;
}

static bool hex_address(struct str *s)
{
    struct str rest = *s;
    if (!str_eat(&rest, "0x"))
        return false;
    while (rest.n && ((rest.p[0] >= '0' && rest.p[0] <= '9') || (rest.p[0] >= 'a' && rest.p[0] <= 'f')))
        rest = str_from(rest, 1);
    *s = rest;
    return true;
}

/* Where the '(' that matches the ')' at the end of s stands; SIZE_MAX without one. */
static size_t last_open(struct str s)
{
    size_t depth = 0;
    if (!str_ends(s, ")"))
        return SIZE_MAX;
    for (size_t i = s.n; i-- > 0;) {
        if (s.p[i] == ')')
            depth++;
        else if (s.p[i] == '(' && --depth == 0)
            return i;
    }
    return SIZE_MAX;
}

/* File "PATH", line N, in FUNCTION: the outermost call comes first. */
bool shape_python(struct tracer *t, struct str s)
{
    while (str_eat(&s, "|") || str_eat(&s, "+"))
        s = str_trim(s);
    if (str_begins(s, "Traceback (most recent call last)") || str_begins(s, "Exception Group Traceback")) {
        tracer_end_group(t);
        return true;
    }
    if (str_begins(s, "[Previous line repeated"))
        return true;
    if (!str_eat(&s, "File \""))
        return false;
    size_t end = str_find(s, "\", line ");
    uint32_t line;
    if (end == SIZE_MAX)
        return false;
    struct str path = str_upto(s, end), rest = str_from(s, end + 8);
    if (!str_number(&rest, &line))
        return false;
    struct str function = str_eat(&rest, ", in ") ? rest : NOTHING;
    tracer_call(t, path, line, function, OUTERMOST_FIRST);
    return true;
}

/* at com.acme.Cart.add(Cart.java:12), at java.base/java.util.List.of(Unknown Source): s is what follows "at ". */
static bool at_jvm(struct tracer *t, struct str s)
{
    size_t open = last_open(s);
    if (open == SIZE_MAX || !open || memchr(s.p, ' ', open) || !memchr(s.p, '.', open))
        return false;
    struct str where = {s.p + open + 1, s.n - open - 2}, name = str_upto(s, open), path = NOTHING;
    uint32_t line = 0;
    if (!str_place(where, &path, &line) && !str_begins(where, "Native Method") && !str_begins(where, "Unknown Source") &&
        !(str_pathlike(where) && !memchr(where.p, ' ', where.n)))
        return false;
    if (!path.n && str_pathlike(where))
        path = where;
    size_t module = str_rfind(name, '/'); /* java.base/java.lang… , app//com.acme… */
    if (module != SIZE_MAX)
        name = str_from(name, module + 1);
    tracer_call(t, path, line, name, INNERMOST_FIRST);
    return true;
}

/* at Session.send (/srv/app/session.js:7:26), at async Promise.all (index 0), at /srv/app/x.js:2:33 */
static bool at_v8(struct tracer *t, struct str s)
{
    struct str path = NOTHING, name = NOTHING;
    uint32_t line = 0;
    size_t open = last_open(s);
    if (open != SIZE_MAX && open && s.p[open - 1] == ' ') {
        struct str where = {s.p + open + 1, s.n - open - 2};
        if (!str_place(where, &path, &line) && !str_begins(where, "<anonymous>") && !str_begins(where, "index ") &&
            !str_begins(where, "native") && !str_begins(where, "eval at ") && !str_begins(where, "node:"))
            return false;
        name = str_upto(s, open - 1);
    } else {
        str_eat(&s, "async ");
        if (!str_place(s, &path, &line) && !str_begins(s, "node:"))
            return false;
        if (t->function.n) { /* Rust's second line: "at ./src/main.rs:6:7" under "5: shop::load_port" */
            name = t->function;
            t->function = NOTHING;
        }
    }
    tracer_call(t, path, line, name, INNERMOST_FIRST);
    return true;
}

/* at Acme.Web.Cart.Add(Item item) in /srv/app/src/Cart.cs:line 42 */
static bool at_dotnet(struct tracer *t, struct str s)
{
    size_t in = str_find(s, ") in "), tail = str_find(s, ":line ");
    struct str path = NOTHING, name = s;
    uint32_t line = 0;
    if (in != SIZE_MAX && tail != SIZE_MAX && tail > in + 5) {
        struct str number = str_from(s, tail + 6);
        path = (struct str){s.p + in + 5, tail - in - 5};
        if (!str_number(&number, &line))
            return false;
        name = str_upto(s, in + 1);
    } else if (!str_ends(s, ")")) {
        return false;
    }
    size_t open = str_find(name, "(");
    if (open == SIZE_MAX || !open || memchr(name.p, ' ', open) || !memchr(name.p, '.', open))
        return false;
    tracer_call(t, path, line, str_upto(name, open), INNERMOST_FIRST);
    return true;
}

/* at 0x1091BC: run (main.c:15), by 0x1091E1: main (main.c:21), at 0x484417B: free (in /usr/lib/x.so) */
static bool at_valgrind(struct tracer *t, struct str s)
{
    if (!str_eat(&s, "0x"))
        return false;
    while (s.n && s.p[0] != ':')
        s = str_from(s, 1);
    size_t open = last_open(s);
    if (!str_eat(&s, ": ") || open == SIZE_MAX || open < 3)
        return false;
    open -= 2;
    struct str where = {s.p + open + 1, s.n - open - 2}, path = NOTHING;
    uint32_t line = 0;
    str_place(where, &path, &line);
    tracer_call(t, path, line, str_trim(str_upto(s, open)), INNERMOST_FIRST);
    return true;
}

bool shape_at(struct tracer *t, struct str s)
{
    if (str_begins(s, "... ") && (str_ends(s, " more") || str_ends(s, " common frames omitted")))
        return true;
    if (str_begins(s, "--- End of inner exception") || str_begins(s, "--- End of stack trace")) {
        tracer_end_group(t);
        return true;
    }
    bool at = str_eat(&s, "at ");
    if (!at && !str_begins(s, "by 0x"))
        return false;
    if (!at)
        str_eat(&s, "by ");
    else if (str_begins(s, "0x"))
        tracer_end_group(t); /* valgrind's stacks begin with "at" */
    s = str_trim(s);
    if (str_ends(s, " {")) /* an error with properties, as node prints it */
        s = str_trim(str_upto(s, s.n - 1));
    size_t jar = str_rfind(s, '['); /* at x.y(Z.java:3) [app.jar:1.0], ~[…] */
    if (jar != SIZE_MAX && jar > 2 && str_ends(s, "]") && (s.p[jar - 1] == ' ' || s.p[jar - 1] == '~') && str_find(s, "[as ") == SIZE_MAX)
        s = str_trim(str_upto(s, s.p[jar - 1] == '~' ? jar - 1 : jar));
    return at_valgrind(t, s) || at_jvm(t, s) || at_v8(t, s) || at_dotnet(t, s);
}

/* #1  0x0000 in run (mode=1) at c/main.c:11 · #1 0x55 in run c/main.c:15 · #0 /srv/x.php(8): Acme\Cart->price() */
bool shape_hash(struct tracer *t, struct str s)
{
    uint32_t number, line = 0;
    struct str path = NOTHING, rest;
    if (!str_eat(&s, "#") || !str_number(&s, &number) || !str_begins(s, " "))
        return false;
    s = str_trim(s);
    if (str_begins(s, "{main}"))
        return true;
    size_t call = str_find(s, "): ");
    if (call != SIZE_MAX && str_place(str_upto(s, call + 1), &path, &line)) { /* PHP: the callee, called there */
        rest = str_from(s, call + 3);
        size_t open = str_find(rest, "(");
        tracer_name_last(t, str_upto(rest, open));
        tracer_call(t, path, line, NOTHING, INNERMOST_FIRST);
        return true;
    }
    if (str_begins(s, "[internal function]: "))
        return true;
    bool address = hex_address(&s);
    s = str_trim(s);
    bool in = str_eat(&s, "in ");
    size_t at = SIZE_MAX;
    for (size_t i = s.n; i-- > 4;) /* the last " at " */
        if (s.p[i] == ' ' && !memcmp(s.p + i - 3, " at", 3)) {
            at = i - 3;
            break;
        }
    if (at != SIZE_MAX && str_place(str_from(s, at + 4), &path, &line)) {
        rest = str_upto(s, at);
    } else { /* ASan: the place is the last word */
        size_t blank = str_rfind(s, ' ');
        rest = s;
        if (blank != SIZE_MAX && str_place(str_from(s, blank + 1), &path, &line))
            rest = str_upto(s, blank);
        else if (!(address && in))
            return false;
    }
    size_t open = str_find(rest, " (");
    if (open == SIZE_MAX)
        open = str_find(rest, "(");
    if (!number)
        tracer_end_group(t);
    tracer_call(t, path, line, str_trim(open && open != SIZE_MAX ? str_upto(rest, open) : rest), INNERMOST_FIRST);
    return true;
}

/* example.org/shop/store.(*Store).Put(0x0?, …)  and under it  /srv/app/store.go:6 +0x3c */
bool shape_go(struct tracer *t, struct str s)
{
    if (str_begins(s, "goroutine ") && str_ends(s, "]:")) {
        tracer_end_group(t);
        return true;
    }
    if (str_eat(&s, "created by ")) {
        size_t in = str_find(s, " in goroutine ");
        t->function = str_upto(s, in);
        return true;
    }
    size_t open = last_open(s);
    if (open != SIZE_MAX && open && !memchr(s.p, ' ', open) && memchr(s.p, '.', open)) {
        t->function = str_upto(s, open);
        return false; /* only a promise: another shape may still know the line */
    }
    struct str path, where = s;
    uint32_t line;
    size_t plus = str_find(s, " +0x");
    if (plus != SIZE_MAX)
        where = str_upto(s, plus);
    else if (!t->function.n)
        return false;
    if (!str_ends(str_upto(where, str_rfind(where, ':')), ".go") && !str_ends(str_upto(where, str_rfind(where, ':')), ".s"))
        return false;
    if (!str_place(where, &path, &line))
        return false;
    tracer_call(t, path, line, t->function, INNERMOST_FIRST);
    t->function = NOTHING;
    return true;
}

/* thread 'main' panicked at src/parser.rs:8:35:  and a backtrace's  4: shop::parser::Parser::number */
bool shape_rust(struct tracer *t, struct str s)
{
    struct str path, numbered = s;
    uint32_t line;
    if (str_begins(s, "thread '")) {
        size_t at = str_find(s, " panicked at ");
        if (at == SIZE_MAX)
            return false;
        s = str_from(s, at + 13);
        tracer_end_group(t);
        size_t quote = str_begins(s, "'") ? str_rfind(s, '\'') : SIZE_MAX;
        if (quote != SIZE_MAX && quote > 1) { /* before 1.73: 'message', src/main.rs:2:5 */
            tracer_error(t, (struct str){s.p + 1, quote - 1}, 6);
            s = str_from(s, quote + 1);
            str_eat(&s, ", ");
        } else {
            t->want_message = true;
            if (str_ends(s, ":"))
                s.n--;
        }
        if (str_place(s, &path, &line))
            tracer_call(t, path, line, NOTHING, INNERMOST_FIRST);
        return true;
    }
    if (digits_then(&numbered, ": ")) { /* "4: name" or "4: 0x55… - name" */
        numbered = str_trim(numbered);
        if (hex_address(&numbered)) {
            numbered = str_trim(numbered);
            str_eat(&numbered, "- ");
        }
        if (str_find(numbered, "::") != SIZE_MAX || !memchr(numbered.p, ' ', numbered.n))
            t->function = numbered;
    }
    return false;
}

/* rb/main.rb:6:in `checkout': checkout failed (RuntimeError) · from rb/main.rb:9:in `<main>' */
bool shape_ruby(struct tracer *t, struct str s)
{
    struct str path, message, name;
    uint32_t line;
    bool from = str_eat(&s, "from ");
    size_t in = str_find(s, ":in `");
    if (in == SIZE_MAX)
        in = str_find(s, ":in '");
    if (in == SIZE_MAX || !str_place(str_upto(s, in), &path, &line))
        return false;
    name = str_from(s, in + 5);
    size_t quote = str_find(name, "'");
    if (quote == SIZE_MAX)
        return false;
    message = str_from(name, quote + 1);
    name = str_upto(name, quote);
    if (!from && str_eat(&message, ": ")) {
        if (t->ngroups)
            tracer_cause(t); /* Ruby prints the causes after what was raised */
        else
            tracer_end_group(t);
        size_t open = str_ends(message, ")") ? str_rfind(message, '(') : SIZE_MAX;
        if (open != SIZE_MAX) {
            tracer_identifier(t, (struct str){message.p + open + 1, message.n - open - 2});
            message = str_trim(str_upto(message, open));
        }
        tracer_error(t, message, 5);
    }
    tracer_call(t, path, line, name, INNERMOST_FIRST);
    return true;
}

/* Uncaught X: text in PATH:13 · Next X: text in PATH:11 · thrown in PATH on line 11 · Warning: text in PATH on line 3 */
bool shape_php(struct tracer *t, struct str s)
{
    struct str path, number;
    uint32_t line;
    str_eat(&s, "PHP ");
    size_t uncaught = str_find(s, "Uncaught "), in = SIZE_MAX;
    for (size_t i = s.n; i-- > 4;) /* the last " in " */
        if (s.p[i] == ' ' && !memcmp(s.p + i - 3, " in", 3)) {
            in = i - 3;
            break;
        }
    if (in == SIZE_MAX)
        return false;
    struct str where = str_from(s, in + 4), text = str_upto(s, in);
    size_t on = str_find(where, " on line ");
    if (on != SIZE_MAX) {
        path = str_upto(where, on);
        number = str_from(where, on + 9);
        if (!str_pathlike(path) || !str_number(&number, &line))
            return false;
        if (str_begins(text, "thrown"))
            return true;
        bool warning = str_begins(text, "Warning") || str_begins(text, "Notice") || str_begins(text, "Deprecated");
        size_t colon = str_find(text, ": ");
        text = str_trim(colon == SIZE_MAX ? text : str_from(text, colon + 2));
        tracer_error(t, text, warning ? 2 : 4);
        tracer_place(t, warning ? TRACE_NOTE : TRACE_DIAGNOSTIC, path, line, NOTHING, text);
        return true;
    }
    if ((uncaught == SIZE_MAX && !str_begins(s, "Next ")) || !str_place(where, &path, &line))
        return false;
    text = uncaught == SIZE_MAX ? str_from(text, 5) : str_from(text, uncaught + 9);
    tracer_end_group(t);
    size_t colon = str_find(text, ": ");
    if (colon != SIZE_MAX) {
        struct str name = str_upto(text, colon);
        size_t slash = str_rfind(name, '\\');
        tracer_identifier(t, slash == SIZE_MAX ? name : str_from(name, slash + 1));
    }
    tracer_error(t, text, uncaught == SIZE_MAX ? 6 : 5);
    tracer_call(t, path, line, NOTHING, INNERMOST_FIRST);
    return true;
}

/* No price for pear at pl/lib/Cart.pm line 9. · Cart::add("pear") called at pl/main.pl line 3 */
bool shape_perl(struct tracer *t, struct str s)
{
    size_t word = SIZE_MAX, at = SIZE_MAX;
    uint32_t line;
    for (size_t i = 0; i + 6 < s.n; i++) /* the last " line <digit>" */
        if (s.p[i] == ' ' && !memcmp(s.p + i, " line ", 6) && s.p[i + 6] >= '0' && s.p[i + 6] <= '9')
            word = i;
    if (word == SIZE_MAX)
        return false;
    for (size_t i = word; i-- > 4;)
        if (s.p[i] == ' ' && !memcmp(s.p + i - 3, " at", 3)) {
            at = i - 3;
            break;
        }
    struct str number = str_from(s, word + 6);
    if (at == SIZE_MAX || !str_number(&number, &line) || number.n > 40 || (number.n && number.p[0] != '.' && number.p[0] != ','))
        return false;
    struct str path = {s.p + at + 4, word - at - 4}, text = str_upto(s, at);
    if (!str_pathlike(path))
        return false;
    if (str_ends(text, " called")) {
        size_t open = str_find(text, "(");
        tracer_name_last(t, str_upto(text, open == SIZE_MAX ? text.n - 7 : open));
    } else {
        tracer_end_group(t);
        tracer_error(t, text, 5);
    }
    tracer_call(t, path, line, NOTHING, INNERMOST_FIRST);
    return true;
}

/* send@https://shop.example/assets/session.js:12:34 */
bool shape_firefox(struct tracer *t, struct str s)
{
    const char *at = memchr(s.p, '@', s.n);
    struct str path;
    uint32_t line;
    if (!at)
        return false;
    struct str name = str_upto(s, (size_t)(at - s.p)), where = str_from(s, name.n + 1);
    if (memchr(name.p, ' ', name.n) || (str_find(where, "://") == SIZE_MAX && !str_begins(where, "/")) || !str_place(where, &path, &line))
        return false;
    size_t star = str_rfind(name, '*'); /* async*send */
    size_t slash = str_rfind(name, '/'); /* send/< */
    if (star != SIZE_MAX)
        name = str_from(name, star + 1);
    else if (slash != SIZE_MAX)
        name.n = slash;
    tracer_call(t, path, line, name, INNERMOST_FIRST);
    return true;
}

/* (shop 0.1.0) lib/cart.ex:9: Shop.Cart.price/1 · ** (KeyError) key "pear" not found in: %{} */
bool shape_elixir(struct tracer *t, struct str s)
{
    struct str path, rest;
    uint32_t line;
    if (str_eat(&s, "** (")) {
        size_t close = str_find(s, ") ");
        if (close == SIZE_MAX)
            return false;
        tracer_identifier(t, str_upto(s, close));
        rest = str_from(s, close + 2);
        tracer_end_group(t);
        struct str message = rest;
        if (str_place_head(rest, &path, &line, &message)) /* CompileError: lib/x.ex:3: … */
            tracer_place(t, TRACE_DIAGNOSTIC, path, line, NOTHING, message);
        else
            message = rest;
        tracer_error(t, message, 5);
        return true;
    }
    if (str_eat(&s, "\xe2\x94\x94\xe2\x94\x80 ") && str_place_head(s, &path, &line, &rest)) { /* "└─ lib/x.ex:3:5: A.b/1" */
        tracer_place(t, t->diagnostic_is_note ? TRACE_NOTE : TRACE_DIAGNOSTIC, path, line, function_of(rest), t->diagnostic);
        return true;
    }
    if (str_begins(s, "(")) {
        size_t close = str_find(s, ") ");
        if (close == SIZE_MAX || close > 60)
            return false;
        s = str_from(s, close + 2);
    }
    if (!str_place_head(s, &path, &line, &rest) || rest.n < 3)
        return false;
    if (rest.p[rest.n - 2] != '/' || rest.p[rest.n - 1] < '0' || rest.p[rest.n - 1] > '9' || str_find(rest, ".") == SIZE_MAX)
        return false;
    tracer_call(t, path, line, rest, INNERMOST_FIRST);
    return true;
}

/* lua: cart.lua:5: attempt to … · cart.lua:9: in function 'cart.add' */
bool shape_lua(struct tracer *t, struct str s)
{
    static const char *const kinds[] = {"function ", "upvalue ", "local ", "method ", "field ", "global ", "main chunk", NULL};
    struct str path, rest;
    uint32_t line;
    if (str_begins(s, "lua")) {
        size_t colon = str_find(s, ": ");
        if (colon != SIZE_MAX && colon < 16 && str_place_head(str_from(s, colon + 2), &path, &line, &rest)) {
            tracer_end_group(t);
            tracer_error(t, rest, 5);
            return true; /* the traceback's first frame is this place */
        }
    }
    if (str_begins(s, "[C]: in "))
        return true;
    if (!str_place_head(s, &path, &line, &rest) || !str_eat(&rest, "in "))
        return false;
    for (size_t i = 0; kinds[i]; i++)
        if (str_eat(&rest, kinds[i])) {
            if (rest.n > 2 && (rest.p[0] == '\'' || rest.p[0] == '<'))
                rest = (struct str){rest.p + 1, rest.n - 2};
            tracer_call(t, path, line, str_pathlike(rest) ? NOTHING : rest, INNERMOST_FIRST);
            return true;
        }
    return false;
}

/* prog: list.c:17: list_drop: Assertion `n->value > 0' failed. */
bool shape_assert(struct tracer *t, struct str s)
{
    struct str path, rest, head;
    uint32_t line;
    size_t at = str_find(s, ": Assertion `");
    if (at == SIZE_MAX || !str_ends(s, "failed."))
        return false;
    head = str_upto(s, at);
    size_t prog = str_find(head, ": ");
    if (!str_place_head(head, &path, &line, &rest) && (prog == SIZE_MAX || !str_place_head(str_from(head, prog + 2), &path, &line, &rest)))
        return false;
    struct str text = str_from(s, at + 13);
    size_t quote = str_rfind(text, '\'');
    tracer_end_group(t);
    tracer_call(t, path, line, rest, INNERMOST_FIRST);
    tracer_error(t, str_from(s, at + 2), 5);
    if (quote != SIZE_MAX && quote >= 8) /* the condition stands in the source as it is */
        tracer_literal(t, str_upto(text, quote));
    return true;
}
