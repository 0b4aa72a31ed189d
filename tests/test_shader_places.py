"""Where errors of shaders point: the file that a person edits, and the user's call."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import wgrad as wg
from wgrad.backends.webgpu import shaders
from wgrad.backends.webgpu.eager import WebGpuDevice
from wgrad.backends.webgpu.gpu import Gpu
from wgrad.backends.webgpu.origins import Origin, explained, origins
from wgrad.backends.webgpu.variants import map_source
from wgrad.dtypes import float32
from wgrad.errors import ShaderError
from wgrad.ops import REGISTRY

FILES = shaders.files()


def told(text: str) -> list[tuple[str, int, str] | None]:
    """Return the origins of a text's lines with the names of files alone."""
    found = origins(text, FILES)
    return [x and (str(Path(x.file).relative_to(shaders.folder())), x.line, x.block) for x in found]


@pytest.mark.parametrize("name", sorted(p.stem for p in shaders.folder().glob("*.wgsl")))
def test_every_line_of_a_file_and_of_its_includes_is_found(name):
    text = shaders.source(name)
    for line, place in zip(text.split("\n"), told(text), strict=True):
        if any(c.isalnum() for c in line):
            assert place is not None and not place[2]
            file = (shaders.folder() / place[0]).read_text(encoding="utf-8")
            assert file.split("\n")[place[1] - 1] == line
    used = {place[0] for place in told(text) if place}
    included = {line[12:] for line in FILES[str(shaders.folder() / f"{name}.wgsl")].split("\n")
                if line.startswith("// include: ")}  # fmt: skip
    assert used == {f"{name}.wgsl", *included}


def test_lines_of_filled_shaders_are_of_files_or_of_blocks():
    text = map_source(REGISTRY["tanh"].body, "t", [float32], float32, flat=True, wide=True)
    places = dict(zip(text.split("\n"), told(text), strict=True))
    lines = (shaders.folder() / "map_flat.wgsl").read_text(encoding="utf-8").split("\n")
    block = next(i for i, x in enumerate(lines, 1) if x.startswith("// replace: operands"))
    (written,) = [x for x in places if x.startswith("    let a = ")]
    assert places[written] == ("map_flat.wgsl", block, "block 'operands'")
    (function,) = [
        x for x in places if x.startswith("fn safe_tanh") or x.startswith("fn real_tanh")
    ]
    place = places[function]
    assert place is not None and place[0] == "lib/hyperbolic.wgsl" and not place[2]
    assert places["@compute @workgroup_size(256)"] or places["@compute @workgroup_size(64)"]


def test_a_line_that_was_replaced_is_of_the_line_that_stood_there():
    text = shaders.fill("copy", lines={"alias T = u32;": "alias T = f16;"})
    assert text.startswith("enable f16;")
    at = text.split("\n").index("alias T = f16;")
    lines = (shaders.folder() / "copy.wgsl").read_text(encoding="utf-8").split("\n")
    assert told(text)[at] == ("copy.wgsl", lines.index("alias T = u32;") + 1, "a line")


def test_text_of_no_file_has_no_origin():
    assert origins("fn f() {}\nfn g() {}", {"a.wgsl": "fn h() {}"}) == [None, None]
    assert origins("x = 1;", {"a.wgsl": "\nx = 1;"}) == [Origin("a.wgsl", 2)]


WRONG = {
    "unknown": ("    let x = nonsense(1.0);", "nonsense", 13),
    "type": ("    let x: i32 = 1.5;", "i32", 9),
    "syntax": ("    let x = ;", "expected expression", 13),
    "validation": ("    return 3u;", "return", 12),
}


@pytest.mark.parametrize("kind", WRONG)
def test_compilers_words_become_a_place_in_the_file(webgpu, kind):
    wrong, words, column = WRONG[kind]
    user = "// a file of somebody's\nfn other() {}\n@compute @workgroup_size(64)\nfn main() {\n"
    user += wrong + "\n}\n"
    text = shaders.source("lib/math") + user
    monkey = {**FILES, "/home/somebody/mine.wgsl": user}
    with pytest.raises(ShaderError) as caught:
        webgpu.gpu.compile(text, 0, "mine")
    driver = caught.value.__context__
    error = explained("mine", text, str(driver), monkey, "mine.py, line 3")
    assert (error.file, error.line, error.column) == ("/home/somebody/mine.wgsl", 5, column)
    assert error.source_line == wrong and words in error.reason
    shown = str(error).split("\n")
    assert shown[0].startswith(f"/home/somebody/mine.wgsl:5:{column}: webgpu: shader mine, which")
    assert "mine.py, line 3" in shown[0]
    assert shown[1:] == ["  " + wrong, "  " + " " * (column - 1) + "^"]


@pytest.fixture
def broken(tmp_path, monkeypatch, webgpu) -> Iterator[Callable[[str, str, str], WebGpuDevice]]:
    """Return a function that edits one line of a copy of the shaders, and gives a fresh device."""
    folder = tmp_path / "shaders"
    shutil.copytree(shaders.folder(), folder)
    monkeypatch.setattr(shaders, "_PLACES", (folder,))
    caches = shaders.folder, shaders.source, shaders._library

    def edit(name: str, old: str, new: str) -> WebGpuDevice:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
        for cache in caches:
            cache.cache_clear()
        return WebGpuDevice("webgpu", Gpu(webgpu.gpu.adapter))

    yield edit
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def line_of(error: ShaderError) -> str:
    """Return the line of the file that an error points at."""
    assert error.file is not None and error.line is not None
    return Path(error.file).read_text(encoding="utf-8").split("\n")[error.line - 1]


def last_frames(error: ShaderError) -> list[str]:
    return [Path(f.filename).name for f in traceback.extract_tb(error.__traceback__)]


def test_a_broken_library_file_is_named_by_an_eager_call(broken, tmp_path):
    device = broken("lib/hyperbolic.wgsl", "fn real_sinh(", "fn real_sinh(y: nonsense, ")
    with device:
        x = wg.ones(4)
        with pytest.raises(ShaderError) as caught:
            wg.sinh(x)
    error = caught.value
    assert error.file == str(tmp_path / "shaders" / "lib" / "hyperbolic.wgsl")
    assert "y: nonsense" in line_of(error) and line_of(error) == error.source_line
    assert "test_shader_places.py, line" in str(error)
    assert str(error).endswith("^")
    # The last line of the traceback that is not the door's is the user's.
    assert last_frames(error) == ["test_shader_places.py", "families.py"]


def test_a_broken_file_is_named_where_a_function_is_compiled(broken):
    device = broken("fused.wgsl", "fn main(", "fn main(x: nonsense, ")
    with device:
        x = wg.ones(4)
        step = wg.compile(lambda x: (x * 2 + 1).tanh())
        with pytest.raises(ShaderError) as caught:
            for _ in range(3):
                step(x)
    assert Path(caught.value.file or "").name == "fused.wgsl"
    assert "nonsense" in line_of(caught.value)
    assert last_frames(caught.value)[0] == "test_shader_places.py"
    assert len(last_frames(caught.value)) <= 2


def test_what_wgrad_writes_into_a_file_is_told_as_such(webgpu):
    text = shaders.fill("map_flat", {"operands": "fn compute(quad: u32) -> u32 { return wrong; }"})
    with pytest.raises(ShaderError, match="what wgrad wrote in the place of block 'operands'") as e:
        webgpu.gpu.compile(text, 0, "mine")
    assert Path(e.value.file or "").name == "map_flat.wgsl" and "replace:" in line_of(e.value)
    assert (wg.ones(3, device="webgpu") + 1).tolist() == [2, 2, 2]
