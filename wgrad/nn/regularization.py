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
    """


class Dropout1d(_Noise, function=dropout1d):
    """Dropout of whole channels: nn.functional.dropout1d as a layer."""


class Dropout2d(_Noise, function=dropout2d):
    """Dropout of whole channels of images: nn.functional.dropout2d as a layer."""


class Dropout3d(_Noise, function=dropout3d):
    """Dropout of whole channels of volumes: nn.functional.dropout3d as a layer."""


class AlphaDropout(_Noise, function=alpha_dropout):
    """Dropout for what SELU makes: nn.functional.alpha_dropout as a layer."""


class FeatureAlphaDropout(_Noise, function=feature_alpha_dropout):
    """AlphaDropout of whole channels: nn.functional.feature_alpha_dropout as a layer."""
