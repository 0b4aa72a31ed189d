"""The ops: `families` says how each kind works, the other modules hold one entry per op."""

from ..core import REGISTRY
from . import (
    convolution,
    decompositions,
    elementwise,
    fourier,
    indexing,
    linalg,
    movement,
    placing,
    reduction,
    scan,
    solving,
    windows,
)
