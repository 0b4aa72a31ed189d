"""WGSL read and printed: each feature, our own shaders, and what is refused, with its place."""

from __future__ import annotations

import pickle
import random

import pytest

from wgrad.backends.webgpu import shaders
from wgrad.errors import ShaderError
from wgrad.kernel.language import limits
from wgrad.kernel.language import syntax as s
from wgrad.kernel.language.check import check
from wgrad.kernel.language.nodes import Node, rewritten, unshared
from wgrad.kernel.language.parser import parse, parse_expression, parse_statements
from wgrad.kernel.language.printer import printed

NAMES = sorted(
    path.relative_to(shaders.folder()).as_posix()[: -len(".wgsl")]
    for path in shaders.folder().rglob("*.wgsl")
)


def again(tree: Node) -> Node:
    """Return what the text of a module reads as; the text stays as it is from there on."""
    text = printed(tree)
    found = parse(text)
    assert printed(found) == text
    return found


@pytest.mark.parametrize("name", NAMES)
def test_our_shaders_round_trip(name: str):
    tree = parse(shaders.source(name), name)
    assert len(tree.declarations) > 0
    assert again(tree) == tree


# Texts that are printed as they stand here.
SAME = [
    "enable f16;\nrequires readonly_and_readwrite_storage_textures;\ndiagnostic(off, my.rule);\n",
    "alias T = array<vec2<f32>, 4>;\nconst N = 1;\nconst M: u32 = 2u;\noverride a = 1.0;\n",
    "@id(3) override b: f32;\n@group(0) @binding(1) var<storage, read_write> y: array<f32>;\n",
    "var<private> p: i32 = -1;\nvar<workgroup> w: array<f32, N * 2>;\nconst_assert N < 2;\n",
    "struct S {\n    @align(16) a: f32,\n    @size(8) b: array<vec3<u32>>,\n}\n",
    "@compute\nfn_ f() {\n}\n".replace("fn_", "@workgroup_size(8, 4)\nfn").replace("e\n@", "e @"),
    "fn f(@builtin(vertex_index) a: u32, b: ptr<function, f32>) -> @location(0) f32 {\n"
    "    return *b;\n}\n",
]

STATEMENTS = [
    "let a = 1;",
    "let a: i32 = 1;",
    "const a = 2.0f;",
    "var a: f32;",
    "var<function> a = 0x1fu;",
    "_ = f(x);",
    "a += 1;",
    "a.b[i].c >>= 2u;",
    "*p = 3;",
    "(*p).x <<= 1;",
    "*p.x = 1;",
    "i++;",
    "a[0]--;",
    "f();",
    "workgroupBarrier();",
    "if a {\n}",
    "if a < b {\n    return;\n} else if c {\n    discard;\n} else {\n    return 1;\n}",
    "@diagnostic(off, derivative_uniformity) if a {\n}",
    "switch x {\n    case 1, 2, default: {\n        break;\n    }\n}",
    "switch x {\n    case N + 1: {\n    }\n    default: {\n    }\n}",
    "for (var i = 0; i < 4; i++) {\n    continue;\n}",
    "for (;;) {\n    break;\n}",
    "for (i = 0;; f(i)) {\n}",
    "while a && b {\n    if c {\n        break;\n    }\n}",
    "loop {\n    a++;\n    continuing {\n        b--;\n        break if a > 4;\n    }\n}",
    "{\n    {\n    }\n}",
    "const_assert 1 < 2;",
    "let a = bitcast<vec2<f32>>(b);",
    "let a = array<array<f32, (N > 2)>, 2>(x, y);",
]

EXPRESSIONS = [
    "a + b * c",
    "(a + b) * c",
    "a - (b - c)",
    "a - b - c",
    "a / (b * c)",
    "-a",
    "-(-a)",
    "!(!a)".replace("(!a)", "!a"),
    "a - -b",
    "&(&a)",
    "*&a",
    "-a.b",
    "(-a).b",
    "(a + b)[i]",
    "a[i + 1].xyz",
    "(a < b) == (c > d)",
    "a < b && c > d",
    "(a && b) || c",
    "a && b && c",
    "a & b & c",
    "(a & b) | c",
    "(a & b) == c",
    "(a << b) + c",
    "a << (b + c)",
    "a << u32(b) < c",
    "f((a < b), c > d)",
    "f(a && (b < c), d > e)".replace("a && (b < c)", "(a && b < c)"),
    "f(a < b, c)",
    "vec2<f32>(1.0, .5)",
    "array(1, 2u, 3i, 1.5h, 0x1p4f, 1e-3, 0xFFu, 1f)",
    "true != false",
    "ptr<storage, array<vec4<f32>>, read_write>",
    "a % b / c",
    "a ^ ~b ^ !c",
]


