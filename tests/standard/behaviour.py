"""What the standard asks of dtypes, indexing, shapes, copies and errors, one function a claim.

Each runs with a device as the default one. The rows of `tests/table` say what the operations
compute; here is what no row says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.base import Device

BEHAVIOURS: dict[str, Callable[[Device], None]] = {}


def claim(function: Callable[[Device], None]) -> Callable[[Device], None]:
    BEHAVIOURS[function.__name__] = function
    return function


def same(got: wg.Tensor, right: Any, dtype: Any = None) -> None:
    """Compare a tensor with nested lists: shape, values, and the dtype if one is given."""
    assert isinstance(got, wg.Tensor)
    np.testing.assert_array_equal(got.numpy(), np.asarray(right))
    assert got.shape == np.shape(right)
    assert dtype is None or got.dtype is dtype


def grid() -> wg.Tensor:
    return wg.reshape(wg.arange(12), (3, 4))


# Dtypes.


@claim
def promotion_of_equals_keeps_the_dtype(device: Device) -> None:
    for name, dtype in wg.__array_namespace_info__().dtypes(device=device, kind="numeric").items():
        x = wg.ones(2, dtype=dtype)
        assert (x + x).dtype is dtype, name
        assert (x * 2).dtype is dtype, name
        assert wg.result_type(x, dtype) is dtype, name


@claim
def promotion_of_floats_goes_to_the_wider(device: Device) -> None:
    assert wg.result_type(wg.float32, wg.float64) is wg.float64
    if wg.float64 in device.dtypes:
        mixed = wg.ones(2, dtype="float32") + wg.ones(2, dtype="float64")
        assert mixed.dtype is wg.float64


@claim
def promotion_of_int32_with_uint32_is_int64(device: Device) -> None:
    assert (wg.ones(2, dtype="int32") + wg.ones(2, dtype="uint32")).dtype.name == "int64"


@claim
def python_numbers_take_the_dtype_of_the_tensor(device: Device) -> None:
    x, i = wg.ones(2), wg.ones(2, dtype="int32")
    assert (x + 1).dtype is (2.5 * x).dtype is (1 - x).dtype is (x**2).dtype is wg.float32
    assert (i + 1).dtype is (2 * i).dtype is (i - True).dtype is wg.int32
    assert (wg.ones(2, dtype="bool") == True).dtype is wg.bool  # noqa: E712
    assert wg.result_type(wg.int32, 1) is wg.int32
    assert wg.result_type(wg.float32, 1, 1.0) is wg.float32
    assert wg.result_type(wg.bool, True) is wg.bool


@claim
def elementwise_functions_take_python_numbers(device: Device) -> None:
    x = wg.tensor([1.0, -2.0])
    same(wg.add(x, 1), [2, -1], wg.float32)
    same(wg.subtract(1, x), [0, 3], wg.float32)
    same(wg.maximum(x, 0.5), [1, 0.5], wg.float32)
    same(wg.less(x, 0), [False, True], wg.bool)
    same(wg.where(x < 0, 7, x), [1, 7], wg.float32)


@claim
def comparisons_are_bool(device: Device) -> None:
    x = wg.ones(2)
    for result in (x == x, x != x, x < x, x <= x, x > x, x >= x, wg.isnan(x), wg.isfinite(x)):
        assert result.dtype is wg.bool


@claim
def sums_have_the_default_dtypes(device: Device) -> None:
    for dtype in ("int32", "uint32", "float32"):
        x = wg.ones((2, 2), dtype=dtype)
        for function in (wg.sum, wg.prod):
            assert function(x).dtype.name == function(x, axis=0).dtype.name == dtype
    assert wg.sum(wg.ones(2, dtype="int32"), dtype=wg.float32).dtype is wg.float32
    assert wg.prod(wg.ones(2, dtype="int32"), dtype=wg.float32).dtype is wg.float32


@claim
def positions_have_the_indexing_dtype(device: Device) -> None:
    x = wg.tensor([3.0, 1.0, 2.0])
    index = wg.__array_namespace_info__().default_dtypes(device=device)["indexing"]
    assert wg.argmax(x).dtype is wg.argmin(x, axis=0).dtype is index
    assert wg.argsort(x).dtype is wg.nonzero(x)[0].dtype is index
    assert wg.searchsorted(wg.sort(x), x).dtype is wg.count_nonzero(x).dtype is index


@claim
def dtypes_compare_as_dtypes(device: Device) -> None:
    assert wg.float32 == wg.float32 and wg.float32 != wg.int32
    assert len({wg.bool, wg.int32, wg.uint32, wg.float32, wg.float64}) == 5


@claim
def isdtype_knows_every_kind(device: Device) -> None:
    kinds = {
        "bool": "bool",
        "signed integer": "int32",
        "unsigned integer": "uint32",
        "integral": "int32 uint32",
        "real floating": "float32 float64",
        "complex floating": "",
        "numeric": "int32 uint32 float32 float64",
    }
    for kind, names in kinds.items():
        for dtype in (wg.bool, wg.int32, wg.uint32, wg.float32, wg.float64):
            assert wg.isdtype(dtype, kind) == (dtype.name in names.split()), (dtype, kind)
    assert wg.isdtype(wg.int32, ("bool", "integral")) and wg.isdtype(wg.int32, wg.int32)
    assert not wg.isdtype(wg.int32, (wg.float32, "bool"))


@claim
def can_cast_follows_promotion(device: Device) -> None:
    assert wg.can_cast(wg.float32, wg.float64) and not wg.can_cast(wg.float64, wg.float32)
    assert wg.can_cast(wg.int32, wg.int32) and wg.can_cast(wg.ones(2), wg.float64)
    assert not wg.can_cast(wg.int32, wg.uint32) and not wg.can_cast(wg.float32, wg.int32)


@claim
def finfo_and_iinfo_say_the_limits(device: Device) -> None:
    info = wg.finfo(wg.float32)
    assert info.bits == 32 and info.dtype is wg.float32 and info.eps == 2.0**-23
    assert info.max == (2 - 2.0**-23) * 2.0**127 == -info.min
    assert info.smallest_normal == 2.0**-126
    assert (wg.iinfo(wg.int32).min, wg.iinfo(wg.int32).max) == (-(2**31), 2**31 - 1)
    assert (wg.iinfo(wg.ones(1, dtype="uint32")).max, wg.iinfo(wg.uint32).bits) == (2**32 - 1, 32)
    assert all(type(x) is float for x in (info.eps, info.max, info.min, info.smallest_normal))


@claim
def astype_converts_and_copies(device: Device) -> None:
    x = wg.tensor([1.75, -1.75, 0.0])
    same(wg.astype(x, wg.int32), [1, -1, 0], wg.int32)
    same(wg.astype(x, wg.bool), [True, True, False], wg.bool)
    same(wg.astype(wg.tensor([True, False]), wg.float32), [1, 0], wg.float32)
    copied = wg.astype(x, wg.float32)
    copied[0] = 5.0
    same(x, [1.75, -1.75, 0])
    assert wg.astype(x, wg.float32, copy=False) is x
    assert wg.astype(x, wg.float32, device="numpy").device.name == "numpy"


# Creation.


@claim
def creation_has_the_default_dtypes(device: Device) -> None:
    for made in (wg.zeros(2), wg.ones(2), wg.empty(2), wg.eye(2), wg.linspace(0, 1, 3)):
        assert made.dtype is wg.float32 and made.device is device
    assert wg.full(2, 1).dtype is wg.arange(3).dtype is wg.asarray([1, 2]).dtype is wg.int32
    assert wg.full(2, 1.0).dtype is wg.arange(3.0).dtype is wg.asarray(1.0).dtype is wg.float32
    assert wg.full(2, True).dtype is wg.asarray([True]).dtype is wg.bool


@claim
def creation_takes_dtype_and_device(device: Device) -> None:
    x = wg.ones((2, 3), dtype=wg.int32, device=device)
    for function in (wg.zeros_like, wg.ones_like, wg.empty_like):
        assert function(x).dtype is wg.int32 and function(x).shape == (2, 3)
        assert function(x, dtype=wg.float32, device="numpy").device.name == "numpy"
    assert wg.full_like(x, fill_value=3, dtype=wg.uint32).dtype is wg.uint32
    same(wg.full((2,), fill_value=3, device=device), [3, 3], wg.int32)


@claim
def arange_counts_as_range_does(device: Device) -> None:
    for args in ((5,), (2, 5), (5, 2), (5, 0, -2), (0, 7, 3), (-3,), (0,)):
        same(wg.arange(*args), list(range(*args)), wg.int32)
    same(wg.arange(0, 1, 0.25), [0, 0.25, 0.5, 0.75], wg.float32)
    same(wg.arange(3, dtype=wg.float32), [0, 1, 2], wg.float32)
    same(wg.arange(1, stop=7, step=2), [1, 3, 5])


@claim
def linspace_ends_where_it_is_told(device: Device) -> None:
    same(wg.linspace(0, 1, num=5), [0, 0.25, 0.5, 0.75, 1])
    same(wg.linspace(0, 1, 4, endpoint=False), [0, 0.25, 0.5, 0.75])
    same(wg.linspace(2, 2, 1), [2])
    assert wg.linspace(0, 1, 0).shape == (0,)


@claim
def eye_has_a_diagonal(device: Device) -> None:
    for args, k in (((3,), 0), ((2, 4), 1), ((3, 2), -1), ((2,), 9), ((2, 3), -9), ((0,), 0)):
        same(wg.eye(*args, k=k), np.eye(*args, k=k), wg.float32)


@claim
def asarray_keeps_copies_and_refuses(device: Device) -> None:
    x = wg.asarray([1.0, 2.0])
    assert wg.asarray(x) is x and wg.asarray(x, copy=False) is x
    copied = wg.asarray(x, copy=True)
    copied[0] = 5.0
    same(x, [1, 2])
    same(wg.asarray(x, dtype=wg.int32), [1, 2], wg.int32)
    with pytest.raises(ValueError):
        wg.asarray(x, dtype=wg.int32, copy=False)
    with pytest.raises(ValueError):
        wg.asarray([1.0], copy=False)
    same(wg.asarray([[1, 2], [3, 4]]), [[1, 2], [3, 4]], wg.int32)


# The object.


@claim
def attributes_say_what_the_array_is(device: Device) -> None:
    x = grid()
    assert (x.ndim, x.shape, x.size, x.dtype, x.device) == (2, (3, 4), 12, wg.int32, device)
    assert wg.zeros((2, 0)).size == 0 and wg.asarray(1).shape == ()
    same(x.T, x.numpy().T)
    same(x.mT, x.numpy().T)
    assert wg.ones((2, 3, 4)).mT.shape == (2, 4, 3)
    with pytest.raises(ValueError):
        _ = wg.ones(3).mT
    assert x.to_device(device) is x and x.to_device("numpy").device.name == "numpy"
    assert x.__array_namespace__() is x.__array_namespace__(api_version="2024.12")
    with pytest.raises(ValueError):
        x.__array_namespace__(api_version="1999.01")


@claim
def numbers_come_of_arrays_without_axes(device: Device) -> None:
    assert float(wg.asarray(2.5)) == 2.5 and int(wg.asarray(3)) == 3
    assert complex(wg.asarray(2.5)) == 2.5 + 0j and bool(wg.asarray(0.0)) is False
    assert list(range(5))[wg.asarray(2)] == 2
    for bad in (wg.asarray(1.0), wg.asarray([1, 2])):
        with pytest.raises(TypeError):
            bad.__index__()
    with pytest.raises(ValueError):
        bool(wg.asarray([1, 2]))


@claim
def operators_are_the_functions(device: Device) -> None:
    i, j = wg.asarray([7, -7]), wg.asarray([3, 3])
    same(i + j, [10, -4])
    same(i - j, [4, -10])
    same(i * j, [21, -21])
    same(i // j, [2, -3])
    same(i % j, [1, 2])
    same(abs(i), [7, 7])
    same(-i, [-7, 7])
    same(+i, [7, -7])
    same(j**2, [9, 9])
    same(i / 2, [3.5, -3.5], wg.float32)
    same(i == 7, [True, False])
    same(2 - j, [-1, -1])
    same(i.astype("float32") @ j.astype("float32"), 0.0)


@claim
def bit_operators_take_integers_and_bools(device: Device) -> None:
    i, t = wg.asarray([6, -6]), wg.asarray([True, False])
    same(i & 3, [2, 2], wg.int32)
    same(i | 1, [7, -5], wg.int32)
    same(i ^ 3, [5, -7], wg.int32)
    same(~i, [-7, 5], wg.int32)
    same(i << 1, [12, -12], wg.int32)
    same(i >> 1, [3, -3], wg.int32)
    same(t & True, [True, False], wg.bool)
    same(t | True, [True, True], wg.bool)
    same(t ^ True, [False, True], wg.bool)
    same(~t, [False, True], wg.bool)


@claim
def assigning_operators_compute_what_the_operators_do(device: Device) -> None:
    x = y = wg.asarray([1.0, 2.0])
    x += 1
    x *= wg.asarray([2.0, 3.0])
    x -= 1
    x /= 2
    x **= 2
    same(x, [2.25, 16])
    assert y is x


@claim
def assigning_operators_keep_dtype_and_shape(device: Device) -> None:
    x = wg.ones(2, dtype="int32")
    with pytest.raises((TypeError, ValueError)):
        x += wg.ones((3, 2), dtype="int32")


# Indexing.


@claim
def basic_indices_follow_the_standard(device: Device) -> None:
    x, a = grid(), np.arange(12).reshape(3, 4)
    keys: list[Any] = [
        *(0, -1, (1, 2), (-3, -4), slice(None), slice(1, 3), slice(None, None, -1)),
        *(slice(5, 1), slice(-2, None), (slice(None), slice(3, 0, -2)), (slice(0, 0), 1)),
        *(..., (..., 1), (0, ...), (0, ..., 1), (None, 0), (slice(None), None, 2), None, ()),
        *((..., None), (1, 2, ...), slice(0, 100)),
    ]
    for key in keys:
        same(x[key], a[key], wg.int32)
    same(wg.asarray(5)[()], 5)
    same(wg.asarray(5)[...], 5)


@claim
def indices_out_of_range_raise(device: Device) -> None:
    x = grid()
    for key in (3, -4, (0, 4), (0, 0, 0), (..., 0, ...)):
        with pytest.raises(IndexError):
            x[key]
    with pytest.raises(IndexError):
        wg.asarray(1)[0]


@claim
def masks_pick_elements(device: Device) -> None:
    x, a = grid(), np.arange(12).reshape(3, 4)
    same(x[x > 4], a[a > 4])
    same(x[wg.asarray([True, False, True])], a[[True, False, True]])
    same(x[wg.zeros((3, 4), dtype="bool")], a[np.zeros((3, 4), bool)])


@claim
def masks_are_assigned_to(device: Device) -> None:
    x, a = grid(), np.arange(12).reshape(3, 4)
    x[x > 4] = 0
    a[a > 4] = 0
    same(x, a)


@claim
def integer_arrays_index_together(device: Device) -> None:
    x, a = grid(), np.arange(12).reshape(3, 4)
    i, j = wg.asarray([0, 2, 2]), wg.asarray([1, 3, -1])
    same(x[i, j], a[[0, 2, 2], [1, 3, -1]])
    same(x[i, 1], a[[0, 2, 2], 1])


@claim
def parts_are_assigned_to(device: Device) -> None:
    x, a = grid(), np.arange(12).reshape(3, 4)
    for key, value in ((0, 9), ((1, 2), -1), (slice(1, 3), 5), ((..., 0), 7), ((2, slice(2)), 8)):
        x[key] = value
        a[key] = value
    same(x, a)
    x[1] = wg.asarray([1, 2, 3, 4])
    a[1] = [1, 2, 3, 4]
    same(x, a)


# Shapes.


@claim
def shapes_broadcast(device: Device) -> None:
    for one, two in (
        ((3, 1), (1, 4)),
        ((), (2, 3)),
        ((0, 3), (1, 3)),
        ((1,), (0,)),
        ((2, 1), (3,)),
    ):
        got = wg.ones(one) + wg.ones(two)
        assert got.shape == np.broadcast_shapes(one, two)
    for one, two in (((3,), (4,)), ((2, 3), (3, 2)), ((0,), (2,))):
        with pytest.raises(ValueError):
            wg.ones(one) + wg.ones(two)
    with pytest.raises(ValueError):
        wg.broadcast_to(wg.ones((2, 3)), (3,))


@claim
def reductions_return_arrays_without_axes(device: Device) -> None:
    x = wg.ones((2, 3))
    for function in (wg.sum, wg.prod, wg.mean, wg.max, wg.min, wg.any, wg.all, wg.argmax):
        assert isinstance(function(x), wg.Tensor) and function(x).shape == ()
        assert function(x, keepdims=True).shape == (1, 1)
        assert function(x, axis=-1).shape == (2,)
        with pytest.raises(IndexError):
            function(x, axis=2)


@claim
def nothing_reduces_to_the_identity(device: Device) -> None:
    x = wg.zeros((0, 2))
    same(wg.sum(x), 0.0)
    same(wg.prod(x), 1.0)
    same(wg.sum(x, axis=0), [0, 0])
    same(wg.any(x), False)
    same(wg.all(x), True)
    assert wg.sum(x, axis=1).shape == (0,)
    assert math.isnan(float(wg.mean(x)))
    for function in (wg.max, wg.min, wg.argmax, wg.argmin):
        with pytest.raises(ValueError):
            function(x)


@claim
def nan_goes_through_extremes(device: Device) -> None:
    x = wg.asarray([1.0, math.nan, 3.0])
    assert math.isnan(float(wg.max(x))) and math.isnan(float(wg.min(x)))
    assert math.isnan(float(wg.sum(x))) and bool(wg.any(x)) and bool(wg.all(x))
    assert int(wg.argmax(x)) == int(wg.argmin(x)) == 1


@claim
def empty_arrays_pass_everywhere(device: Device) -> None:
    x = wg.zeros((0, 3))
    assert wg.exp(x).shape == (x + 1).shape == wg.flip(x).shape == (0, 3)
    assert wg.reshape(x, (3, 0)).shape == x.T.shape == (3, 0)
    assert wg.concat([x, wg.ones((2, 3))]).shape == (2, 3)
    assert wg.stack([x, x]).shape == (2, 0, 3)
    same(wg.matmul(x.T, x), np.zeros((3, 3)))
    assert wg.matmul(x, wg.ones((3, 2))).shape == x[:, :2].shape == (0, 2)


@claim
def matmul_has_the_shapes_of_the_standard(device: Device) -> None:
    for one, two, out in (
        ((3,), (3,), ()),
        ((2, 3), (3,), (2,)),
        ((3,), (3, 2), (2,)),
        ((5, 1, 2, 3), (4, 3, 2), (5, 4, 2, 2)),
    ):
        assert wg.matmul(wg.ones(one), wg.ones(two)).shape == out
    for one, two in (((), (3,)), ((3,), ()), ((2, 3), (2, 3)), ((2, 2, 3), (3, 3, 2))):
        with pytest.raises(ValueError):
            wg.matmul(wg.ones(one), wg.ones(two))


@claim
def integers_multiply_as_matrices(device: Device) -> None:
    same(grid() @ grid().T, np.arange(12).reshape(3, 4) @ np.arange(12).reshape(3, 4).T, wg.int32)


@claim
def shapes_that_do_not_fit_raise(device: Device) -> None:
    x = wg.ones((2, 3))
    for call in (
        lambda: wg.reshape(x, (4, 2)),
        lambda: wg.reshape(x, (-1, -1)),
        lambda: wg.squeeze(x, axis=0),
        lambda: wg.concat([x, wg.ones((2, 2))], axis=0),
        lambda: wg.stack([x, wg.ones((2, 2))]),
        lambda: wg.permute_dims(x, (0, 0)),
    ):
        with pytest.raises(ValueError):
            call()
    for call in (
        lambda: wg.expand_dims(x, axis=4),
        lambda: wg.flip(x, axis=2),
        lambda: wg.concat([x, x], axis=2),
        lambda: wg.take(x, wg.asarray([2]), axis=0),
    ):
        with pytest.raises(IndexError):
            call()


@claim
def negative_axes_count_from_the_end(device: Device) -> None:
    x = wg.ones((2, 3))
    assert wg.expand_dims(x, axis=-1).shape == (2, 3, 1)
    assert wg.expand_dims(x, axis=-3).shape == (1, 2, 3)
    assert wg.stack([x, x], axis=-1).shape == (2, 3, 2)
    assert wg.concat([x, x], axis=-1).shape == (2, 6)
    assert wg.concat([x, x], axis=None).shape == (12,)
    same(wg.flip(wg.arange(4), axis=-1), [3, 2, 1, 0])
    assert wg.squeeze(wg.ones((1, 2, 1)), axis=(0, -1)).shape == (2,)


@claim
def reshape_says_whether_it_copies(device: Device) -> None:
    x = wg.reshape(wg.arange(4), (2, 2))
    view, copied = wg.reshape(x, (4,), copy=False), wg.reshape(x, (4,), copy=True)
    x[0, 0] = 7
    assert int(view[0]) == 7 and int(copied[0]) == 0
    with pytest.raises(ValueError):
        wg.reshape(x.T, (4,), copy=False)


# What functions return and refuse.


@claim
def unique_results_have_the_fields_of_the_standard(device: Device) -> None:
    x = wg.tensor([3, 1, 3, 2])
    found = wg.unique_all(x)
    same(found.values, [1, 2, 3])
    same(found.indices, [1, 3, 0])
    same(found.inverse_indices, [2, 0, 2, 1])
    same(found.counts, [1, 1, 2])
    assert wg.unique_counts(x)._fields == ("values", "counts")
    assert wg.unique_inverse(x)._fields == ("values", "inverse_indices")
    assert wg.unique_inverse(wg.reshape(x, (2, 2))).inverse_indices.shape == (2, 2)


@claim
def unique_values_keep_every_nan_and_zeros_are_one(device: Device) -> None:
    x = wg.tensor([math.nan, 0.0, -0.0, math.nan])
    assert wg.unique_values(x).shape == (3,)
    assert wg.unique_counts(x).counts.tolist() == [2, 1, 1]


@claim
def sorting_is_stable_in_both_directions(device: Device) -> None:
    x = wg.tensor([2, 1, 2, 1])
    same(wg.argsort(x), [1, 3, 0, 2])
    same(wg.argsort(x, descending=True), [0, 2, 1, 3])
    same(wg.sort(wg.tensor([[2, 1], [1, 2]]), axis=0, descending=True), [[2, 2], [1, 1]])


@claim
def nonzero_needs_an_axis(device: Device) -> None:
    with pytest.raises(ValueError):
        wg.nonzero(wg.tensor(1))
    i, j = wg.nonzero(wg.tensor([[0, 1], [2, 0]]))
    same(i, [0, 1])
    same(j, [1, 0])


@claim
def searchsorted_takes_a_sorter(device: Device) -> None:
    x = wg.tensor([3.0, 1.0, 2.0])
    same(wg.searchsorted(x, wg.tensor([2.0, 2.5]), sorter=wg.argsort(x)), [1, 2])


@claim
def repeats_may_be_an_array(device: Device) -> None:
    same(wg.repeat(wg.tensor([5, 6, 7]), wg.tensor([2, 0, 1])), [5, 5, 7])


@claim
def running_totals_ask_which_axis(device: Device) -> None:
    for function in (wg.cumulative_sum, wg.cumulative_prod):
        with pytest.raises(ValueError):
            function(wg.ones((2, 2)))
        assert function(wg.ones(3), include_initial=True).shape == (4,)


@claim
def several_arrays_come_as_a_tuple(device: Device) -> None:
    x = wg.ones((2, 3))
    for found in (wg.unstack(x), wg.nonzero(x)):
        assert isinstance(found, tuple)
        assert len(found) == 2 and all(isinstance(part, wg.Tensor) for part in found)


@claim
def several_arrays_of_one_shape_come_as_a_list(device: Device) -> None:
    found = wg.broadcast_arrays(wg.ones((2, 3)), wg.ones(3))
    assert type(found) is list and [part.shape for part in found] == [(2, 3)] * 2
    found = wg.meshgrid(wg.arange(2), wg.arange(3))
    assert type(found) is list
    one, two = found
    assert one.shape == two.shape == (3, 2)
    assert wg.meshgrid(wg.arange(2), wg.arange(3), indexing="ij")[0].shape == (2, 3)


@claim
def contractions_check_their_axes(device: Device) -> None:
    for call in (
        lambda: wg.vecdot(wg.ones(3), wg.ones(4)),
        lambda: wg.tensordot(wg.ones((2, 3)), wg.ones((2, 3)), axes=1),
    ):
        with pytest.raises(ValueError):
            call()
    assert wg.tensordot(wg.ones((2, 3)), wg.ones((4, 5)), axes=0).shape == (2, 3, 4, 5)
    assert wg.vecdot(wg.ones((4, 1, 3)), wg.ones((2, 3))).shape == (4, 2)


@claim
def rounding_keeps_integers(device: Device) -> None:
    x = wg.tensor([-3, 7])
    for function in (wg.floor, wg.ceil, wg.trunc, wg.round):
        same(function(x), [-3, 7], wg.int32)


@claim
def where_broadcasts_and_promotes(device: Device) -> None:
    mask = wg.tensor([[True], [False]])
    same(wg.where(mask, wg.tensor([1.0, 2.0]), 0), [[1, 2], [0, 0]], wg.float32)
    assert wg.where(mask, wg.ones(2, dtype="int32"), wg.ones(2)).dtype is wg.float32


# The namespace.


@claim
def info_says_what_there_is(device: Device) -> None:
    info = wg.__array_namespace_info__()
    assert info.default_device() is device and device in info.devices()
    assert set(info.capabilities()) == {
        "boolean indexing",
        "data-dependent shapes",
        "max dimensions",
    }
    found = info.dtypes(device=device)
    assert found["float32"] is wg.float32 and found["bool"] is wg.bool
    assert info.dtypes(device=device, kind=("bool", "signed integer")) == {
        "bool": wg.bool,
        "int32": wg.int32,
    }
    assert info.dtypes(kind="complex floating") == {}
    assert "float16" not in found and "float16" not in info.dtypes(kind="real floating")
    assert wg.__array_api_version__ == "2024.12"


@claim
def default_dtypes_cover_every_kind(device: Device) -> None:
    kinds = {"real floating", "complex floating", "integral", "indexing"}
    assert set(wg.__array_namespace_info__().default_dtypes(device=device)) == kinds


@claim
def fourier_transforms_have_complex_dtypes(device: Device) -> None:
    found = wg.fft.rfft(wg.ones(4))
    assert wg.isdtype(found.dtype, "complex floating") and found.shape == (3,)
    assert wg.fft.irfft(found).shape == (4,)
    for function in (wg.fft.fft, wg.fft.ifft, wg.fft.fftn, wg.fft.ifftn):
        assert function(found).shape == (3,)


@claim
def shifts_of_frequencies_take_any_array(device: Device) -> None:
    for shape in ((4,), (2, 3), (3, 2)):
        assert wg.fft.ifftshift(wg.fft.fftshift(wg.ones(shape))).shape == shape


@claim
def parts_of_real_numbers_are_real(device: Device) -> None:
    for dtype in ("int32", "uint32", "float32"):
        x = wg.ones(2, dtype=dtype)
        same(wg.real(x), [1, 1], x.dtype)
        same(wg.conj(x), [1, 1], x.dtype)


@claim
def linear_algebra_has_floating_results(device: Device) -> None:
    x = wg.asarray([[2.0, 0.0], [0.0, 3.0]])
    same(wg.linalg.det(x), 6.0, wg.float32)
    assert wg.linalg.matrix_rank(x).dtype is wg.int32
    sign, logarithm = wg.linalg.slogdet(wg.zeros((2, 2)))
    same(sign, 0.0)
    same(logarithm, -math.inf)
    assert wg.linalg.matrix_norm(wg.ones((0, 2, 3)), ord=2).shape == (0,)


@claim
def capabilities_are_true(device: Device) -> None:
    offers = wg.__array_namespace_info__().capabilities()
    x = wg.asarray([1.0, 0.0])
    assert not offers["boolean indexing"] or x[x > 0].shape == (1,)
    assert not offers["data-dependent shapes"] or wg.nonzero(x)[0].shape == (1,)
    assert wg.ones((1,) * offers["max dimensions"]).ndim == offers["max dimensions"]
