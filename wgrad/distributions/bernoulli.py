"""The Bernoulli distribution: a coin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from .. import random
from ..core import Tensor
from ..creation.inputs import as_tensor
from ..errors import ArgumentError
from ..ops.elementwise import (
    greater_equal,
    less_equal,
    log,
    log1p,
    logical_and,
    logsigmoid,
    sigmoid,
)
from ..random import Generator
from .distribution import Distribution, check, parameters, times_log


class Bernoulli(Distribution):
    """1 with probability `probs`, else 0. The other way to say it is `logits`, log(p / (1 - p)).

    Shapes: `probs` or `logits` has batch_shape.

    Raises: ArgumentError unless one of the two comes, and for probabilities outside 0 to 1.

    >>> d = wg.distributions.Bernoulli(probs=wg.tensor([0.0, 1.0]))
    >>> d.sample(), d.sample((10,)).shape, d.variance
    (tensor([0., 1.]), (10, 2), tensor([0., 0.]))
    """

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ArgumentError("Bernoulli: one of probs and logits is needed, and not both")
        (given,) = parameters("Bernoulli", logits if probs is None else probs)
        super().__init__(given.shape)
        self._given = "logits" if probs is None else "probs"
        setattr(self, self._given, given)
        if probs is not None:
            fixed = given.detach()
            inside = logical_and(greater_equal(fixed, 0.0), less_equal(fixed, 1.0))
            text = "Bernoulli: a probability is outside 0 to 1, and all have to be within"
            check(inside, validate_args, text)

    @functools.cached_property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return sigmoid(self.logits)

    @functools.cached_property
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return log(self.probs) - log1p(-self.probs)

    @property
    def mean(self) -> Tensor:
        """`probs`."""
        return self.probs

    @property
    def variance(self) -> Tensor:
        """probs * (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return zeros and ones, without a gradient."""
        shape = self._extended(sample_shape, "Bernoulli.sample")
        return random.bernoulli(self.probs, shape, generator=generator)

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the probability of `value`, 0 or 1.

        Between the two it is the mean of both, weighted by `value`.
        """
        x = as_tensor(value, "Bernoulli.log_prob", self.probs).astype(self.probs.dtype)
        return times_log(x, self.logs[1]) + times_log(1 - x, self.logs[0])

    @functools.cached_property
    def logs(self) -> tuple[Tensor, Tensor]:
        """The logarithms of the probabilities of 0 and of 1."""
        if self._given == "logits":
            return logsigmoid(-self.logits), logsigmoid(self.logits)
        return log1p(-self.probs), log(self.probs)

    def entropy(self) -> Tensor:
        """Return the entropy, at most log(2)."""
        none, one = self.logs
        return -(times_log(self.probs, one) + times_log(1 - self.probs, none))
