"""Kernels from steps: a fused step or a batch as one shader, and what follows a matmul as a block.

A thread has one row of a part. It walks the row once for every level of folds, computing the
elements anew each time (they come from memory that is in the cache by then), once more to store
elements, and stores what is kept once per row at the end. On hardware a workgroup shares a long
row. In an elementwise part a row is one element, and nothing is walked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...backends.base import Number
from ...backends.webgpu import shaders
from ...dtypes import DType
from ..graph import Fold, Graph
from ..ir import Ref, Slot, Step
from .module import Module, combiner, identity
from .part import LANES, Part
from .text import PartText, Value, splat

THREADS = 64  # of a workgroup of fused.wgsl
LONG_ROW = 128  # elements from which a workgroup shares a row, on hardware

Home = Callable[[int], object]


@dataclass(frozen=True)
class Kernel:
    """A shader and what it is launched with; `homes` is the memory of bindings 1, 2, ..."""

    label: str
    text: str
    homes: tuple[object, ...]
    access: str  # a letter per binding: "r" or "w"
    numbers: tuple[tuple[Number, DType], ...]  # the words of Params, in order
    groups: int


def fused_kernel(step: Step, home: Home, hardware: bool) -> Kernel:
    """Return the kernel of a fused step or a batch."""
    module = Module(home)
    texts: list[PartText] = []
    for one in step.params.get("parts", (step,)):
        part = Part(one.params["graph"], one.inputs, one.outs)
        texts.append(PartText(module, part, part.along))
    for text in texts:
        text.note_accesses()
    functions: list[str] = []
    deal = ["fn run(group: u32, lane: u32) {"]
    groups = 0
    for i, text in enumerate(texts):
        shared = hardware and _is_long(text.part)
        _write_part(text, shared)
        functions += [f"fn part_{i}(group: u32, lane: u32) {{", *text.lines, "}"]
        first, groups = (
            groups,
            groups + (text.part.rows if shared else -(-text.part.threads // THREADS)),
        )
        place = f"group - {first}u" if first else "group"
        deal.append(f"    if group >= {first}u && group < {groups}u {{ part_{i}({place}, lane); }}")
    body = "\n".join([*functions, *deal, "}"])
    text = shaders.fill("fused", {"parts": f"{module.declarations(1, body)}\n{body}"})
    return Kernel(
        step.name, text, tuple(module.homes), module.access, tuple(module.numbers), groups
    )


def _is_long(part: Part) -> bool:
    """Whether a workgroup should share each row: its elements lie side by side, and are many."""
    return part.along != "kept" and part.length >= LONG_ROW


def _write_part(text: PartText, shared: bool) -> None:
    part = text.part
    text.add("let index = group;" if shared else f"let index = group * {THREADS}u + lane;")
    text.add(f"if index >= {part.rows if shared else part.threads}u {{ return; }}")
    text.begin_row("index * 4u" if part.along == "kept" else "index")
    first, step = ("lane", f"{THREADS}u") if shared else ("0u", "1u")
    depths = _depths(part.graph)
    looked_up = {a for s in part.graph.statements for a in s.args[:1] if not _reads_value(s)}
    for i in range(len(part.inputs)):
        if part.still[i] and i not in looked_up:
            text.value(i)
    levels = max(depths, default=0)
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
    results = list(zip(part.stores, part.graph.results, part.row_results, strict=True))
    if not all(row for _, _, row in results):
        with text.elements(first, step):
            _compute_elements(text, [r.value for _, r, row in results if not row])
            for access, result, row in results:
                if not row:
                    text.store(access, text.value(result.value))
    rows = [(access, result) for access, result, row in results if row]
    if rows and shared:
        with text.block("if lane == 0u"):
            _store_rows(text, rows)
    else:
        _store_rows(text, rows)


def _store_rows(text: PartText, rows: Sequence) -> None:
    values = [text.value(result.value) for _, result in rows]
    for (access, _), value in zip(rows, values, strict=True):
        text.store(access, value)


def _reads_value(s: object) -> bool:
    from ..graph import Lookup

    return not isinstance(getattr(s, "what", None), Lookup)


def _depths(graph: Graph) -> list[int]:
    """Return for each statement after how many passes over the row it is known."""
    depths: list[int] = []
    for s in graph.statements:
        before = max((depths[~a] for a in s.args if a < 0), default=0)
        depths.append(before + isinstance(s.what, Fold))
    return depths


def _write_folds(text: PartText, folds: list[int], shared: bool, first: str, step: str) -> None:
    """Walk the row once and fold all of `folds`."""
    statements = text.part.graph.statements
    wide = bool(text.along)
    names = {}
    for j in folds:
        s = statements[j]
        start = identity(s.what.kind, s.out)  # type: ignore[union-attr]  # it is a Fold
        kind = f"vec4<{s.out.wgsl}>" if wide else f"{s.out.wgsl}"
        names[j] = f"t{j}"
        text.add(f"var t{j} = {kind}({start});")
    with text.elements(first, step):
        _compute_elements(text, [statements[j].args[0] for j in folds])
        for j in folds:
            s = statements[j]
            combine = combiner(text.module, s.what.kind, s.out)  # type: ignore[union-attr]
            x = text.value(s.args[0])
            one = Value(splat(x, s.out), True) if wide else x
            if wide and not x.vector:
                one = text.let(one.text, True) and Value(f"v{text._count - 1}", True)
            made = text.call(combine, s.out, [Value(names[j], wide), one])
            text.add(f"{names[j]} = {made.text};")
    for j in folds:
        s = statements[j]
        combine = combiner(text.module, s.what.kind, s.out)  # type: ignore[union-attr]
        total = Value(names[j], text.along == "kept")
        if text.along == "folded":
            low = text.let(f"{combine}({names[j]}.x, {names[j]}.y)", False)
            high = text.let(f"{combine}({names[j]}.z, {names[j]}.w)", False)
            total = text.let(f"{combine}({low.text}, {high.text})", False)
        if shared:
            gather = _workgroup_fold(text.module, combine, s.out)
            total = text.let(f"{gather}(lane, {total.text})", False)
        else:
            total = text.let(total.text, total.vector)
        text.values[~j] = total


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


@dataclass(frozen=True)
class Epilogue:
    """What takes the place of a matmul shader's `output` block; bindings count from 3."""

    text: str
    homes: tuple[object, ...]
    access: str
    numbers: tuple[tuple[Number, DType], ...]
    vectors: bool


