"""Plans of matrix products: which kernels run, with which texts and parameters.

A plan names buffers by their roles alone, so that eager products and compiled programs share it.
Operands are read through strides: transposed ones (the gradients) cost no copy.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache

from ...dtypes import DType, float16
from . import shaders
from .configs import (
    ROLLED,
    ROLLED_COLUMNS,
    SMALL,
    batch_extents,
    default,
    rolled,
    small_groups,
    small_runs,
    steps_of_part,
    tiles,
)
from .facts import Facts
from .problem import Config, Hot, Kernel, Output, Problem, ProductLaunch, Scratch

# Results as they are: the shaders' own block, and the same for four at a time.
PLAIN = Output(
    "",
    """\
const EMIT_VECTORS = true;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<T>>;
fn emit(index: u32, value: T) {}
fn emit4(index: u32, value: vec4<T>) { out[index / 4u] = value; }""",
)
# Results that memory holds with fewer digits than they were made with.
_HALVES = """\
const EMIT_VECTORS = {vectors};
@group(0) @binding(3) var<storage, read_write> out: array<{element}>;
{library}
fn emit(index: u32, value: f32) {{{one}}}
fn emit4(index: u32, value: vec4<f32>) {{{four}}}"""
SUM_THREADS = 64  # of a workgroup of matmul_sum


class Products:
    """Plans the matrix products of one adapter.

    `chosen` are configurations that were measured there, by the kind of problem; rules choose the
    others. `shuffles` says that 8 neighbouring threads exchange values, as was tried out there.
    """

    def __init__(
        self, facts: Facts, chosen: Mapping[str, Config] | None = None, shuffles: bool = False
    ):
        self.facts = facts
        self._known = chosen or {}
        self._shuffles: bool | None = shuffles

    def choose(self, problem: Problem) -> Config:
        """Return how a problem is computed."""
        return self._known.get(problem.kind) or default(problem, self.facts.is_software)

    @property
    def shuffles(self) -> bool:
        """Whether 8 neighbouring threads exchange values."""
        return bool(self._shuffles)

    def plan(
        self, problem: Problem, output: Output | None = None, config: Config | None = None
    ) -> list[ProductLaunch]:
        """Return the dispatches that compute a problem; none where the result is empty.

        `output` says what becomes of results, which are stored by default; `config` overrides the
        choice. Where compiling costs more than computing, as on software adapters, kernels whose
        texts are short come first, and the configuration's is what is hot; where lanes exchange no
        values there, one kernel compiles sooner than that and is as fast.
        """
        if problem.size == 0:
            return []
        output = output or (_halves() if problem.dtype is float16 else PLAIN)
        may_be_small = config is None and self.facts.is_software
        config = config or self.choose(problem)
        room = max(1, self.facts.largest_binding // (4 * problem.size))  # for partial results
        config = config._replace(parts=min(config.parts, room))
        shown = problem.turned if config.turned else problem
        part = steps_of_part(problem.k, config.parts)
        parts = max(1, -(-problem.k // part))
        params = _params(shown, config.turned, parts, part, output.scalars)
        groups = parts * tiles(shown, config.height, config.width)
        operands: tuple[str, str] = ("b", "a") if config.turned else ("a", "b")
        # Vectors are for four neighbouring columns of the problem that was asked for.
        wide = problem.n % 4 == 0
        straight = wide and not config.turned
        places = tuple(range(len(output.access)))
        small = alone = None
        if may_be_small and config.shader == "matmul":
            if self.shuffles:
                small = small_groups(shown, parts, part)
            else:
                alone = rolled(shown, parts, part)

        def product(output: Output, buffers: tuple[str | int | Scratch, ...]) -> ProductLaunch:
            if alone is not None:
                rows, over = alone
                one = Config(ROLLED, rows, ROLLED_COLUMNS, parts, config.turned)
                kernel = self._kernel(shown, one, output, False)
                return ProductLaunch(kernel, params, over, buffers)
            kernel = self._kernel(shown, config, output, straight)
            if small is None:
                return ProductLaunch(kernel, params, groups, buffers)
            runs = small_runs(shown)
            hot = None if runs is None else Hot(kernel, groups, runs)
            short = self._kernel(shown, Config(SMALL, 16, 8, parts, config.turned), output, False)
            return ProductLaunch(short, params, small, buffers, hot)

        if parts == 1:
            return [product(output, (*operands, *places))]
        scratch = Scratch(4 * parts * problem.size)
        vectors = wide and bool(output.vectors)
        size = problem.size // 4 if vectors else problem.size
        return [
            product(PLAIN, (*operands, scratch)),
            ProductLaunch(
                _sum_kernel(problem.dtype, output, vectors),
                params,
                -(-size // SUM_THREADS),
                (scratch, scratch, *places),
            ),
        ]

    def _kernel(self, shown: Problem, config: Config, output: Output, vectors: bool) -> Kernel:
        shader, dtype = config.shader, shown.dtype
        a_unit, b_unit = shown.a_unit, shown.b_unit
        blocks: list[tuple[str, str]] = []
        by_columns = shader == "matmul_tiled"  # can it read a along m?
        if shader == "matmul":
            tile = [("const ROWS = 16u;", f"const ROWS = {config.height}u;")]
            if self.shuffles:
                blocks.append(("share", shaders.source("lib/shuffle")))
                by_columns = config.height % 4 == 0
        elif shader == SMALL:
            tile, a_unit, b_unit = [], "ANY", "ANY"
            if self.shuffles:
                blocks.append(("share", shaders.source("lib/shuffle_small")))
        elif shader == ROLLED:
            tile, a_unit, b_unit = [], "ANY", "ANY"
            if config.height == 16:
                blocks.append(("rows", shaders.source("lib/rows16")))
        elif shader == "matvec":
            tile = [
                ("const ROWS = 4u;", f"const ROWS = {config.height}u;"),
                ("const QUADS = 16u;", f"const QUADS = {max(1, config.width // 4)}u;"),
                ("const SINGLE = false;", f"const SINGLE = {str(config.width == 1).lower()};"),
            ]
        else:
            tile = [
                ("const HEIGHT = 128u;", f"const HEIGHT = {config.height}u;"),
                ("const WIDTH = 128u;", f"const WIDTH = {config.width}u;"),
            ]
        if a_unit == "EDGE" and not by_columns:
            a_unit = "ANY"
        lines = (*_unit_lines("A", a_unit, "UNIT_M"), *_unit_lines("B", b_unit, "UNIT_N"), *tile)
        if block := output.vectors if vectors and output.vectors else output.block:
            blocks.append(("output", block))
        if shown.walk is not None:
            blocks.append(("walk", shaders.source("lib/walk")))
        label = f"{shader} {dtype.name} {config.height}x{config.width} a {a_unit} b {b_unit}"
        if dtype.storage != dtype.wgsl:
            lines = (("alias Stored = T;", f"alias Stored = {dtype.storage};"), *lines)
        code = _code(shader, dtype.wgsl, tuple(blocks), lines)
        return Kernel(label, code, "rr" + output.access)


@lru_cache(maxsize=1)
def _halves() -> Output:
    """Return what stores results as float16, rounded once."""
    store = "f16(to_half({}))"
    lanes = ", ".join(store.format(f"value.{lane}") for lane in "xyzw")
    library = shaders.library(store)
    return Output(
        _HALVES.format(
            vectors="false",
            element="f16",
            library=library,
            one=f" out[index] = {store.format('value')}; ",
            four="",
        ),
        _HALVES.format(
            vectors="true",
            element="vec4<f16>",
            library=library,
            one="",
            four=f" out[index / 4u] = vec4<f16>({lanes}); ",
        ),
    )


def _params(shown: Problem, turned: bool, parts: int, part: int, scalars: tuple[int, ...]) -> bytes:
    a, b = shown.a, shown.b
    words = (
        *(shown.m, shown.n, shown.k, shown.matrices),
        *(a.offset, a.row, a.column, parts),
        *(b.offset, b.row, b.column, part),
        *batch_extents(shown),
        *((1, shown.m) if turned else (shown.n, 1)),
        *(*(0, 0, 0, *a.batch)[-3:], 0),
        *(*(0, 0, 0, *b.batch)[-3:], 0),
        *scalars,
    )
    if shown.walk is not None:
        words = (*words, *(0,) * (40 - len(words)), *shown.walk.words)
    return struct.pack("<60I", *(w & 0xFFFFFFFF for w in words), *(0,) * (60 - len(words)))


def _unit_lines(name: str, unit: str, edge: str) -> list[tuple[str, str]]:
    if unit == "ANY":
        return []
    axis = edge if unit == "EDGE" else "UNIT_K"
    return [
        (f"alias {name}Element = Stored;", f"alias {name}Element = vec4<Stored>;"),
        (f"const {name}_UNIT = UNIT_ANY;", f"const {name}_UNIT = {axis};"),
    ]


def _sum_kernel(dtype: DType, output: Output, vectors: bool) -> Kernel:
    lines = (("alias Partial = T;", "alias Partial = vec4<T>;"),) if vectors else ()
    block = output.vectors if vectors else output.block
    code = _code("matmul_sum", dtype.wgsl, (("output", block),) if block else (), lines)
    return Kernel(f"matmul_sum {dtype.name}", code, "rr" + output.access)


@lru_cache(maxsize=128)
def _code(
    shader: str,
    element: str | None,
    blocks: tuple[tuple[str, str], ...],
    lines: tuple[tuple[str, str], ...],
) -> str:
    replaced = {"alias T = f32;": f"alias T = {element};", **dict(lines)}
    return shaders.fill(shader, dict(blocks), replaced)
