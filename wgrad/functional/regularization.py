"""Dropout, of elements and of whole channels: noise that is drawn anew in every call."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..checks.arguments import checked_flag
from ..core import Tensor
from ..creation.inputs import as_float, as_tensor
from ..errors import ArgumentError, ShapeError
from ..ops.elementwise import greater_equal, where
from ..ops.elementwise.activation import SELU
from ..ops.families import with_dtype
from ..random import Generator, rand, stream


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Return `input` with a share `p` of its elements set to 0, and the others over 1 - p.

    The mean stays what it was. Without training it is `input` itself. The same seed
    (`wg.manual_seed`, or a `generator`) drops the same elements on every device.
    Raises: ArgumentError for p outside 0 to 1.
    Source: Srivastava et al., "Dropout" (JMLR 2014).

    >>> x = wg.nn.functional.dropout(wg.ones(1000), p=0.5)
    >>> wg.unique_values(x)
    tensor([0., 2.])
    """
    share = check_share(p, "dropout")
    check_generator(generator, "dropout")
    noisy = checked_flag(training, "dropout", "training")
    x = as_tensor(input, "dropout")
    return drop(x, share, generator) if noisy and share else x


def drop(x: Tensor, share: float, generator: Generator | None, lead: int | None = None) -> Tensor:
    """Return `x` with a share of its elements dropped, or of what leading axes count."""
    if not x.dtype.is_floating:
        x = with_dtype(x, dtypes.float32)
    kept = _kept(x, share, generator, lead)
    return where(kept, x * (1 / (1 - share) if share < 1 else 0.0), 0.0)


def check_generator(generator: Any, where: str) -> None:
    """Raise ArgumentError for what nothing can be drawn from, also where nothing is."""
    stream(generator, where)


def check_share(p: Any, where: str, name: str = "p") -> float:
    """Return a probability as a float. Raises: ArgumentError."""
    share = as_float(p, where, name)
    if not 0 <= share <= 1:
        raise ArgumentError(f"{where}: {name}={share} came, and a number from 0 to 1 is needed")
    return share


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Return `input` with a share `p` of its channels set to 0, and the others over 1 - p.

    Shapes: (n, channels, length) or (channels, length) -> the same.
    Raises: ArgumentError for p outside 0 to 1; ShapeError.
    Source: Tompson et al., "Efficient object localization using convolutional networks" (CVPR
    2015).
    """
    return _channels_dropped("dropout1d", input, p, training, generator, {2: 1, 3: 2})


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Return dropout1d of images. Shapes: (n, channels, h, w) or (n, channels, length)."""
    return _channels_dropped("dropout2d", input, p, training, generator, {3: 2, 4: 2})


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: Generator | None = None
) -> Tensor:
    """Return dropout1d of volumes. Shapes: (n, channels, d, h, w) or (channels, d, h, w)."""
    return _channels_dropped("dropout3d", input, p, training, generator, {4: 1, 5: 2})


def _channels_dropped(
    name: str,
    input: Any,
    p: Any,
    training: Any,
    generator: Generator | None,
    leading: dict[int, int],
) -> Tensor:
    """Drop what the leading axes count together; how many those are depends on all axes."""
    share = check_share(p, name)
    check_generator(generator, name)
    noisy = checked_flag(training, name, "training")
    x = as_tensor(input, name)
    if len(x.shape) not in leading:
        needed = " or ".join(map(str, leading))
        raise ShapeError(f"{name}: an input of shape {x.shape} came; {needed} axes are needed")
    if not noisy or not share:
        return x
    return drop(x, share, generator, leading[len(x.shape)])


_LEAST = -SELU[0] * SELU[1]  # what selu tends to for inputs far below 0


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Return dropout for what selu makes: dropped elements are selu's least value, not 0.

    Then all is scaled and shifted so that mean 0 and variance 1 stay.
    Raises: ArgumentError for p outside 0 to 1.
    Source: Klambauer et al., "Self-normalizing neural networks" (NeurIPS 2017).
    """
    return _alpha("alpha_dropout", input, p, training, generator, None)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Return alpha_dropout of whole channels. Shapes: (n, channels, ...). Raises: ArgumentError."""
    return _alpha("feature_alpha_dropout", input, p, training, generator, 2)


def _alpha(
    name: str, input: Any, p: Any, training: Any, generator: Generator | None, lead: int | None
) -> Tensor:
    share = check_share(p, name)
    check_generator(generator, name)
    noisy = checked_flag(training, name, "training")
    x = as_tensor(input, name)
    if lead is not None and len(x.shape) < lead:
        raise ShapeError(f"{name}: an input of shape {x.shape} came; (n, channels, ...) is needed")
    if not noisy or not share:
        return x
    if share == 1:
        return x * 0.0
    kept = _kept(x, share, generator, lead)
    scale = ((1 - share) * (1 + share * _LEAST**2)) ** -0.5
    return where(kept, x, _LEAST) * scale - scale * _LEAST * share


def _kept(x: Tensor, share: float, generator: Generator | None, lead: int | None) -> Tensor:
    """Return what stays, element by element, or for what the `lead` leading axes count."""
    shape = x.shape
    if lead is not None:
        shape = (*shape[:lead], *(1 for _ in shape[lead:]))
    return greater_equal(rand(shape, device=x.device, generator=generator), share)
