/* What each format of manifest declares: real-shaped files, and what they must yield. */
#include "retriever/manifest/manifest.h"
#include "retriever/manifest/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const *there; /* the files of the repository, ended by NULL */

static bool has(void *arg, struct str path)
{
    for (size_t i = 0; there && there[i]; i++)
        if (str_is(path, there[i]))
            return true;
    return false;
}

static void below(void *arg, struct str dir, bool (*each)(void *each_arg, struct str path), void *each_arg)
{
    for (size_t i = 0; there && there[i]; i++)
        if (strlen(there[i]) >= dir.n && !memcmp(there[i], dir.p, dir.n) && !each(each_arg, str_of(there[i])))
            return;
}

static const char *purpose(enum command_purpose p)
{
    static const char *const name[] = {"build", "test", "run", "check", "other"};
    return name[p];
}

/* "kind name -> target @line", a line each; implicit ones with a star, those for tests with a t. */
static void declares(const char *path, const char *text, const char *want)
{
    static const char *const kind[] = {"program", "library", "plugin"};
    static const struct manifest_files files = {has, below, NULL};
    const struct manifest_format *f = manifest_format_of(str_of(path));
    struct manifest m;
    struct arena arena;
    struct buf b = BUF_INIT;
    if (!f)
        fail_msg("%s is no manifest", path);
    arena_init(&arena);
    manifest_read(&m, f, str_of(path), str_of(text), &files, &arena);
    assert_false(m.broken);
    if (m.about.n)
        buf_addf(&b, "about %.*s @%u\n", (int)m.about.n, m.about.p, m.about_line);
    for (size_t i = 0; i < m.n; i++) {
        const struct declared *d = &m.v[i];
        buf_addf(&b, "%s%s%s %.*s", d->kind == DECLARED_COMMAND ? purpose(d->purpose) : kind[d->kind], d->implicit ? "*" : "",
                 d->test ? "t" : "", (int)d->name.n, d->name.p);
        if (d->target.n)
            buf_addf(&b, " -> %.*s", (int)d->target.n, d->target.p);
        if (d->sources.n)
            buf_addf(&b, " (%.*s)", (int)d->sources.n, d->sources.p);
        buf_addf(&b, " @%u\n", d->line);
        assert_true(d->end_line >= d->line);
    }
    assert_string_equal(b.data ? b.data : "", want);
    buf_release(&b);
    manifest_release(&m);
    arena_release(&arena);
    there = NULL;
}

static void npm(void **state)
{
    declares("web/package.json",
             "{\n  \"name\": \"@acme/tool\",\n  \"description\": \"A \\\"tool\\\"\",\n  \"bin\": \"./cli.js\",\n  \"main\": \"dist/index.cjs\",\n"
             "  \"exports\": {\n    \".\": {\"import\": \"./dist/index.mjs\", \"require\": \"./dist/index.cjs\"},\n    \"./x\": [\"./x.js\"],\n"
             "    \"./private\": null\n  },\n  \"scripts\": {\n    \"build\": \"tsc -p .\",\n    \"test:unit\": \"vitest\",\n    \"prepare\": \"husky\"\n  }\n}\n",
             "about A \"tool\" @3\nprogram tool -> ./cli.js @4\nlibrary @acme/tool -> dist/index.cjs @5\n"
             "library @acme/tool -> ./dist/index.mjs @7\nlibrary @acme/tool -> ./dist/index.cjs @7\nlibrary @acme/tool/x -> ./x.js @8\n"
             "build npm run build -> tsc -p . @12\ntest npm run test:unit -> vitest @13\nother npm run prepare -> husky @14\n");
    there = (const char *const[]){"index.js", "yarn.lock", NULL};
    declares("package.json", "{\n  \"name\": \"plain\",\n  \"bin\": {\"a\": \"bin/a.js\", \"b\": \"bin/b.js\"},\n  \"scripts\": {\"start\": \"node .\"}\n}",
             "program a -> bin/a.js @3\nprogram b -> bin/b.js @3\nrun yarn start -> node . @4\nlibrary* plain -> index.js @2\n");
    declares("app/package.json", "{}", "");
}

