"""The public functions that move, shape and join tensors.

They check and normalise what a user writes, and apply the ops of ops/movement and ops/placing."""

from .joining import concat, repeat, roll, stack, tile
from .padding import pad
from .parts import split, unstack
from .triangles import diag, diag_embed, diagonal, tril, triu
from .views import (
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    meshgrid,
    moveaxis,
    permute_dims,
    reshape,
    squeeze,
    transpose,
    view,
)
