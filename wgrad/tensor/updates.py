"""Updates: `x += y` and the other operators that assign, in place where nothing is followed.

In place they are what NumPy and PyTorch do: every other name and view of the same memory sees the
new values, and dtype and shape stay. Where the tape or forward mode follows one of the two sides, a
new tensor takes the name instead, so that what was saved stays true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import tape
from ..backends.array import births
from ..core import Tensor, Value
from ..errors import DTypeError, GradientError, ShapeError
from ..ops.families import with_dtype
from ..tape import identity


class Spelling(NamedTuple):
    """How users write a change: what messages call it, in place, and as a new tensor."""

    name: str
    in_place: str
    anew: str


def updated(
    x: Tensor, spelling: Spelling, function: Callable[[Any, Any], Tensor], other: Any
) -> Tensor:
    """Return `x` after it was changed to function(x, other), or the new tensor for its name.

    Raises: GradientError for a leaf that requires grad, outside `no_grad`; DTypeError and
    ShapeError where the result does not fit in `x`.
    """
    if tape.is_followed(x):
        if x.is_parameter:
            raise GradientError(
                f"{spelling.name}: a leaf that requires grad came, which may not be changed while "
                f"the tape records: write `with wg.no_grad(): {spelling.in_place}` to change it in "
                f"place, or `{spelling.anew}` for a new tensor that depends on it"
            )
        return function(x, other)
    if isinstance(other, Value) and tape.is_followed(other):
        return function(x, other)
    x._check_memory(spelling.name)
    start = next(births)
    out = function(x, other)
    if out.dtype.rank > x.dtype.rank:
        raise DTypeError(
            f"{spelling.name}: {out.dtype.name} results do not fit a {x.dtype.name} tensor, which "
            f"is changed in place: write {spelling.anew}"
        )
    if out.shape != x.shape:
        raise ShapeError(
            f"{spelling.name}: results of shape {out.shape} do not fit a tensor of shape "
            f"{x.shape}, which is changed in place: write {spelling.anew}"
        )
    out = with_dtype(out, x.dtype)
    storage = out.array.storage
    owned = storage.born > start and storage is not x.array.storage
    identity.rewrite(x, out.array, owned)
    return x
