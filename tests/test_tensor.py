"""Tensors: making them, their dtypes, views without copies, indexing, and the way out to NumPy."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table import ALL, HALF

import wgrad as wg
from wgrad import dtypes
from wgrad.errors import ShapeError, UnknownNameError
from wgrad.layout import Layout, collapse, contiguous_strides


def names(device: Any) -> list[str]:
    return [name for name in (*ALL, HALF) if name in {d.name for d in device.dtypes}]


def shares(x: wg.Tensor, y: wg.Tensor) -> bool:
    return x.array.storage is y.array.storage


# Making them.


def test_tensor_copies_what_it_is_made_of(device):
    source = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = wg.tensor(source)
    source[:] = 0
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    y = wg.tensor(x)
    y.assign(0.0)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    out = x.numpy()
    out[:] = -1
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (2, "int32", ()),
        (2.5, "float32", ()),
        (True, "bool", ()),
        ([], "float32", (0,)),
        ([[], []], "float32", (2, 0)),
        ([1, 2], "int32", (2,)),
        ((1, 2.5), "float32", (2,)),
        ([True, False], "bool", (2,)),
        ([[1, 2], [3, 4], [5, 6]], "int32", (3, 2)),
        (range(4), "int32", (4,)),
        (np.float64(1.5), "float32", ()),
        (np.int64(7), "int32", ()),
        (np.arange(3, dtype=np.uint8), "uint32", (3,)),
        (np.arange(3, dtype=np.int64), "int32", (3,)),
        (np.ones(2, np.float16), "float32", (2,)),
        (np.ones((2, 2), bool), "bool", (2, 2)),
        (np.arange(6).reshape(2, 3).T, "int32", (3, 2)),
        (np.arange(6)[::-2], "int32", (3,)),
        (np.array([1.0, 2.0], dtype=">f4"), "float32", (2,)),
    ],
    ids=repr,
)
def test_tensor_infers_dtype_and_shape(data: Any, dtype: str, shape: tuple, device):
    x = wg.tensor(data)
    assert x.dtype.name == dtype and x.shape == shape
    assert x.device is device and not x.requires_grad
    np.testing.assert_array_equal(x.numpy(), np.asarray(data))


def test_tensor_of_nested_tensors(device):
    x = wg.tensor([wg.tensor(1.0), 2.0])
    assert x.tolist() == [1, 2]
    assert wg.tensor([[wg.tensor(1)], [wg.tensor(2)]]).tolist() == [[1], [2]]
    assert wg.tensor([wg.tensor([1.0, 2.0]), [3.0, 4.0]]).tolist() == [[1, 2], [3, 4]]


def test_tensor_keeps_or_changes_the_dtype_and_device_of_a_tensor(webgpu):
    x = wg.tensor([1, 2], dtype="uint32")
    y = wg.tensor(x, device="numpy")
    assert y.dtype.name == "uint32" and y.device.name == "numpy"
    assert wg.tensor(y).device.name == "numpy"  # stays where it is
    z = wg.tensor(y, dtype="float32", device=webgpu)
    assert z.dtype is wg.float32 and z.device is webgpu and z.tolist() == [1, 2]


def test_every_dtype_spells_several_ways(device):
    for spec, name in (
        ("float32", "float32"),
        (wg.float32, "float32"),
        (np.float32, "float32"),
        (np.dtype("int32"), "int32"),
        (float, "float32"),
        (int, "int32"),
        (bool, "bool"),
        (wg.bool, "bool"),
        ("bool", "bool"),
        (np.uint32, "uint32"),
    ):
        assert wg.zeros(2, dtype=spec).dtype.name == name


def test_creation_functions_agree_with_numpy(device):
    for found, expected in (
        (wg.zeros((2, 3)), np.zeros((2, 3), np.float32)),
        (wg.zeros(3), np.zeros(3, np.float32)),
        (wg.zeros(()), np.zeros((), np.float32)),
        (wg.zeros((0, 2)), np.zeros((0, 2), np.float32)),
        (wg.ones([2, 1], dtype="int32"), np.ones((2, 1), np.int32)),
        (wg.ones(2, dtype="bool"), np.ones(2, bool)),
        (wg.full((2, 2), 7), np.full((2, 2), 7, np.int32)),
        (wg.full(2, 2.5), np.full(2, 2.5, np.float32)),
        (wg.full(2, True), np.full(2, True)),
        (wg.full(2, 3, dtype="float32"), np.full(2, 3, np.float32)),
        (wg.full(2, wg.tensor(4)), np.full(2, 4, np.int32)),
        (wg.full(2, float("-inf")), np.full(2, -np.inf, np.float32)),
        (wg.arange(5), np.arange(5, dtype=np.int32)),
        (wg.arange(2, 5), np.arange(2, 5, dtype=np.int32)),
        (wg.arange(5, 0, -2), np.arange(5, 0, -2, dtype=np.int32)),
        (wg.arange(0, 1, 0.25), np.arange(0, 1, 0.25, dtype=np.float32)),
        (wg.arange(3.0), np.arange(3, dtype=np.float32)),
        (wg.arange(3, dtype="float32"), np.arange(3, dtype=np.float32)),
        (wg.arange(3, 3), np.zeros(0, np.int32)),
        (wg.arange(5, 2), np.zeros(0, np.int32)),
        (wg.linspace(0, 1, 5), np.linspace(0, 1, 5, dtype=np.float32)),
        (wg.linspace(2, 3, 1), np.array([2], np.float32)),
        (wg.linspace(2, 3, 0), np.zeros(0, np.float32)),
        (wg.eye(3), np.eye(3, dtype=np.float32)),
        (wg.eye(2, 3, dtype="int32"), np.eye(2, 3, dtype=np.int32)),
        (wg.eye(0), np.zeros((0, 0), np.float32)),
    ):
        assert found.device is device
        assert found.numpy().dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected)


def test_like_functions_take_shape_dtype_and_device(webgpu):
    for x in (wg.tensor([[1, 2]]), wg.tensor([1.5], device="numpy"), wg.tensor(True)):
        for f, value in ((wg.zeros_like, 0), (wg.ones_like, 1)):
            y = f(x)
            assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
            assert (y.numpy() == value).all()
        assert wg.full_like(x, 1, dtype="float32").dtype is wg.float32


def test_parameters_are_floating_leaves(device):
    for data in (1, [1, 2], 2.5, np.arange(3), wg.tensor([1, 2]), wg.tensor([True])):
        p = wg.parameter(data)
        assert p.requires_grad and p.is_leaf and p.dtype is wg.float32
    source = wg.tensor([1.0, 2.0])
    p = wg.parameter(source)
    p.assign(0.0)
    assert source.tolist() == [1, 2]


def test_float64_lives_on_numpy(numpy_device):
    x = wg.tensor([0.1], dtype="float64")
    assert x.item() == 0.1
    assert wg.parameter(x).dtype is wg.float64
    assert wg.exp(x).item() == np.exp(0.1)
    assert (x * 0.1).item() == 0.1 * 0.1
    assert (x + wg.tensor([0.1])).dtype is wg.float64


# Dtypes of results.

# Rows and columns: bool, int32, uint32, float16, float32, float64; None where two do not mix.
PROMOTED = {
    "bool": ("bool", "int32", "uint32", "float16", "float32", "float64"),
    "int32": ("int32", "int32", None, "float16", "float32", "float64"),
    "uint32": ("uint32", None, "uint32", "float16", "float32", "float64"),
    "float16": ("float16", "float16", "float16", "float16", "float32", "float64"),
    "float32": ("float32", "float32", "float32", "float32", "float32", "float64"),
    "float64": ("float64", "float64", "float64", "float64", "float64", "float64"),
}
ORDER = tuple(PROMOTED)


def test_promotion_of_two_tensors(device):
    for first in names(device):
        for second, expected in zip(ORDER, PROMOTED[first], strict=True):
            if second not in names(device):
                continue
            a, b = wg.ones(2, dtype=first), wg.ones((2, 2), dtype=second)
            if expected is None:
                for f in (wg.add, wg.maximum, wg.equal, wg.less, wg.divide):
                    with pytest.raises(wg.errors.DTypeError, match=r"u?int32 and u?int32 came"):
                        f(a, b)
                continue
            assert (a + b).dtype.name == expected
            assert (b + a).dtype.name == expected
            assert wg.maximum(a, b).dtype.name == expected
            assert wg.where(wg.tensor(True), a, b).dtype.name == expected
            assert wg.concat([a, b[0]]).dtype.name == expected
            assert (a == b).dtype.name == "bool"
            quotient = expected if "float" in expected else "float32"
            assert (a / b).dtype.name == quotient


def test_promotion_of_a_tensor_and_a_number(device):
    """A Python number takes the tensor's dtype unless its kind is higher."""
    for name in names(device):
        x = wg.ones(2, dtype=name)
        kind = {"bool": 0, "int32": 1, "uint32": 1}.get(name, 2)
        for number, rank, default in ((True, 0, "bool"), (2, 1, "int32"), (2.5, 2, "float32")):
            expected = name if rank <= kind else default
            for f in (wg.add, wg.maximum):
                assert f(x, number).dtype.name == expected, (name, number)
                assert f(number, x).dtype.name == expected, (name, number)


