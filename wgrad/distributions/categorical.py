"""The categorical distribution: one of n."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ..core import Tensor
from ..creation.inputs import as_tensor
from ..errors import ArgumentError, DTypeError, ShapeError
from ..functional import log_softmax, sum
from ..functional.sampling import categorical
from ..indexing import take_along_axis
from ..layout import broadcast_shapes
from ..ops.elementwise import exp, greater_equal, log
from ..ops.families import expanded
from ..random import Generator
from ..shaping import expand_dims, squeeze
from .distribution import Distribution, check, parameters, times_log


class Categorical(Distribution):
    """One of n categories, 0 to n - 1: by weights `probs`, or by `logits`, the last axis of them.

    Weights are at least 0 and are divided by their sum; logits are log(probs) up to a constant.
    Shapes: (*batch_shape, n).

    Raises: ArgumentError unless one of the two comes, and for weights below 0 or all 0; ShapeError.

    >>> d = wg.distributions.Categorical(wg.tensor([1.0, 3.0, 0.0]))
    >>> d.probs, d.sample((10,)).shape
    (tensor([0.25, 0.75, 0.  ]), (10,))
    """

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ArgumentError("Categorical: one of probs and logits is needed, and not both")
        (given,) = parameters("Categorical", logits if probs is None else probs)
        if not given.shape or not given.shape[-1]:
            raise ShapeError(
                f"Categorical: a tensor of shape {given.shape} came, and a last axis of "
                "categories is needed"
            )
        super().__init__(given.shape[:-1])
        if probs is None:
            self.logits = log_softmax(given)
        else:
            text = "Categorical: a weight is below 0, and all have to be at least 0"
            check(greater_equal(given.detach(), 0.0), validate_args, text)
            total = sum(given, -1, keepdims=True)
            text = "Categorical: the weights of a row are all 0, and one has to be above"
            check(total.detach() > 0, validate_args, text)
            self.probs = given / total

    @functools.cached_property
    def probs(self) -> Tensor:
        """The probabilities, which add up to 1. Shapes: (*batch_shape, n)."""
        return exp(self.logits)

    @functools.cached_property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities. Shapes: (*batch_shape, n)."""
        return log(self.probs)

    @property
    def num_categories(self) -> int:
        """n."""
        given = vars(self).get("logits", vars(self).get("probs"))
        return int(given.shape[-1])  # type: ignore[union-attr]

    def sample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return categories, int32, without a gradient. Shapes: (*sample_shape, *batch_shape)."""
        shape = self._extended(sample_shape, "Categorical.sample")
        return categorical(self.logits, shape=shape, generator=generator)

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the probability of the category `value`, an integer.

        Raises: DTypeError; IndexRangeError for what is no category.
        """
        x = as_tensor(value, "Categorical.log_prob", self.logits)
        if not x.dtype.is_integer:
            raise DTypeError(f"Categorical.log_prob: {x.dtype.name} came, and integers are needed")
        shape = broadcast_shapes("Categorical.log_prob", x.shape, self.batch_shape)
        logits = expanded(self.logits, (*shape, self.num_categories))
        places = expand_dims(expanded(x, shape), -1)
        return squeeze(take_along_axis(logits, places, -1), -1)

    def entropy(self) -> Tensor:
        """Return -sum(p * log(p)), in which a probability of 0 counts as 0."""
        return -sum(times_log(self.probs, self.logits), -1)
