"""The table's functions on the GPU: one text, whose entry points put all results into a buffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from conftest import need

from wgrad.kernel.language.symbols import Typed
from wgrad.kernel.language.types import Array, Matrix, Scalar, Type, Vector

HEAD = (
    "@group(0) @binding(0) var<storage, read> given_words: array<u32>;\n"
    "@group(0) @binding(1) var<storage, read_write> found_words: array<u32>;\n"
)


def parts_of(kind: Type, value: str) -> list[tuple[str, Scalar]]:
    """Return the expressions of a value's numbers."""
    if isinstance(kind, Scalar):
        return [(value, kind)]
    if isinstance(kind, Vector):
        return [(f"{value}[{i}]", kind.element) for i in range(kind.size)]
    if isinstance(kind, Matrix):
        return [
            (f"{value}[{c}][{r}]", kind.element)
            for c in range(kind.columns)
            for r in range(kind.rows)
        ]
    assert isinstance(kind, Array) and isinstance(kind.count, int)
    return [x for i in range(kind.count) for x in parts_of(kind.element, f"{value}[{i}]")]


def numbers_of(kind: Type) -> list[Scalar]:
    return [x for _, x in parts_of(kind, "")]


def entry(name: str, functions: Sequence[str], typed: Typed, start: int, stop: int) -> str:
    """Return an entry point that calls functions whose data begins at a row of the buffers."""
    lines = [f"@compute @workgroup_size(64) fn {name}(@builtin(global_invocation_id) id: vec3u) {{"]
    lines.append("  let n = arrayLength(&given_words) / ROWS_IN; if (id.x >= n) { return; }")
    for function in functions:
        info = typed.functions[function]
        arguments = []
        for parameter in info.parameters:
            assert parameter.type is not None
            words = []
            for scalar in numbers_of(parameter.type):
                word = f"given_words[{start}u * n + id.x]"
                words.append(
                    f"({word} != 0u)" if scalar.name == "bool" else f"bitcast<{scalar}>({word})"
                )
                start += 1
            kind = parameter.type
            made = ", ".join(words)
            arguments.append(made if isinstance(kind, Scalar) else f"{kind}({made})")
        assert info.result is not None
        lines.append(f"  {{ let r = {function}({', '.join(arguments)});")
        for part, scalar in parts_of(info.result, "r"):
            word = f"u32({part})" if scalar.name == "bool" else f"bitcast<u32>({part})"
            lines.append(f"    found_words[{stop}u * n + id.x] = {word};")
            stop += 1
        lines.append("  }")
    return "\n".join([*lines, "}"])


def dispatched(code: str, names: Sequence[str], given: np.ndarray, size: int) -> np.ndarray:
    """Return the words that entry points leave in a buffer of `size` words."""
    gpu = need("webgpu").gpu
    with gpu.driving:
        raw: Any = gpu.raw
        usage = 0x80 | 0x4 | 0x8  # storage, copy from, copy to
        first = raw.create_buffer(size=given.nbytes, usage=usage)
        raw.queue.write_buffer(first, 0, np.ascontiguousarray(given))
        second = raw.create_buffer(size=4 * size, usage=usage)
        module = raw.create_shader_module(code=code)
        for name in names:
            made = raw.create_compute_pipeline(
                layout="auto", compute={"module": module, "entry_point": name}
            )
            entries = [
                {"binding": i, "resource": {"buffer": x, "offset": 0, "size": x.size}}
                for i, x in enumerate((first, second))
            ]
            group = raw.create_bind_group(layout=made.get_bind_group_layout(0), entries=entries)
            encoder = raw.create_command_encoder()
            run = encoder.begin_compute_pass()
            run.set_pipeline(made)
            run.set_bind_group(0, group)
            run.dispatch_workgroups(given.shape[-1] // 64 + 1)
            run.end()
            raw.queue.submit([encoder.finish()])
        return np.frombuffer(raw.queue.read_buffer(second), np.uint32).copy()