static void python(void **state)
{
    there = (const char *const[]){"src/flask/__init__.py", "src/flask/__main__.py", NULL};
    declares("pyproject.toml",
             "[project]\nname = \"Flask\"\ndescription = \"A framework.\"\n\n[project.scripts]\nflask = \"flask.cli:main\"  # the command\n"
             "\"two words\" = 'a.b:c [extra]'\n\n[project.entry-points.\"pytest11\"]\nplug = \"flask.plug\"\n\n[build-system]\n"
             "requires = [\n  \"flit_core\", # [x]\n  \"other\",\n]\nbuild-backend = \"flit\"\n\n[tool.pytest.ini_options]\ntestpaths = [\"tests\"]\n\n"
             "[tool.poetry.scripts]\nold = { callable = \"o.p:q\", extras = [\"x\"] }\n\n[tool.hatch.envs.docs.scripts]\nbuild = \"mkdocs build\"\n",
             "about A framework. @3\nprogram flask -> flask.cli:main @6\nprogram two words -> a.b:c @7\nplugin plug -> flask.plug @10\n"
             "program old -> o.p:q @23\nbuild hatch run docs:build -> mkdocs build @26\nlibrary* Flask -> src/flask/__init__.py @2\n"
             "program* python -m flask -> src/flask/__main__.py @2\nbuild* python -m build @17\ntest* pytest @20\n");
    declares("setup.cfg",
             "[metadata]\nname = old-tool\ndescription = Old.\n\n[options.entry_points]\nconsole_scripts =\n    tool = old_tool.cli:main\n"
             "    tool2=old_tool.cli:other\nold.plugins =\n    p = old_tool.p:P\n\n[tool:pytest]\naddopts = -q\n",
             "about Old. @3\nprogram tool -> old_tool.cli:main @7\nprogram tool2 -> old_tool.cli:other @8\nplugin p -> old_tool.p:P @10\ntest* pytest @13\n");
    there = (const char *const[]){"tool.py", NULL};
    declares("setup.py",
             "from setuptools import setup\n\n# setup(name='no')\nsetup(\n    name='tool',\n    entry_points={\n        'console_scripts': [\n"
             "            'tool = tool:main',\n            \"other = tool:other [x]\",\n        ],\n    },\n    scripts=['bin/run-it'],\n)\n",
             "program tool -> tool:main @8\nprogram other -> tool:other @9\nprogram run-it -> bin/run-it @12\nlibrary* tool -> tool.py @4\n"
             "build* pip install -e . @4\n");
    declares("tox.ini", "[tox]\nenvlist = py3\n[testenv]\ncommands =\n    pytest {posargs}\n", "test tox @2\n");
}

static void rust_and_go(void **state)
{
    there = (const char *const[]){"src/bin/extra.rs", "src/bin/named.rs", "src/bin/two/main.rs", "src/bin/two/part.rs", "src/lib.rs", "src/main.rs", NULL};
    declares("Cargo.toml",
             "[package]\nname = \"tool\"\ndescription = \"Does it.\"\nversion = \"1.0\"\n\n[[bin]]\nname = \"named\"\npath = \"src/bin/named.rs\"\n\n"
             "[[bin]]\nname = \"other\"\n\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n",
             "about Does it. @3\nprogram named -> src/bin/named.rs @7\nprogram other -> src/main.rs @11\nlibrary* tool -> src/lib.rs @2\n"
             "program* extra -> src/bin/extra.rs @2\nprogram* two -> src/bin/two/main.rs @2\nbuild* cargo build @2\ntest* cargo test @2\n");
    declares("core/Cargo.toml", "[package]\nname = \"core\"\n[lib]\nname = \"core2\"\npath = \"lib.rs\"\n", "library core2 -> lib.rs @4\n");
    declares("Cargo.toml", "[workspace]\nmembers = [\"core\"]\n", "build* cargo build @1\ntest* cargo test @1\n");
    there = (const char *const[]){"gin.go", NULL};
    declares("go.mod", "// a comment\nmodule github.com/gin-gonic/gin/v2 // the root\n\ngo 1.22\n",
             "library github.com/gin-gonic/gin/v2 -> gin.go @2\nbuild* go build ./... @2\ntest* go test ./... @2\n");
}