def test_numpy_numbers_count_as_python_numbers(device):
    """np.float64(2) is a float, whatever its width: it must not lose digits nor widen a dtype."""
    for name in names(device):
        x = wg.ones(2, dtype=name)
        for number in (np.float64(0.1), np.float32(0.5), np.int64(3), np.uint8(3), np.bool_(True)):
            for f in (operator.add, operator.mul, wg.maximum):
                if f is operator.mul and name == "bool":
                    continue
                assert f(x, number).dtype is f(x, number.item()).dtype, (name, number)
                np.testing.assert_array_equal(f(x, number).numpy(), f(x, number.item()).numpy())
                assert f(number, x).dtype is f(number.item(), x).dtype, (name, number)
    with wg.device("numpy"):
        x = wg.tensor([1.0], dtype="float64")
        assert (x * np.float64(0.1)).item() == 0.1
        assert (np.float64(0.1) * x).item() == 0.1
        assert (x ** np.float64(0.5)).item() == 1


def test_promotion_agrees_with_numpy_where_numpy_stays_within_32_bits(numpy_device):
    for first in ORDER:
        for second, expected in zip(ORDER, PROMOTED[first], strict=True):
            theirs = np.result_type(first, second).name
            if theirs == "int64":
                assert expected is None
            elif theirs == "float64" and "float64" not in (first, second):
                assert expected == ("float16" if "float16" in (first, second) else "float32")
            else:
                assert expected == theirs


