"""Kernels from steps: a fused step or a batch as one shader, and what follows a matmul as a block.

A thread has one row of a part. It walks the row once for every level of folds, computing the
elements anew each time (they come from memory that is in the cache by then), once more to store
elements, and stores what is kept once per row at the end. On hardware a workgroup shares a long
row. In an elementwise part a row is one element, and nothing is walked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2

from ...backends.array import Number
from ...backends.fold import Fold
from ...backends.webgpu import shaders
from ...backends.webgpu.problem import Kernel, Output
from ...backends.webgpu.variants import literal
from ...dtypes import DType
from ..ir import Batch, Graph, Ref, Slot, Statement, Step
from .module import Module, combiner
from .part import LANES, Access, Part, Store
from .text import PartText, Value, splat

THREADS = 64  # of a workgroup of fused.wgsl,
WIDE = 256  # or this many, with two elements (or quads) each, where there are many elements
MANY = 1 << 14
SPANNED = 32  # elements, or quads, of a row that are folded in one go
NUMBERS = "    scalars: array<vec4<u32>, 4>,  // the bits of operands that are numbers"
LONG_ROW = 128  # elements from which a workgroup shares a row, on hardware

MemoryOf = Callable[[int], object]


def fused_kernel(step: Step, memory_of: MemoryOf, hardware: bool) -> tuple[Kernel, Module, int]:
    """Return the kernel of a fused step or a batch, what it binds, and its workgroups."""
    module = Module(memory_of)
    texts: list[PartText] = []
    for one in step.work.parts if isinstance(step.work, Batch) else (step,):
        part = Part(one.graph, one.inputs, one.outs)
        texts.append(PartText(module, part, part.along))
    for text in texts:
        text.note_accesses()
    wide = all(not t.part.folded and t.part.threads >= MANY for t in texts)
    size, each = (WIDE, 2) if wide else (THREADS, 1)
    functions: list[str] = []
    deal = ["fn run(group: u32, lane: u32) {"]
    groups = 0
    for i, text in enumerate(texts):
        # A workgroup shares each row where its elements lie side by side, and are many.
        shared = hardware and text.part.along != "kept" and text.part.length >= LONG_ROW
        _write_part(text, shared)
        functions += [f"fn part_{i}(index: u32, lane: u32) {{", *text.lines, "}"]
        first = groups
        groups += text.part.rows if shared else -(-text.part.threads // (size * each))
        deal.append(f"    if group >= {first}u && group < {groups}u {{")
        place = f"(group - {first}u)" if first else "group"
        index = place if shared else f"({place} * THREADS + lane) * {each}u"
        deal += [f"        part_{i}({index} + {n}u, lane);" for n in range(each)]
        deal.append("    }")
    body = "\n".join([*functions, *deal, "}"])
    code = shaders.fill(
        "fused",
        {"parts": f"{module.declarations(1, body)}\n{body}"},
        {
            "const THREADS = 64u;": f"const THREADS = {size}u;",
            NUMBERS: NUMBERS.replace("4>", f"{max(4, -(-len(module.numbers) // 4))}>"),
        },
    )
    return Kernel(step.name, code, module.access), module, groups


def _write_part(text: PartText, shared: bool) -> None:
    part = text.part
    text.add(f"if index >= {part.rows if shared else part.threads}u {{ return; }}")
    text.begin_row("index * 4u" if part.along == "kept" else "index")
    first, step = ("lane", f"{THREADS}u") if shared else ("0u", "1u")
    depths = part.graph.depths
    for i in range(len(part.inputs)):
        if part.still[i] and i not in part.graph.tables:
            text.value(i)
    levels = part.graph.levels
    for level in range(levels + 1):
        for j, s in enumerate(part.graph.statements):
            if part.row[j] and depths[j] == level and not isinstance(s.what, Fold):
                text.compute(j)
        if level < levels:
            folds = [
                j
                for j, s in enumerate(part.graph.statements)
                if isinstance(s.what, Fold) and depths[j] == level + 1
            ]
            _write_folds(text, folds, shared, first, step)
    rows = [x for x in part.stores if x.row]
    elements = [x for x in part.stores if not x.row]
    if elements:
        count = text.part.length // (LANES if text.along == "folded" else 1)
        with text.elements(first, step, f"{count}u"):
            _compute_elements(text, [x.value for x in elements])
            _store(text, elements)
    if rows and shared:
        with text.block("if lane == 0u"):
            _store(text, rows)
    else:
        _store(text, rows)


def _store(text: PartText, stores: Sequence[Store]) -> None:
    """Store results; all are loaded before, for one may lie where another is read."""
    values = [text.value(x.value) for x in stores]
    blocks: dict[Access, list[tuple[Access, Value]]] = {}
    for x, value in zip(stores, values, strict=True):
        block = text.block_of(x.access)
        if block is None:
            text.store(x.access, value)
        else:
            blocks.setdefault(block, []).append((x.access, value))
    for together in blocks.values():
        text.store_block(together)


def _write_folds(text: PartText, folds: list[int], shared: bool, first: str, step: str) -> None:
    """Walk the row once and fold all of `folds`.

    A long row is folded in spans, whose results are folded: chains of additions are as long as
    the square root of the row, and rounding errors small, even where all go one way.
    """
    wide = bool(text.along)
    quads = text.part.length // (LANES if text.along == "folded" else 1)
    span = 0 if shared or quads <= SPANNED else 1 << round(log2(quads) / 2)
    _declare(text, folds, "t")
    if span:
        with text.block(f"for (var begin = 0u; begin < {quads}u; begin += {span}u)"):
            _declare(text, folds, "s")
            _fold_elements(text, folds, "s", "begin", step, f"min(begin + {span}u, {quads}u)")
            for j in folds:
                _combine(text, j, "t", Value(f"s{j}", wide))
    else:
        _fold_elements(text, folds, "t", first, step, f"{quads}u")
    for j in folds:
        s = text.part.graph.statements[j]
        combine = combiner(text.module, _fold(s), s.out)
        total = Value(f"t{j}", text.along == "kept")
        if text.along == "folded":
            low = text.let(f"{combine}({total.text}.x, {total.text}.y)", False)
            high = text.let(f"{combine}({total.text}.z, {total.text}.w)", False)
            total = text.let(f"{combine}({low.text}, {high.text})", False)
        if shared:
            gather = _workgroup_fold(text.module, combine, s.out)
            total = text.let(f"{gather}(lane, {total.text})", False)
        else:
            total = text.let(total.text, total.vector)
        text.keep(j, text.rounded(total, s.out))


def _fold(s: Statement) -> Fold:
    assert isinstance(s.what, Fold)
    return s.what


def _declare(text: PartText, folds: list[int], letter: str) -> None:
    """Declare a variable for each fold, with the value of a fold of nothing."""
    for j in folds:
        s = text.part.graph.statements[j]
        start = literal(_fold(s).identity(s.out), str(s.out.wgsl))
        kind = f"vec4<{s.out.wgsl}>" if text.along else f"{s.out.wgsl}"
        text.add(f"var {letter}{j} = {kind}({start});")


def _fold_elements(
    text: PartText, folds: list[int], letter: str, first: str, step: str, end: str
) -> None:
    statements = text.part.graph.statements
    with text.elements(first, step, end):
        _compute_elements(text, [statements[j].args[0] for j in folds])
        for j in folds:
            one = text.value(statements[j].args[0])
            if text.along and not one.vector:
                one = text.let(splat(one, statements[j].out), True)
            _combine(text, j, letter, one)


def _combine(text: PartText, j: int, letter: str, one: Value) -> None:
    """Fold one more value into the variable of a fold."""
    s = text.part.graph.statements[j]
    combine = combiner(text.module, _fold(s), s.out)
    made = text.call(combine, s.out, [Value(f"{letter}{j}", bool(text.along)), one])
    text.add(f"{letter}{j} = {made.text};")


def _workgroup_fold(module: Module, combine: str, dtype: DType) -> str:
    """Return the name of a function that folds one value of each thread of a workgroup."""
    t = dtype.wgsl
    memory = f"shared_{t}"
    module.shared[memory] = f"var<workgroup> {memory}: array<{t}, {THREADS}>;"
    return module.function(
        f"fold_{combine}",
        f"""fn NAME(lane: u32, value: {t}) -> {t} {{
    workgroupBarrier();
    {memory}[lane] = value;
    workgroupBarrier();
    for (var half = {THREADS // 2}u; half > 0u; half >>= 1u) {{
        if lane < half {{ {memory}[lane] = {combine}({memory}[lane], {memory}[lane + half]); }}
        workgroupBarrier();
    }}
    return {memory}[0];
}}""",
    )


def _compute_elements(text: PartText, wanted: Sequence[int]) -> None:
    """Compute the statements that differ from element to element and lead to `wanted`, in order."""
    part = text.part
    needed: set[int] = set()
    stack = [~v for v in wanted if v < 0]
    while stack:
        j = stack.pop()
        if j in needed or part.row[j]:
            continue
        needed.add(j)
        stack += [~a for a in part.graph.statements[j].args if a < 0]
    for j in sorted(needed):
        text.compute(j)


def epilogue(
    graph: Graph,
    inputs: Sequence[Ref | Number],
    outs: Sequence[Slot],
    columns: int,
    memory_of: MemoryOf,
) -> tuple[Output, Module]:
    """Return what a matmul of `columns` columns does with its product, which is operand 0.

    The module says what the output's bindings and scalars are.
    """
    part = Part(graph, inputs, outs)
    block, module = _output_block(part, "", memory_of)
    vectors = ""
    if part.along == "kept" and columns % LANES == 0:
        vectors, module = _output_block(part, "kept", memory_of)
    return Output(block, vectors, module.access, (0,) * len(module.numbers)), module


def _output_block(part: Part, along: str, memory_of: MemoryOf) -> tuple[str, Module]:
    """Return the output block that takes products one by one, or by fours, and its module."""
    module = Module(memory_of)
    dtype = part.graph.dtypes[0]
    vector = along == "kept"
    text = PartText(module, part, along, Value("value", vector))
    text.note_accesses()
    text.begin_row("index")
    text.product = text.rounded(Value("value", vector), dtype)
    for j in range(len(part.graph.statements)):
        text.compute(j)
    _store(text, part.stores)
    lines = ["", text.lines] if vector else [text.lines, ""]
    body = "\n".join(
        [
            f"fn emit(index: u32, value: {dtype.wgsl}) {{",
            *lines[0],
            "}",
            f"fn emit4(index: u32, value: vec4<{dtype.wgsl}>) {{",
            *lines[1],
            "}",
        ]
    )
    first = f"const EMIT_VECTORS = {str(vector).lower()};"
    return "\n".join([first, module.declarations(3, body), body]), module
