"""What an elementwise body's NumPy function does, as single NumPy calls that can write in place.

The function runs once over stand-ins, which write down the ufuncs that it calls. So an op declares
its NumPy function once, and programs need no second version of it that takes `out=`. What the
stand-ins do not know (a function that asks for values, or calls other parts of NumPy) stays one
call, whose result is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backends.array import Body, Number
from ...backends.tracing import Live


@dataclass(frozen=True)
class Scalar:
    """A number in the dtype that NumPy computes with it in."""

    value: Number
    dtype: np.dtype


@dataclass(frozen=True)
class BodyCall:
    """One NumPy call: `function` is a ufunc, `np.where`, or `np.copyto` where it converts.

    An argument i >= 0 is operand i of the body, and ~j the result of part j.
    """

    function: Callable
    args: tuple[int | Scalar, ...]
    dtype: np.dtype


class _UnknownError(Exception):
    """The stand-ins cannot write down what the function does."""


def parts(body: Body, operands: Sequence[np.dtype | Number]) -> list[BodyCall] | None:
    """Return the calls of `body` over arrays of the dtypes given, and numbers; None if unknown.

    The last part makes the result.
    """
    made: list[BodyCall] = []
    stand_ins = [
        _StandIn(made, i, x) if isinstance(x, np.dtype) else _StandIn(made, x, type(x))
        for i, x in enumerate(operands)
    ]
    try:
        out = body.numpy(*stand_ins)
    except Exception:  # whatever a function makes of arguments that are no arrays
        return None
    if not isinstance(out, _StandIn) or not made or out.value != ~(len(made) - 1):
        return None
    return made


class _StandIn(np.lib.mixins.NDArrayOperatorsMixin):
    """Takes the place of an operand or of a result: `value` says of which, as in BodyCall.

    A number stands for itself, and its `dtype` is its Python type: NumPy's rules for weak numbers.
    """

    def __init__(self, made: list[BodyCall], value: Any, dtype: Any):
        self.made = made
        self.value = value
        self.dtype = dtype

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise _UnknownError

    def __bool__(self) -> bool:
        raise _UnknownError

    def __float__(self) -> float:
        if isinstance(self.dtype, type) and not isinstance(self.value, Live):
            return float(self.value)
        raise TypeError("only a number that no run changes is known")

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **kwargs: Any
    ) -> Any:
        if method != "__call__" or kwargs or ufunc.nout != 1 or ufunc.signature is not None:
            raise _UnknownError
        kinds = tuple(_kind(x) for x in inputs)
        return self._add(ufunc, inputs, ufunc.resolve_dtypes((*kinds, None)), *out)

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        if function is np.empty_like and len(args) == 1 and not kwargs:
            return _StandIn(self.made, None, self.dtype)
        if function is not np.where or len(args) != 3 or kwargs:
            raise _UnknownError
        weak = (_number(x) if _is_number(x) else x.dtype for x in args[1:])
        chosen = np.result_type(*weak)
        return self._add(np.where, args, (np.dtype(np.bool_), chosen, chosen, chosen))

    def astype(self, dtype: Any) -> _StandIn:
        """Write down a conversion."""
        return self._add(np.copyto, (self,), (self.dtype, np.dtype(dtype)))

    def _add(
        self, function: Callable, inputs: Sequence, kinds: Sequence, into: Any = None
    ) -> _StandIn:
        """Write down a call, whose result is in a new stand-in or replaces what is in `into`."""
        if all(_is_number(x) for x in inputs):
            raise _UnknownError  # Python computes that, and in its own precision
        args = tuple(
            Scalar(_number(x), kind) if _is_number(x) else x.value
            for x, kind in zip(inputs, kinds, strict=False)
        )
        self.made.append(BodyCall(function, args, kinds[-1]))
        out = _StandIn(self.made, None, kinds[-1]) if into is None else into
        if not isinstance(out, _StandIn) or out.dtype != kinds[-1]:
            raise _UnknownError
        out.value = ~(len(self.made) - 1)
        return out


def _is_number(x: Any) -> bool:
    return not isinstance(x, _StandIn) or isinstance(x.dtype, type)


def _number(x: Any) -> Number:
    number = x.value if isinstance(x, _StandIn) else x
    if not isinstance(number, (bool, int, float)):
        raise _UnknownError
    return number


def _kind(x: Any) -> Any:
    """Return what NumPy's rules take for an operand: a dtype, or int or float for a number."""
    if not _is_number(x):
        return x.dtype
    number = _number(x)
    if isinstance(number, bool):
        return np.dtype(np.bool_)
    return int if isinstance(number, int) else float
