"""bitcast: the same bits as another type."""

from __future__ import annotations

import struct
from typing import Any

from ..types import BOOL, F16, F32, I32, U32, Scalar, Type, Vector, concrete, scalar_of
from ..values import round_to
from .base import Match, builtin

_FORMS = {I32: "i", U32: "I", F32: "f", F16: "e"}


def _bits(kind: Type) -> int | None:
    scalar = scalar_of(kind)
    if not isinstance(kind, (Scalar, Vector)) or scalar is None or scalar == BOOL:
        return None
    size = kind.size if isinstance(kind, Vector) else 1
    return size * (16 if scalar == F16 else 32)


def _resolve(templates: tuple[Type, ...], kinds: tuple[Type, ...]) -> Match | str:
    if len(templates) != 1:
        return "bitcast needs the type that it makes: bitcast<u32>(x)"
    if len(kinds) != 1:
        return f"bitcast takes one value, not {len(kinds)}"
    target, source = templates[0], concrete(kinds[0])
    size = _bits(source)
    if size is None or size != _bits(target):
        return (
            f"bitcast<{target}>({source}) is not defined: both have to be as many bits of numbers"
        )
    return Match((source,), target)


def _constant(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
    source, target = scalar_of(kinds[0]), scalar_of(result)
    assert source is not None and target is not None
    items = values[0] if isinstance(values[0], tuple) else (values[0],)
    data = struct.pack(f"<{len(items)}{_FORMS[source]}", *items)
    count = result.size if isinstance(result, Vector) else 1
    numbers = struct.unpack(f"<{count}{_FORMS[target]}", data)
    if target in (F32, F16):
        numbers = tuple(round_to(x, target) for x in numbers)  # NaN and infinity are errors
    return numbers if isinstance(result, Vector) else numbers[0]


builtin("bitcast", resolve=_resolve, constant=_constant, templates=True)
