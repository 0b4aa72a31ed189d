"""Rows of what NumPy computes on the host: solving, decompositions, Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.core import apply
from wgrad.ops import solving

from .row import FLOATS, Arg, Row

L = wg.linalg
SHIFT = 4 * np.eye(
    3
)  # makes random matrices of three rows invertible, positive definite if symmetric


def _shift(x: Any) -> Any:
    return x + wg.tensor(SHIFT, x.dtype, x.device)


def _row(id: str, op: Any, call: Any, reference: Any, *shapes: Any, **more: Any) -> Row:
    more.setdefault("public", (f"linalg.{id.partition('-')[0]}",))
    args = tuple(map(Arg, shapes))
    return Row(
        id,
        (op,) if isinstance(op, str) else op,
        call,
        reference,
        args,
        dtypes=FLOATS,
        rtol=1e-5,
        atol=1e-5,
        grad=tuple(range(len(shapes))),
        **more,
    )


def solving_() -> Iterator[Row]:
    def symmetric(function: Callable, shift: Callable) -> Callable:
        return lambda x: function(shift((x + x.mT) / 2))

    batch = (2, 3, 3)
    yield _row("inv", "inv", lambda x: L.inv(_shift(x)), lambda x: np.linalg.inv(x + SHIFT), batch)
    yield _row("det", "det", L.det, np.linalg.det, batch)
    yield _row(
        "slogdet",
        "slogdet",
        lambda x: L.slogdet(x).logabsdet,
        lambda x: np.linalg.slogdet(x).logabsdet,
        batch,
        smooth=lambda x: bool(np.abs(np.linalg.det(x)).min() > 0.5),
    )
    yield _row("cofactor", "cofactor", lambda x: apply(solving.cofactor, x), _cofactors, batch)
    yield _row(
        "cofactor_tangent",
        "cofactor_tangent",
        lambda a, b: apply(solving.cofactor_tangent, _shift(a), b),
        # Of second degree in three rows, so that differences are exact.
        lambda a, b: (_cofactors(a + SHIFT + b) - _cofactors(a + SHIFT - b)) / 2,
        batch,
        batch,
    )
    for id, a, b in (
        ("matrix", batch, (1, 3, 2)),
        ("vector", batch, (3,)),
        ("one", (3, 3), (3, 3)),
    ):
        yield _row(
            f"solve-{id}",
            "solve",
            lambda a, b: L.solve(_shift(a), b),
            lambda a, b: np.linalg.solve(a + SHIFT, b),
            a,
            b,
        )
    for id, upper in (("lower", False), ("upper", True)):
        yield _row(
            f"cholesky-{id}",
            "cholesky",
            symmetric(lambda x, upper=upper: L.cholesky(x, upper=upper), _shift),
            symmetric(
                lambda x, upper=upper: np.linalg.cholesky(x, upper=upper), lambda x: x + SHIFT
            ),
            batch,
        )
    for id, shape in (("tall", (2, 4, 3)), ("wide", (3, 4)), ("square", (3, 3))):
        yield _row(f"pinv-{id}", "pinv", L.pinv, np.linalg.pinv, shape, smooth=_regular)
    for n in (-2, 5):
        yield _row(
            f"matrix_power-{n}",
            "inv" if n < 0 else "matmul",
            lambda x, n=n: L.matrix_power(_shift(x) / 4, n),
            lambda x, n=n: np.linalg.matrix_power((x + SHIFT) / 4, n),
            batch,
        )
    yield Row(
        "matrix_rank",
        ("svdvals",),
        L.matrix_rank,
        np.linalg.matrix_rank,
        (Arg((2, 3, 4)),),
        dtypes=FLOATS,
        result=lambda dtype: "int32",
        grad=(),
        public=("linalg.matrix_rank",),
    )


def _cofactors(x: np.ndarray) -> np.ndarray:
    """Return the determinants of what is left without each row and column, by Laplace's signs."""
    n = x.shape[-1]
    found = np.empty_like(x)
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(x, i, -2), j, -1)
        found[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return found


def _regular(x: np.ndarray) -> bool:
    """No singular values are nearly equal, and none is nearly 0."""
    s = np.linalg.svd(x, compute_uv=False)
    return bool(s.min() > 0.3 and np.diff(s).max(initial=-1) < -0.2)


def _apart(x: np.ndarray) -> bool:
    return bool(np.diff(np.linalg.eigvalsh((x + np.swapaxes(x, -1, -2)) / 2)).min() > 0.2)


def decompositions() -> Iterator[Row]:
    """Vectors have no sign of their own: the rows take products in which it does not matter."""

    def of_symmetric(function: Callable) -> Callable:
        return lambda x: function((x + x.mT) / 2)

    batch = (2, 3, 3)
    yield _row(
        "eigvalsh",
        "eigvalsh",
        of_symmetric(L.eigvalsh),
        of_symmetric(np.linalg.eigvalsh),
        batch,
        smooth=_apart,
    )

    def functions(xp: Any) -> tuple[Callable, Callable]:
        def root(x: Any) -> Any:
            values, vectors = xp.linalg.eigh(x)
            return (vectors * xp.exp(values / 4)[..., None, :]) @ vectors.mT

        def squares(x: Any) -> Any:
            return xp.linalg.eigh(x)[1] ** 2

        return root, squares

    for id, ours, theirs in zip(("function", "squares"), functions(wg), functions(np), strict=True):
        call, reference = of_symmetric(ours), of_symmetric(theirs)
        ops = ("eigh", "eigenvalues")
        yield _row(f"eigh-{id}", ops, call, reference, batch, smooth=_apart)
    shapes = {"tall": (2, 4, 3), "wide": (2, 4), "square": (3, 3)}
    for id, shape in shapes.items():
        yield _row(
            f"svdvals-{id}",
            "svdvals",
            L.svdvals,
            lambda x: np.linalg.svd(x, compute_uv=False),
            shape,
            smooth=_regular,
        )
        for full in (False, True) if id == "tall" else (False,):

            def low_rank(x: Any, xp: Any = wg, full: bool = full) -> Any:
                u, s, vh = xp.linalg.svd(x, full_matrices=full)
                beside = (u @ u.mT) @ x[..., :, :1]
                return (u[..., :, :1] * s[..., :1][..., None, :]) @ vh[..., :1, :] + beside

            yield _row(
                f"svd-{id}-{full}",
                ("svd", "singular_values"),
                low_rank,
                lambda x, f=low_rank: f(x, np),
                shape,
                smooth=_regular,
            )
        yield _row(
            f"qr-{id}",
            "qr",
            lambda x: (lambda q, r: r**2 + q[..., :1, : r.shape[-2]].mT ** 2)(*L.qr(x)),
            lambda x: (lambda q, r: r**2 + q[..., :1, : r.shape[-2]].mT ** 2)(*np.linalg.qr(x)),
            shape,
            smooth=_regular,
        )

    def complement(x: Any, xp: Any = wg) -> Any:
        q, r = xp.linalg.qr(x, mode="complete")
        rest = q[..., :, r.shape[-1] :]
        return r**2 + ((rest @ rest.mT)[..., :1, :] * q[..., :1, :1]).mT ** 2

    yield _row("qr-complete", "qr", complement, lambda x: complement(x, np), (2, 4, 2))

    def unspanned(x: Any, xp: Any = wg) -> Any:
        u, s, _ = xp.linalg.svd(x)
        rest = u[..., :, s.shape[-1] :]
        return rest @ rest.mT

    yield _row("svd-complement", "svd", unspanned, lambda x: unspanned(x, np), (2, 4, 2))
    for ord in (2, -2, "nuc"):
        yield _row(
            f"matrix_norm-{ord}",
            "svdvals",
            lambda x, ord=ord: L.matrix_norm(x, ord=ord),
            lambda x, ord=ord: np.linalg.matrix_norm(x, ord=ord),
            (2, 3, 4),
            smooth=_regular,
        )


def fourier_() -> Iterator[Row]:
    """Complex numbers are pairs along a last axis."""

    def complex_(x: np.ndarray) -> np.ndarray:
        return x[..., 0] + 1j * x[..., 1]

    def pairs(x: np.ndarray) -> np.ndarray:
        return np.stack([x.real, x.imag], -1)

    def row(name: str, shape: Any, op: str, takes: str, gives: str, **how: Any) -> Row:
        function = getattr(np.fft, name)

        def reference(x: np.ndarray) -> np.ndarray:
            found = function(complex_(x) if takes == "pairs" else x, **how)
            return pairs(found) if gives == "pairs" else found

        id = f"fft.{name}-" + "-".join(map(str, (*shape, *how.values())))
        return _row(
            id,
            op,
            lambda x: getattr(wg.fft, name)(x, **how),
            reference,
            shape,
            public=(f"fft.{name}",),
        )

    yield row("fft", (2, 3, 2), "dft", "pairs", "pairs", norm="ortho")
    yield row("irfft", (3, 2), "inverse_real_dft", "pairs", "real", norm="forward")
    yield row("hfft", (3, 2), "inverse_real_dft", "pairs", "real", norm="ortho")
    yield row("ihfft", (5,), "real_dft", "real", "pairs", norm="forward")
    yield row("fft", (3, 2, 2), "dft", "pairs", "pairs", n=4, axis=0)
    yield row("ifft", (3, 2, 2), "dft", "pairs", "pairs", n=2, axis=-2)
    yield row("fftn", (2, 3, 2), "dft", "pairs", "pairs")
    yield row("fftn", (2, 2, 3, 2), "dft", "pairs", "pairs", s=(3, 2), axes=(2, 0))
    yield row("ifftn", (2, 3, 2), "dft", "pairs", "pairs", s=(4, 2), axes=(-2, -1))
    for n in (4, 5):
        yield row("rfft", (2, n), "real_dft", "real", "pairs")
        yield row("irfft", (2, 3, 2), "inverse_real_dft", "pairs", "real", n=n)
        yield row("rfftn", (3, n), "real_dft", "real", "pairs")
        yield row("irfftn", (3, 3, 2), "inverse_real_dft", "pairs", "real", s=(3, n), axes=(0, 1))
    yield row("rfft", (4, 2), "real_dft", "real", "pairs", n=3, axis=0)
    yield row("irfftn", (3, 2, 2), "inverse_real_dft", "pairs", "real")
    for name in ("fftshift", "ifftshift"):
        yield row(name, (3, 4), "concat", "real", "real")
        yield row(name, (3, 4), "concat", "real", "real", axes=-1)
