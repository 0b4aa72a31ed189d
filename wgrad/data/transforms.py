"""Transforms of images on their device: whole batches, each image its own draw.

Images are tensors (n, c, h, w). What is random is drawn from a generator, so that a compiled step
draws anew at every run, and a seed gives the same images on every device. Functions of tensors
alone: nothing here knows datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..checks.arguments import size as checked_size
from ..creation import arange, asarray
from ..errors import ArgumentError, ShapeError, shown
from ..indexing import take_along_axis
from ..ops.elementwise import where
from ..random import Generator, rand, randint
from ..shaping import flip, pad
from ..tensor import Tensor

__all__ = [
    *("CenterCrop", "Compose", "Normalize", "RandomCrop", "RandomHorizontalFlip"),
    *("RandomVerticalFlip", "Transform"),
]


class Transform:
    """What is called with images (n, c, h, w) and returns images.

    `generators` are those that it draws from besides the global stream, which a compiled step
    has to be told of: `wg.compile(step, state=[model, optimizer, *transform.generators])`.

    >>> class Darker(wg.data.transforms.Transform):
    ...     def __call__(self, images):
    ...         return images * 0.5
    >>> Darker()(wg.ones(1, 1, 1, 2)).tolist()
    [[[[0.5, 0.5]]]]
    """

    generator: Generator | None = None

    @property
    def generators(self) -> list[Generator]:
        """The generators that it draws from, without the global stream."""
        return [] if self.generator is None else [self.generator]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the images, changed."""
        raise ArgumentError(f"{type(self).__name__}: the class defines no __call__(self, x)")