@pytest.mark.parametrize("text", SAME)
def test_declarations_round_trip(text: str):
    tree = parse(text)
    assert printed(tree).replace("\n\n", "\n").lstrip() == text and again(tree) == tree


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements_round_trip(text: str):
    (tree,) = parse_statements(text)
    assert printed(tree) == text


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_round_trip(text: str):
    assert printed(parse_expression(text)) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("((a)) + (b)", "a + b"),
        ("(a * b) + c", "a * b + c"),
        ("array<vec2<f32,>,4,>", "array<vec2<f32>, 4>"),
        ("(vec3(1))", "vec3(1)"),
        ("a/* /* */ */+//\nb", "a + b"),
        ("f(a,b,)", "f(a, b)"),
        ("a<b", "a < b"),
        ("a>=b", "a >= b"),
        ("f(a<b,c>(d))", "f(a<b, c>(d))"),
        ("vec2<vec2<f32>>(a)", "vec2<vec2<f32>>(a)"),
        ("(a)[1]", "a[1]"),
    ],
)
def test_expressions_are_printed_without_what_is_not_needed(text: str, plain: str):
    tree = parse_expression(text)
    assert printed(tree) == plain
    assert parse_expression(plain) == tree


def test_an_operator_that_closes_a_template_is_taken_apart():
    (tree,) = parse_statements("var x: vec2<f32>= y;")
    assert tree == parse_statements("var x: vec2<f32> = y;")[0]
    (tree,) = parse_statements("var x: array<vec2<f32>,2>= y;")
    assert printed(tree) == "var x: array<vec2<f32>, 2> = y;"
    (tree,) = parse_statements("a = b<c>>2;")  # the list ends first, and nothing is left to shift
    assert printed(tree) == "a = b<c> > 2;"
    (tree,) = parse_statements("a >>= b;")
    assert tree == s.Assign(s.Identifier("a"), ">>=", s.Identifier("b"))


def test_made_trees_print_with_parentheses_where_they_are_needed():
    a, b, c = map(s.Identifier, "abc")
    tree = s.Binary("*", s.Binary("+", a, b), s.Unary("-", s.Unary("-", c)))
    assert printed(tree) == "(a + b) * -(-c)"
    assert printed(s.Binary("-", a, s.number(-2.5, "f"))) == "a - -2.5f"
    assert printed(s.Binary("<", s.Binary("<", a, b), c)) == "(a < b) < c"
    assert printed(s.Member(s.Unary("*", a), "x")) == "(*a).x"
    assert printed(s.call("f", s.Binary("<", a, b), s.Binary(">", a, b))) == "f((a < b), a > b)"
    assert printed(s.number(1e-7)) == "1e-07" and printed(s.number(True)) == "true"
    with pytest.raises(ValueError, match="inf"):
        printed(s.number(float("inf")))


def test_random_trees_round_trip():
    rng = random.Random(5)
    binary = ["+", "-", "*", "/", "%", "<", ">", "<=", ">=", "==", "&&", "||", "&", "|", "^"]

    def tree(depth: int) -> s.Expression:
        kind = rng.randrange(8) if depth else 0
        if kind < 1:
            return rng.choice([s.Identifier("x"), s.number(2.5), s.number(3, "u")])
        if kind < 4:
            op = rng.choice([*binary, "<<", ">>"])
            return s.Binary(op, tree(depth - 1), tree(depth - 1))
        if kind == 4:
            return s.Unary(rng.choice("-!~&*"), tree(depth - 1))
        if kind == 5:
            return s.call("f", *(tree(depth - 1) for _ in range(rng.randrange(4))))
        if kind == 6:
            return s.Index(tree(depth - 1), tree(depth - 1))
        return s.Identifier("array", (tree(depth - 1), tree(depth - 1)))

    for _ in range(500):
        made = tree(5)
        assert parse_expression(printed(made)) == made, printed(made)


