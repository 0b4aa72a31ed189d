"""Images seen at positions of one's own: grid_sample, and the grids of affine maps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks.arguments import checked_choice, checked_flag
from ..checks.arguments import size as checked_size
from ..core import Tensor, apply, check_devices
from ..creation.inputs import as_tensor
from ..dtypes import int32
from ..errors import ArgumentError, DTypeError, ShapeError, shown
from ..ops import indexing
from ..ops.elementwise import abs_, clamp, equal, floor, logical_and, round_, weighted, where
from ..ops.families import expanded, with_dtype
from ..ops.indexing import checked_indices
from ..shaping import matrix_transpose, reshape
from .linalg import matmul
from .pooling import constant
from .precision import in_float32

MODES = ("bilinear", "nearest")
PADDINGS = ("zeros", "border", "reflection")


def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return images as they are seen at the positions of a grid, with gradients to both.

    Shapes: input (n, c, h, w), grid (n, i, j, 2) -> (n, c, i, j); or input (n, c, d, h, w), grid
    (n, i, j, k, 3) -> (n, c, i, j, k). A position is (x, y) or (x, y, z): -1 is the left, top and
    front end of an image, and 1 the other. These ends are the middles of the outermost elements
    with align_corners, else their outer edges.
    mode="bilinear" weighs the neighbours of a position, two along each axis, and "nearest" takes
    the nearest element. What is beyond the image is 0 with padding_mode="zeros", the outermost
    element with "border", and the image mirrored at its ends with "reflection".
    Raises: ShapeError, DTypeError; ArgumentError, for mode="bicubic" too.

    ```python
    x = wg.arange(6.0).reshape((1, 1, 2, 3))
    middle = nn.functional.grid_sample(x, wg.zeros((1, 1, 1, 2)))
    assert middle.item() == 2.5
    ```
    """
    name = "grid_sample"
    x = as_tensor(input, name)
    at = as_tensor(grid, name, x)
    checked_choice(mode, MODES, name, "mode")
    checked_choice(padding_mode, PADDINGS, name, "padding_mode")
    corners = align_corners is not None and checked_flag(align_corners, name, "align_corners")
    d = len(x.shape) - 2
    fits = d in (2, 3) and len(at.shape) == d + 2 and at.shape[-1] == d
    if not fits or x.shape[0] != at.shape[0]:
        raise ShapeError(
            f"{name}: an input {x.shape} and a grid {at.shape} came; (n, c, h, w) and (n, i, j, 2) "
            "are needed, or (n, c, d, h, w) and (n, i, j, k, 3)"
        )
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: an input of shape {x.shape} has no channels, or empty images")
    if not (x.dtype.is_floating and at.dtype.is_floating):
        raise DTypeError(
            f"{name}: {x.dtype.name} and {at.dtype.name} tensors came, and floating ones are needed"
        )
    check_devices(name, (x, at))
    return _sampled(x, at, mode, padding_mode, corners)


@in_float32
def _sampled(x: Tensor, grid: Tensor, mode: str, padding: str, corners: bool) -> Tensor:
    (n, c, *image), places = x.shape, grid.shape[1:-1]
    at = reshape(grid, (n, math.prod(places), len(image)))
    flat = reshape(x, (n, c, math.prod(image)))
    # For each axis of the image, the last one first in the grid: neighbours and their weights.
    axes = [
        _neighbours(_position(at[..., -1 - i], size, padding, corners), size, mode)
        for i, size in enumerate(image)
    ]
    out: Any = None
    for chosen in itertools.product(*axes):
        index: Any = 0
        weight: Any = 1.0
        inside: Any = None
        for (place, share, known), size in zip(chosen, image, strict=True):
            index, weight = index * size + place, weight * share
            inside = known if inside is None else logical_and(inside, known)
        index = checked_indices(index, flat.shape[2], "grid_sample")
        index, weight, inside = (
            expanded(reshape(y, (n, 1, y.shape[1])), (n, c, y.shape[1]))
            for y in (index, weight, inside)
        )
        part = where(inside, weighted(weight, apply(indexing.gather_, flat, index, axis=2)), 0.0)
        out = part if out is None else out + part
    return reshape(out, (n, c, *places))


def _position(x: Tensor, size: int, padding: str, corners: bool) -> Tensor:
    """Return positions from -1 to 1 as places along an axis: 0 is its first element's middle."""
    at = (x + 1) * ((size - 1) / 2) if corners else ((x + 1) * size - 1) * 0.5
    if padding == "zeros":
        return at
    if padding == "reflection":
        low, span = (0.0, size - 1) if corners else (-0.5, size)
        far = abs_(at - low)
        if span:
            turns = floor(far / span)
            rest = far - turns * span
            back = equal(turns - 2 * floor(turns * 0.5), 1)
            at = where(back, span - rest, rest) + low
        else:
            at = far * 0.0
    return clamp(at, 0.0, size - 1.0)


def _neighbours(at: Tensor, size: int, mode: str) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return the neighbours along an axis: their places, weights, and whether they exist."""
    first = round_(at) if mode == "nearest" else floor(at)
    share = at - first
    whole = first * 0.0 + 1.0
    made = [(first, whole)] if mode == "nearest" else [(first, 1 - share), (first + 1, share)]
    return [
        # As integers they are held in bounds: whatever becomes of a NaN, it is a place.
        (clamp(with_dtype(x, int32), 0, size - 1), weight, logical_and(x >= 0, x <= size - 1))
        for x, weight in made
    ]


def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Return the grid for `grid_sample` that shows images moved by affine maps.

    Where an image of `size` (n, c, h, w) has its element at (x, y), the grid has theta @ (x, y, 1);
    what -1 and 1 are, align_corners says, as in `grid_sample`.
    Shapes: theta (n, 2, 3) -> (n, h, w, 2); or with size (n, c, d, h, w): theta (n, 3, 4) -> (n, d,
    h, w, 3). Raises: ShapeError, ArgumentError, DTypeError.

    ```python
    mirrored = nn.functional.affine_grid([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], (1, 1, 4, 4))
    assert mirrored.shape == (1, 4, 4, 2)
    ```
    """
    name = "affine_grid"
    x = as_tensor(theta, name)
    if not isinstance(size, (tuple, list)) or len(size) not in (4, 5):
        raise ArgumentError(
            f"{name}: size={shown(size)} came, and (n, c, h, w) or (n, c, d, h, w) is needed"
        )
    n, _, *image = (checked_size(s, f"{name}: size") for s in size)
    d = len(image)
    corners = align_corners is not None and checked_flag(align_corners, name, "align_corners")
    if x.shape != (n, d, d + 1):
        raise ShapeError(f"{name}: theta {x.shape} came, and {(n, d, d + 1)} is needed")
    if not x.dtype.is_floating:
        raise DTypeError(f"{name}: a {x.dtype.name} tensor came, and a floating one is needed")
    lines = [np.linspace(-1, 1, m) * (1 if corners else (m - 1) / m) for m in image]
    lines = [line if len(line) > 1 else np.zeros(1) for line in lines]
    every = np.meshgrid(*lines, indexing="ij")[::-1]
    base = constant(np.stack([*every, np.ones(image)], -1).reshape(-1, d + 1), x)
    return reshape(matmul(base, matrix_transpose(x)), (n, *image, d))
