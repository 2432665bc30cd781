"""Small templates that say what the language means; each is a line of `expressions.jsonl` with what jinja2 makes of it."""

VARIABLES = {
    "s": "Hello, wörld!", "e": "", "n": 7, "z": 0, "m": -3, "f": 2.5, "big": 1e20, "small": 1e-7, "t": True, "no": False,
    "nil": None, "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "d": {"b": 1, "a": [1, 2], "C": {"x": None}},
    "r": [{"k": "x", "v": 1}, {"k": "y", "v": 2}, {"k": "X", "v": 3, "o": True}],
    "u": "a\u200bé🚀\u00a0\n\t'\"\\\x07", "ws": " \t\n x  y \u2003", "lines": "one\ntwo\r\n\nthree\n", "huge": 123456789012345678901234567890,
}  # fmt: skip

EXPRESSIONS = r"""
1 + 2 * 3 - 4
(1 + 2) * 3
7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 % -3
7 / 2, 4 / 2, 1 / 3
2 ** 10, 2 ** -1, -2 ** 2, 2 ** 3 ** 2
7.5 // 2, 7.5 % 2, -7.5 % 2
1e3, 1E-5, 1.0, 100000000000000000.0, 1e15, 1e16, 123456.789, 0.1 + 0.2, 1e100, 5e-324
big, small, f * 2, 3.0
1_000, 1_0.5
true, True, false, none, None
"a" 'b' "c"
"a\tb\n\\ \' \" \x41 \u00e9 \q \101"
'it''s'
s ~ n ~ f ~ t ~ nil ~ l
1 ~ 2
"a" * 3, 3 * "ab", [1] * 2, "x" * -1
"a" + "b", [1] + [2], (1,) + (2,)
s[0], s[-1], s[7], s[1:5], s[:-1], s[::-1], s[::2], s[5:1:-1], s[100:], s[-100:3]
l[0], l[-1], l[1:], l[::-1], l[5] is defined, l["x"] is defined
u[1], u[3], u | length
d.b, d["a"], d.a[1], d.C.x, d.missing, d["missing"] is defined
d.items() | list, d.keys() | list, d.values() | list
d.get("b"), d.get("q"), d.get("q", 5), d.get("q", default) 
l, d, (1,), (), (1, "a"), {"k": (1, 2)}, [], {}
u, [u]
["it's", 'say "x"', 'both \' and "', "\x00\x1f\x7f\u0085"]
[none, true, 1.0, 1e-7, "é"]
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, 1 == true, "a" < "b", [1, 2] < [1, 3], "a" == 1, none == false
1 != 2, not 1, not not 1, not none
1 in l, 9 in l, "b" in d, "ell" in s, "x" not in s, 1 not in l, "" in s, 1 in (1, 2)
1 and 2, 0 and 2, 0 or "x", "" or none, t and no or 5
"yes" if t else "no", "yes" if no, ("a" if no else "b" if t else "c")
missing, missing is defined, missing is undefined, missing | default("d"), missing or "o"
missing == missing, missing == none, not missing, missing | length, missing | list
nil | default("d"), nil | default("d", true), e | default("d", true), e | d("x", boolean=true), 0 | default(5)
missing.x
missing["x"]
missing()
missing + 1
missing < 1
nil.x is defined, n.x is defined, s.x is defined
nil.x.y
1 / 0
5 % 0
"a" + 1
"a" < 1
l.append(1)
d.pop("b")
d.update({})
d.pop is defined, l.append is defined
s.__class__ is defined
s.__class__.mro
n is number, f is number, s is number, t is number, t is integer, n is integer, f is integer, f is float, nil is number
s is string, l is string, d is mapping, l is mapping, l is sequence, s is sequence, d is sequence, n is sequence
l is iterable, s is iterable, d is iterable, n is iterable, missing is iterable, missing is sequence
t is true, t is false, no is false, n is true, t is boolean, 1 is boolean, nil is none, missing is none
n is odd, n is even, z is even, n is divisibleby 7, n is divisibleby(2), n is eq 7, n is equalto(8), n is ne 3, n is lt 8, n is gt(8), n is ge 7, n is le 6
"a" is in "abc", 1 is in [1], 5 is not in l, s is not string, "ab" is lower, "AB" is upper, "aB" is lower, "" is lower
l is callable, raise_exception is callable
"upper" is filter, "nope" is filter
s | upper, s | lower, s | title, s | capitalize, s | length, s | count
"hello wORLD-foo (bar) it's" | title, "hello wORLD-foo it's".title(), "élan ßx ǆ".title(), "ß" | upper, "ΑΣ ΑΣΑ Σ".lower(), "İ" | lower
ws | trim, ws.strip(), ws.lstrip(), ws.rstrip(), "xxaxx".strip("x"), "xyaxy".lstrip("yx"), "xya".rstrip("a"), "xx" | trim("x")
s | replace("l", "L"), s.replace("l", "L", 1), "aaa" | replace("a", "b", 2), "abc".replace("", "-"), "aaa".replace("aa", "b"), 5 | replace("5", "6")
l | first, l | last, [] | first, s | first, s | last, d | first
l | join, l | join(", "), w | join("-"), r | join(",", attribute="k"), s | join("."), [1, none, true] | join(" "), d | join
l | sort, l | sort(reverse=true), w | sort, w | sort(case_sensitive=true), r | sort(attribute="v", reverse=true) | map(attribute="k") | list
l | reverse | list, s | reverse, w | unique | list, ["a", "A", "b"] | unique | list, ["a", "A"] | unique(true) | list
l | sum, l | sum(start=10), r | sum(attribute="v"), [0.5, 1] | sum, l | min, l | max, w | min, w | max, [] | max, r | max(attribute="v")
-5 | abs, (-5) | abs, (-2.5) | abs, 2.5 | round, 3.5 | round, 2.675 | round(2), 2.1 | round(0, "ceil"), 2.9 | round(method="floor"), 5 | round, 0.5 | round, 1.25 | round(1)
"42" | int, "x" | int, "x" | int(7), "3.9" | int, 3.9 | int, " 5 " | int, nil | int, t | int, "1e3" | int, "-4" | int
"1.5" | float, "x" | float, 3 | float, nil | float(1.0)
n | string, f | string, l | string, nil | string, t | string, (n | string) + "!"
"a,b,c".split(","), "a b  c".split(), " a  b ".split(" "), "a,b,c".split(",", 1), "a,b,c".rsplit(",", 1), "abc".split("x"), "".split(), "".split(","), "a  b c".split(none, 1), "a-b-c".split("-")[-1]
"abc".startswith("ab"), "abc".endswith("bc"), "abc".startswith(("x", "a")), "abc".endswith(("x", "y")), "abc".startswith("b", 1), "abc".startswith("")
"abcabc".find("c"), "abc".find("x"), "abcabc".rfind("c"), "abcabc".count("bc"), "abc".index("c"), "aaaa".count("aa"), "abc".find("c", 1), "abc".count("")
"abc".index("x")
", ".join(["a", "b"]), "".join([]), "-".join("abc")
"-".join([1])
"{} and {}".format(1, "x"), "{1}{0}".format("a", "b"), "{x}!".format(x=5), "{{}}".format(), "{!r}".format("a"), "{:>4}|{:<4}|{:^5}".format("a", "b", "c"), "{:.2f}".format(2.345)
"%s is %d" | format("x", 5), "%s" % "a", "%s-%s" % ("a", 1), "%.2f%%" % 12.345, "%r" % "q"
"%s" % (1, 2)
"abc".removeprefix("a"), "abc".removesuffix("c"), "abc".removeprefix("x"), "a.b.c".partition("."), "a.b.c".rpartition("."), "abc".partition("x")
lines.splitlines(), lines.splitlines(true), "a\x0bb\u2028c".splitlines(), "".splitlines()
"5".zfill(3), "-5".zfill(4), "a".ljust(3) ~ "|", "a".rjust(3), "a".center(4) ~ "|", "ab".center(5, "*"), "x" | center(5) ~ "|"
"abc".isalpha(), "12".isdigit(), "a1".isalnum(), " ".isspace(), "".isspace(), "Ab".islower(), "AB".isupper(), "²".isdigit(), "½".isnumeric(), "١".isdecimal(), "é".isascii()
"abc".swapcase is defined, "Hello".upper(), "HeLLo".lower(), "hELLO".capitalize()
d | tojson, l | tojson, u | tojson, "<&>'" | tojson, nil | tojson, f | tojson, big | tojson, t | tojson, (1, 2) | tojson, {} | tojson, [] | tojson
d | tojson(indent=2)
[{"a": [], "b": {}, "c": [1, {"d": 2}]}] | tojson(indent=4)
d | tojson(separators=(",", ":")), d | tojson(sort_keys=true), u | tojson(ensure_ascii=true), l | tojson(indent="--"), l | tojson(indent=0)
{1: 2, none: 3, true: 4, 1.5: 6} | tojson
{1: "a", 1.0: "b", true: "c"}
missing | tojson
d.items() | tojson
d | items | list, d | dictsort, d | dictsort(true), d | dictsort(reverse=true), {"x": 2, "y": 1} | dictsort(by="value")
r | map(attribute="k") | list, r | map(attribute="o", default=5) | list, r | map(attribute="o") | list, w | map("upper") | list, l | map("string") | map("replace", "1", "x") | list, [[1, 2], [3]] | map("length") | list, [[1, 2], [3]] | map(attribute=0) | list
l | select("odd") | list, l | reject("odd") | list, l | select | list, [0, 1, "", "a", none] | select | list, l | select("gt", 1) | list, l | select("in", [1, 2]) | list
r | selectattr("o") | map(attribute="k") | list, r | rejectattr("o") | list | length, r | selectattr("k", "equalto", "x") | list, r | selectattr("o", "defined") | list | length, r | selectattr("v", "gt", 1) | map(attribute="v") | list
none | selectattr("x") | list, none | map("upper") | list
[1, 2, 3] | batch(2) | list, [1, 2, 3] | batch(2, "x") | map("list") | list
[1,2] | select("odd") | length
lines | indent, lines | indent(2), lines | indent(2, true), lines | indent(2, true, true), "a\nb" | indent("> "), "" | indent
"<b>&'\"" | escape, "<b>" | e, "a" | safe, ("<b>" | safe) + "<i>", "<i>" + ("<b>" | safe), ("<b>" | safe) ~ "<i>"
"one two  three-four" | wordcount
range(3) | list, range(1, 4) | list, range(5, 0, -2) | list, range(0) | list, range(3) | length, 2 in range(3), range(5)[1], range(3) | sum
range(100001) | length
dict(a=1, b=2), dict([("x", 1)]), dict({"a": 1}, b=2), namespace(a=1).a
huge, huge | string, huge | tojson, huge is integer, huge is number
s is defined and s, (s if s is defined else "x") | upper
l | map | list
s | nope
s is nope
nope(1)
[] is defined, {} is mapping, () is sequence
"a" in missing
1 in 5
1 in "a"
s | first | upper, (s | upper)[0], s.split(",")[1].strip() | title
d.a is iterable and d.a is not string and d.a is not mapping
{"a": 1}.a, {"a": {"b": [1, 2]}}["a"].b[-1], [1, [2, 3]][1][0]
"%s" % none, "%d" % 3.7
t + 1, true + true, -true, +5, -(-5), - 5 | abs
(1, 2) == (1, 2), [1] == (1,), {"a": 1} == {"a": 1.0}, {"a": 1, "b": 2} == {"b": 2, "a": 1}
"abc"[1:][0], "abc"[-2:], "abc"[3] is defined, ""[0] is defined, "abc"["x"] is defined, "abc".0
joiner(", ")() ~ "x"
w | map("lower") | unique | sort | join
[3, 1] | sort | first, [[2, "b"], [1, "a"]] | sort, [1, "a"] | sort
1.5 | tojson, 1e20 | tojson, 1e-7 | tojson, 100.0 | tojson
"\n" in lines, lines.split("\n") | length, lines | replace("\n", "\\n")
0 + 0
"a" if false
missing.items()
l.index(1), l.count(3), (1, 2).index(2)
[1, 2, 3][1:] | join, (1, 2, 3)[:2], [1, 2, 3][-2:-1]
"a" "b" ~ "c" "d"
s | lower | replace("h", "J") | title | length
-1 | string ~ "x", 2 * -3, 2 - -3, not 1 == 2, 1 + 1 == 2 and 2 < 3
not "a" in s, "H" in s and "e" in s
nil is none and missing is not defined or false
""" .strip("\n").split("\n")  # fmt: skip