def test_places_are_those_of_the_text():
    tree = parse("// one\nfn f(x: f32) -> f32 {\n    return x\n        + sin(x);\n}\n", "a.wgsl")
    (call,) = [n for n in tree.walk() if isinstance(n, s.Call)]
    assert (call.span.file, call.span.line, call.span.column) == ("a.wgsl", 4, 11)
    assert call.span.text == "sin(x)"
    (total,) = [n for n in tree.walk() if isinstance(n, s.Binary)]
    assert (total.span.line, total.span.column) == (3, 12)
    assert str(tree.functions["f"].span.place) == "a.wgsl:2:1"


def test_trees_compare_by_content_and_can_be_keys():
    one, two = parse_expression("a + f(1)"), parse_expression("  a+f( 1 )")
    assert one == two and hash(one) == hash(two) and one.span != two.span
    assert one != parse_expression("a + f(1u)") and one != parse_expression("a + f(1.0)")
    assert s.Literal(1) != s.Literal(True) and s.Literal(1) != s.Literal(1.0)
    deep = parse_expression(" + ".join(["a"] * 190))
    assert deep == parse_expression(printed(deep)) and hash(deep)


def test_trees_are_rewritten():
    tree = parse("fn f(x: f32) -> f32 { let y = x; y; }".replace("y; }", "g(); return x + y; }"))

    def changed(node: Node) -> Node | tuple | None:
        if isinstance(node, s.CallStatement):
            return None
        if isinstance(node, s.Let):
            return node, node.but(name="z")
        return s.Identifier("w") if node == s.Identifier("x") else node

    made = rewritten(tree, changed)
    assert "let y = w;\n    let z = w;\n    return w + y;" in printed(made)
    assert rewritten(tree, lambda node: node) is tree
    literal = parse_expression("0x10u")
    assert printed(literal) == "0x10u" and printed(literal.but(value=17)) == "17u"


def test_nodes_that_stand_in_two_places_are_parted():
    x = s.Identifier("x")
    tree = s.Binary("+", x, s.Unary("-", x))
    parted = unshared(tree)
    assert parted == tree and len({id(n) for n in parted.walk()}) == 4


# (text, line, column, words of the message)
WRONG = [
    ("fn f( {}", 1, 7, "expected the name of a parameter, not '{'"),
    ("fn f() { let x = ; }", 1, 18, "expected an expression, not ';'"),
    ("fn f() {\n  let x = 1\n  let y = 2;\n}", 2, 12, "';' is missing after this statement"),
    ("fn f() {\n  let target = 1;\n}", 2, 7, "'target', a word that WGSL reserves"),
    ("fn f() { let if = 1; }", 1, 14, "'if', a keyword of WGSL"),
    ("fn f() { let __a = 1; }", 1, 14, "two underscores"),
    ("fn f() { a & b; }", 1, 12, "expected '='"),
    ("fn f() { x = a & b + c; }", 1, 20, "'&' and '+' cannot stand next to each other"),
    ("fn f() { x = a + b & c; }", 1, 20, "'+' and '&' cannot stand next to each other"),
    ("fn f() { x = a && b || c; }", 1, 21, "'&&' and '||' cannot stand next to each other"),
    ("fn f() { x = a < b < c; }", 1, 20, "'<' cannot stand twice without parentheses"),
    ("fn f() { x = a << b << c; }", 1, 21, "'<<' cannot stand twice"),
    ("fn f() { x = a + b << c; }", 1, 20, "'+' and '<<' cannot stand next to each other"),
    ("fn f() { x = a << b + c; }", 1, 21, "'<<' and '+' cannot stand next to each other"),
    ("fn f() { x = --a; }", 1, 14, "'--' is an operator of its own: write -(...)"),
    ("fn f() { x = 2147483648i; }", 1, 14, "too large for i32"),
    ("fn f() { x = 4294967296u; }", 1, 14, "too large for u32"),
    ("fn f() { x = 1e39f; }", 1, 14, "too large for f32"),
    ("fn f() { x = 70000h; }", 1, 14, "too large for f16"),
    ("fn f() { x = 9223372036854775808; }", 1, 14, "too large"),
    ("fn f() { x = 0x1.000001p0h; }", 1, 14, "more digits than f16"),
    ("fn f() { x = 012; }", 1, 14, "'012' is not a number"),
    ("fn f() { x = 1x; }", 1, 14, "'1x' is not a number"),
    ("fn f() { x = a ? b : c; }", 1, 16, "no character '?': write select(no, yes, condition)"),
    ("fn f() { x = 'a'; }", 1, 14, "no character"),
    ("/* a /* b */", 1, 1, "this comment has no end"),
    ("fn f() {", 1, 8, "this '{' is not closed"),
    ("fn f() { (a; }", 1, 12, "expected ')', not ';'"),
    ("fn f() { f(a; }", 1, 13, "expected ',' or ')', not ';'"),
    ("fn f() { a[1; }", 1, 13, "expected ']', not ';'"),
    ("let x = 1;", 1, 1, "write const here"),
    ("const x;", 1, 8, "expected '=' after const x, not ';'"),
    ("x = 1;", 1, 1, "expected a declaration"),
    ("const a = 1;\nenable f16;", 2, 1, "has to stand before all declarations"),
    ("struct S { a: f32; b: f32 }", 1, 18, "expected ',' or '}', not ';'"),
    ("fn f() { for (var i = 0; i < 2; let x = 1) {} }", 1, 33, "cannot declare anything"),
    ("fn f() { if (a) return; }", 1, 17, "expected '{', not 'return', a keyword of WGSL"),
    ("fn f() { switch a { 1: {} } }", 1, 21, "expected 'case', 'default' or '}'"),
    ("fn f() { int x = 1; }", 1, 10, "written let x = ...; or var x: int;"),
    ("float f(x: f32) {}", 1, 1, "a function is written fn name(x: f32) -> f32"),
    ("fn f() { x y z; }", 1, 10, "a declaration is written"),
    ("fn f() { x: i32 = 1; }", 1, 10, "a declaration begins with let or var"),
    ("fn f() { continuing {} }", 1, 10, "continuing stands outside of a loop"),
    ("fn f() { loop { continuing {} break; } }", 1, 17, "continuing has to be the last"),
    ("fn f() { @diagnostic(off, x) let a = 1; }", 1, 10, "takes no attributes"),
    ("fn f() { for (;;) @group(0) { break; } }", 1, 19, "takes no attribute but @diagnostic"),
    ("@compute struct S { a: f32 }", 1, 1, "takes no attributes"),
    ("fn f() { var<storage> a: f32; }", 1, 10, "cannot be <storage>"),
    ("fn f(a: f32 b: f32) {}", 1, 13, "expected ')' after the parameters, not 'b'"),
    ("fn f() { x = vec2<>(1); }", 1, 19, "names no type"),
    ("\u00e9 = 1; \u00b2", 1, 8, ""),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), WRONG)
