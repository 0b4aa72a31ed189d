"""Runs many functions of WGSL at many points in one shader, since each shader text takes time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from wgrad.kernel.derive import Function
from wgrad.kernel.language import syntax as s
from wgrad.kernel.language.check import check
from wgrad.kernel.language.parser import parse
from wgrad.kernel.language.printer import printed
from wgrad.kernel.language.types import I32, U32, Array, Matrix, Scalar, Structure, Type, Vector
from wgrad.statistics import COUNTERS


def function_of(text: str, name: str = "f") -> Function:
    """Return a function of a text."""
    return Function(check(parse(text)), name)


def parts(kind: Type) -> list[tuple[str, Scalar]]:
    """Return the scalars of a type: how each is read, and its type."""
    if isinstance(kind, Scalar):
        return [("", kind)]
    if isinstance(kind, Vector):
        inner: list[tuple[str, Type]] = [(f"[{i}]", kind.element) for i in range(kind.size)]
    elif isinstance(kind, Matrix):
        inner = [(f"[{i}]", kind.column) for i in range(kind.columns)]
    elif isinstance(kind, Array):
        inner = [(f"[{i}]", kind.element) for i in range(kind.count)]
    else:
        assert isinstance(kind, Structure)
        inner = [(f".{x.name}", x.type) for x in kind.fields]
    return [(f"{a}{b}", x) for a, part in inner for b, x in parts(part)]


def size(kind: Type) -> int:
    return len(parts(kind))


def read(kind: Type, values: Iterable[str], prefix: str) -> str:
    """Return the text of a value of a type, made of the texts of its numbers."""
    if isinstance(kind, Scalar):
        return f"{kind}({next(iter(values))})"
    values = iter(values)
    if isinstance(kind, Vector):
        inner: Sequence[Type] = [kind.element] * kind.size
    elif isinstance(kind, Matrix):
        inner = [kind.column] * kind.columns
    elif isinstance(kind, Array):
        inner = [kind.element] * kind.count
    else:
        inner = [x.type for x in kind.fields]
    name = spelled(kind, prefix)
    return f"{name}({', '.join(read(x, values, prefix) for x in inner)})"


def spelled(kind: Type, prefix: str) -> str:
    """Return a type in a text in which the names of structures have a prefix."""
    if isinstance(kind, Structure):
        return f"{prefix}{kind}"
    if isinstance(kind, Array):
        return f"array<{spelled(kind.element, prefix)}, {kind.count}>"
    return str(kind)


def renamed(function: Function, prefix: str) -> list[s.Declaration]:
    """Return the declarations of a function's text with other names."""
    symbols = function.typed.symbols

    def rename(node: Any) -> Any:
        found = node.mapped(rename)
        symbol = symbols.get(id(node))
        mine = symbol is not None and symbol.is_global
        return found.but(name=prefix + found.name) if mine else found

    return [rename(x) for x in function.typed.module.declarations]


class Batch:
    """Functions, with the points at which they are to be evaluated."""

    def __init__(self, enabled: str = "") -> None:
        self.enabled = enabled
        self.texts: list[str] = []
        self.lines: list[str] = []
        self.given: list[np.ndarray] = []
        self.places: list[tuple[int, int, int]] = []
        self.read = self.wrote = 0
        self.results: list[np.ndarray] = []

    def add(self, function: Function, points: np.ndarray) -> int:
        """Add a function, to be called at points of shape (n, numbers); return its number."""
        number = len(self.places)
        prefix = f"f{number}_"
        self.texts += [printed(x) for x in renamed(function, prefix)]
        count, width = points.shape
        assert width == sum(size(kind) for kind in function.parameters)
        at, arguments = 0, []
        for kind in function.parameters:
            used = [f"given[p + {at + i}u]" for i in range(size(kind))]
            arguments.append(read(kind, used, prefix))
            at += size(kind)
        height = size(function.result)
        self.lines.append(f"if i < {count}u {{ let p = {self.read}u + i * {width}u;")
        self.lines.append(f"let r = {prefix}{function.name}({', '.join(arguments)});")
        for j, (part, _) in enumerate(parts(function.result)):
            self.lines.append(f"got[{self.wrote + j}u + i * {height}u] = f32(r{part});")
        self.lines.append("}")
        self.places.append((self.wrote, count, height))
        self.given.append(points.astype(np.float32).reshape(-1))
        self.read += count * width
        self.wrote += count * height
        return number

    @property
    def text(self) -> str:
        """The shader."""
        count = max(x[1] for x in self.places)
        head = [
            self.enabled,
            "@group(0) @binding(0) var<storage, read> given: array<f32>;",
            "@group(0) @binding(1) var<storage, read_write> got: array<f32>;",
            f"@compute @workgroup_size({count})",
            "fn main(@builtin(local_invocation_index) i: u32) {",
        ]
        return "\n".join([*head[:3], *self.texts, *head[3:], *self.lines, "}"])

    def run(self, device: Any) -> list[np.ndarray]:
        """Return what each function gives, of shape (n, numbers)."""
        got = dispatched(device, self.text, np.concatenate(self.given), self.wrote)
        return [got[a : a + n * m].reshape(n, m) for a, n, m in self.places]


def dispatched(device: Any, text: str, given: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers that a shader writes."""
    gpu = device.gpu
    usage = gpu.wgpu.BufferUsage
    raw = gpu.raw
    source = raw.create_buffer_with_data(data=given, usage=usage.STORAGE)
    target = raw.create_buffer(size=4 * count, usage=usage.STORAGE | usage.COPY_SRC)
    module = raw.create_shader_module(code=text)
    pipeline = raw.create_compute_pipeline(
        layout="auto", compute={"module": module, "entry_point": "main"}
    )
    entries = [
        {"binding": i, "resource": {"buffer": x, "offset": 0, "size": x.size}}
        for i, x in enumerate((source, target))
    ]
    group = raw.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)
    encoder = raw.create_command_encoder()
    run = encoder.begin_compute_pass()
    run.set_pipeline(pipeline)
    run.set_bind_group(0, group)
    run.dispatch_workgroups(1)
    run.end()
    raw.queue.submit([encoder.finish()])
    COUNTERS.dispatches += 1
    return np.frombuffer(raw.queue.read_buffer(target), np.float32).astype(np.float64)


def arguments_of(kinds: Sequence[Type], numbers: np.ndarray) -> list[Any]:
    """Return one point's numbers as what a reference takes: floats, ints and arrays."""
    found: list[Any] = []
    at = 0
    for kind in kinds:
        part = numbers[at : at + size(kind)]
        at += size(kind)
        if isinstance(kind, Scalar):
            found.append(int(part[0]) if kind in (I32, U32) else float(part[0]))
        elif isinstance(kind, Matrix):
            found.append(part.reshape(kind.columns, kind.rows))
        else:
            found.append(part.copy())
    return found
