"""The uniform distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..core import Tensor
from ..creation.inputs import as_tensor
from ..ops.elementwise import clamp, greater_equal, less, log, logical_and, where
from ..random import Generator, rand
from .distribution import Distribution, check, parameters


class Uniform(Distribution):
    """The uniform distribution between `low` and `high`, without `high` itself.

    Density: 1 / (high - low) inside, 0 outside. Shapes: the two broadcast to batch_shape.

    Raises: ArgumentError unless low < high everywhere; ShapeError.

    >>> d = wg.distributions.Uniform(-1.0, 3.0)
    >>> d.mean, wg.exp(d.log_prob(wg.tensor([0.0, 5.0])))
    (tensor(1.), tensor([0.25, 0.  ]))
    """

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None):
        self.low, self.high = parameters("Uniform", low, high)
        super().__init__(self.low.shape)
        below = less(self.low.detach(), self.high.detach())
        check(below, validate_args, "Uniform: low < high is needed everywhere")

    @property
    def mean(self) -> Tensor:
        """(low + high) / 2."""
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:
        """(high - low)**2 / 12."""
        return (self.high - self.low) ** 2 / 12

    @property
    def stddev(self) -> Tensor:
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / math.sqrt(12)

    def rsample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return low + u * (high - low), of u in [0, 1)."""
        shape, like = self._extended(sample_shape, "Uniform.rsample"), self.low
        u = rand(shape, dtype=like.dtype, device=like.device, generator=generator)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Any) -> Tensor:
        """Return -log(high - low), or -inf outside of [low, high)."""
        x = as_tensor(value, "Uniform.log_prob", self.low)
        inside = logical_and(greater_equal(x, self.low), less(x, self.high))
        return where(inside, -log(self.high - self.low), -math.inf)

    def cdf(self, value: Any) -> Tensor:
        """Return the probability of being at most `value`."""
        x = as_tensor(value, "Uniform.cdf", self.low)
        return clamp((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def icdf(self, value: Any) -> Tensor:
        """Return the number that lies above a share `value` of the distribution."""
        return self.low + as_tensor(value, "Uniform.icdf", self.low) * (self.high - self.low)

    def entropy(self) -> Tensor:
        """Return log(high - low)."""
        return log(self.high - self.low)
