"""Mini-batches of tensors that lie on a device already, without a loader."""

from __future__ import annotations

from collections.abc import Iterator

from ..checks.arguments import size as checked_size
from ..errors import ArgumentError, DeviceError, ShapeError
from ..indexing import take
from ..random import Generator, randperm
from ..tensor import Tensor

__all__ = ["batches"]


def batches(
    *tensors: Tensor,
    size: int,
    shuffle: bool = True,
    generator: Generator | None = None,
) -> Iterator[tuple[Tensor, ...]]:
    """Return an iterator over tuples of `size` rows of each tensor: one epoch.

    Shapes: tensors (n, ...) -> (size, ...); the last batch has what is left. Every row comes once,
    in an order that `shuffle` draws anew from `generator` (the global stream when None); the same
    order on every device.

    Raises: ArgumentError for a size below 1 or no tensors; ShapeError for tensors of different
    lengths; DeviceError for tensors on different devices.

    >>> x, y = wg.arange(5), wg.arange(5) * 10
    >>> for a, b in wg.data.batches(x, y, size=2, shuffle=False):
    ...     print(a.tolist(), b.tolist())
    [0, 1] [0, 10]
    [2, 3] [20, 30]
    [4] [40]
    """
    count = checked_size(size, "batches: size")
    if not tensors or not all(isinstance(x, Tensor) for x in tensors):
        raise ArgumentError("batches: at least one tensor is needed, and nothing but tensors")
    shapes = [x.shape for x in tensors]
    if not all(shapes) or len({shape[0] for shape in shapes}) != 1:
        raise ShapeError(f"batches: shapes {shapes} came, and equal first axes are needed")
    if len({x.device for x in tensors}) != 1:
        raise DeviceError("batches: the tensors are on several devices: move them with .to()")
    return _batches(tensors, count, shuffle, generator)


def _batches(
    tensors: tuple[Tensor, ...], size: int, shuffle: bool, generator: Generator | None
) -> Iterator[tuple[Tensor, ...]]:
    """The generator behind `batches`, apart from it so that errors come from the call itself."""
    rows = tensors[0].shape[0]
    order = randperm(rows, tensors[0].device, generator) if shuffle else None
    for start in range(0, rows, size):
        stop = min(start + size, rows)
        if order is None:
            yield tuple(x[start:stop] for x in tensors)  # views: nothing is copied
        else:
            yield tuple(take(x, order[start:stop], axis=0) for x in tensors)
