"""Inverses, determinants and linear equations: ops of the host, with rules of every order.

All take stacks of square matrices, `pinv` of any. Determinants have the right derivatives at
singular matrices, too, where a formula with an inverse would have none.

Source: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); of the pseudoinverse Golub and Pereyra (1973).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import apply
from .host import Host, host, joined, masked, unpacked
from .movement import reshape

SINGULAR = "a singular matrix came, and one with an inverse is needed"


def column(x: Any) -> Any:
    """Return numbers, one for each matrix, in a shape that broadcasts with the matrices."""
    return reshape(x, (*x.shape, 1, 1))


def _trace_of_product(a: Any, b: Any) -> Any:
    """Return the trace of a^T b, a number for each matrix."""
    return (a * b).sum(axis=(-2, -1))


inv: Host = host(
    "inv",
    numpy=np.linalg.inv,
    pulls=(lambda ct, out: -(out.mT @ ct @ out.mT),),
    push=lambda ta, out: -(out @ ta @ out),
    doc="The inverses of square matrices.",
    failure=SINGULAR,
)

solve: Host = host(
    "solve",
    numpy=np.linalg.solve,
    pulls=(
        lambda ct, a, out: -(apply(solve, a.mT, ct) @ out.mT),
        lambda ct, a: apply(solve, a.mT, ct),
    ),
    push=lambda ta, tb, a, out: apply(solve, a, tb - ta @ out),
    doc="x with a @ x = b, for matrices b of several columns.",
    failure=SINGULAR,
)


# Cholesky.
def _half_lower(x: Any) -> Any:
    """Return the lower triangle with half its diagonal: L from L + L^T."""
    n = x.shape[-1]
    return masked(x, np.tri(n, k=-1, dtype=bool), masked(x, np.eye(n, dtype=bool)) / 2)


def _cholesky_pull(ct: Any, out: Any) -> Any:
    back = apply(inv, out)
    half = back.mT @ _half_lower(out.mT @ ct) @ back
    return (half + half.mT) / 2


def _cholesky_push(ta: Any, out: Any) -> Any:
    back = apply(inv, out)
    return out @ _half_lower(back @ ((ta + ta.mT) / 2) @ back.mT)


cholesky = host(
    "cholesky",
    numpy=np.linalg.cholesky,
    pulls=(_cholesky_pull,),
    push=_cholesky_push,
    doc="The lower triangular L with L @ L^T = a; reads the lower triangle of a symmetric a.",
    failure="a matrix that is not positive definite came, and one that is is needed",
)


# Determinants.
def _others(x: np.ndarray) -> np.ndarray:
    """Return for each element the product of all others along the last axis, also beside zeros."""
    one = np.ones_like(x[..., :1])
    before = np.cumprod(np.concatenate([one, x[..., :-1]], -1), -1)
    after = np.cumprod(np.concatenate([one, x[..., :0:-1]], -1), -1)[..., ::-1]
    return before * after


def _turned(x: np.ndarray, u: np.ndarray, vt: np.ndarray) -> np.ndarray:
    """Return u x vt times det(u vt), which is 1 or -1, of orthogonal u and vt."""
    return np.sign(np.linalg.det(u @ vt))[..., None, None] * (u @ x @ vt)


def _cofactor(a: np.ndarray) -> np.ndarray:
    if not a.size:
        return a
    u, s, vt = np.linalg.svd(a)
    return _turned(np.where(np.eye(a.shape[-1], dtype=bool), _others(s)[..., None], 0.0), u, vt)


def _cofactor_tangent(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """With a = U S V^T and p = U^T b V: diagonal i is the sum of f[i, j] p[j, j] over j, and the
    element i, j is -f[i, j] p[j, i], where f is the product of all s but the i-th and the j-th.
    """
    if not a.size:
        return b
    u, s, vt = np.linalg.svd(a)
    eye = np.eye(a.shape[-1], dtype=bool)
    f = np.where(eye, 0.0, _others(np.where(eye, 1.0, s[..., None, :])))
    p = np.swapaxes(u, -1, -2) @ b @ np.swapaxes(vt, -1, -2)
    diagonal = f @ np.diagonal(p, axis1=-2, axis2=-1)[..., None]
    return _turned(np.where(eye, diagonal, -f * np.swapaxes(p, -1, -2)), u, vt)


def _third(a: Any, b: Any, c: Any) -> Any:
    """Return the gradient of det's second derivative in the directions b and c; a is invertible."""
    back = apply(inv, a)
    p, q = b @ back, c @ back
    mixed = _trace_of_product(p.mT, q)
    tp, tq = (masked(x, np.eye(a.shape[-1], dtype=bool)).sum(axis=(-2, -1)) for x in (p, q))
    inner = back @ (p @ q + q @ p - column(tp) * q - column(tq) * p)
    return column(apply(det, a)) * (column(tp * tq - mixed) * back + inner).mT


