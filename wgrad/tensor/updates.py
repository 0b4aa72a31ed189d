"""Updates: `x += y` and the other operators that assign, in place where nothing is followed.

In place they are what NumPy and PyTorch do: every other name and view of the same memory sees the
new values, and dtype and shape stay. Where the tape or forward mode follows one of the two sides, a
new tensor takes the name instead, so that what was saved stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tape
from ..backends.array import births
from ..core import Tensor, Value
from ..errors import DTypeError, GradientError, ShapeError
from ..ops.families import with_dtype
from ..tape import identity


def updated(x: Tensor, sign: str, function: Callable[[Any, Any], Tensor], other: Any) -> Tensor:
    """Return `x` after `x <sign> other`, or the new tensor that takes its name.

    Raises: GradientError for a leaf that requires grad, outside `no_grad`; DTypeError and
    ShapeError where the result does not fit in `x`.
    """
    if tape.is_followed(x):
        if x.is_parameter:
            operator = sign[:-1]
            raise GradientError(
                f"{sign}: a leaf that requires grad came, which may not be changed while the tape "
                f"records: write `with wg.no_grad(): x {sign} y` to change it in place, or "
                f"`x = x {operator} y` for a new tensor that depends on it"
            )
        return function(x, other)
    if isinstance(other, Value) and tape.is_followed(other):
        return function(x, other)
    x._check_memory(sign)
    start = next(births)
    out = function(x, other)
    if out.dtype.rank > x.dtype.rank:
        raise DTypeError(
            f"{sign}: {out.dtype.name} results do not fit a {x.dtype.name} tensor, which is "
            f"changed in place: write x = x {sign[:-1]} y"
        )
    if out.shape != x.shape:
        raise ShapeError(
            f"{sign}: results of shape {out.shape} do not fit a tensor of shape {x.shape}, "
            f"which is changed in place: write x = x {sign[:-1]} y"
        )
    out = with_dtype(out, x.dtype)
    storage = out.array.storage
    owned = storage.born > start and storage is not x.array.storage
    identity.rewrite(x, out.array, owned)
    return x
