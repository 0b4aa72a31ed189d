"""Which float a composition computes in, where its result's own has too few digits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core import Value
from ..dtypes import float16, float32, promote
from ..ops.families import with_dtype


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of float16 tensors compute in float32, and round its result alone.

    For compositions in which more than the result might not fit float16: sums over many elements,
    squares. Every float16 tensor among the arguments is widened, and the result has the dtype to
    which all tensors among them promote: what decides about dtypes comes before.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        given = [x.dtype for x in (*args, *kwargs.values()) if isinstance(x, Value)]
        if float16 not in given:
            return function(*args, **kwargs)
        wide = {name: widened(x) for name, x in kwargs.items()}
        out = function(*(widened(x) for x in args), **wide)
        return with_dtype(out, functools.reduce(promote, given, float16))

    return run


def widened(x: Any) -> Any:
    """Return a float16 tensor as float32, and all else as it is."""
    return with_dtype(x, float32) if isinstance(x, Value) and x.dtype is float16 else x
