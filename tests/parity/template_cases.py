"""Templates written for the tests: a list by hand, and a generator of random ones within the subset."""
import json
import random

CONTEXT = {
    "s": "Hello, World", "e": "", "u": "Éà ß straße ΑΣ ΟΔΟΣ 你好 😀", "blank": "  \t two  words \n", "n": 7, "m": -3, "z": 0, "f": 2.5, "big": 1e22, "t": True,
    "no": None, "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "el": [], "d": {"b": 1, "a": "x", "C": None, "items": "mine", "get": 5}, "ed": {},
    "rows": [{"k": "x", "v": 2, "on": True}, {"k": "Y", "v": 1, "on": False}, {"k": "x", "v": 3}], "nest": {"a": {"b": [1, {"c": "deep <&>"}]}},
    "html": "<b>\"q\" & 'p'</b>", "num": " 42 ", "flt": "3.75e1", "lines": "a\n b\n\nc\r\nd", "csv": "a,b,,c", "bos_token": "<s>",
}

HAND = r"""
{{ s }}|{{ e }}|{{ undefined_name }}|{{ no }}|{{ t }}|{{ f }}|{{ big }}|{{ l }}|{{ d }}|{{ u }}
{{ s[0] }}{{ s[-1] }}{{ s[1:4] }}{{ s[::-1] }}{{ u[3:6] }}{{ l[-1] }}{{ l[::2] }}{{ l[5:] }}{{ s[100] }}|{{ l[9] is defined }}
{{ d.items }}
{{ d['items'] }}{{ d.a }}{{ d['a'] }}{{ d.get('zz') }}{{ d.get('zz', 'q') }}{{ d.zz is defined }}{{ d.pop is defined }}
{% for k, v in d.items() %}{{ loop.index }}{{ k }}={{ v }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in l if x > 1 %}{{ loop.index0 }}/{{ loop.length }}:{{ x }} {% else %}none{% endfor %}
{% for x in el %}x{% else %}none{% endfor %}{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if loop.index == 3 %}{% break %}{% endif %}{% endfor %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set ns = namespace(x=1) %}{% for i in range(4) %}{% set ns.x = ns.x + i %}{% set a = i %}{% endfor %}{{ ns.x }}{{ a }}
{% macro m(a, b='B', c=a) %}[{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, 4, z=5) }}{{ m(b=2) }}
{% macro m(a) %}<{{ caller(a) }}>{% endmacro %}{% call(x) m(7) %}in {{ x }}{{ s }}{% endcall %}
{% macro rec(n) %}{{ n }}{% if n %},{{ rec(n - 1) }}{% endif %}{% endmacro %}{{ rec(5) }}
{% for x in [1, [2, [3, 4]], 5] recursive %}{% if x is iterable %}({{ loop(x) }}:{{ loop.depth }}){% else %}{{ x }}{% endif %}{% endfor %}
{%- if n > 5 and not e -%}  yes  {%- elif n -%} maybe {%- else -%} no {%- endif -%}
{# comment #}a{#- b -#} c {% raw %}{{ raw }}{% endraw %} {%- raw -%} {% x %} {%- endraw -%} d
{% set x %}block {{ s }}{% endset %}{{ x | upper }}{% set y | trim | length %}  abc  {% endset %}{{ y }}
{% filter upper | replace('L', '1') %}hello {{ s }}{% endfilter %}{% with a=1, b=s %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% generation %}gen {{ s }}{% endgeneration %}
{{ 'a' ~ 1 ~ none ~ 2.0 ~ e ~ [1] }}{{ 'x' * 3 }}{{ 7 // 2 }}{{ -7 // 2 }}{{ 7 % -3 }}{{ 2 ** 10 }}{{ 7 / 2 }}{{ 1 + 2 * 3 - 4 }}{{ -n }}{{ 2 ** -1 }}
{{ 1 < 2 < 3 }}{{ 1 < 2 > 3 }}{{ 'a' in s }}{{ 'H' in s }}{{ 3 in l }}{{ 'a' in d }}{{ 3 not in l }}{{ not 'x' in s }}{{ 1 == 1.0 }}{{ none == undefined_name }}
{{ s if n else e }}{{ s if z }}|{{ 'a' if z else 'b' if n else 'c' }}{{ e or s }}{{ n and z }}{{ not n }}
{{ l | join }}|{{ l | join(', ') }}|{{ rows | join('-', attribute='k') }}|{{ rows | map(attribute='v') | sum }}|{{ rows | map(attribute='zz', default='D') | list }}
{{ rows | selectattr('on') | map(attribute='k') | list }}{{ rows | rejectattr('on') | list | length }}{{ rows | selectattr('k', 'equalto', 'x') | list | length }}
{{ l | sort }}{{ l | sort(reverse=true) }}{{ ls | sort }}{{ ls | sort(case_sensitive=true) }}{{ rows | sort(attribute='v') | map(attribute='v') | list }}{{ rows | sort(attribute='k,v') | map(attribute='v') | list }}
{{ d | dictsort }}{{ d | dictsort(true) }}{{ d | dictsort(reverse=true) }}{{ d | items | list }}{{ d | length }}{{ d | list }}{{ d | first }}{{ d | last }}
{{ ls | unique | list }}{{ [1, 1.0, true, 'a', 'A'] | unique | list }}{{ l | min }}{{ l | max }}{{ ls | max }}{{ el | min }}|{{ rows | max(attribute='v') }}
{{ rows | groupby('k') }}{% for k, g in rows | groupby('k') %}{{ k }}{{ g | length }}{% endfor %}{{ [1, 2, 3, 4, 5] | batch(2, 0) | list }}
{{ s | replace('l', 'L') }}{{ s | replace('l', 'L', 1) }}{{ s | replace('', '-') }}{{ s.replace('o', '0', 1) }}{{ n | replace(7, 8) }}
{{ blank | trim }}|{{ blank.strip() }}|{{ blank.lstrip() }}|{{ blank.rstrip() }}|{{ 'xxaxx' | trim('x') }}|{{ 'xyaxy'.strip('yx') }}|{{ 'ÉaÉ'.strip('É') }}
{{ s | upper }}{{ u | upper }}{{ u | lower }}{{ u | capitalize }}{{ u | title }}{{ u.title() }}{{ "they're bill's (friends)" | title }}{{ "they're x2y".title() }}{{ u.swapcase() }}
{{ csv.split(',') }}{{ blank.split() }}{{ csv.split(',', 1) }}{{ csv.rsplit(',', 1) }}{{ blank.rsplit(none, 1) }}{{ csv.partition(',') }}{{ csv.rpartition(',') }}{{ lines.splitlines() }}{{ lines.splitlines(true) }}
{{ s.startswith('He') }}{{ s.endswith(('x', 'd')) }}{{ s.startswith('l', 2) }}{{ s.find('o') }}{{ s.rfind('o') }}{{ s.find('zz') }}{{ s.count('l') }}{{ u.find('好') }}{{ s.index('W') }}
{{ 'ab'.center(7, '*') }}{{ 'ab'.ljust(4) }}|{{ 'ab'.rjust(4) }}{{ '-7'.zfill(4) }}{{ 'ab' | center(9) }}|{{ 'x'.isdigit() }}{{ '12'.isdigit() }}{{ 'aB'.isalpha() }}{{ 'AB'.isupper() }}{{ 'ab'.islower() }}
{{ d | tojson }}{{ nest | tojson(indent=2) }}{{ u | tojson }}{{ u | tojson(ensure_ascii=true) }}{{ d | tojson(sort_keys=true) }}{{ d | tojson(separators=(',', ':')) }}{{ {'a': [], 'b': {}} | tojson(indent=4) }}{{ html | tojson }}
{{ {'k': 1, 2: 'two', 2.5: none, none: true, true: 'o'} | tojson }}{{ 1e16 | tojson }}{{ 1.0 | tojson }}{{ 0.1 + 0.2 }}{{ 1e-5 }}{{ 123456789.125 }}{{ 1e15 }}{{ 1e16 }}{{ 5e-324 }}
{{ ["a'b", 'c"d', "e'\"f", "\n\t\\", "\x7f\u200b\U0001F600é"] }}{{ (1,) }}{{ (1, 2) }}{{ () }}{{ {} }}{{ [none, true, 1.5, 'x', [], {}] }}
{{ lines | indent }}|{{ lines | indent(2, true) }}|{{ lines | indent('> ', blank=true) }}|{{ lines | indent(width=1, first=true, blank=true) }}
{{ s | truncate(8) }}{{ 'foo bar baz qux' | truncate(9) }}{{ 'foo bar baz qux' | truncate(9, true) }}{{ 'foo bar baz qux' | truncate(11, false, '..', 0) }}{{ s | wordcount }}{{ u | wordcount }}
{{ num | int }}{{ '0x1f' | int(0, 16) }}{{ 'zz' | int }}{{ 'zz' | int(9) }}{{ '3.9' | int }}{{ flt | float }}{{ 'x' | float }}{{ 3.7 | int }}{{ '1_000' | int }}{{ ' -5 ' | int }}{{ 42.55 | round }}{{ 2.5 | round }}{{ 42.55 | round(1, 'floor') }}{{ 1.15 | round(1) }}{{ -3 | abs }}{{ m | abs }}
{{ undefined_name | default('D') }}{{ e | default('D') }}{{ e | default('D', true) }}{{ no | d('x') }}{{ undefined_name.x is defined }}
{{ undefined_name is defined }}{{ undefined_name | length }}{{ undefined_name | list }}{{ undefined_name ~ 'x' }}{{ undefined_name is iterable }}{{ undefined_name is sequence }}{% for x in undefined_name %}x{% endfor %}
{{ n is number }}{{ s is string }}{{ d is mapping }}{{ l is sequence }}{{ s is sequence }}{{ d is sequence }}{{ n is iterable }}{{ t is boolean }}{{ t is true }}{{ n is integer }}{{ f is float }}{{ no is none }}{{ n is odd }}{{ 4 is even }}{{ 9 is divisibleby 3 }}{{ n is eq 7 }}{{ n is gt 3 }}{{ 'a' is in 'abc' }}{{ 'a' is not in 'abc' }}{{ n is sameas 7 }}{{ 'abc' is lower }}{{ m is callable }}{{ n is not none }}{{ t is integer }}
{{ html | escape }}{{ html | e }}{{ html | safe }}{{ (html | safe) ~ html }}{{ (html | safe) + html }}{{ html + (html | e) }}{{ html | forceescape }}{{ (html | e) | upper }}
{{ '%s-%d-%05.2f-%r-%%' % ('a', 7, 1.5, 'q') }}{{ '%s' | format(s) }}{{ '{} {} {x}'.format(1, 'b', x=2) }}{{ '{0}{1}{0}'.format('a', 'b') }}{{ '%5s|%-5s|' % ('a', 'b') }}
{{ range(5) | list }}{{ range(2, 8, 3) | list }}{{ range(5, 0, -2) | list }}{{ range(3) }}{{ range(1, 7, 2) }}{{ range(0) | list }}{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{% set j = joiner('; ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}{% for x in l %}{{ loop.cycle('o', 'e') }}{{ loop.changed(x > 1) }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.revindex }}{{ loop.revindex0 }}{% endfor %}
{{ l[0] }}{{ l.0 }}{{ nest.a.b[1].c }}{{ nest['a']['b'][0] }}{{ nest.x }}|{{ rows[-1].k }}{{ rows[0]['v'] }}{{ l | first }}{{ l | last }}{{ s | first }}{{ s | last }}{{ l | reverse | list }}{{ s | reverse }}
{{ "a" "b" 'c' }}{{ 'tab\tnl\nq\'\"\\ \x41 \u00e9 \q' }}{{ 0x1F }}{{ 0b101 }}{{ 0o17 }}{{ 1_000 }}{{ 1.5e3 }}{{ 1e3 }}
{{ [1, 2, 3,] }}{{ (1, 2)[1] }}{{ {'a': 1,}['a'] }}{{ [[1, 2], [3, 4]] | map('join', '-') | join('/') }}{{ ls | map('upper') | list }}{{ ['a', 'b'] | map('replace', 'a', 'z') | list }}{{ l | select('odd') | list }}{{ l | reject('in', [1, 2]) | list }}{{ l | select('>', 1) | list }}
{% for x in l %}
    {{ x }}
    {% if x == 1 %}
  one
    {% endif %}
{% endfor %}
end
{%+ if n %}   kept {%+ endif %}
   {%- for a in ls -%}   {{- a -}}   {%- endfor -%}   x
a
  {# c #}
b   {{- 'x' }}   
{{ 'y' -}}   
   z
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}{% for i in [1] %}{% set x = 3 %}{{ x }}{% endfor %}{{ x }}{% macro q() %}{{ x }}{% set x = 9 %}{{ x }}{% endmacro %}{{ q() }}{{ x }}
{{ d.update({'q': 1}) }}
{{ l.append(4) }}
{{ s.nothing() }}
{{ raise_exception('wrong: ' + s) }}
{{ undefined_name.x }}
{{ undefined_name + 'x' }}
{{ 1 + 'x' }}
{{ n | nofilter }}
{{ strftime_now('%d %B %Y %H:%M') }}
{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b is defined }}{% set s.x = 1 %}
{{ messages is defined and messages[0].role }}{{ (l | length - 1) }}{{ l | length > 2 }}{{ -1 | abs }}{{ 'a' 'b' | upper }}{{ not n is defined }}{{ n is defined and s is string }}
{{ loop is defined }}{% for x in [1] %}{{ loop is defined }}{% for y in [1, 2] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{{ {'a': s, 'b': [s, n]} | tojson }}{{ [s, 'lit'] }}{{ 'x'.join([s, 'lit', s]) }}{{ s.split('o') | join('<lit>') }}{{ ('<' ~ s ~ '>') | replace('World', '<lit>') }}{{ bos_token }}{{ bos_token + s }}
{{ d.keys() | list }}{{ d.values() | list }}{{ d.items() | list | length }}{{ d.keys() }}{{ 'b' in d.keys() }}{{ d | tojson | length }}{{ d == {'b': 1} }}{{ l == [3, 1, 2] }}{{ [1, 2] < [1, 3] }}{{ 'a' < 'b' }}
""".strip("\n")