def test_operators_take_numbers_lists_and_arrays_on_both_sides(device):
    x = wg.tensor([1.0, 2.0])
    for other in (3, 3.0, True, [3.0, 4.0], np.array([3.0, 4.0], np.float32), np.float32(3)):
        for f in (
            operator.add,
            operator.sub,
            operator.mul,
            operator.truediv,
            operator.pow,
            operator.eq,
            operator.ne,
            operator.lt,
            operator.le,
            operator.gt,
            operator.ge,
        ):
            for a, b in ((x, other), (other, x)):
                found = f(a, b)
                assert isinstance(found, wg.Tensor), (f, other)
                arrays = [v.numpy() if isinstance(v, wg.Tensor) else np.asarray(v) for v in (a, b)]
                expected = f(*(v.astype(np.float32) for v in arrays))
                np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_matmul_operator_takes_arrays_on_both_sides(device):
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    for x, y in ((wg.tensor(a), b), (a, wg.tensor(b)), (a.tolist(), wg.tensor(b))):
        np.testing.assert_array_equal((x @ y).numpy(), a @ b)


def test_logical_operators(device):
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    x, y = wg.tensor(a), wg.tensor(b)
    for f in (operator.and_, operator.or_, operator.xor):
        assert f(x, y).tolist() == f(a, b).tolist()
        assert f(x, True).tolist() == f(a, True).tolist()
        assert f(True, x).tolist() == f(True, a).tolist()
    assert (~x).tolist() == (~a).tolist()


def test_unary_operators(device):
    x = wg.tensor([1.5, -2.0])
    assert (-x).tolist() == [-1.5, 2]
    assert (+x).tolist() == [1.5, -2]
    assert abs(x).tolist() == [1.5, 2]


def test_astype_covers_every_pair(device):
    data = {"float32": [0.0, 1.9, 3.0], "float64": [0.0, 1.9, 3.0], "bool": [False, True, True]}
    for first in names(device):
        x = wg.tensor(data.get(first, [0, 1, 3]), dtype=first)
        for second in names(device):
            y = x.astype(second)
            assert y.dtype.name == second
            np.testing.assert_array_equal(y.numpy(), x.numpy().astype(second))
            assert not shares(x, y)


# Values out.


def test_item_and_tolist_give_python_numbers(device):
    for data, kind in ((2.5, float), (3, int), (True, bool)):
        x = wg.tensor(data)
        assert type(x.item()) is kind and x.item() == data
        assert type(x.tolist()) is kind
        assert wg.tensor([[data]]).item() == data
    assert wg.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert wg.zeros((2, 0)).tolist() == [[], []]


def test_numbers_from_0d_tensors(device):
    assert float(wg.tensor(2.5)) == 2.5
    assert int(wg.tensor(3)) == 3
    assert [10, 20, 30][wg.tensor(1)] == 20
    assert f"{wg.tensor(2.5):.2f}" == "2.50"
    assert bool(wg.tensor(0.0)) is False and bool(wg.tensor([[3]])) is True
    assert list(range(wg.tensor(3))) == [0, 1, 2]


