"""Picking elements: by keys and by index arrays, in order of value, and as sets."""

from .assignment import setitem
from .indices import host_indices, index_tensor
from .sets import (
    bincount,
    isin,
    nonzero,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from .sorting import argsort, searchsorted, sort, topk
from .taking import getitem, scatter_add, take, take_along_axis, taken