class Compose(Transform):
    """Transforms one after the other.

    >>> T = wg.data.transforms
    >>> change = T.Compose([T.RandomCrop(28, padding=2), T.RandomHorizontalFlip()])
    >>> change(wg.zeros((16, 1, 28, 28))).shape
    (16, 1, 28, 28)
    """

    def __init__(self, transforms: Iterable[Callable[[Tensor], Tensor]]):
        self.transforms = list(transforms)
        wrong = next((t for t in self.transforms if not callable(t)), None)
        if wrong is not None:
            raise ArgumentError(f"Compose: {shown(wrong)} came, and functions are needed")

    @property
    def generators(self) -> list[Generator]:
        """The generators of all of them."""
        found: dict[int, Generator] = {}
        for t in self.transforms:
            found.update({id(g): g for g in getattr(t, "generators", ())})
        return list(found.values())

    def __call__(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


class _RandomFlip(Transform):
    """Mirrors each image along an axis with probability `p`."""

    axis = -1

    def __init__(self, p: float = 0.5, generator: Generator | None = None):
        if not 0 <= p <= 1:
            raise ArgumentError(f"{type(self).__name__}: p={p} came, and 0 to 1 is needed")
        self.p, self.generator = float(p), generator

    def __call__(self, x: Tensor) -> Tensor:
        x = _images(x, type(self).__name__)
        drawn = rand(x.shape[0], 1, 1, 1, device=x.device, generator=self.generator)
        return where(drawn < self.p, flip(x, self.axis), x)


class RandomHorizontalFlip(_RandomFlip):
    """Mirrors each image left to right with probability `p`.

    >>> flip = wg.data.transforms.RandomHorizontalFlip(p=1.0)
    >>> flip(wg.tensor([[[[1, 2, 3]]]])).tolist()
    [[[[3, 2, 1]]]]
    """


class RandomVerticalFlip(_RandomFlip):
    """Mirrors each image top to bottom with probability `p`.

    >>> flip = wg.data.transforms.RandomVerticalFlip(p=1.0)
    >>> flip(wg.tensor([[[[1], [2]]]])).tolist()
    [[[[2], [1]]]]
    """

    axis = -2


class RandomCrop(Transform):
    """Cuts a window of `size` out of each image at a place of its own.

    `size` is (height, width), or one number for both. `padding` widens the images first, by zeros
    (or `fill`): one number, (left and right, top and bottom), or (left, top, right, bottom).

    >>> wg.data.transforms.RandomCrop(24)(wg.zeros((16, 3, 28, 28))).shape
    (16, 3, 24, 24)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] = 0,
        fill: float = 0.0,
        generator: Generator | None = None,
    ):
        self.size, self.padding = _pair(size, "RandomCrop"), _borders(padding)
        self.fill, self.generator = fill, generator

    def __call__(self, x: Tensor) -> Tensor:
        x = _images(x, "RandomCrop")
        left, top, right, bottom = self.padding
        if any(self.padding):
            x = pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), value=self.fill)
        for axis, size in zip((2, 3), self.size, strict=True):
            free = x.shape[axis] - size
            if free < 0:
                raise ShapeError(
                    f"RandomCrop: images of {x.shape[2]} x {x.shape[3]} came, padding included, "
                    f"and at least {self.size[0]} x {self.size[1]} is needed"
                )
            start = randint(
                0, free + 1, (x.shape[0], 1, 1, 1), device=x.device, generator=self.generator
            )
            shape = (1, 1, size, 1) if axis == 2 else (1, 1, 1, size)
            x = take_along_axis(x, start + arange(size, device=x.device).reshape(shape), axis)
        return x


class CenterCrop(Transform):
    """Cuts a window of `size`, (height, width) or one number, out of the middle of each image.

    >>> wg.data.transforms.CenterCrop(2)(wg.arange(16).reshape(1, 1, 4, 4))[0, 0]
    tensor([[ 5,  6],
            [ 9, 10]])
    """

    def __init__(self, size: int | Sequence[int]):
        self.size = _pair(size, "CenterCrop")

    def __call__(self, x: Tensor) -> Tensor:
        x = _images(x, "CenterCrop")
        (h, w), (height, width) = self.size, x.shape[2:]
        if h > height or w > width:
            raise ShapeError(
                f"CenterCrop: images of {height} x {width} came, and at least {h} x {w} is needed"
            )
        top, left = round((height - h) / 2.0), round((width - w) / 2.0)
        return x[:, :, top : top + h, left : left + w]


class Normalize(Transform):
    """(x - mean) / std with a number for each channel, or one for all.

    Raises: ArgumentError for a std that is not above 0.

    >>> images = wg.tensor([[[[0.0, 0.5, 1.0]]]])
    >>> wg.data.transforms.Normalize(0.5, 0.25)(images).tolist()
    [[[[-2.0, 0.0, 2.0]]]]
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        self.mean, self.std = _numbers(mean), _numbers(std)
        if any(not s > 0 for s in self.std):
            raise ArgumentError(f"Normalize: std={shown(std)} came, and more than 0 is needed")

    def __call__(self, x: Tensor) -> Tensor:
        x = _images(x, "Normalize")
        for numbers in (self.mean, self.std):
            if len(numbers) not in (1, x.shape[1]):
                raise ShapeError(
                    f"Normalize: {len(numbers)} numbers came for images of {x.shape[1]} channels"
                )
        mean, std = (
            n[0] if len(n) == 1 else asarray(n, x.dtype, x.device).reshape((1, -1, 1, 1))
            for n in (self.mean, self.std)
        )
        return (x - mean) / std


def _images(x: Tensor, where: str) -> Tensor:
    if not isinstance(x, Tensor) or len(x.shape) != 4:
        raise ShapeError(f"{where}: {shown(x)} came, and a tensor (n, c, h, w) of images is needed")
    return x


def _pair(size: int | Sequence[int], where: str) -> tuple[int, int]:
    both = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(both) != 2:
        raise ArgumentError(f"{where}: size={shown(size)} came; height and width are needed")
    return checked_size(both[0], f"{where}: size"), checked_size(both[1], f"{where}: size")


def _borders(padding: int | Sequence[int]) -> tuple[int, ...]:
    given = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,)
    if len(given) not in (1, 2, 4) or any(not isinstance(p, int) or p < 0 for p in given):
        raise ArgumentError(
            f"RandomCrop: padding={shown(padding)} came, and 1, 2 or 4 integers of at least 0 are "
            "needed"
        )
    return given * (4 // len(given))


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(v) for v in value) if isinstance(value, (tuple, list)) else (float(value),)
