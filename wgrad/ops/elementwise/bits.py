"""Operations on the bits of integers; of bools they are the logical ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import intervals
from ..families import Elementwise
from .declare import by_kind, elementwise


def _bitwise(name: str, wgsl: str, boolean: str, numpy: Callable, doc: str) -> Elementwise:
    return elementwise(
        name,
        wgsl=by_kind(wgsl, boolean=boolean),
        numpy=numpy,
        partials=(None,) * (2 if "b" in wgsl else 1),
        kind="bits",
        interval=getattr(intervals, "bitwise_or" if name == "bitwise_xor" else name),
        doc=f"{doc}; of bools, whether that is so.",
    )


bitwise_and = _bitwise("bitwise_and", "a & b", "a && b", np.bitwise_and, "The bits set in both")
bitwise_or = _bitwise("bitwise_or", "a | b", "a || b", np.bitwise_or, "The bits set in any")
bitwise_xor = _bitwise("bitwise_xor", "a ^ b", "a != b", np.bitwise_xor, "The bits set in one")
bitwise_invert = _bitwise("bitwise_invert", "~a", "!a", np.invert, "The bits that are not set")


def _shift(name: str, numpy: Callable, doc: str) -> Elementwise:
    side = name.removeprefix("bitwise_").removesuffix("_shift")
    return elementwise(
        name,
        wgsl=lambda *dtypes: f"{dtypes[0].name.removesuffix('32')}_shift_{side}(a, b)",
        numpy=numpy,
        partials=(None, None),
        kind="integer",
        interval=getattr(intervals, f"shift_{side}"),
        doc=f"{doc}; a b of 32 or more, or below 0, shifts all bits out.",
    )


bitwise_left_shift = _shift("bitwise_left_shift", np.left_shift, "a * 2 ** b, which wraps around")
bitwise_right_shift = _shift("bitwise_right_shift", np.right_shift, "a / 2 ** b, rounded down")
