"""Padding as layers: nn.functional.pad around the last one, two or three axes, in one mode.

`padding` is one number for all sides, or (before, after) for every axis, the last one first;
negative numbers cut off. Raises, in all of them: ArgumentError; in the call, ShapeError.
"""

from __future__ import annotations

from typing import Any

from ..creation.inputs import as_float
from ..functional.convolution import Numbers
from ..functional.padding import checked_pads, pad
from ..tensor import Tensor
from .module import Module


class _Pad(Module):
    """A padding layer for so many axes, in one mode."""

    axes: int
    mode: str

    def __init_subclass__(cls, axes: int = 0, mode: str = "constant", **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if axes:  # else a subclass of one that has them
            cls.axes, cls.mode = axes, mode

    def __init__(self, padding: Numbers):
        self.padding = checked_pads(padding, self.axes, type(self).__name__)

    def forward(self, x: Any) -> Tensor:
        return pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: Numbers, value: float):
        super().__init__(padding)
        self.value = as_float(value, type(self).__name__, "value")

    def forward(self, x: Any) -> Tensor:
        return pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Numbers):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return str(self.padding)


class ConstantPad1d(_ConstantPad, axes=1):
    """`value` around the last axis.

    Shapes: (..., w) -> (..., w + left + right).

    >>> wg.nn.ConstantPad1d((2, 1), 9)(wg.tensor([[1, 2, 3]]))
    tensor([[9, 9, 1, 2, 3, 9]])
    """


class ConstantPad2d(_ConstantPad, axes=2):
    """`value` around the last two axes.

    Shapes: (..., h, w) -> (..., h + top + bottom, w + left + right).

    >>> wg.nn.ConstantPad2d(1, 9)(wg.tensor([[[1, 2]]])).tolist()
    [[[9, 9, 9, 9], [9, 1, 2, 9], [9, 9, 9, 9]]]
    """


class ConstantPad3d(_ConstantPad, axes=3):
    """`value` around the last three axes.

    Shapes: (..., d, h, w) -> each axis with its two paddings.

    >>> wg.nn.ConstantPad3d(1, 9)(wg.ones(1, 2, 3, 4)).shape
    (1, 4, 5, 6)
    """


class ZeroPad1d(_ZeroPad, axes=1):
    """Zeros around the last axis.

    Shapes: (..., w) -> (..., w + left + right).

    >>> wg.nn.ZeroPad1d((2, 1))(wg.tensor([[1, 2, 3]]))
    tensor([[0, 0, 1, 2, 3, 0]])
    """


class ZeroPad2d(_ZeroPad, axes=2):
    """Zeros around the last two axes.

    Shapes: (..., h, w) -> (..., h + top + bottom, w + left + right).

    >>> wg.nn.ZeroPad2d(1)(wg.tensor([[[1, 2]]])).tolist()
    [[[0, 0, 0, 0], [0, 1, 2, 0], [0, 0, 0, 0]]]
    """


class ZeroPad3d(_ZeroPad, axes=3):
    """Zeros around the last three axes.

    Shapes: (..., d, h, w) -> each axis with its two paddings.

    >>> wg.nn.ZeroPad3d(1)(wg.ones(1, 2, 3, 4)).shape
    (1, 4, 5, 6)
    """


class ReflectionPad1d(_Pad, axes=1, mode="reflect"):
    """Elements mirrored at the edge, around the last axis.

    Shapes: (..., w) -> (..., w + left + right).

    >>> wg.nn.ReflectionPad1d(2)(wg.tensor([[1, 2, 3]]))
    tensor([[3, 2, 1, 2, 3, 2, 1]])
    """


class ReflectionPad2d(_Pad, axes=2, mode="reflect"):
    """Elements mirrored at the edge, around the last two axes.

    Shapes: (..., h, w) -> (..., h + top + bottom, w + left + right).

    >>> wg.nn.ReflectionPad2d((1, 1, 0, 0))(wg.tensor([[[1, 2], [3, 4]]])).tolist()
    [[[2, 1, 2, 1], [4, 3, 4, 3]]]
    """


class ReflectionPad3d(_Pad, axes=3, mode="reflect"):
    """Elements mirrored at the edge, around the last three axes.

    Shapes: (..., d, h, w) -> each axis with its two paddings.

    >>> wg.nn.ReflectionPad3d(1)(wg.ones(1, 2, 3, 4)).shape
    (1, 4, 5, 6)
    """


class ReplicationPad1d(_Pad, axes=1, mode="replicate"):
    """The edge repeated, around the last axis.

    Shapes: (..., w) -> (..., w + left + right).

    >>> wg.nn.ReplicationPad1d(2)(wg.tensor([[1, 2, 3]]))
    tensor([[1, 1, 1, 2, 3, 3, 3]])
    """


class ReplicationPad2d(_Pad, axes=2, mode="replicate"):
    """The edge repeated, around the last two axes.

    Shapes: (..., h, w) -> (..., h + top + bottom, w + left + right).

    >>> wg.nn.ReplicationPad2d((1, 0, 0, 1))(wg.tensor([[[1, 2]]])).tolist()
    [[[1, 1, 2], [1, 1, 2]]]
    """


class ReplicationPad3d(_Pad, axes=3, mode="replicate"):
    """The edge repeated, around the last three axes.

    Shapes: (..., d, h, w) -> each axis with its two paddings.

    >>> wg.nn.ReplicationPad3d(1)(wg.ones(1, 2, 3, 4)).shape
    (1, 4, 5, 6)
    """


class CircularPad1d(_Pad, axes=1, mode="circular"):
    """What lies at the other end, around the last axis.

    Shapes: (..., w) -> (..., w + left + right).

    >>> wg.nn.CircularPad1d(1)(wg.tensor([[1, 2, 3]]))
    tensor([[3, 1, 2, 3, 1]])
    """


class CircularPad2d(_Pad, axes=2, mode="circular"):
    """What lies at the other end, around the last two axes.

    Shapes: (..., h, w) -> (..., h + top + bottom, w + left + right).

    >>> wg.nn.CircularPad2d(1)(wg.tensor([[[1, 2], [3, 4]]])).tolist()
    [[[4, 3, 4, 3], [2, 1, 2, 1], [4, 3, 4, 3], [2, 1, 2, 1]]]
    """


class CircularPad3d(_Pad, axes=3, mode="circular"):
    """What lies at the other end, around the last three axes.

    Shapes: (..., d, h, w) -> each axis with its two paddings.

    >>> wg.nn.CircularPad3d(1)(wg.ones(1, 2, 3, 4)).shape
    (1, 4, 5, 6)
    """