BLOCKS = ["line one\n{% if n %}\n  in\n{% else %}\n  out\n{% endif %}\nend\n", "a\r\nb\rc {% if n %}\r\nx{% endif %}\r\n",
          "{% for x in l %}\n  {{ x }}\n{%- endfor %}\n\n\n", "\n\n  {%- if t %}  x  {% endif -%}  \n\n y", "{{ s }}\n", "{{ s }}\n\n", "",
          "{% macro f(x) %}\n  <{{ x }}>\n{% endmacro %}\n{{ f(1) }}\n{% call f(2) %}{% endcall %}", "{%", "{{", "{#", "{{ }}", "{% if %}", "{% endif %}",
          "{% for x in l %}", "{{ 'x }}", "{% raw %}", "{{ (1 }}", "{{ 1) }}", "{% set %}", "{% break %}", "{{ a b }}", "{% unknown %}"]


def vectors_rows():
    rows = HAND.split("\n")
    multi = "\n".join(rows[rows.index("{% for x in l %}"):rows.index("end") + 1])
    keep = [r for r in rows if r not in multi.split("\n")] + [multi] + BLOCKS
    return [(t, CONTEXT) for t in keep]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.names = list(CONTEXT) + ["undef", "x", "y", "ns"]

    def pick(self, *xs):
        return self.r.choice(xs)

    def text(self):
        return json.dumps(self.r.choice(["", "a", "l", "o, ", "lo", " ", "ß", "<|im|>", "x\ny", "42", "É", "b,a"]), ensure_ascii=False)

    def atom(self):
        return self.r.choice([self.text, lambda: str(self.r.randrange(0, 9)), lambda: self.r.choice(self.names), lambda: self.r.choice(self.names),
                              lambda: self.r.choice(["true", "none", "2.5", "[]", "{}", "loop.index", "()"])])()

    def expr(self, depth):
        if depth <= 0:
            return self.atom()
        e = lambda: self.expr(depth - self.r.randrange(1, 3))
        kind = self.r.randrange(16)
        if kind == 0:
            return f"({e()} {self.r.choice(['+', '-', '*', '/', '//', '%', '~', '~', '+', 'and', 'or', '==', '!=', '<', '>=', 'in', 'not in'])} {e()})"
        if kind == 1:
            return f"({e()} if {e()} else {e()})" if self.r.random() < .8 else f"({e()} if {e()})"
        if kind == 2:
            if self.r.random() < .5:  # of names: of constants that have no slices, jinja's optimizer makes something else than its code
                return f"{self.r.choice(self.names)}[{self.slice()}]"
            return f"{self.unit(depth)}[{self.r.choice([e(), str(self.r.randrange(-4, 5))])}]"
        if kind == 3:
            return f"{self.unit(depth)}.{self.r.choice(['a', 'b', 'items', 'k', 'v', 'get', 'zz', 'c', '0'])}"
        if kind in (4, 5, 6):
            return f"{self.unit(depth)}|{self.filter(e)}"
        if kind in (7, 8):
            return f"{self.unit(depth)}.{self.method(e)}"
        if kind == 9:
            return f"({self.unit(depth)} is {self.r.choice(['', 'not '])}{self.test(e)})"
        if kind == 10:
            return "[" + ", ".join(e() for _ in range(self.r.randrange(4))) + "]"
        if kind == 11:
            return "{" + ", ".join(f"{self.r.choice([self.text(), str(self.r.randrange(3)), 'true', 'none'])}: {e()}" for _ in range(self.r.randrange(3))) + "}"
        if kind == 12:
            return f"({self.r.choice(['not ', '-', '+', 'not '])}{e()})"
        if kind == 13:
            return f"range({self.r.randrange(-2, 6)}{self.r.choice(['', ', 7', ', -3, -1', ', 9, 2'])})"
        if kind == 14:
            return f"{self.r.choice(['f', 'g'])}({', '.join(e() for _ in range(self.r.randrange(3)))}{self.r.choice(['', '', ', b=1'])})".replace("(, ", "(")
        return self.atom()

    def unit(self, depth):
        x = self.expr(depth - 1)
        return x if x in self.names else f"({x})"

    def slice(self):
        n = lambda: self.r.choice(["", "", str(self.r.randrange(-5, 6))])
        return f"{n()}:{n()}" + self.r.choice(["", "", f":{self.r.choice([-2, -1, 1, 2, 3])}"])

    def filter(self, e):
        if self.r.random() < .3:  # lazy ones print an address, and fail later than ours
            return self.r.choice(["reverse", "unique", "items", "map('upper')", "map(attribute='k')", "select", "reject", "selectattr('on')",
                                  "rejectattr('v', 'eq', 2)", "select('string')", f"batch({self.r.randrange(1, 4)})", "map('string')",
                                  f"map('default', {e()})", f"select('in', {e()})", "map('trim')", "map('length')"]) + self.r.choice(["|list", "|list", "|join('-')"])
        return self.r.choice([
            "trim", "upper", "lower", "title", "capitalize", "length", "list", "first", "last", "join", "sort", "string", "int", "float",
            "tojson", "abs", "round", "min", "max", "sum", "dictsort", "escape", "safe", "wordcount", "e", f"join({self.text()})",
            f"default({e()})", f"default({e()}, true)", f"replace({self.text()}, {self.text()})", f"replace({self.text()}, {e()}, {self.r.randrange(-1, 3)})",
            f"trim({self.text()})", "tojson(indent=2)", "tojson(sort_keys=true)", f"indent({self.r.randrange(4)})", "indent(2, true, true)",
            "sort(reverse=true)", "dictsort(false, 'value')", f"truncate({self.r.randrange(3, 9)})", "sort(attribute='v')", "groupby('k')",
            "list|length", f"int({e()})", "round(1)", f"center({self.r.randrange(12)})", "list|join('-')"])

    def method(self, e):
        return self.r.choice([
            "strip()", "lstrip()", "rstrip()", f"strip({self.text()})", f"split({self.text()})", "split()", f"split({self.text()}, 1)", f"rsplit({self.text()}, 1)",
            f"startswith({self.text()})", f"endswith({self.text()})", f"replace({self.text()}, {self.text()})", "upper()", "lower()", "title()", "capitalize()",
            f"get({e()})", f"get({self.text()}, {e()})", "items()", "keys()", "values()", f"count({self.text()})", f"find({self.text()})", f"join({e()})",
            "splitlines()", f"index({e()})", "isdigit()", "isalpha()", f"zfill({self.r.randrange(6)})", f"partition({self.text()})", "copy()", "append(1)",
            "isspace()", "isupper()", "swapcase()", f"removeprefix({self.text()})"])

    def test(self, e):
        return self.r.choice(["defined", "undefined", "none", "string", "mapping", "sequence", "iterable", "number", "boolean", "true", "false", "integer", "float",
                              "callable", "odd", "even", f"divisibleby({self.r.randrange(1, 4)})", f"eq({e()})", f"in({e()})", f"in {self.atom()}", f"gt({e()})", "upper", "lower",
                              f"sameas(none)", f"ne({e()})", f"le({e()})"])

    def gap(self):
        return self.r.choice(["", "", " ", "\n", "  \n", "\n  ", " text ", "t\n\n", "\n\n", "\t", "é\n"])

    def tag(self, inside):
        return "{%" + self.r.choice(["", "", "-", "-", "+"]) + " " + inside + " " + self.r.choice(["", "", "-", "-", "+"]) + "%}"

    def statements(self, depth, loop):
        return "".join(self.gap() + self.statement(depth, loop) for _ in range(self.r.randrange(1, 4))) + self.gap()

    def statement(self, depth, loop):
        kind = self.r.randrange(14) if depth > 0 else 0
        body = lambda inner=loop: self.statements(depth - 1, inner)
        e = lambda: self.expr(self.r.randrange(3))
        if kind <= 3:
            return "{{" + self.r.choice(["", "-"]) + " " + self.expr(self.r.randrange(1, 4)) + " " + self.r.choice(["", "-"]) + "}}"
        if kind <= 5:
            out = self.tag("if " + e()) + body()
            if self.r.random() < .3:
                out += self.tag("elif " + e()) + body()
            if self.r.random() < .5:
                out += self.tag("else") + body()
            return out + self.tag("endif")
        if kind <= 7:
            target = self.r.choice(["x", "x", "y", "x, y"])
            out = self.tag(f"for {target} in {e()}" + (f" if {e()}" if self.r.random() < .2 else "")) + body(True)
            return out + (self.tag("else") + body(loop) if self.r.random() < .2 else "") + self.tag("endfor")
        if kind == 8:
            return self.tag(f"set {self.r.choice(['x', 'y', 'ns.x', 'x, y'])} = {e()}")
        if kind == 9:
            return self.tag("set y") + body(False) + self.tag("endset")
        if kind == 10:
            return self.tag(f"macro {self.r.choice(['f', 'g'])}(x{self.r.choice(['', ', y=1', ', b=x'])})") + body(False) + self.tag("endmacro")
        if kind == 11 and loop:
            return self.tag("if " + e()) + self.tag(self.r.choice(["break", "continue"])) + self.tag("endif")
        if kind == 12:
            return self.r.choice([self.tag("filter upper") + body(False) + self.tag("endfilter"), "{#" + self.r.choice(["", "-"]) + " c " + self.r.choice(["", "-"]) + "#}",
                                  self.tag("raw").replace("+", "") + " {{ x }} " + self.tag("endraw"), self.tag("generation") + body(False) + self.tag("endgeneration")])
        return "{{ " + e() + " }}"


def random_rows(count, seed):
    for i in range(count):
        m = Maker(f"{seed}.{i}")
        # small ones reach further before the first refusal
        yield "{% set ns = namespace(x=1) %}" + (m.statements(3, False) if i % 4 == 0 else "{{ " + m.expr(m.r.randrange(1, 5)) + " }}"), CONTEXT
