"""Folds: how many values become one, two at a time. What reductions and scans are made of.

A fold is data, as the body of an elementwise kernel is: what computes folds names none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np

from ..dtypes import DType, float32, int32
from ..errors import ArgumentError, shown
from .array import Body, Number

Interval = tuple[int, int]


@dataclass(frozen=True)
class Wide:
    """What kernels fold floats in, where a float cannot hold what there is on the way.

    `dtype` is how memory holds it, and its WGSL type. The file `library` of shaders/ declares that,
    and the functions `widened` from a float and `narrowed` to one. `wgsl` makes one of two, `a` and
    `b`, and `nothing` is a fold of nothing.
    """

    dtype: DType
    library: str
    wgsl: str
    nothing: str


@dataclass(frozen=True, eq=False)
class Fold:
    """How two values become one; in which order many do is free.

    `wgsl` is an expression over `a` and `b`, or a function from their dtype to one, and says what
    becomes of NaN. Bools may come as u32 of 0 or 1. `numpy` is the same for the reference: an
    np.ufunc, as ArgumentError says of what is none.
    `identity` is what a fold of nothing has, by dtype, and changes nothing in a fold: ArgumentError
    says so too.
    """

    name: str  # which WGSL takes for a name
    wgsl: str | Callable[[DType], str]
    numpy: np.ufunc
    identity: Callable[[DType], Number]
    empty: bool = True  # whether a tensor without elements may be folded
    # What integer results lie between, when so many elements each do; None: anything.
    interval: Callable[[Interval, int], Interval] | None = None
    # The reference folds more float32 than this in float64: for digits, or for exponents.
    terms: float = inf
    wide: Wide | None = None  # for floats
    # Whether the fold of c x is c times that of x, so that scans can keep what overflows in range.
    scales: bool = False
    of: Fold | None = None  # the fold of which this one takes 1/64 of the elements

    def __post_init__(self) -> None:
        if not isinstance(self.numpy, np.ufunc) or self.numpy.nin != 2:
            came = shown(self.numpy)
            raise ArgumentError(
                f"Fold: {self.name} came with numpy={came}, and a ufunc of two is needed"
            )
        for dtype in (float32, int32):
            self._check_identity(dtype)

    def _check_identity(self, dtype: DType) -> None:
        """Raise ArgumentError unless the identity changes nothing that was folded."""
        low, high = np.array([-3, 2], dtype.numpy)
        try:
            folded = self.numpy(low, high)
        except TypeError:  # a fold of other dtypes
            return
        nothing = self.identity(dtype)
        with np.errstate(all="ignore"), suppress(TypeError, ValueError, OverflowError):
            if np.isclose(self.numpy(dtype.numpy.type(nothing), folded), folded):
                return
        raise ArgumentError(
            f"Fold: {self.name} came with the identity {shown(nothing)} of {dtype.name}, and what "
            f"changes nothing in a fold is needed: it changes {folded}"
        )

    @cached_property
    def body(self) -> Body:
        """The elementwise body that makes one of two."""
        wgsl = self.wgsl
        code = wgsl if isinstance(wgsl, str) else lambda a, b: wgsl(a)
        return Body(f"fold_{self.name}", code, self.numpy)

    @cached_property
    def small(self) -> Fold:
        """The fold of 1/64 of the elements."""
        return replace(self, name=f"small_{self.name}", of=self)

    def expression(self, dtype: DType) -> str:
        """Return the WGSL that makes one of two, `a` and `b`."""
        return self.body.expression((dtype, dtype))

    def wide_for(self, dtype: DType) -> Wide | None:
        """Return what kernels fold in, if not in the dtype."""
        return self.wide if dtype.is_floating else None

    def accumulator(self, dtype: np.dtype, terms: int) -> np.dtype:
        """Return what NumPy folds so many elements in."""
        return np.dtype(np.float64) if terms > self.terms and dtype == np.float32 else dtype


def least(dtype: DType) -> Number:
    """Return the least value of a dtype."""
    return -inf if dtype.is_floating else int(np.iinfo(dtype.numpy).min)


def greatest(dtype: DType) -> Number:
    """Return the greatest value of a dtype."""
    return inf if dtype.is_floating else int(np.iinfo(dtype.numpy).max)


SUM = Fold(
    "sum",
    "a + b",
    np.add,
    lambda dtype: 0,
    interval=lambda a, count: (a[0] * count, a[1] * count),
    terms=4096,
    scales=True,
)
PROD = Fold(
    "prod",
    "a * b",
    np.multiply,
    lambda dtype: 1,
    terms=0,
    wide=Wide(
        DType("wide", np.dtype("V12"), 2, "Wide", "Wide"),
        "lib/wide_product",
        "wide_product(a, b)",
        "Wide(1.0, 0.0, 0)",
    ),
)
MAX = Fold(
    "max",
    lambda dtype: "nan_max(a, b)" if dtype.is_floating else "max(a, b)",
    np.maximum,
    least,
    empty=False,
    interval=lambda a, count: a,
)
MIN = Fold(
    "min",
    lambda dtype: "nan_min(a, b)" if dtype.is_floating else "min(a, b)",
    np.minimum,
    greatest,
    empty=False,
    interval=lambda a, count: a,
)
ANY = Fold("any", "a | b", np.logical_or, lambda dtype: False)
ALL = Fold("all", "a & b", np.logical_and, lambda dtype: True)
LOGSUMEXP = Fold("logsumexp", "real_logaddexp(a, b)", np.logaddexp, least, terms=0)
