"""Dropout as modules: noise in training, and nothing in evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..functional.regularization import (
    alpha_dropout,
    check_share,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from ..random import Generator
from ..tensor import Tensor
from .module import Module


class _Noise(Module):
    """What the layers share: `p`, and where numbers come from; `inplace` has no effect."""

    _function: Callable[..., Tensor]

    def __init_subclass__(cls, function: Callable[..., Tensor] | None = None, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if function is not None:
            cls._function = staticmethod(function)

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None
    ):
        self.p = check_share(p, type(self).__name__)
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        return type(self)._function(x, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(_Noise, function=dropout):
    """Set a share `p` of the elements to 0 and divide the others by 1 - p, while training.

    The numbers come from the global stream, or from `generator`. In evaluation the input comes
    back as it is. Raises: ArgumentError for p outside 0 to 1.
    Shapes: any -> the same. Source: Srivastava et al., "Dropout" (JMLR 2014).

    >>> layer = wg.nn.Dropout(0.5)
    >>> wg.unique_values(layer(wg.ones(1000)))
    tensor([0., 2.])
    >>> layer.eval()(wg.ones(3))
    tensor([1., 1., 1.])
    """


class Dropout1d(_Noise, function=dropout1d):
    """Dropout of whole channels: nn.functional.dropout1d as a layer.

    Shapes: (n, channels, l), or without n -> the same.

    >>> x = wg.nn.Dropout1d(0.5)(wg.ones(8, 100, 4))
    >>> bool((x == x[..., :1]).all())  # a channel is there as a whole, or not at all
    True
    """


class Dropout2d(_Noise, function=dropout2d):
    """Dropout of whole channels of images: nn.functional.dropout2d as a layer.

    Shapes: (n, channels, h, w), or without n -> the same. Source: Tompson et al., "Efficient object
    localization using convolutional networks" (CVPR 2015).

    >>> x = wg.nn.Dropout2d(0.5)(wg.ones(8, 100, 2, 2))
    >>> bool((x == x[..., :1, :1]).all())  # a channel is there as a whole, or not at all
    True
    """


class Dropout3d(_Noise, function=dropout3d):
    """Dropout of whole channels of volumes: nn.functional.dropout3d as a layer.

    Shapes: (n, channels, d, h, w), or without n -> the same.

    >>> wg.unique_values(wg.nn.Dropout3d(0.5)(wg.ones(8, 100, 2, 2, 2)))
    tensor([0., 2.])
    """


class AlphaDropout(_Noise, function=alpha_dropout):
    """Dropout for what SELU makes: nn.functional.alpha_dropout as a layer.

    What is dropped becomes SELU's lowest value, and all is scaled so that mean and variance stay.
    Shapes: any -> the same. Source: Klambauer et al., "Self-normalizing neural networks" (NeurIPS
    2017).

    >>> layer = wg.nn.AlphaDropout(0.5)
    >>> layer(wg.ones(2, 3)).shape, layer.eval()(wg.tensor([5.0]))
    ((2, 3), tensor([5.]))
    """


class FeatureAlphaDropout(_Noise, function=feature_alpha_dropout):
    """AlphaDropout of whole channels: nn.functional.feature_alpha_dropout as a layer.

    Shapes: (n, channels, ...) -> the same.

    >>> x = wg.nn.FeatureAlphaDropout(0.5)(wg.ones(8, 100, 4))
    >>> bool((x == x[..., :1]).all())  # a channel is there as a whole, or not at all
    True
    """
