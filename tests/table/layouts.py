"""Views that hold given values in memory laid out in odd ways, between values not to be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import wgrad as wg

from .row import FLOATS, Row


def _junk(dtype: np.dtype) -> Any:
    return {"f": np.nan, "i": -(2**31), "u": 2**32 - 1, "b": True}[dtype.kind]


def _dense(x: np.ndarray) -> wg.Tensor:
    return wg.tensor(x)


def _transposed(x: np.ndarray) -> wg.Tensor:
    return wg.permute_dims(wg.tensor(x.T.copy()), tuple(range(x.ndim))[::-1])


def _stepped(x: np.ndarray) -> wg.Tensor:
    wide = np.full((*x.shape[:-1], 3 * x.shape[-1]), _junk(x.dtype), x.dtype)
    wide[..., 1::3] = x
    return wg.tensor(wide)[..., 1::3]


def _flipped(x: np.ndarray) -> wg.Tensor:
    return wg.flip(wg.tensor(np.flip(x).copy()))


def _offset(x: np.ndarray) -> wg.Tensor:
    tall = np.full((x.shape[0] + 5, *x.shape[1:]), _junk(x.dtype), x.dtype)
    tall[3:-2] = x
    return wg.tensor(tall)[3:-2]


def _window(x: np.ndarray) -> wg.Tensor:
    wide = np.full([n + 3 for n in x.shape], _junk(x.dtype), x.dtype)
    inside = tuple(slice(1, n + 1) for n in x.shape)
    wide[inside] = x
    return wg.tensor(wide)[inside]


LAYOUTS: dict[str, Callable[[np.ndarray], wg.Tensor]] = {
    "transposed": _transposed,
    "stepped": _stepped,
    "flipped": _flipped,
    "offset": _offset,
    "window": _window,
}


def expanded(x: np.ndarray) -> tuple[wg.Tensor, np.ndarray]:
    """Return a view of stride 0 along the first axis, and its values (the first of `x`)."""
    return (
        wg.broadcast_to(wg.tensor(x[:1].copy()), x.shape),
        np.broadcast_to(x[:1], x.shape),
    )


def assert_matches(row: Row, out: wg.Tensor, expected: np.ndarray, dtype: str) -> None:
    """Check dtype, shape and values of a result against a reference."""
    assert out.dtype.name == row.result(dtype), dtype
    assert out.shape == expected.shape, dtype
    found = out.numpy()
    assert found.dtype == out.dtype.numpy
    if out.dtype.is_floating:
        exact = out.dtype.name == "float64" and (dtype == "float64" or dtype not in FLOATS)
        rtol, atol = (1e-12, 1e-12) if exact else (row.rtol, row.atol)
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=dtype)
    else:
        with np.errstate(invalid="ignore"):
            wrapped = expected.astype(found.dtype)  # as it does
            np.testing.assert_array_equal(found, wrapped, err_msg=dtype)