def epilogue(
    graph: Graph, inputs: Sequence[Ref | Number], outs: Sequence[Slot], columns: int, home: Home
) -> Epilogue:
    """Return the block that a matmul of `columns` columns ends in; operand 0 is the product."""
    module = Module(home)
    part = Part(graph, inputs, outs)
    vectors = part.along == "kept" and columns % LANES == 0
    one = PartText(module, part, "", Value("value", False))
    four = PartText(module, part, "kept", Value("value", True))
    one.note_accesses()
    if vectors:
        four.note_accesses()
    t = graph.dtypes[0].wgsl
    functions = []
    for text, name, kind in ((one, "emit", t), (four, "emit4", f"vec4<{t}>")):
        functions.append(f"fn {name}(index: u32, value: {kind}) {{")
        if text is one or vectors:
            text.begin_row("index")
            for j in range(len(graph.statements)):
                text.compute(j)
            _store_rows(text, list(zip(part.stores, graph.results, strict=True)))
            functions += text.lines
        functions.append("}")
    body = "\n".join(functions)
    code = "\n".join(
        [f"const EMIT_VECTORS = {str(vectors).lower()};", module.declarations(3, body), body]
    )
    return Epilogue(code, tuple(module.homes), module.access, tuple(module.numbers), vectors)