static void jvm(void **state)
{
    there = (const char *const[]){"mvnw", "src/main/java/a/App.java", NULL};
    declares("pom.xml",
             "<?xml version=\"1.0\"?>\n<!-- <artifactId>no</artifactId> -->\n<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n"
             "  <parent><artifactId>up</artifactId></parent>\n  <artifactId>app</artifactId>\n  <description>An app.</description>\n"
             "  <build><plugins><plugin><configuration>\n    <archive><manifest><mainClass>com.acme.App</mainClass></manifest></archive>\n"
             "  </configuration></plugin></plugins></build>\n</project>\n",
             "about An app. @6\nprogram app -> com.acme.App @8\nlibrary* app -> src/main/java/ @5\nbuild* ./mvnw package @5\ntest* ./mvnw test @5\n");
    declares("samples/run/build.gradle.kts",
             "plugins { application }\n// mainClass.set(\"no.Thing\")\napplication {\n    mainClass.set(\"io.acme.MainKt\")\n}\n"
             "tasks.register<JavaExec>(\"gen\") {\n    mainClass = \"io.acme.GenKt\"\n}\n",
             "program run -> io.acme.MainKt @4\nprogram run -> io.acme.GenKt @7\n");
    declares("build.gradle", "mainClassName = 'com.acme.App'\n", "program project -> com.acme.App @1\nbuild* gradle assemble @1\ntest* gradle test @1\n");
}

static void php_and_ruby(void **state)
{
    declares("composer.json",
             "{\n  \"name\": \"monolog/monolog\",\n  \"description\": \"Logs.\",\n  \"bin\": [\"bin/mono\"],\n"
             "  \"autoload\": {\"psr-4\": {\"Monolog\\\\\": \"src/Monolog\"}, \"files\": [\"src/f.php\"]},\n"
             "  \"scripts\": {\"test\": \"phpunit\", \"cs\": [\"a\", \"b\"]}\n}\n",
             "about Logs. @3\nprogram mono -> bin/mono @4\nlibrary Monolog\\ -> src/Monolog @5\nlibrary monolog/monolog -> src/f.php @5\n"
             "test composer test -> phpunit @6\nother composer cs -> a @6\nother composer cs -> b @6\n");
    there = (const char *const[]){"Rakefile", "exe/tool", NULL};
    declares("my-tool.gemspec",
             "Gem::Specification.new do |spec|\n  spec.name = \"my-tool\"\n  spec.summary = 'Tools.'\n  spec.bindir = \"exe\"\n"
             "  spec.executables = [\"tool\", \"tool2\"]\nend\n",
             "about Tools. @3\nlibrary* my-tool -> lib/my/tool.rb @2\nprogram tool -> exe/tool @5\nprogram tool2 -> exe/tool2 @5\ntest* bundle exec rake @2\n");
    declares("words.gemspec", "Gem::Specification.new do |s|\n  s.name = 'words'\n  s.executables = %w[a b]\nend\n",
             "library* words -> lib/words.rb @2\nprogram a -> bin/a @3\nprogram b -> bin/b @3\n");
    there = (const char *const[]){"exe/tool", "exe/setup", NULL};
    declares("found.gemspec", "Gem::Specification.new do |s|\n  s.name = 'found'\n  s.bindir = 'exe'\n  s.executables = Dir['exe/*'].map { |f| File.basename(f) }\nend\n",
             "library* found -> lib/found.rb @2\nprogram* tool -> exe/tool @4\n");
}