TEMPLATES = r"""
{% if n > 5 %}big{% elif n > 2 %}mid{% else %}small{% endif %}
{% for x in l %}{{ loop.index }}/{{ loop.length }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in l %}{{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.previtem }} {{ loop.nextitem }};{% endfor %}
{% for x in [] %}x{% else %}nothing{% endfor %}
{% for x in missing %}x{% else %}nothing{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }}{% endfor %}
{% for a, (b, c) in [(1, (2, 3)), (4, (5, 6))] %}{{ a }}{{ b }}{{ c }} {% endfor %}
{% for x in range(10) if x is odd %}{{ loop.index }}:{{ x }} {{ loop.last }} {% endfor %}
{% for x in range(10) if x > 20 %}x{% else %}none{% endfor %}
{% for x in range(10) %}{% if x == 3 %}{% continue %}{% endif %}{% if x == 6 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in l %}{% for y in w %}{{ loop.index }}{% endfor %}{{ loop.index }}|{% endfor %}
{% for x in l %}{{ loop.cycle("a", "b") }}{{ loop.changed(x > 1) }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for c in "añ🚀" %}[{{ c }}]{% endfor %}
{% set x = 1 %}{% for i in l %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% set ns = namespace(x=0, y="a") %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.z is defined }}
{% set ns.x = 1 %}
{% set q = {} %}{% set q.x = 1 %}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, e2) = [3, 4] %}{{ c }}{{ e2 }}{% set t3 = 1, 2 %}{{ t3 }}
{% set a, b = [1] %}
{% set x %}  body {{ n }} {% endset %}[{{ x }}]
{% set x | upper | trim %}  body {{ n }} {% endset %}[{{ x }}]
{% if true %}{% set inner = 5 %}{% endif %}{{ inner }}
{% for i in l %}{% set out = i %}{% endfor %}{{ out is defined }}
{% macro m(a, b=2, c="x") %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(b=1, a=0) }} {{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=1) }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro m() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ m() }}
{% macro m() %}{% set x = 9 %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{{ x }}
{% macro m() %} {{ caller() }} {% endmacro %}{% call m() %}inside {{ n }}{% endcall %}
{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}+{{ b }}{% endcall %}
{% macro m(x) %}{{ x is defined }}{{ x }}{% endmacro %}{{ m() }}{{ m(none) }}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m.name }}{{ m(x=1) | length }}{{ m(2) + "z" }}
{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{"a": 3, "b": 4}) }}{{ m(*[5], b=6) }}
{% filter upper %}abc {{ s }}{% endfilter %}
{% filter trim | replace("a", "b") %}  aXa {% endfilter %}|
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}
{% raw %}{{ raw }} {% if %}{# c #}{% endraw %}!
{%- raw -%}  {{ x }}  {%- endraw -%}  !
{# comment #}a{#- strip -#} b {# {{ no }} {% no %} #}c
{% generation %}gen {{ n }}{% set inside = 1 %}{% endgeneration %}{{ inside is defined }}
{% print 1, 2 %}{% print "x" %}
{% if s is defined and s is string %}{{ s }}{% endif %}{% if not (missing is defined) %}!{% endif %}
{{ raise_exception("no, " ~ s) }}
{% set x = [] %}{% for i in l %}{% set x = x + [i] %}{% endfor %}{{ x }}
{% set ns = namespace(l=[]) %}{% for i in l %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l }}{{ ns.l | length }}
{{ namespace(_x=1) }}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set ns = namespace(go=true) %}{% for i in range(5) if ns.go %}{{ i }}{% if i == 2 %}{% set ns.go = false %}{% endif %}{% endfor %}
{% for i in range(3) %}{{ i }}{% else %}{% endfor %}{% for m in r if m.k == "x" or m.v > 2 %}{{ m.k }}{{ loop.first }}{% endfor %}
{% for m in r | selectattr("v", "gt", 1) %}{{ m.k }}{{ loop.index }}{{ loop.last }}{% endfor %}
{% for a in w %}{% for b in w %}{% if a == b %}{% break %}{% endif %}{{ b }}{% endfor %};{% endfor %}
""" .strip("\n")  # fmt: skip

