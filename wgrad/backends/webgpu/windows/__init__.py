"""Operations on memory that one binding does not hold: cut into windows, each of which is bound.

A device's method asks the function of its name here when something is large. What returns None, or
False, found that everything fits as it is; otherwise the work was done, by the same methods on
views whose buffers are windows.
"""

from .arithmetic import (
    call_into,
    map_into,
    matmul,
    random_into,
    reduce,
    scan,
    wide_beside,
    write,
)
from .indexing import argsort, gather, scatter, scatter_add, searchsorted

__all__ = [
    "argsort",
    "call_into",
    "gather",
    "map_into",
    "matmul",
    "random_into",
    "reduce",
    "scan",
    "scatter",
    "scatter_add",
    "searchsorted",
    "wide_beside",
    "write",
]
