"""What every distribution has: shapes, and how parameters and values are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..core import Tensor
from ..core.batched import levels
from ..core.tracing import tracing
from ..creation.inputs import as_tensors
from ..errors import ArgumentError, ShapeError
from ..layout import Shape, broadcast_shapes, normalize_shape
from ..ops.elementwise import equal, exp, sqrt, where
from ..ops.families import expanded, with_dtype
from ..ops.reduction import all_
from ..random import Generator


class Distribution:
    """A distribution over tensors: `batch_shape` of independent ones, each over `event_shape`.

    Shapes: a sample has (*sample_shape, *batch_shape, *event_shape); `log_prob` of one has
    (*sample_shape, *batch_shape), and `entropy` has batch_shape.

    Parameters are checked by looking at their values, which waits for the device, unless
    `validate_args` is False, a function is being compiled, or vmap runs.

    >>> d = wg.distributions.Normal(wg.zeros((4, 3)), 1.0)
    >>> isinstance(d, wg.distributions.Distribution), d.batch_shape, d.event_shape
    (True, (4, 3), ())
    >>> d.sample((10,)).shape, d.log_prob(d.sample()).shape
    ((10, 4, 3), (4, 3))
    """

    def __init__(self, batch_shape: Shape, event_shape: Shape = ()):
        self.batch_shape = batch_shape
        self.event_shape = event_shape

    # What a distribution says of itself.
    @property
    def mean(self) -> Tensor:
        """The mean. Shapes: (*batch_shape, *event_shape)."""
        raise self._missing("mean")

    @property
    def variance(self) -> Tensor:
        """The variance. Shapes: (*batch_shape, *event_shape)."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation: the root of the variance."""
        return sqrt(self.variance)

    def rsample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return samples through which gradients reach the parameters."""
        raise self._missing("rsample")

    def sample(
        self, sample_shape: int | Sequence[int] = (), generator: Generator | None = None
    ) -> Tensor:
        """Return samples, without a gradient."""
        return self.rsample(sample_shape, generator).detach()

    def log_prob(self, value: Any) -> Tensor:
        """Return the logarithm of the density, or of the probability, at `value`."""
        raise self._missing("log_prob")

    def prob(self, value: Any) -> Tensor:
        """Return the density, or the probability, at `value`: exp(log_prob(value))."""
        return exp(self.log_prob(value))

    def entropy(self) -> Tensor:
        """Return the entropy, in nats: the mean of -log_prob."""
        raise self._missing("entropy")

    def _missing(self, what: str) -> ArgumentError:
        return ArgumentError(f"{type(self).__name__} has no {what}")

    # What its methods are made of.
    def _extended(self, sample_shape: int | Sequence[int], where: str) -> Shape:
        return (*normalize_shape(sample_shape, where), *self.batch_shape, *self.event_shape)

    def __repr__(self) -> str:
        event = f", event_shape={self.event_shape}" if self.event_shape else ""
        return f"{type(self).__name__}(batch_shape={self.batch_shape}{event})"


def parameters(where: str, *given: Any) -> tuple[Tensor, ...]:
    """Return the parameters of a distribution, of one floating dtype and one shape."""
    tensors = as_tensors(where, *given)
    common = dtypes.float32
    for x in tensors:
        common = dtypes.promote(common, x.dtype) if x.dtype.is_floating else common
    shape = broadcast_shapes(where, *(x.shape for x in tensors))
    return tuple(expanded(with_dtype(x, common), shape) for x in tensors)


def check(holds: Tensor, validate: bool | None, text: str) -> None:
    """Raise ArgumentError unless all is true; nothing is looked at where values cannot be read."""
    readable = tracing() is None and not levels()
    if validate is not False and readable and not all_(holds).item():
        raise ArgumentError(text)


def checked_event(value: Tensor, shape: Shape, where: str) -> None:
    """Raise ShapeError for a value whose last axes are not the event's."""
    if len(shape) and value.shape[-len(shape) :] != shape:
        raise ShapeError(f"{where}: a value of shape {value.shape} came; (..., *{shape}) is needed")


def times_log(probability: Tensor, logs: Tensor) -> Tensor:
    """Return probability * logs, and 0 where the probability is 0, whose logarithm is -inf."""
    return probability * where(equal(probability, 0.0), 0.0, logs)