def test_numpy_reads_tensors(device):
    x = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(np.asarray(x), [[1, 2], [3, 4]])
    assert np.asarray(x).dtype == np.float32
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.array(x.T).tolist() == [[1, 3], [2, 4]]
    with pytest.raises(ValueError, match="copied"):
        np.asarray(x, copy=False)


def test_iteration_length_and_containment(device):
    x = wg.tensor([[1, 2], [3, 4], [5, 6]])
    assert len(x) == 3 and x.ndim == 2 and x.size == 6
    assert [row.tolist() for row in x] == [[1, 2], [3, 4], [5, 6]]
    first, *rest = x
    assert first.tolist() == [1, 2] and len(rest) == 2
    assert len(wg.zeros((0, 2))) == 0 and list(wg.zeros((0, 2))) == []


def test_unpacking_into_too_many_or_few_names_says_what_functions_return(numpy_device):
    x = wg.arange(15).reshape(3, 5)
    _, _, third = x
    (a, b), c = x[:2, 0], [*x[0]]
    assert third.tolist() == x[2].tolist() and (a.item(), b.item()) == (0, 5) and len(c) == 5
    with pytest.raises(ShapeError, match=r"\(3,\) came for 2 names.* argmax\(x, axis\)"):
        _values, _places = x.max(1)
    with pytest.raises(ShapeError, match=r"for 4 names, and it has 3 rows$"):
        _a, _b, _c, _d = x
    with pytest.raises(UnknownNameError, match="argmax"):
        x.max(1).indices


def test_repr_reads_like_numpys(device):
    where = "" if device.name == "numpy" else f", device={device.name!r}"
    assert repr(wg.tensor([1.0, 2.5])) == f"tensor([1. , 2.5]{where})"
    assert repr(wg.tensor(3)) == f"tensor(3{where})"
    assert repr(wg.tensor([True])) == f"tensor([ True]{where})"
    assert repr(wg.tensor([1], dtype="uint32")) == f"tensor([1], dtype=uint32{where})"
    x = wg.tensor([1.0], requires_grad=True)
    assert repr(x) == f"tensor([1.]{where}, requires_grad=True)"
    assert repr(x * 2) == f"tensor([2.]{where}, from multiply)"
    assert repr(wg.zeros((0, 3))).startswith("tensor([]")
    text = repr(wg.tensor([[1, 2], [3, 4]]))
    assert text == f"tensor([[1, 2],\n        [3, 4]]{where})"
    assert "..." in repr(wg.zeros(5000)) and len(repr(wg.zeros(5000))) < 200


def test_tensors_hash_by_identity(device):
    x, y = wg.tensor([1.0]), wg.tensor([1.0])
    assert {x: 1, y: 2}[x] == 1
    assert len({x, y, x}) == 2


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_tensors_pickle_and_copy(clone: Callable, device):
    for name in names(device):
        x = wg.tensor([[1, 0], [3, 4]], dtype=name)
        for view in (x, x.T, x[1:, ::-1], x[0, 0], x[:0]):
            y = clone(view)
            assert (y.dtype, y.device, y.shape) == (x.dtype, device, view.shape)
            np.testing.assert_array_equal(y.numpy(), view.numpy())
            assert not shares(x, y)
    p = wg.parameter([1.0, 2.0])
    wg.sum(p * p).backward()
    q = clone(p)
    assert q.requires_grad and q.is_leaf and q.grad.tolist() == [2, 4]
    q.grad.assign(0.0)
    q.assign(0.0)
    assert p.grad.tolist() == [2, 4] and p.tolist() == [1, 2]
    q.requires_grad_(False)
    assert clone(p * 2).tolist() == [2, 4]


def test_deepcopy_keeps_sharing_within_a_structure(device):
    p = wg.parameter([1.0])
    a, b = copy.deepcopy([p, p])
    assert a is b and a is not p


def test_dtypes_are_singletons_through_pickle_and_copy():
    for d in dtypes.ALL:
        assert pickle.loads(pickle.dumps(d)) is d
        assert copy.deepcopy(d) is d is copy.copy(d)


# From one device to another.


def test_to_moves_both_ways(webgpu):
    for name in names(webgpu):
        x = wg.tensor([[1, 0], [3, 4]], dtype=name)
        there = x.to("numpy")
        back = there.to(webgpu)
        assert there.device.name == "numpy" and back.device is webgpu
        assert there.dtype is back.dtype is x.dtype
        np.testing.assert_array_equal(there.numpy(), x.numpy())
        np.testing.assert_array_equal(back.numpy(), x.numpy())
        assert x.to(webgpu) is x
    for shape in ((), (0, 3)):
        assert wg.zeros(shape).to("numpy").shape == shape
    assert wg.arange(6).reshape(2, 3).T.to("numpy").tolist() == [[0, 3], [1, 4], [2, 5]]


