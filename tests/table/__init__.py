"""The table of operations that the forward and the gradient tests run over.

One row says how an operation is called, what NumPy computes for it in float64, on which inputs and
dtypes it is tried, how exact float32 is, and by which inputs it can be differentiated. A row names
what it covers: ops of the registry and public functions. The tests fail when one has no row.
"""

from __future__ import annotations

from . import (
    compositions,
    convolution,
    decompositions,
    elementwise,
    further,
    indexing,
    linalg,
    movement,
    networks,
    ported,
    reductions,
)
from .layouts import LAYOUTS, assert_matches, expanded
from .row import ALL, FLOATS, HALF, INTS, NUMBERS, Arg, Row, leading, widened

ROWS: tuple[Row, ...] = (
    *elementwise.elementwise(),
    *reductions.reductions(),
    *movement.movement(),
    *linalg.linalg(),
    *linalg.products(),
    *decompositions.solving_(),
    *decompositions.decompositions(),
    *decompositions.fourier_(),
    *indexing.indexing(),
    *compositions.compositions(),
    *convolution.convolution(),
    *networks.networks(),
    *ported.ported(),
    *further.further(),
)
assert len({row.id for row in ROWS}) == len(ROWS), "two rows have one id"
DIFFERENTIABLE = tuple(row for row in ROWS if row.grad and "float64" in row.dtypes)
ELEMENTWISE = tuple(row for row in ROWS if row.elementwise)
