"""Which float a composition computes in, where its result's own has too few digits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ..core import Tensor, Value, check_devices
from ..core.interpret import current
from ..dtypes import DType, float16, float32, promote
from ..ops.families import with_dtype

P = ParamSpec("P")
R = TypeVar("R")


def floating(x: Any) -> Tensor:
    """Return a tensor as floats: integers and bools become float32."""
    return x if x.dtype.is_floating else with_dtype(x, float32)


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of floats compute in the dtype they promote to, and in float32 at the least.

    For compositions in which more than the result might not fit float16: sums over many elements,
    squares. Every tensor of floats among the arguments is widened, and the result has the dtype to
    which they promote (in float32 where products are narrowed: autocast): what decides about other
    dtypes comes before.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        given = [x.dtype for x in (*args, *kwargs.values()) if isinstance(x, Value)]
        floats = {dtype for dtype in given if dtype.is_floating}
        if len(floats) < 2 and float16 not in floats:
            return function(*args, **kwargs)
        check_devices(function.__name__, (*args, *kwargs.values()))  # before a conversion
        result = functools.reduce(promote, floats)
        common = promote(result, float32)
        wide: Any = {name: _as(x, common) for name, x in kwargs.items()}
        places: Any = [_as(x, common) for x in args]
        out = function(*places, **wide)
        return out if current.get().is_narrowing else with_dtype(out, result)

    return run


def beside(out: Any, bias: Any) -> Any:
    """Return what is added to a product, in the product's dtype where that is narrowed."""
    return with_dtype(bias, out.dtype) if current.get().is_narrowing else bias


def _as(x: Any, common: DType) -> Any:
    return with_dtype(x, common) if isinstance(x, Value) and x.dtype.is_floating else x


def widened(x: Any) -> Any:
    """Return a float16 tensor as float32, and all else as it is."""
    return with_dtype(x, float32) if isinstance(x, Value) and x.dtype is float16 else x
