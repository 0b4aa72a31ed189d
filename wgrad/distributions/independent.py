"""Several independent distributions as one: the last axes of the batch become the event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..checks.arguments import count as checked_count
from ..core import Tensor
from ..errors import DTypeError
from ..functional import sum
from ..random import Generator
from .distribution import Distribution


class Independent(Distribution):
    """`base`, whose last `reinterpreted_batch_ndims` batch axes are part of the event.

    The logarithms of probabilities, and entropies, are added up over them.

    Raises: DTypeError; ArgumentError for more axes than the batch has.

    >>> d = wg.distributions.Independent(wg.distributions.Normal(wg.zeros((5, 3)), 1.0), 1)
    >>> d.batch_shape, d.event_shape, d.log_prob(d.sample()).shape
    ((5,), (3,), (5,))
    """

    def __init__(self, base_distribution: Distribution, reinterpreted_batch_ndims: int):
        base = base_distribution
        if not isinstance(base, Distribution):
            raise DTypeError(
                f"Independent: {type(base).__name__} came, and a distribution is needed"
            )
        axes = len(base.batch_shape)
        n = checked_count(
            reinterpreted_batch_ndims, "Independent", "reinterpreted_batch_ndims", axes
        )
        self.base_dist, self.reinterpreted_batch_ndims = base, n
        super().__init__(
            base.batch_shape[: axes - n], base.batch_shape[axes - n :] + base.event_shape
        )

    @property
    def mean(self) -> Tensor:
        """The mean of `base`."""
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:
        """The variance of `base`."""
        return self.base_dist.variance

    def rsample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return samples of `base` through which gradients reach its parameters."""
        return self.base_dist.rsample(sample_shape, generator)

    def sample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return samples of `base`, without a gradient."""
        return self.base_dist.sample(sample_shape, generator)

    def log_prob(self, value: Any) -> Tensor:
        """Return the sum of the logarithms over the event."""
        return self.added(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        """Return the sum of the entropies over the event."""
        return self.added(self.base_dist.entropy())

    def added(self, x: Tensor) -> Tensor:
        """Return the sums over the axes that belong to the event."""
        axes = tuple(range(-self.reinterpreted_batch_ndims, 0))
        return sum(x, axes) if axes else x
