"""Directives: what they make of a text, and that every error points at what a person edits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from wgrad.backends.webgpu import shaders
from wgrad.errors import ShaderError
from wgrad.kernel.language import limits
from wgrad.kernel.language.parser import parse
from wgrad.kernel.language.source import read, read_file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#define N 4\nlet a = N + NN;\n", "\nlet a = 4 + NN;\n"),
        ("#define N 4 // four\nN", "\n4"),
        ("# define N (1 + 2)\r\nN\r\n", "\r\n(1 + 2)\r\n"),
        ("#define A B\n#define B 2\nA", "\n\n2"),
        ("#define A A + B\n#define B A\nA B", "\n\nA + A A + B"),
        ("#define N 1\n#undef N\nN", "\n\nN"),
        ("N\n#define N 1\nN", "N\n\n1"),
        ("#define N 1\n// N\n/* N\nN */ N a.N", "\n// N\n/* N\nN */ 1 a.1"),
        ("#define N 1\n0N xN a.N", "\n0N xN a.1"),
        ("#define F\n#ifdef F\na F\n#else\nb\n#endif\nc", "\n\na F\n\n\n\nc"),
        ("#ifdef F\na\n#else\nb\n#endif\nc", "\n\n\nb\n\nc"),
        ("#ifndef F\na\n#endif", "\na\n"),
        ("#ifdef F\n#ifndef G\na\n#else\nb\n#endif\nc\n#else\nd\n#endif", "\n" * 8 + "d\n"),
        ("#ifdef F\n#define G 1\n#include \"no\"\n#endif\nG", "\n\n\n\nG"),
        ("/*\n#define N 1\n*/\nN", "/*\n#define N 1\n*/\nN"),
        ("/* a // */\n#define N 1\nN", "/* a // */\n\n1"),
        ("// /*\n#define N 1\nN", "// /*\n\n1"),
        ("a # b", "a # b"),
        ("", ""),
    ],
)  # fmt: skip
def test_directives_do_what_they_say(text: str, expected: str):
    assert read(text).text == expected


def test_text_without_directives_stays_as_it_is():
    text = "fn f() {}\r\n\n\tlet x = 1; // é\n"
    assert read(text).text == text
    assert read(text, defines={"M": 1}).text == text


def test_names_may_be_given():
    text = "#ifdef FAST\nconst n = SIZE;\n#endif\nconst b = FLAG;\n"
    source = read(text, defines={"FAST": "", "SIZE": 4, "FLAG": True})
    assert source.text == "\nconst n = 4;\n\nconst b = true;\n"


def test_places_are_those_before_words_were_replaced():
    source = read("#define LONG 1 + 2 + 3\nconst a = LONG * x;\n", "a.wgsl")
    at = source.text.index("x")
    assert source.place(at)[:3] == ("a.wgsl", 2, 18)
    assert source.place(source.text.index("2 + 3"))[:3] == ("a.wgsl", 2, 11)
    with pytest.raises(ShaderError) as caught:
        parse(read("#define LONG 1 + + 3\nconst a = LONG;\n", "a.wgsl"))
    assert str(caught.value).split("\n")[1:] == ["  const a = LONG;", "            ^"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "deep.wgsl").write_text("fn deep() {}\n")
    (tmp_path / "lib" / "math.wgsl").write_text("// include: deep.wgsl\nfn math() {}\n")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "a.wgsl").write_text('#include "b.wgsl"\nfn a() { b(); }\n')
    (tmp_path / "user" / "b.wgsl").write_text('#include "math.wgsl"\n#define W u32\nfn b() {}')
    return tmp_path


def test_files_are_included_once_with_their_places(tree: Path):
    main = '#include "a.wgsl"\n#include "b.wgsl"\nfn main() { let x: W = 1; }\n'
    source = read(main, "main.wgsl", path=tree / "user" / "main.wgsl", folders=[tree / "lib"])
    functions = parse(source).functions
    assert list(functions) == ["deep", "math", "b", "a", "main"]
    places = {name: f.span.place for name, f in functions.items()}
    assert [Path(p.file).name for p in places.values()] == [
        *("deep.wgsl", "math.wgsl", "b.wgsl", "a.wgsl", "main.wgsl"),
    ]
    assert [p.line for p in places.values()] == [1, 2, 3, 2, 3]
    assert places["a"].text == "fn a() { b(); }" and "let x: u32" in source.text
    names = [path.name for path in source.files]
    assert sorted(names) == ["a.wgsl", "b.wgsl", "deep.wgsl", "main.wgsl", "math.wgsl"]
    row = source.text[: source.text.index("fn a")].count("\n") + 1
    assert source.place_at(row, 4)[1:3] == (2, 4)


def test_an_error_in_an_included_file_names_it(tree: Path):
    (tree / "user" / "b.wgsl").write_text("\nfn b( {}\n")
    with pytest.raises(ShaderError) as caught:
        parse(read_file(tree / "user" / "a.wgsl"))
    error = caught.value
    assert (Path(error.file or "").name, error.line, error.column) == ("b.wgsl", 2, 7)


def test_our_library_is_included_by_name():
    folder = shaders.folder()
    source = read('#include "math.wgsl"\nfn f() {}\n', folders=[folder / "lib", folder])
    assert "make_nan" in parse(source).functions
    source = read_file(folder / "copy.wgsl", folders=[folder / "lib", folder])
    assert parse(source) == parse(shaders.source("copy"))


def test_cycles_and_missing_files_are_refused(tree: Path):
    user = tree / "user"
    (user / "b.wgsl").write_text('fn b() {}\n  #include "a.wgsl"\n')
    with pytest.raises(ShaderError, match="includes itself") as caught:
        read_file(user / "a.wgsl")
    assert caught.value.file == str(user / "b.wgsl")
    assert (caught.value.line, caught.value.column) == (2, 3)
    with pytest.raises(ShaderError, match=r"there is no 'none\.wgsl' in"):
        read('#include "none.wgsl"')
    with pytest.raises(ShaderError, match="cannot be read"):
        read_file(user / "none.wgsl")
    with pytest.raises(ShaderError, match="cannot be read"):
        read_file(user)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path):
    (tmp_path / "a.wgsl").write_bytes(b"fn f() {}\n// \xff\n")
    with pytest.raises(ShaderError, match="0xff is not UTF-8") as caught:
        read_file(tmp_path / "a.wgsl")
    assert (caught.value.line, caught.value.column) == (2, 4)
    (tmp_path / "b.wgsl").write_bytes(b"\xef\xbb\xbffn f() {}\n")  # a mark that some editors put
    assert read_file(tmp_path / "b.wgsl").text == "fn f() {}\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("#endif", 1, "#endif without #ifdef"),
        ("a\n#else", 2, "#else without #ifdef"),
        ("#ifdef A\n#else\n#else\n#endif", 3, "#else without #ifdef"),
        ("\n#ifdef A\n", 2, "this has no #endif"),
        ("#ifdef\n#endif", 1, "#ifdef needs a name"),
        ("#ifdef A B\n#endif", 1, "#ifdef takes one name, not 'A B'"),
        ("#define F(x) x", 1, "macros with arguments are not known"),
        ("#define 1 2", 1, "#define needs a name"),
        ("#if A\n#endif", 1, "#if is not known; there are #include"),
        ("#import a", 1, "#import is not known"),
        ("#include a", 1, "#include needs a file in quotes"),
        ("#endif x", 1, "takes nothing behind it"),
    ],
)
def test_wrong_directives_are_refused_with_their_place(text: str, line: int, words: str):
    with pytest.raises(ShaderError, match=words.replace("(", r"\(")) as caught:
        read(text, "a.wgsl")
    assert (caught.value.file, caught.value.line) == ("a.wgsl", line)


def test_words_that_grow_without_end_are_refused():
    letters = "ABCDEFGHIJKLMNOP"
    lines = [f"#define {a} {' '.join([b] * 9)}" for a, b in pairwise(letters)]
    with pytest.raises(ShaderError, match=r"too long|more than"):
        read("\n".join([*lines, f"A {limits.TEXT}"]))
