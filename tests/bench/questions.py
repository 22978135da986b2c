"""Labelled questions about a repository that nobody wrote down: derived from its own history and comments at run time.

Two kinds, of one language:
  commit  the subject of a commit that touched one or two source files -> those files (they must still exist at HEAD)
  doc     the first sentence of a doc comment -> the lines of the definition under it (the right chunk, not only the file)

What makes a question unfair (decided before any score was looked at, but for the comment that overloads repeat):
  - its answer is not the project's own code: tests, examples, generated files, copies of other projects;
  - a commit subject that says nothing of the place once its verb is gone ("fix memory leak"): fewer than four content words, or
    fewer than two that the file still holds;
  - "http2: …" and "fix(core): …": the prefix names the file; it is cut off;
  - a doc comment inside a function, of a thing that it names itself ("foo() frees …"), or said of several things alike;
  - the comment that is asked for stands above its answer: `copy` blanks it, so that the code must be found by what it does.
`copy` also leaves the history behind: a commit question must not be answered from the commit.

    questions.py CLONE LANGUAGE      prints them, to be judged by eye
"""
import collections
import random
import re
import subprocess
import sys
from pathlib import Path

SUFFIX = {"c": (".c",), "typescript": (".ts", ".tsx"), "python": (".py",), "java": (".java",), "go": (".go",), "rust": (".rs",)}
NOT_OWN = re.compile(r"(^|/)(tests?|__tests__|specs?|t|examples?|samples?|bench|benchmarks?|playground|fuzz(ers)?|vendor|deps|third_party|contrib|compat|legacy)/"
                     r"|[._-](test|spec|test-d)\.|dts-test/|\.d\.ts$", re.I)
CHANGE = set("""a an and are as at be by can do does for from has have if in into is it its no not of off on only or should so some than that the their
them there these they this to too up use used uses using was we when where which while will with without would you
add added adds adding allow allows also always avoid better bug bugfix change changed changes check checks clean cleanup code correct
correctly create don doesn drop enable ensure error errors fix fixed fixes fixing follow handle handling improve instead issue leak make
makes memory minor missing more move moved need needed never new now object old oom patch prevent proper properly refactor remove removed
removes removing rename replace return returns set should show simplify small some stop style support test tests tidy typo unused update
updated value variable variables warning warnings work works wrong build building compile compiler function functions file files case
reported pointed from github issue via gmail com dot""".split())
DULL = re.compile(r"^(merge|revert|bump|release|version|chore|docs?|test|ci|style|build|typo|lint|update (dep|change|readme))", re.I)
DOC = re.compile(r"^([ \t]*)/\*(\*?)[ \t]*\n?((?:[^*]|\*(?!/))*)\*/[ \t]*\n((?:[^\n{;]*\n){0,3}?[^\n{;]*\{)", re.M)
NOT_DEFINITION = re.compile(r"^\s*(\}|\)|#|//|/\*|(if|for|while|switch|return|else|do|case|try|catch|await)\b)")
NAMED = {"c": re.compile(r"([A-Za-z_]\w*)\s*(?:\(|\{|\[)"),
         "typescript": re.compile(r"(?:function\*?|class|interface|type|enum|const|let|namespace)\s+([A-Za-z_$][\w$]*)|([A-Za-z_$][\w$]*)\s*[<(:=]")}


def git(repo, *args):
    return subprocess.run(["git", "-C", str(repo), *args], capture_output=True, text=True, errors="replace").stdout


def words(text):
    """content words: the parts of names too, lower case"""
    parts = re.findall(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])|[a-z]*\d+\w*", text)
    return [w.lower() for w in parts if w.lower() not in CHANGE]


def own_files(repo, suffix):
    """{path: text} of the project's own sources"""
    out = {}
    for name in git(repo, "ls-files").splitlines():
        if not name.endswith(suffix) or NOT_OWN.search(name):
            continue
        try:
            text = (Path(repo) / name).read_text(errors="replace")
        except OSError:
            continue
        if len(text) < 1_500_000 and not re.search(r"generated (by|from|file)|@generated|made by GNU Bison|do not edit", text[:3000], re.I):
            out[name] = text
    return out


