"""Eigenvalues, singular values and QR: ops of the host, with rules of every order.

Where eigenvalues or singular values are equal, their own derivatives are right, and derivatives
through vectors are 0 / 0 or infinite, for there the vectors are not functions of the matrix.

Source: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); of wide factors Walter and Lehmann (2012).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import REGISTRY, apply
from .host import host, joined, masked, packed, part, unpacked
from .movement import reshape
from .solving import inv

CONVERGENCE = "the iteration does not converge: a matrix has NaN or infinities"


def row(x: Any) -> Any:
    """Return vectors, one for each matrix, as rows."""
    return reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _diagonal_replaced(x: Any, vector: Any) -> Any:
    """Return square matrices with another diagonal."""
    return masked(x, ~np.eye(x.shape[-1], dtype=bool), row(vector))


def _apart(x: Any, gaps: Any) -> Any:
    """Return x / gaps with a diagonal of 0, whatever it is."""
    off = ~np.eye(x.shape[-1], dtype=bool)
    return masked(x, off) / masked(gaps, off, 1.0)


def _gaps(values: Any) -> Any:
    """Return out[i, j] = values[j] - values[i]."""
    return row(values) - row(values).mT


def _symmetric(x: Any) -> Any:
    return (x + x.mT) / 2


def _skew(x: Any) -> Any:
    return (x - x.mT) / 2


# Symmetric matrices.
def _eigh(a: np.ndarray) -> np.ndarray:
    return packed(*np.linalg.eigh(a), inner=(1, 2))


def eigh_parts(x: Any, shape: Any) -> tuple[Any, Any]:
    """Return the values and the vectors of a packed result for matrices of a shape."""
    n = shape[-1]
    values, vectors = unpacked(x, (n,), (n, n))
    return values, vectors


def _eigh_pull(ct: Any, out: Any, shapes: Any) -> Any:
    values, vectors = eigh_parts(out, shapes[0])
    of_values, of_vectors = eigh_parts(ct, shapes[0])
    turned = _apart(vectors.mT @ of_vectors, _gaps(values))
    return _symmetric(vectors @ _diagonal_replaced(turned, of_values) @ vectors.mT)


def _eigh_push(ta: Any, out: Any, shapes: Any) -> Any:
    values, vectors = eigh_parts(out, shapes[0])
    moved = _symmetric(ta) @ vectors
    turned = _apart(vectors.mT @ moved, _gaps(values))
    return joined((vectors * moved).sum(axis=-2), vectors @ turned, inner=(1, 2))


eigh = host(
    "eigh",
    numpy=_eigh,
    pulls=(_eigh_pull,),
    push=_eigh_push,
    doc="Eigenvalues in rising order, and eigenvectors as columns, of symmetric matrices, packed.",
    failure=CONVERGENCE,
)


def _eigenvalues_pull(ct: Any, b: Any, shapes: Any) -> Any:
    _, vectors = eigh_parts(b, shapes[0])
    return (vectors * row(ct)) @ vectors.mT


def _eigenvalues_push(ta: Any, b: Any, shapes: Any) -> Any:
    _, vectors = eigh_parts(b, shapes[0])
    return (vectors * (_symmetric(ta) @ vectors)).sum(axis=-2)


eigenvalues = part(
    "eigenvalues",
    place=lambda shape: (0, shape[-1]),
    pull=_eigenvalues_pull,
    push=_eigenvalues_push,
    doc="The eigenvalues of symmetric matrices a, out of the result b of eigh.",
)
eigvalsh = host(
    "eigvalsh",
    numpy=np.linalg.eigvalsh,
    pulls=(lambda ct, a: _eigenvalues_pull(ct, apply(eigh, a), (a.shape,)),),
    push=lambda ta, a: _eigenvalues_push(ta, apply(eigh, a), (a.shape,)),
    doc="The eigenvalues of symmetric matrices, whose lower triangle is read, in rising order.",
    failure=CONVERGENCE,
)


# Singular values; the matrices have at least as many rows as columns.
def _svd(a: np.ndarray, full: bool) -> np.ndarray:
    return packed(*np.linalg.svd(a, full_matrices=full), inner=(2, 1, 2))


def svd_parts(x: Any, shape: Any, full: bool) -> tuple[Any, Any, Any]:
    """Return U, S and Vh of a packed result for matrices of a shape (..., m, n), m at least n."""
    m, n = shape[-2:]
    u, s, vt = unpacked(x, (m, m if full else n), (n,), (n, n))
    return u, s, vt


def _svd_pull(ct: Any, out: Any, shapes: Any, full: bool) -> Any:
    m, n = shapes[0][-2:]
    u, s, vt = svd_parts(out, shapes[0], full)
    of_u, of_s, of_vt = svd_parts(ct, shapes[0], full)
    left, of_left = u[..., :, :n], of_u[..., :, :n]
    g, h = left.mT @ of_left, vt @ of_vt.mT
    sums = row(s) + row(s).mT
    inner = _symmetric(_apart(g + h, _gaps(s))) + _apart(_skew(g - h), sums)
    part = left @ _diagonal_replaced(inner, of_s) @ vt
    if m == n:
        return part
    if not full:
        return part + (of_left - left @ g) / row(s) @ vt
    rest, of_rest = u[..., :, n:], of_u[..., :, n:]
    return part + rest @ ((rest.mT @ of_left - of_rest.mT @ left) / row(s)) @ vt


def _svd_push(ta: Any, out: Any, shapes: Any, full: bool) -> Any:
    m, n = shapes[0][-2:]
    u, s, vt = svd_parts(out, shapes[0], full)
    left = u[..., :, :n]
    moved = ta @ vt.mT
    x = left.mT @ moved
    turned = _apart(_symmetric(x), _gaps(s))
    twisted = _apart(_skew(x), row(s) + row(s).mT)
    of_u, of_vt = left @ (turned + twisted), (turned - twisted).mT @ vt
    if m > n and not full:
        of_u = of_u + (moved - left @ x) / row(s)
    elif m > n:
        rest = u[..., :, n:]
        across = rest.mT @ moved / row(s)
        of_u = _beside(of_u + rest @ across, -(left @ across.mT))
    return joined(of_u, (left * moved).sum(axis=-2), of_vt, inner=(2, 1, 2))


def _beside(a: Any, b: Any) -> Any:
    """Return matrices side by side."""
    return apply(REGISTRY["concat"], a, b, axis=len(a.shape) - 1)


svd = host(
    "svd",
    numpy=_svd,
    pulls=(_svd_pull,),
    push=_svd_push,
    doc="U, S and V^T with a = U diag(S) V^T, packed; `full` U is square. Not for wide matrices.",
    failure=CONVERGENCE,
)


def _singular_pull(ct: Any, b: Any, shapes: Any, full: bool) -> Any:
    u, s, vt = svd_parts(b, shapes[0], full)
    return (u[..., :, : s.shape[-1]] * row(ct)) @ vt


def _singular_push(ta: Any, b: Any, shapes: Any, full: bool) -> Any:
    u, s, vt = svd_parts(b, shapes[0], full)
    return (u[..., :, : s.shape[-1]] * (ta @ vt.mT)).sum(axis=-2)


singular_values = part(
    "singular_values",
    place=lambda shape, full: (shape[-2] * shape[-2 if full else -1], shape[-1]),
    pull=_singular_pull,
    push=_singular_push,
    doc="The singular values of matrices a, out of the result b of svd.",
)
svdvals = host(
    "svdvals",
    numpy=lambda a: np.linalg.svd(a, compute_uv=False),
    pulls=(lambda ct, a: _singular_pull(ct, apply(svd, a, full=False), (a.shape,), False),),
    push=lambda ta, a: _singular_push(ta, apply(svd, a, full=False), (a.shape,), False),
    doc="The singular values of matrices, in falling order. Not for wide matrices.",
    failure=CONVERGENCE,
)


# QR; the matrices have at least as many rows as columns.
def _qr(a: np.ndarray, complete: bool) -> np.ndarray:
    return packed(*np.linalg.qr(a, "complete" if complete else "reduced"), inner=(2, 2))


def qr_parts(x: Any, shape: Any, complete: bool) -> tuple[Any, Any]:
    """Return Q and R of a packed result for matrices of a shape (..., m, n), m at least n."""
    m, n = shape[-2:]
    k = m if complete else n
    q, r = unpacked(x, (m, k), (k, n))
    return q, r


def _above(x: Any) -> Any:
    """Return the upper triangular u for which x - u is skew-symmetric."""
    return masked(x, np.tri(x.shape[-1], dtype=bool).T, 0.0) + _below(x).mT


def _below(x: Any) -> Any:
    return masked(x, np.tri(x.shape[-1], k=-1, dtype=bool))


def _qr_pull(ct: Any, out: Any, shapes: Any, complete: bool) -> Any:
    m, n = shapes[0][-2:]
    q, r = qr_parts(out, shapes[0], complete)
    of_q, of_r = qr_parts(ct, shapes[0], complete)
    left, of_left, top = q[..., :, :n], of_q[..., :, :n], r[..., :n, :]
    back = apply(inv, top).mT
    between = of_r[..., :n, :] @ top.mT - left.mT @ of_left
    upper = masked(between, np.tri(n, dtype=bool).T) + _below(between.mT)
    moved = of_left + left @ upper
    if complete and m > n:
        moved = moved - q[..., :, n:] @ (of_q[..., :, n:].mT @ left)
    return moved @ back


def _qr_push(ta: Any, out: Any, shapes: Any, complete: bool) -> Any:
    m, n = shapes[0][-2:]
    q, r = qr_parts(out, shapes[0], complete)
    left, top = q[..., :, :n], r[..., :n, :]
    moved = ta @ apply(inv, top)
    upper = _above(left.mT @ moved)
    of_q, of_r = moved - left @ upper, upper @ top
    if complete and m > n:
        rest = q[..., :, n:]
        of_q = _beside(of_q, -(left @ (moved.mT @ rest)))
        of_r = _beside(of_r.mT, (r[..., n:, :] * 0).mT).mT
    return joined(of_q, of_r, inner=(2, 2))


qr = host(
    "qr",
    numpy=_qr,
    pulls=(_qr_pull,),
    push=_qr_push,
    doc="Q and R with a = Q R, packed; a `complete` Q is square. Not for wide matrices.",
)