def test_to_passes_gradients_back(webgpu):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).to("numpy") * wg.tensor([3.0, 4.0], device="numpy")
    wg.sum(y).backward()
    assert x.grad.device is webgpu and x.grad.tolist() == [6, 8]


def test_device_blocks_nest_and_end(webgpu):
    numpy = wg.device("numpy")
    with numpy:
        assert wg.zeros(1).device is numpy
        with webgpu:
            assert wg.zeros(1).device is webgpu
        assert wg.default_device() is numpy
        assert wg.zeros(1, device=webgpu).device is webgpu
    assert wg.default_device() is webgpu


def test_set_default_device_and_back(numpy_device):
    from wgrad.backends import base

    outside = base._entered.set(())
    try:
        wg.set_default_device("numpy")
        assert wg.default_device().name == "numpy"
    finally:
        wg.set_default_device(None)
        base._entered.reset(outside)


# Views.


def test_views_share_memory_and_see_assignments(device):
    x = wg.tensor(np.arange(12, dtype=np.float32).reshape(3, 4))
    for view in (
        x[1],
        x[:, 1],
        x[::2, ::-1],
        x[1:, 2:],
        x.T,
        x.mT,
        x.reshape(2, 6),
        x.flatten(),
        wg.flip(x),
        wg.expand_dims(x, 1),
        x[None, ..., None],
        wg.squeeze(x[:1]),
        wg.broadcast_to(x, (2, 3, 4)),
        wg.permute_dims(x, (1, 0)),
        x.detach(),
        +x,
    ):
        assert shares(view, x)
        before = view.numpy()
        np.testing.assert_array_equal(before.shape, view.shape)
    row = x[1]
    row.assign([10.0, 11.0, 12.0, 13.0])
    assert x.tolist() == [[0, 1, 2, 3], [10, 11, 12, 13], [8, 9, 10, 11]]
    x.T[::2, 0].assign(-1.0)
    assert x.tolist()[0] == [-1, 1, -1, 3]
    wg.flip(x)[0, 0].assign(99.0)
    assert x[2, 3].item() == 99
    x.assign(0.0)
    assert row.tolist() == [0, 0, 0, 0]


def test_view_shares_or_says_that_it_cannot(device):
    x = wg.tensor(np.arange(12, dtype=np.float32).reshape(3, 4))
    y = x.view(2, -1)
    assert shares(x, y) and y.shape == (2, 6)
    y[0, 0].assign(9.0)
    assert x[0, 0].item() == 9
    assert shares(x, x.T.view(4, 1, 3))
    with pytest.raises(wg.errors.ShapeError, match=r"view: .*\(4, 3\).*reshape"):
        x.T.view(12)


def test_copies_do_not_share(device):
    x = wg.tensor(np.arange(12, dtype=np.float32).reshape(3, 4))
    for y in (x.copy(), x.T.reshape(12), x + 0, wg.tensor(x), x.T.copy(), wg.take(x, [0, 1], 0)):
        assert not shares(x, y)


def test_assignment_by_key_writes_like_numpy(device):
    expected = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    x = wg.tensor(expected)
    for key, value in (
        ((0,), 7.0),
        ((slice(None), 1), [1.0, 2.0, 3.0, 4.0]),
        ((..., -1), 5.0),
        ((1, slice(None, None, -1), slice(None, None, 2)), np.ones((3, 2), np.float32)),
        ((slice(None), slice(1, 1)), 3.0),
        ((0, 0, 0), wg.tensor(42.0)),
        (slice(None), 2),
    ):
        x[key] = value
        expected[key] = value.numpy() if isinstance(value, wg.Tensor) else value
        np.testing.assert_array_equal(x.numpy(), expected)


def test_assignment_of_overlapping_views(device):
    """A shift within one buffer reads everything before it writes."""
    x = wg.arange(10)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    y = wg.arange(10)
    y.assign(wg.flip(y))
    assert y.tolist() == list(range(9, -1, -1))
    z = wg.tensor(np.arange(9.0).reshape(3, 3))
    z.assign(z.T)
    np.testing.assert_array_equal(z.numpy(), np.arange(9.0).reshape(3, 3).T)


