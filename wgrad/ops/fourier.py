"""Discrete Fourier transforms: linear ops of the host, unscaled, each with its transpose.

There are no complex dtypes: a last axis of 2 holds real and imaginary parts. `axes` count without
it. A transform of real numbers keeps the first half of the frequencies along its last axis; the
others are their conjugates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..core import apply, wrap
from ..layout import Shape
from .families import with_dtype
from .host import Host, host
from .movement import reshape


def _complex(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).view(np.complex128)[..., 0]  # 1j times an infinity has a NaN


def _pairs(x: np.ndarray) -> np.ndarray:
    return np.stack([x.real, x.imag], axis=-1)


def _dft(a: np.ndarray, axes: Shape, inverse: bool) -> np.ndarray:
    if inverse:
        return _pairs(np.fft.ifftn(_complex(a), axes=axes, norm="forward"))
    return _pairs(np.fft.fftn(_complex(a), axes=axes))


def _inverse_real_dft(a: np.ndarray, axes: Shape, n: int) -> np.ndarray:
    x = _complex(a)
    if len(axes) > 1:
        x = np.fft.ifftn(x, axes=axes[:-1], norm="forward")
    return np.fft.irfft(x, n, axes[-1], norm="forward")


def _counted(x: Any, axis: int, n: int, power: int) -> Any:
    """Return pairs times how often each frequency of the half counts among all n, or by that."""
    counts = np.full(n // 2 + 1, 2.0**power)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    factors = with_dtype(wrap(x.device.upload(counts.astype(np.float32), dtypes.float32)), x.dtype)
    return x * reshape(factors, (counts.size,) + (1,) * (len(x.shape) - 1 - axis))


dft: Host = host(
    "dft",
    numpy=_dft,
    pulls=(lambda ct, axes, inverse: apply(dft, ct, axes=axes, inverse=not inverse),),
    push=lambda ta, axes, inverse: apply(dft, ta, axes=axes, inverse=inverse),
    doc="The sums of pairs a times e to the -2 pi i j k / n along axes, or +2 if `inverse`.",
)
real_dft: Host = host(
    "real_dft",
    numpy=lambda a, axes: _pairs(np.fft.rfftn(a, axes=axes)),
    pulls=(
        lambda ct, axes, shapes: apply(
            inverse_real_dft,
            _counted(ct, axes[-1], shapes[0][axes[-1]], -1),
            axes=axes,
            n=shapes[0][axes[-1]],
        ),
    ),
    push=lambda ta, axes: apply(real_dft, ta, axes=axes),
    doc="The first half of the dft of real numbers, as pairs.",
)
inverse_real_dft: Host = host(
    "inverse_real_dft",
    numpy=_inverse_real_dft,
    pulls=(lambda ct, axes, n: _counted(apply(real_dft, ct, axes=axes), axes[-1], n, 1),),
    push=lambda ta, axes, n: apply(inverse_real_dft, ta, axes=axes, n=n),
    doc="The n real numbers whose inverse dft has these pairs as its first half.",
)
