"""Layers that put elements elsewhere, or compare vectors; none has anything to learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..checks.arguments import integer, size
from ..creation.inputs import as_float
from ..errors import ArgumentError, shown
from ..functional.convolution import Numbers, numbers
from ..functional.portable import unflatten
from ..functional.responses import channel_shuffle
from ..functional.similarity import cosine_similarity, pairwise_distance
from ..functional.unfolding import fold, unfold
from ..tensor import Tensor
from .images import Upsample
from .module import Module


class Unflatten(Module):
    """One axis made several: x.unflatten(dim, unflattened_size) as a layer.

    Shapes: (..., n, ...) -> (..., *unflattened_size, ...), where one of the sizes may be -1.

    >>> wg.nn.Unflatten(1, (2, 3))(wg.ones(4, 6)).shape
    (4, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        self.dim = integer(dim, "Unflatten", "dim")
        if not isinstance(unflattened_size, (tuple, list)):
            raise ArgumentError(
                f"Unflatten: unflattened_size={shown(unflattened_size)} came; integers are needed"
            )
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Any) -> Tensor:
        return unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class _Windows(Module):
    def __init__(self, kernel_size: Numbers, dilation: Numbers, padding: Numbers, stride: Numbers):
        name = type(self).__name__
        self.kernel_size = numbers(kernel_size, 2, name, "kernel_size", 1)
        self.dilation = numbers(dilation, 2, name, "dilation", 1)
        self.padding = numbers(padding, 2, name, "padding", 0)
        self.stride = numbers(stride, 2, name, "stride", 1)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Unfold(_Windows):
    """Every window of images as a column: nn.functional.unfold as a layer.

    Shapes: (n, c, h, w) -> (n, c * kernel, windows), or without n.

    >>> wg.nn.Unfold(2)(wg.ones(1, 3, 4, 4)).shape
    (1, 12, 9)
    """

    def __init__(
        self,
        kernel_size: Numbers,
        dilation: Numbers = 1,
        padding: Numbers = 0,
        stride: Numbers = 1,
    ):
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, x: Any) -> Tensor:
        return unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Windows):
    """Columns put back as windows of images, added up: nn.functional.fold as a layer.

    Shapes: (n, c * kernel, windows) -> (n, c, *output_size), or without n.

    >>> columns = wg.nn.Unfold(2)(wg.ones(1, 1, 3, 3))
    >>> wg.nn.Fold((3, 3), 2)(columns)[0, 0]  # in how many windows each pixel is
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]])
    """

    def __init__(
        self,
        output_size: Numbers,
        kernel_size: Numbers,
        dilation: Numbers = 1,
        padding: Numbers = 0,
        stride: Numbers = 1,
    ):
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = numbers(output_size, 2, "Fold", "output_size", 1)

    def forward(self, x: Any) -> Tensor:
        how = self.kernel_size, self.dilation, self.padding, self.stride
        return fold(x, self.output_size, *how)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"


class ChannelShuffle(Module):
    """Channels in another order: nn.functional.channel_shuffle as a layer.

    The channels, seen as a table of `groups` rows, are taken column by column.
    Shapes: (n, channels, ...) -> the same. Source: Zhang et al., "ShuffleNet" (CVPR 2018).

    >>> wg.nn.ChannelShuffle(2)(wg.tensor([[1, 2, 3, 4]])[..., None]).flatten()
    tensor([1, 3, 2, 4])
    """

    def __init__(self, groups: int):
        self.groups = size(groups, "ChannelShuffle: groups")

    def forward(self, x: Any) -> Tensor:
        return channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class UpsamplingNearest2d(Upsample):
    """Images in another size, each pixel the nearest one: Upsample of mode "nearest".

    Shapes: (n, c, h, w) -> (n, c, *size).

    >>> wg.nn.UpsamplingNearest2d(scale_factor=2)(wg.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Images in another size, by lines between pixels: Upsample of mode "bilinear".

    The corners of both sizes are the same pixels (align_corners=True).
    Shapes: (n, c, h, w) -> (n, c, *size).

    >>> wg.nn.UpsamplingBilinear2d((1, 5))(wg.tensor([[[[1.0, 2.0]]]])).tolist()
    [[[[1.0, 1.25, 1.5, 1.75, 2.0]]]]
    """

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along `dim`: nn.functional.cosine_similarity.

    Formula: x1 @ x2 / (max(|x1|, eps) * max(|x2|, eps)). Shapes: those of x1 and x2, broadcast,
    without `dim`.

    >>> wg.nn.CosineSimilarity()(wg.tensor([[1.0, 0.0]]), wg.tensor([[5.0, 0.0], [0.0, 3.0]]))
    tensor([1., 0.])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        self.dim = integer(dim, "CosineSimilarity", "dim")
        self.eps = as_float(eps, "CosineSimilarity", "eps", above=0)

    def forward(self, x1: Any, x2: Any) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, eps={self.eps}"


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last axis: nn.functional.pairwise_distance.

    Shapes: (..., d) and (..., d) -> (...), or (..., 1) with `keepdim`.

    >>> distance = wg.nn.PairwiseDistance(eps=0.0)
    >>> distance(wg.tensor([[3.0, 0.0]]), wg.tensor([[0.0, 4.0]]))
    tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        self.norm = as_float(p, "PairwiseDistance", "p")
        self.eps = as_float(eps, "PairwiseDistance", "eps")
        self.keepdim = keepdim

    def forward(self, x1: Any, x2: Any) -> Tensor:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)

    def extra_repr(self) -> str:
        return f"p={self.norm}, eps={self.eps}, keepdim={self.keepdim}"