def test_assign_converts_upwards_only(device):
    x = wg.zeros(2)
    assert x.assign([True, False]).tolist() == [1, 0]
    assert x.assign(wg.tensor([3, 4])).tolist() == [3, 4]
    n = wg.zeros(2, dtype="int32")
    with pytest.raises(wg.errors.DTypeError, match="float32 values do not fit a int32 tensor"):
        n.assign(wg.tensor([1.5, 2.5]))
    for floats in ([1.5, 2.5], [1.0, 2.0], 1.5, np.ones(2)):
        with pytest.raises(wg.errors.DTypeError, match="int32"):
            n.assign(floats)
    assert n.assign([1, 2]).tolist() == [1, 2]


def test_assign_refuses_what_shares_its_own_elements(device):
    x = wg.broadcast_to(wg.tensor([1.0]), (3,))
    with pytest.raises(wg.errors.ShapeError, match="expanded view"):
        x.assign(2.0)
    single = wg.broadcast_to(wg.tensor([1.0]), (1, 1))
    assert single.assign(2.0).tolist() == [[2]]


# Reshaping, by property.

SHAPES = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


def _cuts(draw: Any, shape: tuple[int, ...]) -> tuple:
    return tuple(
        draw(
            st.one_of(
                st.just(slice(None)),
                st.just(slice(None, None, -1)),
                st.just(slice(None, None, 2)),
                st.just(slice(1, None)),
                st.builds(
                    slice,
                    st.one_of(st.none(), st.integers(-n - 2, n + 2)),
                    st.one_of(st.none(), st.integers(-n - 2, n + 2)),
                    st.sampled_from([-3, -2, -1, 1, 2, 3]),
                ),
            )
        )
        for n in shape
    )


@st.composite
def layouts(draw: Any) -> tuple[Layout, np.ndarray]:
    """A layout, and the NumPy view of arange(n) that it describes."""
    shape = draw(SHAPES)
    base = np.arange(int(np.prod(shape)))
    layout, view = Layout.dense(shape), base.reshape(shape)
    for _ in range(draw(st.integers(0, 3))):
        how = draw(st.sampled_from(["permute", "slice", "expand"]))
        if how == "permute":
            axes = tuple(draw(st.permutations(range(view.ndim))))
            layout, view = layout.permute(axes), view.transpose(axes)
        elif how == "slice":
            key = _cuts(draw, view.shape)
            parts = [k.indices(n) for k, n in zip(key, view.shape, strict=True)]
            starts = tuple(p[0] for p in parts)
            sizes = tuple(len(range(*p)) for p in parts)
            layout = layout.slice(starts, sizes, tuple(p[2] for p in parts))
            view = view[key]
        else:
            wide = tuple(draw(st.integers(1, 3)) if n == 1 else n for n in view.shape)
            wide = (*draw(st.lists(st.integers(0, 2), max_size=1)), *wide)
            layout, view = layout.expand(wide), np.broadcast_to(view, wide)
    return layout, view


def elements(layout: Layout) -> np.ndarray:
    """Return offset + index . strides for every index, which is the element of arange there."""
    out = np.full(layout.shape, layout.offset)
    for axis, (n, stride) in enumerate(zip(layout.shape, layout.strides, strict=True)):
        shape = [1] * len(layout.shape)
        shape[axis] = n
        out = out + np.arange(n).reshape(shape) * stride
    return out


