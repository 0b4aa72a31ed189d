"""Products of strided arrays: read as they lie, or copied, whole or in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from wgrad.backends import matrices
from wgrad.backends.matrices import product
from wgrad.layout import Layout

RNG = np.random.default_rng(3)


def _whole(*shape: int) -> np.ndarray:
    """Return whole numbers, whose products are exact in any order."""
    return RNG.integers(-3, 4, shape).astype(np.float32)


def _windows(images: np.ndarray) -> np.ndarray:
    """Return (C, 3, 3, H, W, N) windows of (C, H, W, N) images."""
    h, w = images.shape[1:3]
    return sliding_window_view(images, (h - 2, w - 2), (1, 2)).transpose(0, 1, 2, 4, 5, 3)


@pytest.mark.parametrize("block", [1, 3000, 1 << 30])
def test_products_of_windows_are_the_same_in_blocks_of_any_size(monkeypatch, block):
    monkeypatch.setattr(matrices, "BLOCK", block)
    seen = _windows(_whole(2, 9, 6, 3))
    filters, cotangents = _whole(4, 2, 3, 3), _whole(4, 7, 4, 3)
    out = np.einsum("ocij,cijhwn->ohwn", filters, seen)
    np.testing.assert_array_equal(product(filters, seen, 0, 3), out)
    turned = seen.transpose(3, 4, 5, 0, 1, 2)
    out = np.einsum("ohwn,hwncij->ocij", cotangents, turned)
    np.testing.assert_array_equal(product(cotangents, turned, 0, 3), out)


def test_only_what_is_large_and_not_read_as_it_lies_is_copied_in_blocks():
    n = 300
    dense = Layout.dense((n, n, 2))
    assert matrices.blocks(dense, 4, 0, 1, 5) is None
    turned = dense.permute((1, 2, 0))
    assert matrices.blocks(turned, 4, 0, 2, 5) is None  # a library reads transposed matrices
    apart = dense.permute((2, 0, 1))
    cut = matrices.blocks(apart, 4, 0, 2, 5)
    assert cut is None or cut.shape[cut.axis] < apart.shape[cut.order[cut.axis]]
    assert matrices.blocks(dense.permute((1, 0, 2)), 4, 0, 1, 5) is not None
    assert matrices.blocks(Layout.dense((n, 4, 2)).permute((1, 0, 2)), 4, 0, 1, 5) is None
