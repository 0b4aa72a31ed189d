"""References that NumPy has no one function for."""

from __future__ import annotations

from typing import Any

import numpy as np


def np_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def np_logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    top = x.max(axis=axis, keepdims=True)
    out = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return out if keepdims else out.squeeze(axis)


def np_norm(x: np.ndarray, **how: Any) -> np.ndarray:
    return np.linalg.vector_norm(x, **how)


def np_cross_entropy(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    chosen = np.take_along_axis(x, labels[..., None], -1)[..., 0]
    return np_logsumexp(x, -1) - chosen


def np_scatter_add(x: np.ndarray, index: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    out = x.copy()
    for place in np.ndindex(*index.shape):
        target = list(place)
        target[axis] = index[place]
        out[tuple(target)] += values[place]
    return out


def np_assigned(x: np.ndarray, value: np.ndarray, key: Any) -> np.ndarray:
    out = x.copy()
    out[key] = value
    return out


def np_descending(x: np.ndarray, axis: int) -> np.ndarray:
    """Return the stable order of falling values, of which none is NaN."""
    wide = x.astype(np.int64) if x.dtype == bool else x
    return np.argsort(-wide, axis=axis, kind="stable")