def test_what_is_wrong_is_said_with_its_place(text: str, line: int, column: int, words: str):
    with pytest.raises(ShaderError) as caught:
        parse(text, "mine.wgsl")
    error = caught.value
    assert (error.file, error.line, error.column) == ("mine.wgsl", line, column), error
    assert words in error.reason
    first, shown, caret = str(error).split("\n")
    assert first == f"mine.wgsl:{line}:{column}: {error.reason}"
    assert shown == "  " + text.split("\n")[line - 1]
    assert caret == " " * (column + 1) + "^"


def body(text: str) -> str:
    return f"fn f(x: f32, a: array<f32, 4>) -> f32 {{ {text} }}"


TOO_MUCH = {
    "parentheses": (body(f"return {'(' * 5000}x{')' * 5000};"), "nested more than 100 deep"),
    "calls": (body(f"return {'f(' * 5000}x{')' * 5000};"), "nested more than 100 deep"),
    "indices inside": (body(f"return {'a[' * 5000}x{']' * 5000};"), "nested more than 100 deep"),
    "types": (f"alias T = {'array<' * 5000}f32{'>' * 5000};", "nested more than 100 deep"),
    "signs": (body(f"return {'- ' * 20000}x;"), "nested more than 100 deep"),
    "blocks": (body("{" * 5000 + "}" * 5000), "nested more than 100 deep"),
    "indices": (body(f"return a{'[0]' * 2000};"), "this expression is too large"),
    "targets": (body(f"a{'[0]' * 2000} = x;"), "this expression is too large"),
    "members": (body(f"return a{'.x' * 2000};"), "this expression is too large"),
    "terms": (body(f"return {' + '.join(['x'] * 20000)};"), "this expression is too large"),
    "elements": (f"const c = array({', '.join(['1'] * 20000)});", "this expression is too large"),
    "loops": (body("loop { " * 100 + "break;" + "}" * 100), "more than 16 loops"),
    "while": (body("while x < 1 { " * 100 + "}" * 100), "more than 16 loops"),
    "for": (body("for (;;) { " * 100 + "}" * 100), "more than 16 loops"),
    "else-ifs": (body("if x < 1 { }" + " else if x < 2 { }" * 1000), "more than 100 'else if'"),
    "statements": (body("let y = x;" * 20000), "more than 10000 statements"),
    "cases": (body(f"switch 1 {{ {'case 1: {}' * 20000} }}"), "more than 10000 statements"),
    "text": ("// " + "x" * 3_000_000, "the text has 3000003 characters"),
    "digits": (body(f"return {'1' * 5000};"), "a number of 5000 characters"),
    "comments": ("/*" * 100000, "this comment has no end"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_would_end_the_process_or_take_minutes_is_refused(name: str):
    text, words = TOO_MUCH[name]
    with pytest.raises(ShaderError, match=words) as caught:
        parse(text)
    assert caught.value.line == 1 and len(str(caught.value)) < 800


def test_what_is_just_within_the_limits_is_read():
    n = limits.NESTING - 1  # the body of the function is one
    for text in (
        body(f"return {'(' * n}x{')' * n};"),
        body(f"return {' + '.join(['x'] * limits.HEIGHT)};"),
        body("loop { " * limits.LOOPS + "break;" + "}" * limits.LOOPS),
        body("if x < 1 { }" + " else if x < 2 { }" * (limits.ELSE_IFS - 1)),
        f"const c = array({', '.join(['1'] * 4000)});",
        body("let y = x;" * 4000),
    ):
        tree = parse(text)
        assert parse(printed(tree)) == tree


def test_a_stack_with_little_room_is_said_and_not_a_recursion_error():
    text = body(f"return {'(' * 90}x{')' * 90};")

    def deeper(n: int) -> None:
        if n:
            return deeper(n - 1)
        parse(text)

    with pytest.raises(ShaderError, match="Python's stack"):
        try:
            deeper(10_000)
        except RecursionError:
            for n in range(980, 0, -10):
                try:
                    deeper(n)
                except RecursionError:  # no room for the first call of the parser
                    continue
                break


def mutated(rng: random.Random, text: str) -> str:
    """Return a text with a few characters or words changed."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text))
        to = min(len(text), at + rng.randrange(1, 12))
        other = rng.randrange(len(text))
        new = [
            "",
            text[at:to] * 2,
            text[other : other + to - at],
            rng.choice("(){}<>;,=.@&*-/+\0é"),
        ]
        text = text[:at] + rng.choice(new) + text[to:]
    return text


def test_mutated_shaders_are_read_or_refused():
    rng = random.Random(11)
    texts = [shaders.source(name) for name in NAMES]
    texts = [text if len(text) < 2000 else text[:2000] for text in texts]
    read = 0
    for _ in range(800):
        text = mutated(rng, rng.choice(texts))
        try:
            tree = parse(text)
        except ShaderError as error:
            assert error.line and error.column and error.file == "<text>"
            continue
        assert parse(printed(tree)) == tree
        read += 1
        try:
            check(tree)
        except ShaderError as error:
            assert error.line and error.column
    assert 80 < read < 720


def test_random_text_is_read_or_refused():
    rng = random.Random(3)
    words = [
        "fn",
        "f",
        "(",
        ")",
        "{",
        "}",
        "<",
        ">",
        "<<",
        ">>",
        "let",
        "var",
        "=",
        ";",
        ",",
        ".",
        ":",
        "1",
        "2.5",
        "x",
        "y",
        "vec2",
        "if",
        "else",
        "loop",
        "@",
        "&",
        "*",
        "-",
        "/*",
        "*/",
        "//",
    ]
    for _ in range(300):
        drawn = bytes(rng.randrange(256) for _ in range(200)).decode("latin-1")
        for text in (drawn, " ".join(rng.choice(words) for _ in range(60))):
            try:
                parse(text)
            except ShaderError:
                pass


def test_errors_travel_and_show_long_lines_in_part():
    with pytest.raises(ShaderError) as caught:
        parse(f"fn f() {{\tx = {'a + ' * 100}; }}", "long.wgsl")
    error = caught.value
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and (again.line, again.column) == (1, error.column)
    first, shown, caret = str(error).split("\n")
    assert len(shown) < 120 and shown[len(caret) - 1] == ";" and first.startswith("long.wgsl:1:")
    plain = ShaderError("no adapter compiles this")
    assert str(plain) == plain.reason == "no adapter compiles this" and plain.file is None
    tabs = ShaderError("no", file="a", line=1, column=3, source_line="\t\tx")
    assert str(tabs) == "a:1:3: no\n  \t\tx\n  \t\t^"
