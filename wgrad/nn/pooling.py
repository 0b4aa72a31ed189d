"""Pooling as layers: they have nothing to learn."""

from __future__ import annotations

from typing import Any

from ..checks.arguments import checked_flag
from ..creation.inputs import as_float
from ..functional.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    output_sizes,
)
from ..functional.convolution import Numbers
from ..functional.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    checked_divisor,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from ..functional.responses import lp_pool1d, lp_pool2d, lp_pool3d
from ..functional.unpooling import max_unpool1d, max_unpool2d, max_unpool3d
from ..functional.windows import pool_frame
from ..tensor import Tensor
from .wrapped import ForImages


class _Pool(ForImages):
    """A pooling layer: where its windows lie."""

    kernel_size: Numbers
    stride: Numbers
    padding: Numbers

    def _lay(self, size: Numbers, stride: Numbers | None, padding: Numbers, gap: Any = 1) -> None:
        """Keep where windows lie. Raises: ArgumentError for what serves no image."""
        pool_frame(type(self).__name__, self.axes, size, stride, padding, gap)
        self.kernel_size, self.stride = size, size if stride is None else stride
        self.padding = padding

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        dilation: Numbers = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        name = type(self).__name__
        self._lay(kernel_size, stride, padding, dilation)
        self.dilation = dilation
        self.return_indices = checked_flag(return_indices, name, "return_indices")
        self.ceil_mode = checked_flag(ceil_mode, name, "ceil_mode")

    def forward(self, x: Any) -> Any:
        how = self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        return type(self)._function(x, self.kernel_size, *how)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dilation={self.dilation}, ceil_mode={self.ceil_mode}"


class MaxPool1d(_MaxPool, axes=1, function=max_pool1d):
    """The largest value of every window along one axis: nn.functional.max_pool1d as a layer.

    Shapes: (n, c, l) -> (n, c, windows), or without n.

    >>> wg.nn.MaxPool1d(2)(wg.tensor([[1.0, 3.0, 7.0, 5.0]]))
    tensor([[3., 7.]])
    """


class MaxPool2d(_MaxPool, axes=2, function=max_pool2d):
    """The largest value of every window: nn.functional.max_pool2d as a layer.

    With return_indices it returns a pair, as the function does. Raises: ArgumentError, here as in
    all of these, for what serves no image.
    Shapes: (n, c, h, w) -> (n, c, windows, windows), or without n.

    >>> wg.nn.MaxPool2d(2)(wg.ones(8, 16, 28, 28)).shape
    (8, 16, 14, 14)
    """


class MaxPool3d(_MaxPool, axes=3, function=max_pool3d):
    """The largest value of every window of volumes: nn.functional.max_pool3d as a layer.

    Shapes: (n, c, d, h, w) -> (n, c, windows, windows, windows), or without n.

    >>> wg.nn.MaxPool3d(2)(wg.ones(2, 3, 4, 4, 4)).shape
    (2, 3, 2, 2, 2)
    """


class _MaxUnpool(_Pool):
    def __init__(self, kernel_size: Numbers, stride: Numbers | None = None, padding: Numbers = 0):
        self._lay(kernel_size, stride, padding)

    def forward(self, x: Any, indices: Any, output_size: Any = None) -> Tensor:
        how = self.kernel_size, self.stride, self.padding, output_size
        return type(self)._function(x, indices, *how)


class MaxUnpool1d(_MaxUnpool, axes=1, function=max_unpool1d):
    """Values where MaxPool1d found them: nn.functional.max_unpool1d as a layer.

    Shapes: values and indices (n, c, windows) -> (n, c, l), or without n.

    >>> pool, back = wg.nn.MaxPool1d(2, return_indices=True), wg.nn.MaxUnpool1d(2)
    >>> back(*pool(wg.tensor([[1.0, 3.0, 7.0, 5.0]])))
    tensor([[0., 3., 7., 0.]])
    """