static void dotnet_swift_and_elixir(void **state)
{
    declares("app/App.csproj",
             "\xEF\xBB\xBF<Project Sdk=\"Microsoft.NET.Sdk\">\n  <PropertyGroup>\n    <OutputType>Exe</OutputType>\n    <AssemblyName>acme</AssemblyName>\n"
             "  </PropertyGroup>\n</Project>\n",
             "program acme -> Program.cs @3\n");
    declares("Lib.csproj", "<Project Sdk=\"Microsoft.NET.Sdk\">\n  <PropertyGroup><Description>L</Description></PropertyGroup>\n</Project>\n",
             "about L @2\nlibrary* Lib @1\n");
    declares("T.csproj", "<Project Sdk=\"Microsoft.NET.Sdk\">\n <ItemGroup>\n  <PackageReference Include=\"Microsoft.NET.Test.Sdk\" />\n </ItemGroup>\n</Project>\n",
             "library*t T @1\n");
    declares("All.sln", "Microsoft Visual Studio Solution File\n", "build* dotnet build @1\ntest* dotnet test @1\n");
    declares("Package.swift",
             "// swift-tools-version:6.0\nlet package = Package(\n  name: \"vapor\",\n  products: [\n    .library(name: \"Vapor\", targets: [\"Vapor\"]),\n"
             "    // .library(name: \"No\", targets: [\"No\"]),\n    .executable(name: \"run\", targets: [\"Run\"]),\n  ],\n  targets: [\n"
             "    .executableTarget(\n      name: \"Run\",\n      dependencies: [.target(name: \"Vapor\")],\n      path: \"App/Run\"),\n"
             "    .target(name: \"Vapor\"),\n    .testTarget(name: \"VaporTests\"),\n  ]\n)\n",
             "program run -> Sources/Run @7\nlibrary Vapor -> Sources/Vapor @5\nprogram Run -> App/Run @10\nprogramt VaporTests -> Tests/VaporTests @15\n"
             "build* swift build @1\ntest* swift test @1\n");
    declares("mix.exs",
             "defmodule Plug.MixProject do\n  def project do\n    [\n      app: :plug,\n      escript: [main_module: Plug.CLI],\n      description: \"Compose.\"\n"
             "    ]\n  end\n\n  def application do\n    [mod: {Plug.Application, []}]\n  end\nend\n",
             "about Compose. @6\nlibrary* plug -> lib/plug.ex @4\nprogram plug -> Plug.Application @11\nprogram plug -> Plug.CLI @5\n"
             "build* mix compile @4\ntest* mix test @4\n");
}

static void native(void **state)
{
    declares("CMakeLists.txt",
             "project(acme LANGUAGES C)\n# add_executable(no no.c)\nadd_library(${PROJECT_NAME} STATIC src/a.c src/b.c)\nadd_library(acme::acme ALIAS acme)\n"
             "ADD_EXECUTABLE(\n  tool\n  src/tool.c)\nadd_executable(${name} x.c)\nadd_library(header INTERFACE)\nenable_testing()\n",
             "program tool -> src/tool.c (\n  src/tool.c) @5\nlibrary acme -> src/a.c ( src/a.c src/b.c) @3\nlibrary header @9\n"
             "build* cmake -B build && cmake --build build @1\ntest* ctest --test-dir build @1\n");
    declares("Makefile.am",
             "bin_PROGRAMS = jq \\\n\tjq2\nlib_LTLIBRARIES = libjq.la\ncheck_PROGRAMS = t1\njq_SOURCES = src/main.c src/other.c\nlibjq_la_SOURCES = \\\n\tsrc/lib.c\n"
             "dist_bin_SCRIPTS = scripts/run\n",
             "program jq -> src/main.c ( src/main.c src/other.c) @1\nprogram jq2 @1\nlibrary libjq.la -> src/lib.c ( \\\n\tsrc/lib.c) @3\nprogramt t1 @4\n"
             "program run -> scripts/run @8\nbuild* autoreconf -i && ./configure && make @1\ntest* make check @1\n");
    declares("Makefile", "CC := gcc\nA = b: c\nall: tool\n\ntool: tool.o\n\tcc -o $@\n.PHONY: test\ntest check: all\n\t./run\nsrc/x.o: x.c\nlint::\n\t:\ntest: more\n%.o: %.c\n",
             "build make all @3\ntest make test @8\ntest make check @8\ncheck make lint @11\n");
    declares("meson.build", "project('git', 'c')\n# executable('no', 'no.c')\nexecutable('git',\n  sources: ['git.c'])\nlib = static_library('common', files)\n",
             "program git -> git.c @3\nlibrary common @5\nbuild* meson setup build && meson compile -C build @1\ntest* meson test -C build @1\n");
    there = (const char *const[]){"src/main.zig", NULL};
    declares("build.zig",
             "pub fn build(b: *Build) !void {\n    const exe = b.addExecutable(.{\n        .name = \"zls\",\n        .root_module = m,\n    });\n"
             "    _ = b.addModule(\"zls\", .{ .root_source_file = b.path(\"src/zls.zig\") });\n    const t = b.step(\"test\", \"Run all the tests\");\n}\n",
             "program zls -> src/main.zig @2\nlibrary zls -> src/zls.zig @6\nbuild* zig build @1\ntest zig build test @7\n");
    declares("xmonad.cabal",
             "name:               xmonad\nsynopsis:           A tiling window manager\n\nlibrary\n  exposed-modules: XMonad\n                   XMonad.Core\n  hs-source-dirs:  src\n\n"
             "executable xmonad\n  main-is:       Main.hs\n  build-depends: base\n\ntest-suite properties\n  main-is:        Properties.hs\n  hs-source-dirs: tests\n",
             "about A tiling window manager @2\nlibrary xmonad -> src/XMonad.hs @5\nprogram xmonad -> Main.hs @10\nprogramt properties -> tests/Properties.hs @14\n"
             "build* cabal build @1\ntest* cabal test @1\n");
}