det: Host = host(
    "det",
    numpy=np.linalg.det,
    pulls=(lambda ct, a: column(ct) * apply(cofactor, a),),
    push=lambda ta, a: _trace_of_product(apply(cofactor, a), ta),
    doc="The determinants of square matrices.",
)
cofactor: Host = host(
    "cofactor",
    numpy=_cofactor,
    pulls=(lambda ct, a: apply(cofactor_tangent, a, ct),),
    push=lambda ta, a: apply(cofactor_tangent, a, ta),
    doc="The matrices of cofactors, whose transpose is the adjugate: the derivative of det.",
)
cofactor_tangent: Host = host(
    "cofactor_tangent",
    numpy=_cofactor_tangent,
    pulls=(
        lambda ct, a, b: _third(a, b, ct),
        lambda ct, a: apply(cofactor_tangent, a, ct),
    ),
    push=lambda ta, tb, a, b: apply(cofactor_tangent, a, tb) + _third(a, b, ta),
    doc="The derivative of the cofactors of a in the direction b, which is its own transpose.",
)


def _slogdet(a: np.ndarray) -> np.ndarray:
    return np.stack(np.linalg.slogdet(a), axis=-1)


def _slogdet_pull(ct: Any, a: Any) -> Any:
    _, logarithm = unpacked(ct, (), ())
    return column(logarithm) * apply(inv, a).mT


def _slogdet_push(ta: Any, a: Any) -> Any:
    slope = _trace_of_product(apply(inv, a).mT, ta)
    return joined(slope * 0, slope, inner=(0, 0))


slogdet = host(
    "slogdet",
    numpy=_slogdet,
    pulls=(_slogdet_pull,),
    push=_slogdet_push,
    doc="The sign of the determinant and the logarithm of its size, side by side.",
    failure=SINGULAR,
)


# The pseudoinverse.
def _pinv(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    kept = s > b[..., None] * np.max(s, axis=-1, keepdims=True, initial=0)
    back = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return np.swapaxes(u * back[..., None, :] @ vt, -1, -2)


def _pinv_pull(ct: Any, a: Any, out: Any) -> Any:
    p, back = out.mT, ct.mT
    beside = back - (back @ out) @ a  # in the space that a takes to 0
    below = back - a @ (out @ back)
    return p @ (out @ beside) + (below @ out) @ p - p @ ct @ p


def _pinv_push(ta: Any, a: Any, out: Any) -> Any:
    p, t = out.mT, ta.mT
    beside = t - out @ (a @ t)
    below = t - (t @ a) @ out
    return (beside @ p) @ out + out @ (p @ below) - out @ ta @ out


pinv = host(
    "pinv",
    numpy=_pinv,
    pulls=(_pinv_pull, None),
    push=_pinv_push,
    doc="The pseudoinverses of matrices a; singular values up to b times the largest count as 0.",
    failure="the singular values of a matrix do not converge: it has NaN or infinities",
)