class MaxUnpool2d(_MaxUnpool, axes=2, function=max_unpool2d):
    """Values where MaxPool2d found them: nn.functional.max_unpool2d as a layer.

    Shapes: values and indices (n, c, windows, windows) -> (n, c, h, w), or without n.

    >>> pool, back = wg.nn.MaxPool2d(2, return_indices=True), wg.nn.MaxUnpool2d(2)
    >>> back(*pool(wg.ones(1, 3, 4, 4))).shape
    (1, 3, 4, 4)
    """


class MaxUnpool3d(_MaxUnpool, axes=3, function=max_unpool3d):
    """Values where MaxPool3d found them: nn.functional.max_unpool3d as a layer.

    Shapes: values and indices (n, c, windows, windows, windows) -> (n, c, d, h, w), or without n.

    >>> pool, back = wg.nn.MaxPool3d(2, return_indices=True), wg.nn.MaxUnpool3d(2)
    >>> back(*pool(wg.ones(1, 3, 4, 4, 4))).shape
    (1, 3, 4, 4, 4)
    """


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        name = type(self).__name__
        self._lay(kernel_size, stride, padding)
        self.ceil_mode = checked_flag(ceil_mode, name, "ceil_mode")
        self.count_include_pad = checked_flag(count_include_pad, name, "count_include_pad")

    def _options(self) -> tuple:
        return self.stride, self.padding, self.ceil_mode, self.count_include_pad

    def forward(self, x: Any) -> Tensor:
        return type(self)._function(x, self.kernel_size, *self._options())


