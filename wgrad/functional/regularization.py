"""Dropout: noise that is drawn anew in every call."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..checks.arguments import checked_flag
from ..core import Tensor
from ..creation.inputs import as_float, as_tensor
from ..errors import ArgumentError
from ..ops.elementwise import greater_equal, where
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
    """
    share = check_share(p, "dropout")
    check_generator(generator, "dropout")
    noisy = checked_flag(training, "dropout", "training")
    x = as_tensor(input, "dropout")
    return drop(x, share, generator) if noisy and share else x


def drop(x: Tensor, share: float, generator: Generator | None) -> Tensor:
    """Return `x` with a share of its elements dropped."""
    if not x.dtype.is_floating:
        x = with_dtype(x, dtypes.float32)
    kept = greater_equal(rand(x.shape, device=x.device, generator=generator), share)
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
