/* Cargo.toml (https://doc.rust-lang.org/cargo/reference/cargo-targets.html) and go.mod. */
#include "retriever/manifest/formats.h"

struct bins {
    struct manifest *m;
    struct str dir;       /* "…/src/bin/" */
    uint32_t line;
};

/* src/bin/x.rs and src/bin/x/main.rs are binaries called x. */
static bool bin(void *arg, struct str path)
{
    struct bins *b = arg;
    struct str rest = str_from(path, b->dir.n), name = str_until(rest, "/.");
    struct str target = str_from(path, b->m->dir.n), after = str_from(rest, name.n);
    if (str_is(after, ".rs") || str_is(after, "/main.rs")) {
        struct declared *d = declare(b->m, DECLARED_PROGRAM, name, target, b->line);
        if (d)
            d->implicit = true;
    }
    return true;
}

static void target(struct manifest *m, const struct facts *f, const struct fact *x, enum declared_kind kind, struct str package)
{
    const struct fact *name = facts_in(f, x->group, "name"), *path = facts_in(f, x->group, "path");
    struct str n = name ? name->value : package, p = path ? path->value : (struct str){"", 0};
    if (!p.n && kind == DECLARED_LIBRARY)
        p = STR("src/lib.rs");
    else if (!p.n) {
        p = str_join(m->arena, str_joins(m->arena, "src/bin/", n), STR(".rs"));
        if (!manifest_has(m, p) && manifest_hass(m, "src/main.rs"))
            p = STR("src/main.rs");
    }
    declare(m, kind, n, p, (name ? name : path ? path : x)->line);
}

static bool declared_already(const struct manifest *m, enum declared_kind kind, const char *path)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].kind == kind && (kind == DECLARED_LIBRARY || str_is(m->v[i].target, path)))
            return true;
    return false;
}

void read_cargo(struct manifest *m)
{
    struct facts f;
    facts_toml(&f, m->text, m->arena);
    const struct fact *own = facts_find(&f, "package/name"), *x;
    struct str package = own ? own->value : (struct str){"", 0};
    uint32_t line = own ? own->line : 1, group = 0;
    if ((x = facts_find(&f, "package/description")))
        m->about = x->value, m->about_line = x->line;
    for (size_t i = 0; i < f.n; i++) {
        if (f.v[i].group == group) /* each table once */
            continue;
        bool lib = fact_is(&f.v[i], "lib/*"), binary = fact_is(&f.v[i], "bin/[]/*");
        if (!lib && !binary)
            continue;
        group = f.v[i].group;
        target(m, &f, &f.v[i], lib ? DECLARED_LIBRARY : DECLARED_PROGRAM, package);
    }
    if (own && manifest_hass(m, "src/lib.rs") && !declared_already(m, DECLARED_LIBRARY, ""))
        if ((x = own) && declare(m, DECLARED_LIBRARY, package, STR("src/lib.rs"), line))
            m->v[m->n - 1].implicit = true;
    if (own && !str_is(facts_text(&f, "package/autobins"), "false")) {
        if (manifest_hass(m, "src/main.rs") && !declared_already(m, DECLARED_PROGRAM, "src/main.rs") &&
            declare(m, DECLARED_PROGRAM, package, STR("src/main.rs"), line))
            m->v[m->n - 1].implicit = true;
        struct bins b = {m, str_join(m->arena, m->dir, STR("src/bin/")), line};
        size_t before = m->n;
        if (m->files)
            m->files->below(m->files->arg, b.dir, bin, &b);
        for (size_t i = before; i < m->n;) { /* what a [[bin]] names already */
            bool twice = false;
            for (size_t k = 0; k < before; k++)
                twice |= m->v[k].kind == DECLARED_PROGRAM && str_same(m->v[k].target, m->v[i].target);
            if (twice)
                m->v[i] = m->v[--m->n];
            else
                i++;
        }
    }
    if (!m->dir.n || facts_find(&f, "workspace/**")) {
        declare_usual(m, COMMAND_BUILD, "cargo build", line);
        declare_usual(m, COMMAND_TEST, "cargo test", line);
    }
    facts_release(&f);
}

void read_go_mod(struct manifest *m)
{
    struct lines l = lines_of(m->text);
    struct str line;
    while (lines_next(&l, &line)) {
        struct str s = str_trim(line), word;
        if (!str_begins(s, "module") || s.n < 8 || (s.p[6] != ' ' && s.p[6] != '\t'))
            continue;
        s = str_trim(str_from(s, 7));
        if (!word_next(&s, &word))
            return;
        struct str last = path_base(word);
        if (last.n > 1 && last.n < word.n && *last.p == 'v' && last.p[1] >= '0' && last.p[1] <= '9') /* …/gin/v2 */
            last = path_base(str_upto(word, word.n - last.n - 1));
        struct str file = str_join(m->arena, last, STR(".go"));
        declare(m, DECLARED_LIBRARY, word, manifest_has(m, file) ? file : manifest_hass(m, "doc.go") ? STR("doc.go") : STR(""), l.number);
        declare_usual(m, COMMAND_BUILD, "go build ./...", l.number);
        declare_usual(m, COMMAND_TEST, "go test ./...", l.number);
        return;
    }
}
