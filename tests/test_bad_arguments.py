"""Every function that makes, shapes, draws or composes tensors, given what no one should give it.

Whatever comes, the answer is a result or an error of ours in one short sentence; and where NumPy
has a meaning for it, that meaning.
"""

from __future__ import annotations

import inspect
import operator
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import (
    ArgumentError,
    AxisError,
    DTypeError,
    IndexRangeError,
    OutOfMemoryError,
    ShapeError,
    WgradError,
)
from wgrad.layout import shown

NAMES = [
    "reshape",
    "view",
    "flatten",
    "permute_dims",
    "transpose",
    "matrix_transpose",
    "broadcast_to",
    "expand_dims",
    "squeeze",
    "flip",
    "pad",
    "concat",
    "stack",
    "moveaxis",
    "roll",
    "tile",
    "repeat",
    "split",
    "unstack",
    "diagonal",
    "diag",
    "tril",
    "triu",
    "meshgrid",
    "broadcast_arrays",
    "broadcast_shapes",
    "take",
    "take_along_axis",
    "scatter_add",
    "tensor",
    "parameter",
    "asarray",
    "from_dlpack",
    "can_cast",
    "finfo",
    "iinfo",
    "result_type",
    "empty",
    "empty_like",
    "full",
    "zeros",
    "ones",
    "full_like",
    "zeros_like",
    "ones_like",
    "arange",
    "linspace",
    "eye",
    "rand",
    "randn",
    "uniform",
    "normal",
    "randint",
    "randperm",
    "pow",
    "clip",
    "diff",
    "matmul",
    "linear",
    "tensordot",
    "einsum",
    "outer",
    "vecdot",
    "cross",
    "kron",
    "trace",
    "mean",
    "max",
    "min",
    "argmax",
    "argmin",
    "logsumexp",
    "softmax",
    "log_softmax",
    "mse_loss",
    "cross_entropy",
    "one_hot",
    "set_rng_state",
    "Generator",
    *("polygamma", "cummax", "cummin", "logcumsumexp", "conj", "real", "imag"),
    *(f"linalg.{name}" for name in ("cholesky", "inv", "solve", "matrix_power", "matrix_norm")),
    *(f"linalg.{name}" for name in ("pinv", "matrix_rank", "slogdet", "eigh", "qr", "svd")),
    *(f"fft.{name}" for name in ("fft", "ifftn", "rfft", "irfftn", "hfft", "fftshift", "fftfreq")),
]
# A dtype and a device are checked elsewhere, and anything has a truth value.
OTHERS = {"dtype", "device", "keepdims", "requires_grad"}


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def endless() -> list:
    made: list = []
    made.append(made)
    return made


def absurd() -> list[Any]:
    """Things of every kind: none of the wrong type, size or depth may get through unnamed."""
    return [
        *(None, "a", "", b"x", 1, -1, 0, 2.5, 1j, True, float("nan"), float("inf"), 10**12),
        *(10**5000, -(10**5000), 2**63, -(2**63), (2**70,), (1,) * 70, [10**400]),
        *([], [1, 2], (1, 2), [-1, 2], (None,), ("a",), {}, {"a": 1}, {1, 2}, range(3), endless()),
        *(object(), Unprintable(), slice(None), Ellipsis, float, lambda: 0),
        *(np.array([1, 2]), np.array(1), np.float32(1.5), np.uint8(3)),
        *(np.array(["a"]), np.array([None]), np.datetime64("2020-01-01")),
        wg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        wg.tensor([[1, 2], [0, 1]]),
        wg.tensor([True, False]),
        wg.zeros((0, 3)),
        wg.tensor(2),
        wg.tensor([1, 2], dtype="uint32"),
        [wg.tensor(1), 1],
    ]


