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
    return np_scatter("sum", x, index, values, axis)


def np_scatter(
    how: str,
    x: np.ndarray,
    index: np.ndarray,
    values: np.ndarray,
    axis: int,
    include: bool = True,
) -> np.ndarray:
    """Return what `how` makes of each element of `x` and all the values that come to it."""
    come: dict[tuple, list] = {}
    for place in np.ndindex(*index.shape):
        target = list(place)
        target[axis] = index[place]
        come.setdefault(tuple(target), []).append(values[place])
    folds = {"sum": np.sum, "prod": np.prod, "amax": np.max, "amin": np.min}
    out = x.copy()
    for target, found in come.items():
        found = [x[target], *found] if include else found
        if how == "last":
            out[target] = found[-1]
        elif how == "mean":
            total = np.sum(found)
            out[target] = total / len(found) if x.dtype.kind == "f" else total // len(found)
        else:
            out[target] = folds[how](found)
    return out


def np_assigned(x: np.ndarray, value: np.ndarray, key: Any, shape: Any = None) -> np.ndarray:
    out = x.copy()
    out[key] = value if shape is None else value.reshape(shape)
    return out


def np_descending(x: np.ndarray, axis: int) -> np.ndarray:
    """Return the stable order of falling values, of which none is NaN."""
    wide = x.astype(np.int64) if x.dtype == bool else x
    return np.argsort(-wide, axis=axis, kind="stable")