static void continuous_integration(void **state)
{
    declares(".github/workflows/ci.yml",
             "on: push\njobs:\n  test:\n    steps:\n      - uses: actions/checkout@v4\n      - name: Test it\n        run: make test\n      - run: |\n"
             "          echo make test\n          cd sub && go test ./...\n          go vet ./...\n        env:\n          A: make build\n      - run: make test\n",
             "test make test @7\ntest cd sub && go test ./... @10\ncheck go vet ./... @11\n");
    declares(".gitlab-ci.yml", "test:\n  script:\n    - cargo build\n    - \"cargo test --all\"\n  only:\n    - make test\n", "build cargo build @3\ntest cargo test --all @4\n");
    declares(".travis.yml", "language: ruby\nscript: bundle exec rake test\n", "test bundle exec rake test @2\n");
    assert_null(manifest_format_of(STR("docs/.github/workflows/ci.yml")));
    assert_null(manifest_format_of(STR(".github/workflows/sub/ci.yml")));
}

static void broken_files(void **state)
{
    static const char *const text[] = {"", "{", "[1, 2", "{\"bin\": \"a\", \"bin\": \"b\"}", "\xff\xfe", "{\"bin\": {\"a\": 3}}", NULL};
    const struct manifest_format *f = manifest_format_of(STR("package.json"));
    for (size_t i = 0; text[i]; i++) {
        struct manifest m;
        struct arena arena;
        arena_init(&arena);
        manifest_read(&m, f, STR("package.json"), str_of(text[i]), NULL, &arena);
        assert_int_equal(m.broken, i < 5);
        assert_int_equal(m.n, 0);
        manifest_release(&m);
        arena_release(&arena);
    }
}

static void names_of_manifests(void **state)
{
    static const char *const no[] = {"package-lock.json", "my-package.json.bak", "package.jsonc", "src/packagejson", NULL};
    for (size_t i = 0; no[i]; i++)
        assert_null(manifest_format_of(str_of(no[i])));
    assert_string_equal(manifest_format_of(STR("a/b/package.json"))->name, "npm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(npm), cmocka_unit_test(python), cmocka_unit_test(rust_and_go),
                                       cmocka_unit_test(jvm), cmocka_unit_test(php_and_ruby), cmocka_unit_test(dotnet_swift_and_elixir),
                                       cmocka_unit_test(native), cmocka_unit_test(continuous_integration), cmocka_unit_test(broken_files), cmocka_unit_test(names_of_manifests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
