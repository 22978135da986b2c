#!/usr/bin/env python3
"""Compares grammars made from JSON schemas with `jsonschema` (PyPI): random schemas × documents, valid and not.

Usage: grammar_schemas.py GRAMMAR_RUN [N [SEED]]      N random schemas (default 500)
A document that the grammar accepts must be valid; a valid one in the grammar's order (listed members first, as listed; no
unlisted ones unless the schema asks for them) must be accepted; every text drawn from the grammar must be valid.
"""
import json
import random
import subprocess
import sys

import jsonschema


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def schema(self, depth, root=False):
        r = self.r
        kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "string", "integer"]
        if depth > 0:
            kinds += ["object", "array", "anyOf", "object", "array", "ref"]
        kind = r.choice(["object", "array", "anyOf", "object"] if root and depth > 0 else kinds)
        if kind == "object":
            names = r.sample(["a", "ab", "abc", "b", "name", "x y", "q\"t", "é", "id"], r.randrange(0, 5))
            s = {"type": "object", "properties": {n: self.schema(depth - 1) for n in names}}
            if r.random() < .8:
                s["required"] = [n for n in names if r.random() < .5]
            if r.random() < .3:
                s["additionalProperties"] = False
            elif r.random() < .3 and all(n.isascii() for n in names):
                s["additionalProperties"] = r.choice([True, {"type": "integer"}, {"type": "string"}])
            return s
        if kind == "array":
            s = {"type": "array", "items": self.schema(depth - 1)}
            if r.random() < .5:
                s["minItems"] = r.randrange(0, 3)
            if r.random() < .5:
                s["maxItems"] = s.get("minItems", 0) + r.randrange(0, 3)
            return s
        if kind == "anyOf":
            return {"anyOf": [self.schema(depth - 1) for _ in range(r.randrange(1, 4))]}
        if kind == "ref":
            return {"$ref": "#/$defs/" + r.choice(["node", "leaf"])}
        if kind == "enum":
            return {"enum": r.sample([1, 2.5, "a", "é\n\"", None, True, [1, 2], {"k": 1}, "", -7], r.randrange(1, 5))}
        if kind == "const":
            return {"const": r.choice([5, "x", False, [], {}])}
        if kind == "string":
            s = {"type": "string"}
            if r.random() < .4:
                s["minLength"] = r.randrange(0, 4)
            if r.random() < .4:
                s["maxLength"] = s.get("minLength", 0) + r.randrange(0, 4)
            if not set(s) - {"type"} and r.random() < .5:
                s["pattern"] = r.choice(["^[a-c]+$", "^a|b", "x", "^\\d{2,3}-\\d+$", "^(foo|bar)?baz$", "^[^a]*$", "^.{2}$", "end$", "^\\w+\\s?\\w*$", "^\\\"\\\\$",
                                         "^[\\]\\\\a-]+$", "^(?:ab){1,2}c*$"])
            return s
        if kind in ("integer", "number"):
            s = {"type": kind}
            lo = r.choice([-1000, -12, -1, 0, 1, 7, 99, 1234567])
            if r.random() < .5:
                s[r.choice(["minimum", "exclusiveMinimum"])] = lo
            if r.random() < .5:
                s[r.choice(["maximum", "exclusiveMaximum"])] = lo + r.choice([2, 3, 9, 100, 100000])
            return s
        return {"type": r.choice([kind, [kind, "string"]])}

    def whole(self):
        s = self.schema(3, True)
        s["$defs"] = {"leaf": {"type": "string", "maxLength": 3},
                      "node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                               "required": ["v"], "additionalProperties": False}}
        return s

    def text(self):
        return self.r.choice(["", "a", "ab", "abc", "b", "x", "é", "😀", "12-3", "foobaz", "q\"\\", "\n\t", "the end", "aa bb", "ababc", "]-", "\"\\"])

    def document(self, s, root, depth=6):
        """mostly valid"""
        r = self.r
        if depth < 0 or r.random() < .04:
            return r.choice([None, 0, -1, 3.5, "s", [], {}, True, {"a": 1}, [1]])
        if "$ref" in s:
            return self.document(root["$defs"][s["$ref"].split("/")[-1]], root, depth - 1)
        if "anyOf" in s:
            return self.document(r.choice(s["anyOf"]), root, depth - 1)
        if "enum" in s:
            return r.choice(s["enum"])
        if "const" in s:
            return s["const"]
        kind = s.get("type")
        kind = r.choice(kind) if isinstance(kind, list) else kind
        if kind == "object":
            out = {}
            for n, p in s.get("properties", {}).items():
                if r.random() < (.95 if n in s.get("required", []) else .5):
                    out[n] = self.document(p, root, depth - 1)
            if r.random() < .15:
                out[r.choice(["zz", "a", "abcd", "ac", ""])] = r.choice([1, "t", None])
            return out
        if kind == "array":
            n = r.randrange(s.get("minItems", 0), s.get("maxItems", s.get("minItems", 0) + 3) + 1) + (r.random() < .1)
            return [self.document(s["items"], root, depth - 1) for _ in range(n)]
        if kind == "string":
            return self.text()
        if kind in ("integer", "number"):
            lo = s.get("minimum", s.get("exclusiveMinimum", s.get("maximum", s.get("exclusiveMaximum", 0)) - 20))
            x = lo + r.choice([-1, 0, 1, 2, 3, 9, 10, 50, 100, 101, 99999])
            return x if kind == "integer" or r.random() < .5 else x + r.choice([.5, .25, -.5])
        return {"boolean": r.random() < .5, "null": None}.get(kind)


def canonical(s, root, d):
    """Is this valid document in the grammar's order, and without what it leaves out?"""
    if "$ref" in s:
        return canonical(root["$defs"][s["$ref"].split("/")[-1]], root, d)
    if "anyOf" in s:
        return any(jsonschema.Draft202012Validator({**x, "$defs": root["$defs"]}).is_valid(d) and canonical(x, root, d) for x in s["anyOf"])
    if "enum" in s or "const" in s:
        values = s.get("enum", [s.get("const")])
        return any(json.dumps(v) == json.dumps(d) for v in values) and not isinstance(d, (list, dict))
    if isinstance(d, dict):
        names = list(s.get("properties", {}))
        listed = [n for n in d if n in names]
        extra = [n for n in d if n not in names]
        if extra and "additionalProperties" not in s:
            return False
        if any(c in n for n in extra for c in "\"\\\n"):
            return False
        return list(d) == listed + extra and listed == [n for n in names if n in d] and all(canonical(s["properties"][n], root, d[n]) for n in listed)
    if isinstance(d, list):
        return all(canonical(s["items"], root, x) for x in d)
    if isinstance(d, bool) or d is None:
        return True
    if isinstance(d, float):  # fractions between bounds that are whole
        return not d.is_integer() and abs(d) >= 1 and not any(k in s for k in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
    # \\w and \\s are ASCII's in the grammar, as in ECMA-262, and Unicode's in Python
    return not (isinstance(d, str) and not d.isascii() and "\\" in s.get("pattern", ""))


def main(arguments):
    program = arguments[0]
    count, seed = (int(x) for x in (arguments[1:] + ["500", "1"][len(arguments) - 1:])[:2])
    rows = []
    for i in range(count):
        m = Maker(f"{seed}.{i}")
        schema = m.whole()
        documents = [m.document(schema, schema) for _ in range(30)]
        rows.append((schema, documents))
    lines = "".join(json.dumps({"schema": s, "texts": [json.dumps(d, ensure_ascii=False) for d in ds], "sample": 20, "seed": i}) + "\n"
                    for i, (s, ds) in enumerate(rows))
    out = subprocess.run([program], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    assert len(out) == len(rows)
    failed = refused = valid = accepted = drawn = 0
    for (schema, documents), line in zip(rows, out):
        answer = json.loads(line)
        if "error" in answer:
            refused += 1
            if answer["code"] not in ("unsupported",):
                failed += 1
                print("error", answer, json.dumps(schema))
            continue
        validator = jsonschema.Draft202012Validator(schema)
        for d, fits in zip(documents, answer["accepts"]):
            ok = validator.is_valid(d)
            valid += ok
            accepted += fits
            if (fits and not ok) or (ok and not fits and canonical(schema, schema, d)):
                failed += 1
                if failed < 10:
                    print("accepts, but not valid" if fits else "valid, but refused", json.dumps(d), "by", json.dumps(schema))
        for text in answer["drawn"]:
            drawn += 1
            try:
                ok = validator.is_valid(json.loads(text))
            except ValueError:
                ok = False
            if not ok:
                failed += 1
                if failed < 10:
                    print("drawn, but not valid:", text, "by", json.dumps(schema))
    print(f"{count} schemas (seed {seed}; {refused} refused by name), {count * 30} documents ({valid} valid, {accepted} accepted), {drawn} drawn: {failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
