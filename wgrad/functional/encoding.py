"""Labels as vectors."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..core import Value
from ..devices import device as find_device
from ..errors import ArgumentError, shown
from ..indexing import host_indices
from ..ops import indexing
from ..ops.elementwise import equal
from ..ops.families import with_dtype
from ..shaping import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor


def one_hot(labels: Any, classes: int, dtype: Any = float, device: Any = None) -> Tensor:
    """Return rows of zeros with a 1 at each label. Shapes: (...) -> (..., classes)."""
    from ..creation import arange

    try:
        count = operator.index(classes)
    except TypeError:
        count = -1
    if not 0 <= count < 2**31:
        raise ArgumentError(
            f"one_hot: {shown(classes)} classes came, and an integer from 0 to 2**31 - 1 is needed"
        )
    target = dtypes.as_dtype(float if dtype is None else dtype)
    if isinstance(labels, Value):
        found: Any = labels
    else:
        found = host_indices(labels, find_device(device), "one_hot", "labels")
    found.device.check_dtype(target, "one_hot")
    indexing.check_indices(found, count, "one_hot", "label")
    places = arange(count, dtype=found.dtype, device=found.device)
    return with_dtype(equal(reshape(found, (*found.shape, 1)), places), target)
