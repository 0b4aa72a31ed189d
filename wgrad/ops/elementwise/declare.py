"""How an elementwise op is declared: one entry, from which kernels, gradients and tests follow.

An entry gives the WGSL expression, the NumPy function and the partial derivatives. A partial names
what it needs (`out`, or the inputs `a`, `b`, `c`), and only that is kept for the reverse pass; a
boolean partial selects instead of multiplying; None means that no derivative passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Required, TypedDict, Unpack, overload

from ...backends.array import Body
from ...core import register
from ...dtypes import DType
from ..accuracy import Accuracy
from ..families import ARGUMENTS, Elementwise
from ..intervals import Rule

Partial = Callable | float | None


class Entry(TypedDict, total=False):
    """An entry without its partials, whose number tells type checkers how many inputs there are."""

    wgsl: Required[str | Callable[..., str]]
    numpy: Required[Callable[..., Any]]
    kind: str
    arguments: Sequence[str]
    interval: Rule | None
    ulp: float | Accuracy | None
    doc: Required[str]
    example: str


@overload
def elementwise(
    name: str, *, partials: tuple[Partial], **entry: Unpack[Entry]
) -> Elementwise[[Any]]: ...
@overload
def elementwise(
    name: str, *, partials: tuple[Partial, Partial], **entry: Unpack[Entry]
) -> Elementwise[[Any, Any]]: ...
@overload
def elementwise(
    name: str, *, partials: tuple[Partial, Partial, Partial], **entry: Unpack[Entry]
) -> Elementwise[[Any, Any, Any]]: ...
@overload
def elementwise(
    name: str, *, partials: Sequence[Partial], **entry: Unpack[Entry]
) -> Elementwise[...]: ...
def elementwise(
    name: str,
    *,
    wgsl: str | Callable[..., str],
    numpy: Callable[..., Any],
    partials: Sequence[Partial],
    kind: str = "float",
    arguments: Sequence[str] = (),
    interval: Rule | None = None,
    ulp: float | Accuracy | None = None,
    doc: str,
    example: str = "",
) -> Elementwise[...]:
    """Declare an elementwise op of as many inputs as it has partials; a number is a constant one.

    `kind` is one of `Elementwise`'s. `arguments` names the inputs where the standard does not;
    `interval` says what integer results lie between (ops/intervals.py). `ulp` is the largest error
    that a result of floats may have, and every op that computes in floats states it. `doc` says
    what it is, and `example` shows it, as at Python's prompt.
    """
    rules = [_constant(p) if isinstance(p, (int, float)) else p for p in partials]
    names = arguments or ARGUMENTS[len(rules)]
    accuracy = Accuracy(ulp) if isinstance(ulp, (int, float)) else ulp
    body = Body(name, wgsl, numpy)
    op: Elementwise[...] = Elementwise(name, body, kind, rules, names, doc, interval, accuracy)
    return register(op, example=example)


def _constant(value: float) -> Callable:
    def slope() -> float:
        return value

    slope.constant = value  # type: ignore[attr-defined]  # which nobody has to call for
    return slope


def by_kind(number: str, boolean: str = "", floating: str = "") -> Callable[..., str]:
    """Choose a WGSL expression by the dtype of the last operand."""

    def choose(*dtypes: DType) -> str:
        if dtypes[-1].rank == 0 and boolean:
            return boolean
        return floating if floating and dtypes[-1].is_floating else number

    return choose