def calls(name: str) -> Iterator[tuple[Callable, tuple, dict]]:
    """Ways to call a function with one or two absurd arguments among good ones."""
    function = operator.attrgetter(name)(wg)
    signature = inspect.signature(function)
    named = {
        p.name for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL
    } - OTHERS
    x = wg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for v in absurd():
        ways: list[tuple[tuple, dict]] = [((v,), {})]
        for good in (x, [0, 1], 1):
            ways += [((v, good), {}), ((good, v), {}), ((v, v), {})]
            ways += [((v, good, good), {}), ((good, v, good), {}), ((good, good, v), {})]
            ways += [((good,), {key: v}) for key in named]
        for args, kwargs in ways:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:  # too few, too many, or one twice
                continue
            if not OTHERS & set(bound.arguments):
                yield function, args, kwargs


def outcome(function: Callable, args: tuple, kwargs: dict) -> WgradError | None:
    """Return the error, if there was one; anything but an error of ours fails the test."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = function(*args, **kwargs)
            if isinstance(out, wg.Tensor) and out.size < 1000:
                out.numpy()
    except WgradError as error:
        return error
    except Exception as error:
        given = ", ".join([*map(shown, args), *(f"{k}={shown(v)}" for k, v in kwargs.items())])
        raise AssertionError(f"{function.__name__}({given}): {type(error).__name__}") from error
    return None


@pytest.mark.parametrize("name", NAMES)
def test_absurd_arguments_raise_our_errors(name, numpy_device):
    count = 0
    for function, args, kwargs in calls(name):
        count += 1
        if name == "randperm" and isinstance(args[0], int) and 10**6 < args[0] < 2**31:
            continue
        error = outcome(function, args, kwargs)
        if error is not None:
            text = str(error)
            assert "\n" not in text and 10 < len(text) < 300, text
    assert count > 30


def test_absurd_keys_raise_our_errors(numpy_device):
    for x in (wg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), wg.tensor(2), wg.zeros((0, 3))):
        for v in absurd():
            for key in (v, (v, 0), (0, v), (v, v), slice(v, None), slice(None, None, v)):
                outcome(x.__getitem__, (key,), {})


CASES: list[tuple[str, Callable[[], Any], type, tuple[str, ...]]] = [
    ("none", lambda: wg.tensor([1.0]) + None, DTypeError, ("None", "numbers")),
    ("softmax_none", lambda: wg.softmax(None), DTypeError, ("softmax", "None")),
    ("integer_400_digits", lambda: wg.tensor(10**400), ArgumentError, ("1329 bits",)),
    ("endless", lambda: wg.tensor(endless()), ShapeError, ("tensor", "64")),
    ("reshape_float", lambda: wg.reshape([1, 2], (-1.0,)), ShapeError, ("(-1.0,)", "integers")),
    ("reshape_text", lambda: wg.reshape([1, 2], "ab"), ShapeError, ("'ab'", "integers")),
    ("reshape_huge", lambda: wg.reshape([1, 2], 10**5000), ShapeError, ("16610 bits",)),
    ("zeros_huge", lambda: wg.zeros((2**70,)), ShapeError, ("2**63",)),
    ("zeros_empty_huge", lambda: wg.zeros((0, 2**70)), ShapeError, ("2**63",)),
    ("zeros_axes", lambda: wg.zeros((1,) * 65), ShapeError, ("65 axes", "64")),
    ("expand_dims", lambda: wg.expand_dims([1, 2], 1.5), AxisError, ("expand_dims", "1.5")),
    ("squeeze", lambda: wg.squeeze([[1]], 1.5), AxisError, ("squeeze", "1.5")),
    ("permute_dims", lambda: wg.permute_dims([[1]], 1), AxisError, ("permute_dims", "(1,)")),
    ("pad_float", lambda: wg.pad([1, 2], 1.0), ArgumentError, ("pad", "1.0", "integers")),
    ("pad_floats", lambda: wg.pad([1, 2], [(1.5, 1)]), ArgumentError, ("pad", "1.5")),
    ("pad_three", lambda: wg.pad([1, 2], (1, 2, 3)), ShapeError, ("(1, 2, 3)", "pair")),
    ("pad_text", lambda: wg.pad([1, 2], 1, value="a"), ArgumentError, ("pad", "'a'", "number")),
    ("pad_mode", lambda: wg.pad([1, 2], 1, "a"), ArgumentError, ("pad", "'a'", '"reflect"')),
    ("pad_value_as_mode", lambda: wg.pad([1, 2], 1, 0.5), ArgumentError, ("pad", "mode=0.5")),
    ("pad_empty", lambda: wg.pad(wg.zeros((0, 2)), 1, "edge"), ShapeError, ("axis 0", '"edge"')),
    ("pad_far", lambda: wg.pad([1, 2], 2**40, "edge"), OutOfMemoryError, ("pad", "2**31")),
    ("pad_huge", lambda: wg.pad([1, 2], 2**70), ShapeError, ("pad", "2**63")),
    ("moveaxis_count", lambda: wg.moveaxis([[1]], (0, 1), 0), AxisError, ("moveaxis", "2 axes")),
    ("moveaxis_twice", lambda: wg.moveaxis([[1]], (0, 0), (0, 1)), AxisError, ("twice",)),
    ("roll_text", lambda: wg.roll([1, 2], "a"), ArgumentError, ("roll", "'a'", "integers")),
    ("roll_shifts", lambda: wg.roll([1, 2], (1, 2)), ArgumentError, ("roll", "2 shifts")),
    ("roll_axes", lambda: wg.roll([[[1]]], (1, 2, 3), (0, 1)), ArgumentError, ("3", "2 axes")),
    ("tile_negative", lambda: wg.tile([1, 2], -1), ArgumentError, ("tile", "-1")),
    ("tile_huge", lambda: wg.tile([1, 2], 2**63), ShapeError, ("tile", "2**63")),
    ("repeat_count", lambda: wg.repeat([1, 2], [1, 2, 3]), ShapeError, ("repeat", "3 repeats")),
    ("repeat_float", lambda: wg.repeat([1, 2], 1.5), ArgumentError, ("repeat", "1.5")),
    ("repeat_negative", lambda: wg.repeat([1, 2], [1, -1]), ArgumentError, ("repeat", "negative")),
    ("repeat_far", lambda: wg.repeat([1, 2], [1, 2**40]), OutOfMemoryError, ("repeat", "2**31")),
    ("split_uneven", lambda: wg.split([1, 2, 3], 2), ShapeError, ("split", "3", "2 equal")),
    ("split_none", lambda: wg.split([1, 2], 0), ShapeError, ("split", "0 equal")),
    ("split_float", lambda: wg.split([1, 2], 1.5), ArgumentError, ("split", "1.5")),
    ("unstack_0d", lambda: wg.unstack(wg.tensor(1.0)), AxisError, ("unstack", "0-d")),
    ("diagonal_1d", lambda: wg.diagonal([1, 2]), ShapeError, ("diagonal", "(2,)")),
    ("diagonal_axis", lambda: wg.diagonal([[1]], 0, 1, -1), AxisError, ("axis 1", "twice")),
    ("diag_3d", lambda: wg.diag([[[1]]]), ShapeError, ("diag", "(1, 1, 1)")),
    ("diag_float", lambda: wg.diag([1], 0.5), ArgumentError, ("diag", "k=0.5")),
    ("diag_huge", lambda: wg.diag([1], 2**40), ShapeError, ("diag", "2**63")),
    ("tril_1d", lambda: wg.tril([1, 2]), ShapeError, ("tril", "(2,)")),
    ("meshgrid_indexing", lambda: wg.meshgrid([1], indexing="yx"), ArgumentError, ("'yx'",)),
    ("meshgrid_2d", lambda: wg.meshgrid([[1]]), ShapeError, ("meshgrid", "(1, 1)")),
    ("broadcast", lambda: wg.broadcast_arrays([1, 2], [1, 2, 3]), ShapeError, ("(2,)", "(3,)")),
    ("einsum_none", lambda: wg.einsum("i"), ArgumentError, ("einsum", "no operands")),
    ("einsum_text", lambda: wg.einsum([1], [2]), ArgumentError, ("einsum", "[1]")),
    ("einsum_count", lambda: wg.einsum("i,j", [1]), ArgumentError, ("2 operands", "1 came")),
    ("einsum_label", lambda: wg.einsum("i1", [1]), ArgumentError, ("'1'", "label")),
    ("einsum_arrow", lambda: wg.einsum("i->i->", [1]), ArgumentError, ("label",)),
    ("einsum_dots", lambda: wg.einsum("..i", [1]), ArgumentError, ("'.'", "label")),
    ("einsum_axes", lambda: wg.einsum("ij", [1]), ShapeError, ("'ij'", "operand 0", "(1,)")),
    ("einsum_few", lambda: wg.einsum("i", [[1]]), ShapeError, ("'i'", "operand 0", "(1, 1)")),
    (
        "einsum_extents",
        lambda: wg.einsum("ij,jk", wg.zeros((2, 3)), wg.zeros((4, 5))),
        ShapeError,
        ("'j'", "3 in operand 0 (2, 3)", "4 in operand 1 (4, 5)"),
    ),
    ("einsum_diagonal", lambda: wg.einsum("ii", [[1, 2]]), ShapeError, ("'i'", "1 in", "2 in")),
    ("einsum_unnamed", lambda: wg.einsum("...->", [1]), ArgumentError, ("output", "...")),
    ("einsum_unknown", lambda: wg.einsum("i->k", [1]), ArgumentError, ("output", "'k'")),
    ("einsum_twice", lambda: wg.einsum("i->ii", [1]), ArgumentError, ("output", "'i' twice")),
    ("einsum_bool", lambda: wg.einsum("i", [True]), DTypeError, ("einsum", "bool", "astype")),
    (
        "einsum_huge",
        lambda: wg.einsum("i,j", *[wg.broadcast_to(wg.tensor(1), (2**40,))] * 2),
        ShapeError,
        ("einsum", "2**63"),
    ),
    ("tensordot_axes", lambda: wg.tensordot([1], [1], 2), ArgumentError, ("tensordot", "axes=2")),
    ("tensordot_text", lambda: wg.tensordot([1], [1], "a"), ArgumentError, ("axes='a'",)),
    (
        "tensordot_pairs",
        lambda: wg.tensordot([[1]], [[1]], ([0, 1], [0])),
        ArgumentError,
        ("of b",),
    ),
    ("tensordot_differ", lambda: wg.tensordot([1, 2], [1], 1), ShapeError, ("(2,)", "(1,)")),
    ("tensordot_bool", lambda: wg.tensordot([True], [True], 1), DTypeError, ("bool", "astype")),
    ("vecdot_differ", lambda: wg.vecdot([1, 2], [1]), ShapeError, ("vecdot", "2 and 1")),
    ("vecdot_0d", lambda: wg.vecdot(wg.tensor(1), [1]), AxisError, ("vecdot", "0-d")),
    ("cross_two", lambda: wg.cross([1, 2], [1, 2]), ShapeError, ("cross", "extent 2", "3")),
    ("trace_1d", lambda: wg.trace([1, 2]), ShapeError, ("(2,)", "2 axes")),
    ("full_none", lambda: wg.full((2,), None), ArgumentError, ("full", "None", "number")),
    ("full_text", lambda: wg.full((2,), "a"), ArgumentError, ("full", "'a'")),
    ("full_complex", lambda: wg.full((2,), 1j), ArgumentError, ("full", "1j")),
    ("arange_nan", lambda: wg.arange(float("nan")), ArgumentError, ("arange", "nan", "finite")),
    ("arange_inf", lambda: wg.arange(float("inf")), ArgumentError, ("arange", "inf")),
    ("arange_huge", lambda: wg.arange(10**12), OutOfMemoryError, ("arange", "1000000000000")),
    ("arange_int32", lambda: wg.arange(2**31, 2**31 + 1), ArgumentError, ("arange", "int32")),
    ("arange_text", lambda: wg.arange(0, "a"), ArgumentError, ("arange", "'a'")),
    ("linspace_count", lambda: wg.linspace(0, 1, 2.5), ArgumentError, ("linspace", "2.5")),
    ("linspace_inf", lambda: wg.linspace(0, float("inf"), 3), ArgumentError, ("inf", "finite")),
    ("linspace_huge", lambda: wg.linspace(0, 1, 10**12), OutOfMemoryError, ("linspace",)),
    ("eye_negative", lambda: wg.eye(-1), ShapeError, ("eye", "negative")),
    ("eye_huge", lambda: wg.eye(10**6), OutOfMemoryError, ("eye",)),
    ("one_hot_float", lambda: wg.one_hot([0, 1], 2.5), ArgumentError, ("one_hot", "2.5")),
    ("one_hot_negative", lambda: wg.one_hot([0, 1], -1), ArgumentError, ("one_hot", "-1")),
    ("one_hot_labels", lambda: wg.one_hot([0.5], 2), DTypeError, ("labels", "float64")),
    ("take_huge", lambda: wg.take([1, 2], [2**40]), IndexRangeError, ("take", str(2**40))),
    (
        "scatter_floats",
        lambda: wg.scatter_add(wg.tensor([1, 2]), [0], [1.5]),
        DTypeError,
        ("scatter_add", "float32", "int32", "astype"),
    ),
    ("scatter_0d", lambda: wg.scatter_add([1.0, 2.0], 0, 1.0), ShapeError, ("scatter_add", "()")),
    ("softmax_0d", lambda: wg.softmax(wg.tensor(1.0)), AxisError, ("softmax", "0-d")),
    ("max_ties", lambda: wg.max([1.0], ties=np.array([1, 2])), ArgumentError, ("max", "ties")),
    ("loss", lambda: wg.mse_loss([1.0], [1.0], 3), ArgumentError, ("mse_loss", "3", '"mean"')),
    ("randint_float", lambda: wg.randint(0.5, 3.5), ArgumentError, ("randint", "0.5", "integers")),
    ("randint_text", lambda: wg.randint("a"), ArgumentError, ("randint", "'a'")),
    ("uniform", lambda: wg.uniform("a", 1, (2,)), ArgumentError, ("uniform", "low='a'")),
    ("uniform_inf", lambda: wg.uniform(0, float("inf")), ArgumentError, ("high", "finite")),
    ("normal", lambda: wg.normal(0, "a", (2,)), ArgumentError, ("normal", "std='a'")),
    ("rng_state", lambda: wg.set_rng_state(3), ArgumentError, ("set_rng_state", "3")),
    ("rng_counter", lambda: wg.set_rng_state((0, 2**64)), ArgumentError, ("set_rng_state",)),
    ("seed", lambda: wg.manual_seed("a"), ArgumentError, ("manual_seed", "'a'")),
    ("seed_huge", lambda: wg.manual_seed(10**5000), ArgumentError, ("16610 bits",)),
]


@pytest.mark.parametrize(
    ("call", "error", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_bad_argument(call, error, words, device):
    state = wg.get_rng_state()
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert all(word in text for word in words) and len(text) < 300, text
    assert wg.get_rng_state() == state


def test_lists_and_arrays_serve_as_tensors(device):
    for data in ([1, 2], np.array([1, 2])):
        for function, expected in (
            (lambda x: wg.reshape(x, (2, 1)), [[1], [2]]),
            (lambda x: wg.view(x, (2, 1)), [[1], [2]]),
            (wg.flip, [2, 1]),
            (wg.flatten, [1, 2]),
            (wg.squeeze, [1, 2]),
            (lambda x: wg.expand_dims(x, 0), [[1, 2]]),
            (lambda x: wg.pad(x, 1), [0, 1, 2, 0]),
            (lambda x: wg.permute_dims(x, (0,)), [1, 2]),
            (lambda x: wg.transpose(x, 0, 0), [1, 2]),
            (lambda x: wg.broadcast_to(x, (2, 2)), [[1, 2], [1, 2]]),
            (lambda x: wg.take(x, [1]), [2]),
            (lambda x: wg.take_along_axis(x, [1]), [2]),
            (lambda x: wg.scatter_add(x, [0, 0], [1, 1]), [3, 2]),
            (wg.zeros_like, [0, 0]),
            (lambda x: wg.linear(x, [[1, 1]], [1]), [4]),
            (lambda x: wg.mse_loss(x, [0, 1]), 1),
            (lambda x: wg.cross_entropy([[0.0, 0.0]] * 2, x - wg.tensor(1), "none"), [np.log(2)]),
        ):
            out = function(data)
            assert isinstance(out, wg.Tensor)
            assert np.allclose(out.numpy(), expected)
    assert wg.cross_entropy([[1.0, 2.0]], [0]).item() == pytest.approx(1.3132617, rel=1e-5)


def test_data_beside_a_float64_tensor_keeps_its_digits(numpy_device):
    x = wg.tensor([0.0], dtype="float64")
    assert wg.mse_loss(x, [0.1]).item() == wg.mse_loss([0.1], x).item() == 0.1 * 0.1
    assert wg.concat([[0.1], x]).tolist() == [0.1, 0.0]
    assert wg.linear([0.1], wg.ones((1, 1), dtype="float64"), [0.2]).item() == 0.1 + 0.2
    assert wg.mse_loss([0.1], [0.0]).dtype is wg.float32


def test_softmax_of_float64_stays_in_its_range(numpy_device):
    x = wg.tensor([1e300, 0.0], dtype="float64")
    assert wg.softmax(x).tolist() == [1, 0]
    assert wg.log_softmax(x).tolist() == [0, -1e300]
    assert wg.logsumexp(x).item() == 1e300


def test_reductions_of_an_empty_axis(device):
    x = wg.zeros((0, 3))
    assert wg.softmax(x, 0).shape == wg.log_softmax(x, 0).shape == (0, 3)
    assert wg.logsumexp(x, 0).tolist() == [-np.inf] * 3
    assert np.isnan(wg.mean(x, axis=0).numpy()).all()


WIDTHS = [1, (1,), (1, 2), [0, 2], ((1, 2), (0, 1)), np.array([1, 2]), (np.int64(1), 0)]


@pytest.mark.parametrize("widths", WIDTHS, ids=map(str, WIDTHS))
def test_pad_reads_widths_as_numpy_does(widths, device):
    x = np.arange(4.0, dtype=np.float32).reshape(2, 2)
    for value in (0, 1.5):
        expected = np.pad(x, widths, constant_values=value)
        assert np.array_equal(wg.pad(wg.tensor(x), widths, value=value).numpy(), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint64"])
def test_index_arrays_of_small_dtypes_do_not_overflow(dtype, device):
    x = wg.arange(300)
    top = min(299, np.iinfo(dtype).max)
    indices = [0, top] + ([-1, -128] if np.iinfo(dtype).min < 0 else [])
    assert x[np.array(indices, dtype)].tolist() == np.arange(300)[indices].tolist()


def test_view_shares_memory_or_says_why_it_cannot(device):
    x = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    flat = wg.view(x, -1)
    flat[3].assign(9.0)
    assert x.tolist() == [[1, 2], [3, 9]]
    assert wg.view(x.T, (1, 2, 2)).tolist() == [[[1, 3], [2, 9]]]
    with pytest.raises(ShapeError, match=r"view: .* use reshape"):
        wg.view(x.T, 4)
    with pytest.raises(ShapeError, match=r"view: .* 4 elements"):
        wg.view(x, (3,))
    p = wg.parameter([[1.0, 2.0], [3.0, 4.0]])
    (wg.view(p, 4) * wg.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert p.grad is not None and p.grad.tolist() == [[1, 2], [3, 4]]


def test_arange_counts_as_numpy_does(device):
    for args in ((5,), (2, 10, 3), (5, 0, -2), (0, 8, 7), (1, 1), (0, -5), (0, 1, 0.25), (3, 1.5)):
        expected = np.arange(*args)
        out = wg.arange(*args)
        assert out.shape == expected.shape and np.allclose(out.numpy(), expected)
        assert out.dtype is (wg.int32 if expected.dtype.kind == "i" else wg.float32)
