/* Maven's pom.xml and Gradle's build files. */
#include "retriever/manifest/formats.h"

static const char *const source_roots[] = {"src/main/java/", "src/main/kotlin/", "src/main/scala/", "src/main/groovy/", NULL};

static bool any(void *arg, struct str path)
{
    *(bool *)arg = true;
    return false;
}

/* The sources of a module that is built by convention are its library. */
static void sources(struct manifest *m, struct str name, uint32_t line)
{
    for (const char *const *root = source_roots; *root; root++) {
        bool there = false;
        if (m->files)
            m->files->below(m->files->arg, str_join(m->arena, m->dir, str_of(*root)), any, &there);
        if (!there)
            continue;
        struct declared *d = declare(m, DECLARED_LIBRARY, name, str_of(*root), line);
        if (d)
            d->implicit = true;
        return;
    }
}

void read_pom(struct manifest *m)
{
    struct facts f;
    facts_xml(&f, m->text, m->arena);
    m->broken = f.broken;
    const struct fact *own = facts_find(&f, "project/artifactId"), *x;
    struct str name = own ? own->value : manifest_folder(m, "project");
    if ((x = facts_find(&f, "project/description")))
        m->about = x->value, m->about_line = x->line;
    for (size_t i = 0; i < f.n; i++) {
        x = &f.v[i];
        struct str last = x->depth ? x->key[x->depth - 1] : (struct str){"", 0};
        if ((str_is(last, "mainClass") || str_is(last, "Main-Class") || str_is(last, "start-class")) && x->value.n)
            declare(m, DECLARED_PROGRAM, name, x->value, x->line);
    }
    if (!str_is(facts_text(&f, "project/packaging"), "pom") && own)
        sources(m, name, own->line);
    if (!m->dir.n && own) {
        const char *mvn = manifest_hass(m, "mvnw") ? "./mvnw" : "mvn";
        declare_usual(m, COMMAND_BUILD, arena_fmt(m->arena, "%s package", mvn), own->line);
        declare_usual(m, COMMAND_TEST, arena_fmt(m->arena, "%s test", mvn), own->line);
    }
    facts_release(&f);
}

void read_gradle(struct manifest *m)
{
    static const char *const keys[] = {"mainClass", "mainClassName", NULL};
    struct str name = manifest_folder(m, "project");
    for (const char *const *k = keys; *k; k++) {
        struct str rest = m->text;
        for (struct str v; m->n < MANIFEST_ITEMS && (v = value_of(rest, *k)).n; rest = str_from(rest, (size_t)(v.p + v.n - rest.p)))
            if (v.p > m->text.p && (v.p[-1] == '"' || v.p[-1] == '\''))
                declare(m, DECLARED_PROGRAM, name, v, line_in(m->text, v.p));
    }
    sources(m, name, 1);
    if (!m->dir.n) {
        const char *gradle = manifest_hass(m, "gradlew") ? "./gradlew" : "gradle";
        declare_usual(m, COMMAND_BUILD, arena_fmt(m->arena, "%s assemble", gradle), 1);
        declare_usual(m, COMMAND_TEST, arena_fmt(m->arena, "%s test", gradle), 1);
    }
}
