"""Picking elements: by keys and by index arrays, in order of value, and as sets."""

from .assignment import setitem
from .indices import host_indices, index_tensor
from .scattering import (
    index_add,
    index_reduce,
    masked_scatter,
    scatter,
    scatter_add,
    scatter_reduce,
)
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
from .taking import getitem, take, take_along_axis, taken