class _DividedAvgPool(_AvgPool):
    def __init__(
        self,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        padding: Numbers = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        checked_divisor(divisor_override, type(self).__name__)
        self.divisor_override = divisor_override

    def _options(self) -> tuple:
        return *super()._options(), self.divisor_override


class AvgPool1d(_AvgPool, axes=1, function=avg_pool1d):
    """The mean of every window along one axis: nn.functional.avg_pool1d as a layer.

    Shapes: (n, c, l) -> (n, c, windows), or without n.

    >>> wg.nn.AvgPool1d(2)(wg.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[2., 6.]])
    """


class AvgPool2d(_DividedAvgPool, axes=2, function=avg_pool2d):
    """The mean of every window: nn.functional.avg_pool2d as a layer.

    Shapes: (n, c, h, w) -> (n, c, windows, windows), or without n.

    >>> wg.nn.AvgPool2d(2)(wg.tensor([[[1.0, 2.0], [3.0, 6.0]]])).item()
    3.0
    """


class AvgPool3d(_DividedAvgPool, axes=3, function=avg_pool3d):
    """The mean of every window of volumes: nn.functional.avg_pool3d as a layer.

    Shapes: (n, c, d, h, w) -> (n, c, windows, windows, windows), or without n.

    >>> wg.nn.AvgPool3d(2)(wg.ones(2, 3, 4, 4, 4)).shape
    (2, 3, 2, 2, 2)
    """


class _AdaptivePool(_Pool):
    def __init__(self, output_size: Any):
        output_sizes(output_size, self.axes, type(self).__name__)
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        return type(self)._function(x, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = checked_flag(return_indices, type(self).__name__, "return_indices")

    def forward(self, x: Any) -> Any:
        return type(self)._function(x, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(_AdaptivePool, axes=1, function=adaptive_avg_pool1d):
    """Means over so many windows along one axis: nn.functional.adaptive_avg_pool1d as a layer.

    Shapes: (n, c, l) -> (n, c, output_size), or without n.

    >>> wg.nn.AdaptiveAvgPool1d(2)(wg.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[2., 6.]])
    """


class AdaptiveAvgPool2d(_AdaptivePool, axes=2, function=adaptive_avg_pool2d):
    """Means over a given number of windows: nn.functional.adaptive_avg_pool2d as a layer.

    Shapes: (n, c, h, w) -> (n, c, *output_size), or without n.

    >>> wg.nn.AdaptiveAvgPool2d(1)(wg.ones(2, 16, 7, 7)).shape  # a number for each channel
    (2, 16, 1, 1)
    """


class AdaptiveAvgPool3d(_AdaptivePool, axes=3, function=adaptive_avg_pool3d):
    """Means over so many windows of volumes: nn.functional.adaptive_avg_pool3d as a layer.

    Shapes: (n, c, d, h, w) -> (n, c, *output_size), or without n.

    >>> wg.nn.AdaptiveAvgPool3d((1, 2, 2))(wg.ones(2, 3, 4, 4, 4)).shape
    (2, 3, 1, 2, 2)
    """


class AdaptiveMaxPool1d(_AdaptiveMaxPool, axes=1, function=adaptive_max_pool1d):
    """The largest values of so many windows: nn.functional.adaptive_max_pool1d as a layer.

    With return_indices it returns a pair, here and in two and three axes, as the function does.
    Shapes: (n, c, l) -> (n, c, output_size), or without n.

    >>> wg.nn.AdaptiveMaxPool1d(2)(wg.tensor([[1.0, 3.0, 5.0, 7.0]]))
    tensor([[3., 7.]])
    """


class AdaptiveMaxPool2d(_AdaptiveMaxPool, axes=2, function=adaptive_max_pool2d):
    """The largest values of so many windows: nn.functional.adaptive_max_pool2d as a layer.

    Shapes: (n, c, h, w) -> (n, c, *output_size), or without n.

    >>> wg.nn.AdaptiveMaxPool2d(1)(wg.ones(2, 16, 7, 7)).shape
    (2, 16, 1, 1)
    """


class AdaptiveMaxPool3d(_AdaptiveMaxPool, axes=3, function=adaptive_max_pool3d):
    """The largest values of so many windows: nn.functional.adaptive_max_pool3d as a layer.

    Shapes: (n, c, d, h, w) -> (n, c, *output_size), or without n.

    >>> wg.nn.AdaptiveMaxPool3d((1, 2, 2))(wg.ones(2, 3, 4, 4, 4)).shape
    (2, 3, 1, 2, 2)
    """


class _LPPool(ForImages):
    def __init__(
        self,
        norm_type: float,
        kernel_size: Numbers,
        stride: Numbers | None = None,
        ceil_mode: bool = False,
    ):
        name = type(self).__name__
        pool_frame(name, self.axes, kernel_size, stride, 0, 1)
        self.norm_type = as_float(norm_type, name, "norm_type")
        self.kernel_size, self.stride = kernel_size, stride
        self.ceil_mode = checked_flag(ceil_mode, name, "ceil_mode")

    def forward(self, x: Any) -> Tensor:
        how = self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        return type(self)._function(x, *how)

    def extra_repr(self) -> str:
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}"


class LPPool1d(_LPPool, axes=1, function=lp_pool1d):
    """Roots of sums of powers in windows: nn.functional.lp_pool1d as a layer.

    Formula: (sum of x ** p) ** (1 / p) of each window, p = norm_type. Shapes: (n, c, l) -> (n, c,
    windows), or without n.

    >>> wg.nn.LPPool1d(2, 2)(wg.tensor([[3.0, 4.0, 6.0, 8.0]]))
    tensor([[ 5., 10.]])
    """


class LPPool2d(_LPPool, axes=2, function=lp_pool2d):
    """Roots of sums of powers in windows of images: nn.functional.lp_pool2d as a layer.

    Shapes: (n, c, h, w) -> (n, c, windows, windows), or without n. The rest is as in LPPool1d.

    >>> wg.nn.LPPool2d(1, 2)(wg.ones(2, 3, 4, 4)).shape
    (2, 3, 2, 2)
    """


class LPPool3d(_LPPool, axes=3, function=lp_pool3d):
    """Roots of sums of powers in windows of volumes: nn.functional.lp_pool3d as a layer.

    Shapes: (n, c, d, h, w) -> (n, c, windows, windows, windows), or without n. The rest is as in
    LPPool1d.

    >>> wg.nn.LPPool3d(1, 2)(wg.ones(2, 3, 4, 4, 4)).shape
    (2, 3, 2, 2, 2)
    """