def _factors(size: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of a given size."""

    @st.composite
    def build(draw: Any) -> tuple[int, ...]:
        rest, found = size, []
        for _ in range(draw(st.integers(0, 4))):
            options = [d for d in range(1, rest + 1) if rest % d == 0] if rest else [0, 1, 2]
            n = draw(st.sampled_from(options))
            found.append(n)
            rest = rest // n if n else 0
        if rest != 1 or not found or int(np.prod(found)) != size:
            found.append(rest)
        return tuple(found) if int(np.prod(found)) == size else (size,)

    return build()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(layouts())
def test_layout_arithmetic_agrees_with_numpy(case):
    layout, view = case
    assert layout.shape == view.shape and layout.size == view.size
    np.testing.assert_array_equal(elements(layout), view)
    if layout.contiguous and layout.size:
        np.testing.assert_array_equal(view.reshape(-1), np.arange(layout.size) + layout.offset)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.data())
def test_layout_reshape_agrees_with_numpy(data):
    """The view that a reshape gives holds NumPy's elements; None only where NumPy copies too."""
    layout, view = data.draw(layouts())
    shape = data.draw(_factors(view.size))
    found = layout.reshape(shape)
    expected = view.reshape(shape)
    if found is None:
        assert view.size and not np.shares_memory(expected, view)
    else:
        assert found.shape == shape
        np.testing.assert_array_equal(elements(found), expected)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_collapse_walks_the_same_elements(data):
    """Merged axes visit the same elements in the same order, for two operands at once."""
    layout, view = data.draw(layouts())
    other = Layout.dense(view.shape)
    extents, strides = collapse(view.shape, [layout.strides, other.strides])
    assert all(n != 1 for n in extents)
    for original, merged in zip((layout, other), strides, strict=True):
        small = Layout(extents, merged, original.offset)
        if view.size:
            np.testing.assert_array_equal(
                elements(small).reshape(-1), elements(original).reshape(-1)
            )
    if layout.contiguous and view.size > 1:
        assert len(extents) == 1


def test_contiguous_strides_are_numpys():
    for shape in ((), (3,), (2, 3, 4), (1, 5), (2, 0, 3)):
        if 0 not in shape:
            strides = tuple(s // 8 for s in np.zeros(shape).strides)
            assert contiguous_strides(shape) == strides
        assert len(contiguous_strides(shape)) == len(shape)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_reshape_of_odd_layouts_agrees_with_numpy(data):
    layout_view = data.draw(layouts())[1]
    shape = data.draw(_factors(layout_view.size))
    with wg.device("numpy"):
        x = wg.tensor(np.arange(max(1, layout_view.size)))
        axes = data.draw(st.permutations(range(layout_view.ndim)))
        source = layout_view.astype(np.int32)
        moved = wg.permute_dims(wg.tensor(source), axes)
        found = moved.reshape(shape).numpy()
        assert x.size
    np.testing.assert_array_equal(found, source.transpose(axes).reshape(shape))


def test_reshape_infers_one_extent(device):
    x = wg.arange(12)
    assert x.reshape(3, -1).shape == (3, 4)
    assert x.reshape((-1,)).shape == (12,)
    assert x.reshape([2, 2, -1]).shape == (2, 2, 3)
    assert wg.zeros((0, 3)).reshape(-1, 3).shape == (0, 3)
    assert wg.zeros((0, 3)).reshape(0, 7).shape == (0, 7)
    assert wg.reshape(wg.tensor(5), (1, 1)).tolist() == [[5]]
    assert wg.tensor([[5]]).reshape(()).item() == 5
    assert x.reshape(np.int64(3), np.int32(4)).shape == (3, 4)


# Indexing.

KEYS: tuple[Any, ...] = (
    0,
    -1,
    slice(1, None),
    slice(None, None, -1),
    slice(None, None, 2),
    slice(3, 0, -2),
    slice(5, 2),
    slice(-100, 100),
    ...,
    None,
    (0, 1),
    (0, 1, 2),
    (slice(None), 1),
    (..., 0),
    (0, ...),
    (0, ..., None),
    (None, slice(1, 2), None, 0),
    (slice(None, None, -2), slice(None, None, -1), slice(1, 3)),
    (..., slice(1, 1)),
    [0, 1, 1],
    [-1, 0],
    (slice(None), [2, 0]),
    (..., [3, 3, -1]),
    (slice(None), np.array([[0, 1], [2, 2]])),
    (slice(1, None), [0, 2], slice(None, None, 2)),
    np.array(1),
    np.int64(1),
    (),
    [],
)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexing_agrees_with_numpy(key: Any, device):
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found = wg.tensor(data)[key]
    if isinstance(key, list) and not key:
        key = np.zeros(0, int)
    np.testing.assert_array_equal(found.numpy(), data[key])
    assert found.shape == data[key].shape


def test_indexing_by_a_tensor(device):
    x = wg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert x[wg.tensor([2, 0])].tolist() == [[5, 6], [1, 2]]
    assert x[:, wg.tensor([1])].tolist() == [[2], [4], [6]]
    assert x[wg.tensor(1)].tolist() == [3, 4]
    assert x[wg.argmax(x[:, 0])].tolist() == [5, 6]


# 0-d and empty, everywhere.


def test_0d_tensors_work_everywhere(device):
    x = wg.tensor(-2.5)
    assert x.shape == () and x.ndim == 0 and x.size == 1
    for f, expected in (
        (wg.sum, -2.5),
        (wg.mean, -2.5),
        (wg.max, -2.5),
        (wg.min, -2.5),
        (wg.prod, -2.5),
        (wg.argmax, 0),
        (wg.flatten, [-2.5]),
        (wg.flip, -2.5),
        (wg.squeeze, -2.5),
        (lambda x: wg.expand_dims(x, 0), [-2.5]),
        (lambda x: wg.broadcast_to(x, (2,)), [-2.5, -2.5]),
        (lambda x: wg.permute_dims(x, ()), -2.5),
        (lambda x: wg.stack([x, x]), [-2.5, -2.5]),
        (lambda x: wg.concat([x, x], axis=None), [-2.5, -2.5]),
        (lambda x: wg.take(x, [0, 0]), [-2.5, -2.5]),
        (lambda x: wg.pad(x, ()), -2.5),
        (lambda x: wg.clip(x, -1, 1), -1),
        (lambda x: wg.where(x > 0, x, 0.0), 0),
        (lambda x: x[...], -2.5),
        (lambda x: x[None], [-2.5]),
        (lambda x: wg.any(x), True),
        (lambda x: wg.logsumexp(x), -2.5),
        (lambda x: wg.mse_loss(x, 0.5), 9.0),
        (lambda x: x.copy(), -2.5),
    ):
        assert f(x).tolist() == pytest.approx(expected)


def test_empty_tensors_work_everywhere(device):
    x = wg.zeros((0, 3))
    for f, expected in (
        (wg.exp, (0, 3)),
        (lambda x: x + 1, (0, 3)),
        (lambda x: x @ wg.ones((3, 2)), (0, 2)),
        (lambda x: x.T @ x, (3, 3)),
        (lambda x: wg.sum(x, axis=0), (3,)),
        (lambda x: wg.sum(x, axis=1), (0,)),
        (lambda x: wg.max(x, axis=1), (0,)),
        (lambda x: wg.argmax(x, axis=1), (0,)),
        (lambda x: wg.softmax(x, axis=1), (0, 3)),
        (lambda x: wg.cross_entropy(x, wg.zeros(0, dtype="int32"), "none"), (0,)),
        (lambda x: wg.concat([x, x]), (0, 3)),
        (lambda x: wg.concat([x, wg.ones((2, 3))]), (2, 3)),
        (lambda x: wg.stack([x, x]), (2, 0, 3)),
        (lambda x: wg.pad(x, ((1, 0), (0, 0))), (1, 3)),
        (lambda x: wg.take(x, [0, 2], axis=1), (0, 2)),
        (lambda x: wg.take(x, [], axis=0), (0, 3)),
        (lambda x: wg.take_along_axis(x, wg.zeros((0, 3), dtype="int32"), 0), (0, 3)),
        (lambda x: wg.scatter_add(x, wg.zeros((0, 3), dtype="int32"), x, 0), (0, 3)),
        (lambda x: wg.flip(x), (0, 3)),
        (lambda x: x[::-1, 1:], (0, 2)),
        (lambda x: x.T, (3, 0)),
        (lambda x: x.reshape(3, 0), (3, 0)),
        (lambda x: wg.broadcast_to(x, (2, 0, 3)), (2, 0, 3)),
        (lambda x: x.astype("int32"), (0, 3)),
        (lambda x: x.copy(), (0, 3)),
        (lambda x: x.to("numpy"), (0, 3)),
        (lambda x: wg.one_hot(wg.zeros(0, dtype="int32"), 4), (0, 4)),
        (lambda x: wg.where(x > 0, x, 1.0), (0, 3)),
        (lambda x: x.assign(5.0), (0, 3)),
    ):
        assert f(x).shape == expected
        assert f(x).numpy().shape == expected
    assert (wg.ones((2, 0)) @ wg.ones((0, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert wg.sum(x).item() == 0 and wg.prod(x).item() == 1
    assert not wg.any(x).item() and wg.all(x).item()


METHODS = ["exp", "log", "sqrt", "square", "sin", "cos", "tanh", "sigmoid", "relu", "abs", "sign"]
METHODS += ["sum", "prod", "mean", "max", "min", "any", "all", "argmax", "argmin"]
METHODS += ["softmax", "log_softmax", "logsumexp", "flatten", "squeeze", "flip"]


def test_methods_are_the_functions(device):
    """Every method of a function's name gives what the function gives, and says so."""
    x = wg.tensor([[0.5, 1.5], [2.5, 0.25]])
    for name in METHODS:
        method, function = getattr(x, name), getattr(wg, name)
        np.testing.assert_array_equal(method().numpy(), function(x).numpy())
        assert method.__doc__
    assert x.pow(3).tolist() == wg.pow(x, 3).tolist()
    assert x.clip(1, 2).tolist() == wg.clip(x, 1, 2).tolist()
    assert x.matmul(x).tolist() == wg.matmul(x, x).tolist()
    assert x.transpose(0, 1).tolist() == x.permute_dims(1, 0).tolist() == x.T.tolist()
    assert x.permute_dims((1, 0)).tolist() == x.mT.tolist()
    assert x.broadcast_to(2, 2, 2).tolist() == wg.broadcast_to(x, (2, 2, 2)).tolist()
    assert x.expand_dims(0).shape == (1, 2, 2)
    assert x.take([1], axis=0).tolist() == [[2.5, 0.25]]
