"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..core import Tensor
from ..creation.inputs import as_tensor
from ..ops.elementwise import erfc, erfinv, greater, log
from ..random import Generator, randn
from .distribution import Distribution, check, parameters


class Normal(Distribution):
    """The normal distribution of mean `loc` and standard deviation `scale`.

    Density: exp(-((x - loc) / scale)**2 / 2) / (scale * sqrt(2 * pi)). Shapes: `loc` and `scale`
    broadcast to batch_shape.

    Raises: ArgumentError for a scale that is not above 0; ShapeError.

    >>> loc = wg.tensor(0.5, requires_grad=True)
    >>> d = wg.distributions.Normal(loc, 2.0)
    >>> d.rsample((1000,)).mean().backward()  # a sample is loc + 2 * noise
    >>> wg.round(loc.grad)
    tensor(1.)
    """

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = parameters("Normal", loc, scale)
        super().__init__(self.loc.shape)
        above = greater(self.scale.detach(), 0.0)
        check(above, validate_args, "Normal: a scale is not above 0, and all have to be")

    @property
    def mean(self) -> Tensor:
        """`loc`."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """Where the density is greatest: `loc`."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale**2."""
        return self.scale * self.scale

    @property
    def stddev(self) -> Tensor:
        """`scale`."""
        return self.scale

    def rsample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return loc + scale * z, of standard normal z."""
        shape, like = self._extended(sample_shape, "Normal.rsample"), self.loc
        z = randn(shape, dtype=like.dtype, device=like.device, generator=generator)
        return self.loc + self.scale * z

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the density."""
        z = (as_tensor(value, "Normal.log_prob", self.loc) - self.loc) / self.scale
        return -0.5 * z * z - log(self.scale) - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Tensor:
        """Return the probability of being at most `value`."""
        z = (as_tensor(value, "Normal.cdf", self.loc) - self.loc) / self.scale
        return 0.5 * erfc(-z * math.sqrt(0.5))  # which keeps small ones

    def icdf(self, value: Any) -> Tensor:
        """Return the number that lies above a share `value` of the distribution."""
        share = as_tensor(value, "Normal.icdf", self.loc)
        return self.loc + self.scale * math.sqrt(2) * erfinv(2 * share - 1)

    def entropy(self) -> Tensor:
        """Return log(scale) + log(2 * pi * e) / 2."""
        return log(self.scale) + 0.5 * math.log(2 * math.pi * math.e)