def commit_questions(repo, suffix, want, newest=6000):
    own = own_files(repo, suffix)
    held = {}
    out, seen = [], set()
    log = git(repo, "log", "--no-merges", "--format=%x01%s", "--name-only", "-n", str(newest))
    for entry in log.split("\x01")[1:]:
        lines = [l for l in entry.splitlines() if l.strip()]
        if not lines:
            continue
        subject, files = lines[0].strip(), lines[1:]
        source = [f for f in files if f in own]
        others = [f for f in files if f not in own and not NOT_OWN.search(f) and not f.endswith((".md", ".txt", ".json", ".h", ".snap"))]
        question = re.sub(r"\s*\(?(fix(es)?|close[sd]?)?\s*#\d+\)?", "", subject)
        question = re.sub(r"^[\w./()\-*, ]{1,40}:\s+", "", question)
        question = re.split(r"(?<=[.!?])\s|[,.] (?:from|reported|pointed|mostly)\b", question)[0].strip()
        content = set(words(question))
        if not 1 <= len(source) <= 2 or others or DULL.match(subject) or question in seen or len(content) < 4 or len(question) > 200:
            continue
        for f in source:
            if f not in held:
                held[f] = set(words(own[f]))
        if any(len(content & held[f]) < 2 for f in source):
            continue
        seen.add(question)
        out.append({"kind": "commit", "query": question, "files": source})
    random.Random(7).shuffle(out)
    return out[:want]


def doc_questions(repo, language, want):
    out, said = [], collections.Counter()
    for name, text in own_files(repo, SUFFIX[language]).items():
        for m in DOC.finditer(text):
            if NOT_DEFINITION.match(m.group(4)) or (language == "c" and m.group(1)) or (language != "c" and not m.group(2)):
                continue
            prose = " ".join(re.sub(r"^[ \t]*\*? ?", "", l) for l in m.group(3).splitlines()).strip()
            sentence = re.split(r"(?<=[.!?])\s|@|```|\\|\s{3,}|:\s*$", prose)[0].strip(" -*=")
            said[sentence] += 1
            if not 6 <= len(re.findall(r"[A-Za-z]{2,}", sentence)) <= 30 or \
                    re.search(r"copyright|licen[sc]e|todo|xxx|fixme|deprecated", prose, re.I) or re.search(r"^#|[{(]$|\(?e\.g\.$|https?:", sentence):
                continue
            named = {a or b for a, b in ((*g, "")[:2] if isinstance(g, tuple) else (g, "") for g in NAMED.get(language, NAMED["c"]).findall(m.group(4)))}
            if any(re.search(rf"(?<!\w){re.escape(n)}(?!\w)", sentence, re.I) for n in named) or len(set(words(sentence))) < 3:
                continue
            first = text.count("\n", 0, m.start()) + 1
            out.append({"kind": "doc", "query": sentence, "files": [name], "comment": first, "line": text.count("\n", 0, m.start(4)) + 1})
    out = [q for q in out if said[q["query"]] == 1]
    random.Random(7).shuffle(out)
    once = []
    for q in out:
        if len(once) == want:
            break
        lines = (Path(repo) / q["files"][0]).read_text(errors="replace").splitlines()
        prose = " ".join(re.sub(r"^[ \t]*/?\*{0,2} ?", "", line) for line in lines)
        if prose.count(q["query"]) < 2:  # overloads repeat it: blanked here, it would still stand beside
            once.append(q)
    return once


def copy(repo, target, questions):
    """the files of HEAD as a repository of one commit, the comments of the doc questions blanked, line by line"""
    target.mkdir(parents=True)
    archive = subprocess.Popen(["git", "-C", str(repo), "archive", "HEAD"], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(target)], stdin=archive.stdout, check=True)
    archive.wait()
    for q in questions:
        if q["kind"] != "doc":
            continue
        path = target / q["files"][0]
        lines = path.read_bytes().split(b"\n")
        for i in range(q["comment"] - 1, q["line"] - 1):
            lines[i] = b""
        path.write_bytes(b"\n".join(lines))
    mail = ["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false", "-c", "core.autocrlf=false"]
    subprocess.run(["git", "-C", str(target), "init", "-q"], check=True)
    subprocess.run(["git", "-C", str(target), *mail, "add", "-A", "-f"], check=True, capture_output=True)
    subprocess.run(["git", "-C", str(target), *mail, "commit", "-q", "-m", "files"], check=True)


def questions(repo, language, per_kind):
    return commit_questions(repo, SUFFIX[language], per_kind) + doc_questions(repo, language, per_kind)


if __name__ == "__main__":
    for row in questions(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 25):
        print(row["kind"], row["query"], "->", *row["files"], row.get("line", ""))
