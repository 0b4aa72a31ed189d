"""Which float a composition computes in, where its result's own has too few digits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core import Value
from ..dtypes import float16, float32
from ..ops.families import with_dtype


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of a float16 tensor compute in float32, and round its result alone.

    For compositions in which more than the result might not fit float16: sums over many elements.
    """

    @functools.wraps(function)
    def run(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, Value) and x.dtype is float16:
            return with_dtype(function(with_dtype(x, float32), *args, **kwargs), float16)
        return function(x, *args, **kwargs)

    return run
