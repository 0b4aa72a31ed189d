"""Several elementwise bodies as one: a list of statements, each one body over earlier results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ..backends.base import OPERANDS, Body
from ..dtypes import DType
from .ir import Step


@dataclass(frozen=True)
class Statement:
    """One body; an argument i >= 0 is operand i of the whole, and ~j the result of statement j."""

    body: Body
    args: tuple[int, ...]
    dtypes: tuple[DType, ...]
    out: DType


@dataclass(frozen=True)
class Fused:
    """The operands' dtypes and the statements, of which the last is the result."""

    dtypes: tuple[DType, ...]
    statements: tuple[Statement, ...]

    @staticmethod
    def of(step: Step) -> Fused:
        """Return what a map step computes, fused before or not."""
        body, dtypes = step.params["body"], step.params["dtypes"]
        if isinstance(body, FusedBody):
            return body.fused
        return Fused(dtypes, (Statement(body, tuple(range(len(dtypes))), dtypes, step.dtype),))

    def with_inlined(self, i: int, inner: Fused) -> Fused:
        """Return this with operand `i` computed by `inner`, whose operands take its place."""
        shift, width = len(inner.statements), len(inner.dtypes)

        def outer(arg: int) -> int:
            if arg < 0:
                return ~(~arg + shift)
            if arg == i:
                return ~(shift - 1)
            return arg if arg < i else arg + width - 1

        first = [_moved(s, lambda arg: arg if arg < 0 else arg + i) for s in inner.statements]
        last = [_moved(s, outer) for s in self.statements]
        dtypes = (*self.dtypes[:i], *inner.dtypes, *self.dtypes[i + 1 :])
        return Fused(dtypes, (*first, *last))

    def with_merged(self, i: int, j: int) -> Fused:
        """Return this with operand `j` replaced by the equal operand `i`, which comes before it."""
        statements = tuple(
            _moved(s, lambda arg: i if arg == j else (arg - 1 if arg > j else arg))
            for s in self.statements
        )
        return Fused((*self.dtypes[:j], *self.dtypes[j + 1 :]), statements)

    def body(self) -> Body:
        """Return the one body; equal fusions share one, and with it their compiled kernels."""
        return _body(self)


def _moved(statement: Statement, place: Callable[[int], int]) -> Statement:
    args = tuple(place(arg) for arg in statement.args)
    return Statement(statement.body, args, statement.dtypes, statement.out)


@dataclass(frozen=True, eq=False)
class FusedBody(Body):
    """A body made of statements: one WGSL function each, and one `let` each; nothing is nested."""

    fused: Fused = field(default=Fused((), ()))

    def functions(self, dtypes: Sequence[DType], out: DType) -> str:
        lines = []
        for j, s in enumerate(self.fused.statements):
            code = s.body.functions(s.dtypes, s.out)
            lines.append(code.replace("fn body(", f"fn step_{j}(", 1))
        names = zip(OPERANDS, dtypes, strict=False)
        parameters = ", ".join(f"{name}: {dtype.wgsl}" for name, dtype in names)
        lines.append(f"fn body({parameters}) -> {out.wgsl} {{")
        for j, s in enumerate(self.fused.statements):
            args = ", ".join(OPERANDS[a] if a >= 0 else f"r{~a}" for a in s.args)
            lines.append(f"    let r{j} = step_{j}({args});")
        lines.append(f"    return r{len(self.fused.statements) - 1};")
        lines.append("}")
        return "\n".join(lines)


def _numpy(fused: Fused) -> Callable[..., Any]:
    """Return the fused function in NumPy: the statements in order, each in its own dtype."""

    def run(*operands: Any) -> Any:
        results: list[Any] = []
        for s in fused.statements:
            args = [operands[a] if a >= 0 else results[~a] for a in s.args]
            value = s.body.numpy(*args)
            if getattr(value, "dtype", None) != s.out.numpy:
                value = np.asarray(value, s.out.numpy)
            results.append(value)
        return results[-1]

    return run


@lru_cache(maxsize=4096)
def _body(fused: Fused) -> Body:
    name = " ".join(s.body.name for s in fused.statements)
    return FusedBody(name, "", _numpy(fused), fused)
