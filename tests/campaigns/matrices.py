"""Functions of matrices, Fourier transforms: values against NumPy, derivatives against differences.

A program is one function of a random stack of matrices, square, tall or wide, at times empty or
singular. In float64 its value is NumPy's, its gradient that of differences, and second derivatives
agree in both modes; a device without float64 is compared with the NumPy device. Where vectors or
the inverse of a small number are asked for, values lie apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device

SHARE = 15


class Case(NamedTuple):
    """A function of one matrix, ours and NumPy's (`xp` is either), and what its input is."""

    run: Callable[[Any, Any], Any]
    square: bool = False
    symmetric: bool = False
    shift: float = 0  # times the identity, added to the input
    apart: bool = False  # singular values, or eigenvalues, are at least 0.2 apart and from 0


CASES = {
    "det": Case(lambda xp, x: xp.linalg.det(x), True),
    "det_singular": Case(lambda xp, x: xp.linalg.det(x - x[..., :1]), True),
    "inv": Case(lambda xp, x: xp.linalg.inv(x), True, shift=8),
    "slogdet": Case(lambda xp, x: xp.linalg.slogdet(x)[1], True, shift=8),
    "solve": Case(lambda xp, x: xp.linalg.solve(x, x[..., :1] ** 2), True, shift=8),
    "cholesky": Case(lambda xp, x: xp.linalg.cholesky(x), True, True, 12),
    "eigvalsh": Case(lambda xp, x: xp.linalg.eigvalsh(x), True, True, apart=True),
    "eigh": Case(lambda xp, x: xp.linalg.eigh(x)[1] ** 2, True, True, apart=True),
    "eigh_both": Case(lambda xp, x: _root(xp, x), True, True, apart=True),
    "svd": Case(lambda xp, x: _thin(xp, x) ** 2, apart=True),
    "nuclear": Case(lambda xp, x: xp.linalg.matrix_norm(x, ord="nuc"), apart=True),
    "spectral": Case(lambda xp, x: xp.linalg.matrix_norm(x, ord=2), apart=True),
    "pinv": Case(lambda xp, x: xp.linalg.pinv(x), apart=True),
    "qr": Case(lambda xp, x: xp.linalg.qr(x)[1] ** 2, apart=True),
    "orthonormal": Case(lambda xp, x: xp.linalg.qr(x)[0] ** 2, apart=True),
    "power": Case(lambda xp, x: xp.linalg.matrix_power(x / 4, 5), True),
    "inverse_power": Case(lambda xp, x: xp.linalg.matrix_power(x / 4, -3), True, shift=8),
    "rfft": Case(lambda xp, x: _parts(xp.fft.rfft(x))),
    "irfft": Case(lambda xp, x: xp.fft.irfft(xp.fft.rfftn(x, axes=(-2, -1)), axis=-2, n=3)),
    "ihfft": Case(lambda xp, x: _parts(xp.fft.ihfft(x, n=4, axis=-2, norm="ortho"))),
}


def _root(xp: Any, x: Any) -> Any:
    values, vectors = xp.linalg.eigh(x)
    return (vectors * xp.exp(values / 4)[..., None, :]) @ vectors.mT


def _thin(xp: Any, x: Any) -> Any:
    """The vectors of both sides that have singular values, of full matrices."""
    u, s, vh = xp.linalg.svd(x)
    k = s.shape[-1]
    return u[..., :, :k] @ vh[..., :k, :]


def _parts(x: Any) -> Any:
    return x if isinstance(x, wg.Tensor) else np.stack([x.real, x.imag], -1)


def an_input(rng: np.random.Generator, case: Case) -> np.ndarray:
    """Return a stack of matrices that suits a case."""
    lead = tuple(rng.integers(rng.random() < 0.8, 3, rng.integers(0, 3)))
    while True:
        m, n = rng.integers(1, 6, 2)
        x = rng.standard_normal((*lead, n if case.square else m, n))
        if case.symmetric:
            x = (x + x.mT) / 2
        x = x + case.shift * np.eye(*x.shape[-2:])
        if not case.apart or not x.size:
            return x
        sizes = np.linalg.svd(x, compute_uv=False)
        values = np.linalg.eigvalsh(x) if case.symmetric else sizes
        if min(np.abs(np.diff(values)).min(initial=9), sizes.min()) > 0.2:
            return x


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    """Compare one function of one input."""
    name = str(rng.choice(list(CASES)))
    case = CASES[name]
    data = an_input(rng, case)

    def f(x: wg.Tensor) -> wg.Tensor:
        return case.run(wg, (x + x.mT) / 2 if case.symmetric else x)

    where = f"{name} of shape {data.shape}"
    expected = case.run(np, data)
    exact = wg.float64 in device.dtypes
    x = wg.tensor(data, "float64" if exact else "float32")
    found = f(x).numpy()
    near = {"rtol": 1e-8, "atol": 1e-9} if exact else {"rtol": 2e-4, "atol": 2e-4}
    if found.shape != expected.shape or not np.allclose(found, expected, **near):
        return f"{where}: {found} came, and {expected} is right"
    if not found.size:
        return None
    weights, v = rng.standard_normal(found.shape), rng.standard_normal(data.shape)

    def derivatives(x: wg.Tensor) -> list[np.ndarray]:
        ct, along = wg.tensor(weights, x.dtype, x.device), wg.tensor(v, x.dtype, x.device)
        loss = lambda x: (f(x) * ct).sum()  # noqa: E731
        slope = lambda x: (wg.grad(loss)(x) * along).sum()  # noqa: E731
        return [g.numpy() for g in (wg.grad(loss)(x), wg.hvp(loss, x, along), wg.grad(slope)(x))]

    first, forward, reverse = derivatives(x)
    if exact:
        wg.gradcheck(f, [x])
        right = (first, reverse, reverse)
    else:
        right = tuple(derivatives(wg.tensor(data, "float64", device="numpy")))
    for what, g, e in zip(
        ("gradient", "hvp", "second gradient"), (first, forward, reverse), right, strict=True
    ):
        size = max(1.0, np.abs(e).max())
        if not np.allclose(
            g, e, rtol=near["rtol"], atol=100 * near["atol"] * size if exact else 1e-3 * size
        ):
            return f"{where}: {what} {g} came, and {e} is right"
    return None