LINES = [
    '{{ {"a": {"b": 1}} }}{{ {} }}{{ "}}" }}{{ \'%}\' }}',
    '{% set x = "{% raw %}" %}{{ x }}',
    '  {% if true %}\n  x\n  {% endif %}\ny',
    '  {%+ if true %}a{% endif %}',
    '\t{% if true -%}   \n  b  \n  {%- endif %}\nc',
    'x  {% if true %}y{% endif %}  \n  {{ 1 }}  \n  {{- 2 -}}  \nz',
    'a\n  {# comment alone #}\nb {# comment after #}\nc',
    '{% if true +%}\nkept{% endif %}',
    '{%- if true %}\n\n\ntwo{%- endif -%}\n\nthree',
    '{{ 1 }}\n{{ 2 }}\n\n{{ 3 }}\n',
    '{% for i in range(2) %}\n line {{ i }}\n{% endfor %}\nend\n\n',
    'a\r\nb\rc {{ "x\ny" }}\r\n',
    '{{ "a" }}{{ "\\n" }}{{ "b" -}}   \n   {{- "c" }}',
    '  {% raw %}\n  {{ x }}\n  {% endraw %}\n!',
    '{% set x %}\n  a\n{% endset %}\n[{{ x }}]',
    '   {#- a -#}   \n  b',
    '\n\n{% if true %}\n\n{% endif %}\n\n',
    'x {%- set a = 1 -%} y\n  {%- set b = 2 %}\n  z',
    'a \xa0{%- if true %}b{% endif %}\u2003\n',
    "{{ 'x' }}{% if true %}\n{% endif %}\n{{ 'y' }}",
]

ERRORS = [
    "{% if x %}", "{% for x in y %}{% endif %}", "{{ x", "{% if x", "{{ 1 + }}", "{{ x.}}", "{% endif %}", "{% nope %}", "{{ (1 }}",
    "{{ 'abc }}", "{# open", "{{ 1 2 }}", "{% set 1 = 2 %}", "{% set true = 2 %}", "{% for x %}{% endfor %}", "{% macro %}{% endmacro %}",
    "{% macro m(a=1, b) %}{% endmacro %}", "{{ x is }}", "{{ f(a=1, 2) }}", "{% break %}", "{{ ] }}", "{{ [1, 2 }}", "{{ a ? b }}", "{{}}",
    "{% %}", "{{ x | }}", "{% if %}{% endif %}", "{% set x %}", "{{ 'a' is defined is true }}", "{% call x %}{% endcall %}",
]
