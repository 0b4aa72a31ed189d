"""Bad input: the error's class, its words, and that nothing was dispatched or changed by it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import errors
from wgrad.errors import (
    ArgumentError,
    AxisError,
    CallError,
    DeviceError,
    DTypeError,
    GradientError,
    IndexRangeError,
    OutOfMemoryError,
    ShapeError,
)

# The built-in kind that a Python user would catch.
KINDS: dict[type, tuple[type, ...]] = {
    errors.ShapeError: (ValueError,),
    errors.AxisError: (ValueError, IndexError),
    errors.ArgumentError: (ValueError,),
    errors.LinAlgError: (np.linalg.LinAlgError, ValueError),
    errors.DTypeError: (TypeError,),
    errors.IndexRangeError: (IndexError,),
    errors.GradientError: (RuntimeError,),
    errors.DeviceError: (RuntimeError,),
    errors.ShaderError: (RuntimeError,),
    errors.OutOfMemoryError: (MemoryError,),
    errors.MissingDependencyError: (ImportError,),
}


def test_every_error_has_one_root_and_a_builtin_kind():
    ours = [
        cls
        for cls in vars(errors).values()
        if inspect.isclass(cls) and issubclass(cls, errors.WgradError)
    ]
    assert len(ours) > 10
    for cls in ours:
        if cls is not errors.WgradError:
            builtin = [b for b in cls.__mro__ if b.__module__ == "builtins"]
            assert builtin[0] not in (Exception, BaseException, object), cls
    for cls, kinds in KINDS.items():
        assert all(issubclass(cls, kind) for kind in kinds)


class Given:
    """Inputs of one case: made anew, and looked at again afterwards."""

    def __init__(self) -> None:
        self.f = wg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        self.g = wg.tensor([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0]])
        self.i = wg.tensor([[1, 2, 3], [4, 5, 6]])
        self.u = wg.tensor([1, 2, 3], dtype="uint32")
        self.b = wg.tensor([True, False, True])
        self.s = wg.tensor(2.5)
        self.e = wg.zeros((0, 3))
        self.batch = wg.zeros((2, 2, 3))
        self.p = wg.parameter([1.0, 2.0, 3.0])
        self.y = self.p * 2
        self.labels = wg.tensor([0, 2])
        self.view = wg.broadcast_to(wg.tensor([1.0]), (4,))
        self.other = wg.tensor(
            [1.0, 2.0, 3.0], device="numpy" if self.f.device.name != "numpy" else None
        )

    def values(self) -> dict[str, list]:
        return {name: x.tolist() for name, x in vars(self).items()}


@dataclass
class Bad:
    id: str
    call: Callable[[Given], Any]
    error: type
    words: tuple[str, ...]  # all in the message: what came, and what is needed


CASES = [
    # Shapes.
    Bad("add", lambda t: t.f + t.g, ShapeError, ("add", "(2, 3)", "(3, 2)")),
    Bad("where", lambda t: wg.where(t.b, t.f, t.g), ShapeError, ("where", "(3, 2)")),
    Bad("equal", lambda t: t.f == t.g, ShapeError, ("equal", "(2, 3)", "(3, 2)")),
    Bad("clip_shape", lambda t: wg.clip(t.f, t.g, 1.0), ShapeError, ("clamp", "(3, 2)")),
    Bad("matmul", lambda t: t.f @ t.f, ShapeError, ("matmul", "(2, 3)", "b.shape[-2]")),
    Bad(
        "matmul_vector", lambda t: t.f @ t.g[:, 0][:2], ShapeError, ("matmul", "(2,)", "b.shape[0]")
    ),
    Bad("matmul_0d", lambda t: t.f @ t.s, ShapeError, ("matmul", "0-d", "1 axis")),
    Bad("matmul_number", lambda t: t.f @ 2.0, ShapeError, ("matmul", "0-d")),
    Bad(
        "matmul_batch",
        lambda t: t.batch @ wg.broadcast_to(t.g, (3, 3, 2)),
        ShapeError,
        ("matmul", "(2,)", "(3,)"),
    ),
    Bad("linear", lambda t: wg.linear(t.f, t.g), ShapeError, ("linear", "(2, 3)", "(3, 2)")),
    Bad("linear_bias", lambda t: wg.linear(t.f, t.f, t.p), ShapeError, ("linear", "(3,)", "(2,)")),
    Bad("reshape", lambda t: t.f.reshape(4, 2), ShapeError, ("reshape", "(2, 3)", "6", "8")),
    Bad("reshape_auto", lambda t: t.f.reshape(-1, 4), ShapeError, ("reshape", "(2, 3)")),
    Bad("reshape_autos", lambda t: t.f.reshape(-1, -1), ShapeError, ("reshape", "(-1, -1)")),
    Bad("reshape_negative", lambda t: t.f.reshape(-2, 3), ShapeError, ("reshape", "negative")),
    Bad("reshape_float", lambda t: t.f.reshape(2.0, 3), ShapeError, ("reshape", "integers")),
    Bad("reshape_float_auto", lambda t: t.f.reshape(-1, 1.5), ShapeError, ("reshape", "integers")),
    Bad("reshape_text", lambda t: wg.reshape(t.f, "6"), ShapeError, ("reshape", "integers")),
    Bad("reshape_auto_empty", lambda t: t.e.reshape(-1, 0), ShapeError, ("reshape", "(0, 3)")),
    Bad("zeros_negative", lambda t: wg.zeros((2, -1)), ShapeError, ("full", "negative")),
    Bad("zeros_float", lambda t: wg.zeros(2.5), ShapeError, ("full", "2.5", "integers")),
    Bad("eye_negative", lambda t: wg.eye(-1), ShapeError, ("eye", "negative")),
    Bad("eye_float", lambda t: wg.eye(2.5), ShapeError, ("eye", "integers")),
    Bad("ragged", lambda t: wg.tensor([[1, 2], [3]]), ShapeError, ("tensor", "box")),
    Bad("broadcast_to", lambda t: wg.broadcast_to(t.f, (3, 3)), ShapeError, ("(2, 3)", "(3, 3)")),
    Bad("broadcast_fewer", lambda t: wg.broadcast_to(t.f, 3), ShapeError, ("(2, 3)", "(3,)")),
    Bad("squeeze", lambda t: wg.squeeze(t.f, 0), ShapeError, ("squeeze", "(2, 3)", "not 1")),
    Bad("concat_shape", lambda t: wg.concat([t.f, t.g]), ShapeError, ("concat", "(3, 2)")),
    Bad("concat_rank", lambda t: wg.concat([t.f, t.p]), ShapeError, ("concat", "(3,)")),
    Bad(
        "concat_mixed",
        lambda t: wg.concat([t.i, t.g]),
        ShapeError,
        ("concat", "(2, 3)", "(3, 2)"),
    ),
    Bad("stack_shape", lambda t: wg.stack([t.i, t.g]), ShapeError, ("stack", "(3, 2)")),
    Bad("concat_0d", lambda t: wg.concat([t.s, t.s]), AxisError, ("concat", "0-d")),
    Bad("concat_none", lambda t: wg.concat([]), ArgumentError, ("concat", "at least one")),
    Bad("concat_one", lambda t: wg.concat(t.f), ArgumentError, ("concat", "list")),
    Bad("concat_number", lambda t: wg.concat(5), ArgumentError, ("concat", "list")),
    Bad("pad_count", lambda t: wg.pad(t.f, ((1, 1),)), ShapeError, ("pad", "(2, 3)", "pair")),
    Bad("pad_negative", lambda t: wg.pad(t.f, -1), ShapeError, ("pad", "at least 0")),
    Bad("pad_float", lambda t: wg.pad(t.f, ((1.5, 0), (0, 0))), ShapeError, ("pad", "1.5")),
    Bad("pad_text", lambda t: wg.pad(t.f, "x"), ShapeError, ("pad", "'x'")),
    Bad("pad_number", lambda t: wg.pad(t.f, 1.5), ShapeError, ("pad", "1.5")),
    Bad("mse", lambda t: wg.mse_loss(t.f, t.p), ShapeError, ("mse_loss", "(2, 3)", "(3,)")),
    Bad(
        "cross_entropy_shape",
        lambda t: wg.cross_entropy(t.f, [0, 1, 2]),
        ShapeError,
        ("cross_entropy", "(2, 3)", "(3,)", "(2,)"),
    ),
    Bad("cross_entropy_0d", lambda t: wg.cross_entropy(t.s, 0), ShapeError, ("cross_entropy",)),
    Bad(
        "take_along",
        lambda t: wg.take_along_axis(t.f, [0, 1]),
        ShapeError,
        ("take_along_axis", "(2,)", "(2, 3)"),
    ),
    Bad(
        "take_along_broadcast",
        lambda t: wg.take_along_axis(t.f, wg.tensor([[0], [0], [0]]), 1),
        ShapeError,
        ("take_along_axis", "(2,)", "(3,)"),
    ),
    Bad(
        "scatter_shape",
        lambda t: wg.scatter_add(t.f, wg.tensor([[0], [1], [0]]), t.f, 1),
        ShapeError,
        ("scatter_add", "(3, 1)", "(2, 3)"),
    ),
    Bad("T", lambda t: t.p.T, ShapeError, ("T", "(3,)", "2 axes")),
    Bad("mT", lambda t: t.p.mT, ShapeError, ("(3,)", "2 axes")),
    Bad("item", lambda t: t.f.item(), ShapeError, ("item", "(2, 3)", "6")),
    Bad("bool", lambda t: bool(t.f), ShapeError, ("(2, 3)", ".any()")),
    Bad("bool_empty", lambda t: bool(t.e), ShapeError, ("(0, 3)",)),
    Bad("float", lambda t: float(t.p.detach()), ShapeError, ("(3,)",)),
    Bad("len", lambda t: len(t.s), CallError, ("0-d",)),
    Bad("iter", lambda t: iter(t.s), CallError, ("0-d",)),
    Bad("assign_shape", lambda t: t.f.assign(t.g), ShapeError, ("assign", "(3, 2)", "(2, 3)")),
    Bad("assign_wider", lambda t: t.s.assign([1.0, 2.0]), ShapeError, ("assign", "(2,)", "()")),
    Bad(
        "assign_expanded", lambda t: t.view.assign(0.0), ShapeError, ("assign", "expanded", "copy")
    ),
    Bad("setitem_shape", lambda t: t.f.__setitem__(0, [1.0, 2.0]), ShapeError, ("(2,)", "(3,)")),
    # Axes.
    Bad("sum_axis", lambda t: wg.sum(t.f, axis=2), AxisError, ("sum", "axis 2", "-2 to 1")),
    Bad("sum_negative", lambda t: wg.sum(t.f, axis=-3), AxisError, ("sum", "axis -3")),
    Bad("sum_0d", lambda t: wg.sum(t.s, axis=0), AxisError, ("sum", "axis 0", "0-d")),
    Bad("sum_twice", lambda t: wg.sum(t.f, axis=(0, -2)), AxisError, ("sum", "twice")),
    Bad("sum_float", lambda t: wg.sum(t.f, axis=1.0), AxisError, ("sum", "1.0", "integer")),
    Bad("sum_text", lambda t: wg.sum(t.f, axis="rows"), AxisError, ("sum", "'rows'")),
    Bad("mean_axis", lambda t: wg.mean(t.f, axis=5), AxisError, ("mean", "axis 5")),
    Bad("max_axis", lambda t: t.f.max(axis=3), AxisError, ("max", "axis 3")),
    Bad("argmax_axis", lambda t: wg.argmax(t.f, axis=2), AxisError, ("argmax", "axis 2")),
    Bad("softmax_axis", lambda t: wg.softmax(t.f, axis=2), AxisError, ("softmax", "axis 2")),
    Bad("log_softmax_axis", lambda t: wg.log_softmax(t.f, 2), AxisError, ("softmax", "axis 2")),
    Bad("logsumexp_axis", lambda t: wg.logsumexp(t.f, 2), AxisError, ("logsumexp", "axis 2")),
    Bad("softmax_0d", lambda t: wg.softmax(t.s), AxisError, ("softmax", "0-d")),
    Bad("permute", lambda t: wg.permute_dims(t.f, (0, 0)), AxisError, ("permute_dims", "(0, 0)")),
    Bad("permute_few", lambda t: wg.permute_dims(t.f, (0,)), AxisError, ("permute_dims", "2 axes")),
    Bad("permute_range", lambda t: wg.permute_dims(t.f, (0, 2)), AxisError, ("axis 2",)),
    Bad("permute_number", lambda t: wg.permute_dims(t.f, 1), AxisError, ("permute_dims",)),
    Bad("transpose", lambda t: wg.transpose(t.f, 0, 2), AxisError, ("transpose", "axis 2")),
    Bad("expand_dims", lambda t: wg.expand_dims(t.f, 4), AxisError, ("expand_dims", "axis 4")),
    Bad("squeeze_axis", lambda t: wg.squeeze(t.f, 3), AxisError, ("squeeze", "axis 3")),
    Bad("flip", lambda t: wg.flip(t.f, 2), AxisError, ("flip", "axis 2")),
    Bad("flatten", lambda t: wg.flatten(t.f, 1, 0), AxisError, ("flatten", "after")),
    Bad("concat_axis", lambda t: wg.concat([t.f, t.f], axis=2), AxisError, ("concat", "axis 2")),
    Bad("stack_axis", lambda t: wg.stack([t.f, t.f], axis=3), AxisError, ("stack", "axis 3")),
    Bad("take_axis", lambda t: wg.take(t.f, [0], axis=2), AxisError, ("take", "axis 2")),
    Bad("scatter_axis", lambda t: wg.scatter_add(t.f, t.i, t.f, 2), AxisError, ("axis 2",)),
    # Empty reductions.
    Bad("max_empty", lambda t: wg.max(t.e), ShapeError, ("max", "(0, 3)", "empty")),
    Bad("min_empty", lambda t: wg.min(t.e, axis=0), ShapeError, ("min", "empty")),
    Bad("argmax_empty", lambda t: wg.argmax(t.e), ShapeError, ("argmax", "empty")),
    Bad("argmin_empty", lambda t: wg.argmin(t.e, axis=0), ShapeError, ("argmin", "empty")),
    # Dtypes and kinds of data.
    Bad("text", lambda t: wg.tensor("abc"), DTypeError, ("numbers",)),
    Bad("texts", lambda t: wg.tensor(["a", "b"]), DTypeError, ("numbers",)),
    Bad("none", lambda t: wg.tensor(None), DTypeError, ("tensor", "numbers")),
    Bad("object", lambda t: wg.tensor([1, None]), DTypeError, ("objects", "numbers")),
    Bad("dict", lambda t: wg.tensor({"a": 1}), DTypeError, ("dict",)),
    Bad("complex", lambda t: wg.tensor(1 + 2j), DTypeError, ("complex",)),
    Bad("time", lambda t: wg.tensor(np.array(["2020-01-01"], "M8[D]")), DTypeError, ("datetime",)),
    Bad("dtype_unknown", lambda t: wg.zeros(2, dtype="int64"), DTypeError, ("int64", "int32")),
    Bad("dtype_text", lambda t: wg.tensor([1], dtype="number"), DTypeError, ("number", "float32")),
    Bad("dtype_complex", lambda t: t.f.astype("complex64"), DTypeError, ("complex64",)),
    Bad("dtype_none", lambda t: t.f.astype(3), DTypeError, ("3", "float32")),
    Bad("add_text", lambda t: t.f + "a", DTypeError, ("numbers",)),
    Bad("add_none", lambda t: t.f + None, DTypeError, ("numbers",)),
    Bad("bool_subtract", lambda t: t.b - t.b, DTypeError, ("subtract", "bool", "astype")),
    Bad("bool_negative", lambda t: -t.b, DTypeError, ("negative", "bool")),
    Bad("bool_matmul", lambda t: t.b @ t.b, DTypeError, ("matmul", "bool")),
    Bad("bool_linear", lambda t: wg.linear(t.b, t.b[None]), DTypeError, ("linear", "bool")),
    Bad("logical_floats", lambda t: t.f & t.f, DTypeError, ("bitwise_and", "float32", "bool")),
    Bad("not_floats", lambda t: ~t.f, DTypeError, ("bitwise_invert", "float32", "integers")),
    Bad("not_ints", lambda t: wg.logical_not(t.i), DTypeError, ("logical_not", "int32", "bool")),
    Bad("shifted_bools", lambda t: t.b >> t.b, DTypeError, ("right_shift", "bool", "integers")),
    Bad("shifted_floats", lambda t: t.f << 1, DTypeError, ("left_shift", "float32", "integers")),
    Bad("floored_bools", lambda t: t.b // t.b, DTypeError, ("floor_divide", "bool", "number")),
    Bad("where_float", lambda t: wg.where(t.f, t.f, t.f), DTypeError, ("where", "float32", "bool")),
    Bad("mixed_ints", lambda t: t.i[0] + t.u, DTypeError, ("int32", "uint32", "astype")),
    Bad("mixed_int_matmul", lambda t: t.i @ t.u, DTypeError, ("int32", "uint32")),
    Bad("mixed_int_where", lambda t: wg.where(t.b, t.i, t.u), DTypeError, ("int32", "uint32")),
    Bad("mixed_int_concat", lambda t: wg.concat([t.i[0], t.u]), DTypeError, ("int32", "uint32")),
    Bad("assign_floats", lambda t: t.i.assign([1.5, 2.5, 3.5]), DTypeError, ("int32", "floating")),
    Bad("inputs", lambda t: wg.add(t.f), DTypeError, ("add", "1 inputs", "2")),
    Bad("take_float", lambda t: wg.take(t.f, [0.5]), DTypeError, ("take", "float", "integer")),
    Bad("take_floats", lambda t: wg.take(t.f, t.p), DTypeError, ("take", "float32", "integer")),
    Bad("take_bools", lambda t: wg.take(t.p, t.b), DTypeError, ("take", "bool", "integer")),
    Bad("index_floats", lambda t: t.p[t.p], DTypeError, ("float32", "integer")),
    Bad(
        "labels_float", lambda t: wg.cross_entropy(t.f, t.p[:2]), DTypeError, ("float32", "integer")
    ),
    Bad("one_hot_float", lambda t: wg.one_hot(t.p, 3), DTypeError, ("one_hot", "float32")),
    Bad("assign_float", lambda t: t.i.assign(t.f), DTypeError, ("float32", "int32", "astype")),
    Bad("index_dtype", lambda t: [1, 2][t.s], DTypeError, ("float32", "0-d integer")),
    Bad("index_shape", lambda t: [1, 2][t.u], DTypeError, ("(3,)", "0-d integer")),
    # Values that a dtype cannot hold.
    Bad("nan_int", lambda t: wg.tensor([np.nan], dtype="int32"), ArgumentError, ("NaN", "int32")),
    Bad("inf_int", lambda t: wg.tensor([np.inf], dtype="int32"), ArgumentError, ("int32",)),
    Bad("int_overflow", lambda t: wg.tensor([1, 2**31]), ArgumentError, ("2147483648", "int32")),
    Bad("int_underflow", lambda t: wg.tensor(-(2**40)), ArgumentError, ("int32",)),
    Bad("int_huge", lambda t: wg.tensor(2**70), errors.WgradError, ("tensor",)),
    Bad(
        "uint_negative", lambda t: wg.tensor([-1], dtype="uint32"), ArgumentError, ("-1", "uint32")
    ),
    Bad("uint_add", lambda t: t.u + -1, ArgumentError, ("add", "-1", "uint32")),
    Bad("int_add_overflow", lambda t: t.i + 2**31, ArgumentError, ("add", "2147483648", "int32")),
    Bad("float_overflow", lambda t: t.f * 10**400, ArgumentError, ("multiply", "too large")),
    Bad("full_fraction", lambda t: wg.full(2, 1.5, dtype="int32"), ArgumentError, ("1.5", "int32")),
    Bad("full_nan", lambda t: wg.full(2, np.nan, dtype="int32"), ArgumentError, ("nan", "int32")),
    Bad("full_text", lambda t: wg.full(2, "a"), errors.WgradError, ("full", "'a'")),
    Bad("full_none", lambda t: wg.full(2, None), errors.WgradError, ("full", "None")),
    Bad("arange_step", lambda t: wg.arange(0, 5, 0), ArgumentError, ("arange", "step 0")),
    Bad("arange_text", lambda t: wg.arange("a"), errors.WgradError, ("arange",)),
    Bad("arange_nan", lambda t: wg.arange(0, 5, np.nan), errors.WgradError, ("arange",)),
    Bad(
        "linspace", lambda t: wg.linspace(0, 1, -2), ArgumentError, ("linspace", "-2", "at least 0")
    ),
    Bad("linspace_float", lambda t: wg.linspace(0, 1, 2.5), ArgumentError, ("linspace", "2.5")),
    Bad("pad_value", lambda t: wg.pad(t.i, 1, value=0.5), ArgumentError, ("pad", "0.5", "int32")),
    Bad("pow_negative", lambda t: t.i**-1, ArgumentError, ("pow", "-1", "float32")),
    Bad("pow_list", lambda t: t.u ** [1, -2, 1], ArgumentError, ("pow", "-2")),
    Bad("clip_order", lambda t: wg.clip(t.f, 2, 1), ArgumentError, ("clip", "2", "1")),
    Bad("ties", lambda t: t.f.max(ties="last"), ArgumentError, ("max", "'last'", "split", "first")),
    Bad(
        "reduction",
        lambda t: wg.mse_loss(t.f, t.f, "avg"),
        ArgumentError,
        ("'avg'", "mean", "none"),
    ),
    Bad(
        "reduction_ce",
        lambda t: wg.cross_entropy(t.f, t.labels, "avg"),
        ArgumentError,
        ("'avg'", "mean", "none"),
    ),
    Bad(
        "jacobian_mode",
        lambda t: wg.jacobian(wg.exp, mode="up"),
        ArgumentError,
        ("'up'", "forward"),
    ),
    # Indices and labels.
    Bad("index", lambda t: t.f[2], IndexRangeError, ("index 2", "axis 0", "2")),
    Bad("index_low", lambda t: t.f[0, -4], IndexRangeError, ("index -4", "axis 1", "3")),
    Bad("index_many", lambda t: t.f[0, 0, 0], IndexRangeError, ("3 indices", "2 axes")),
    Bad("index_0d", lambda t: t.s[0], IndexRangeError, ("1 indices", "0 axes")),
    Bad("index_empty", lambda t: t.e[0], IndexRangeError, ("index 0", "extent is 0")),
    Bad("index_ellipses", lambda t: t.f[..., 0, ...], IndexRangeError, ("only one Ellipsis",)),
    Bad("index_text", lambda t: t.f["a"], IndexRangeError, ("'a'", "integer")),
    Bad("index_float", lambda t: t.f[1.0], IndexRangeError, ("1.0", "integer")),
    Bad("index_slice", lambda t: t.f[0.5:2], IndexRangeError, ("slice",)),
    Bad("index_step", lambda t: t.f[::0], IndexRangeError, ("slice", "zero")),
    Bad("index_arrays", lambda t: t.f[[0, 1], [0, 1, 2]], ShapeError, ("(2,)", "(3,)")),
    Bad("index_arrays_late", lambda t: t.f[wg.tensor([-1, 0]), [0, 3]], IndexRangeError, ("3",)),
    Bad("index_tensor", lambda t: t.p[wg.tensor([0, -4])], IndexRangeError, ("-4", "-3 to 2")),
    Bad("index_nested", lambda t: t.p[[0.5]], DTypeError, ("float64", "integers or bools")),
    Bad("mask", lambda t: t.f[t.b], IndexRangeError, ("mask", "(3,)", "(2,)")),
    Bad("mask_axes", lambda t: t.p[[[True]]], IndexRangeError, ("2 indices", "1 axes")),
    Bad("mask_late", lambda t: t.f[:, [True, False]], IndexRangeError, ("(2,)", "axes 1", "(3,)")),
    Bad("index_array", lambda t: t.f[[0, 2]], IndexRangeError, ("2", "0 to 1")),
    Bad("index_array_low", lambda t: t.f[[0, -3]], IndexRangeError, ("-3", "0 to 1")),
    Bad("take", lambda t: wg.take(t.p, [0, 3]), IndexRangeError, ("take", "3", "-3 to 2")),
    Bad("take_negative", lambda t: wg.take(t.p, [-4]), IndexRangeError, ("take", "-4", "-3 to 2")),
    Bad("take_empty", lambda t: wg.take(t.e, [0], axis=0), IndexRangeError, ("take", "0")),
    Bad(
        "take_along_range",
        lambda t: wg.take_along_axis(t.f, [[0], [3]], 1),
        IndexRangeError,
        ("take_along_axis", "3", "-3 to 2"),
    ),
    Bad(
        "scatter_range",
        lambda t: wg.scatter_add(t.p, wg.tensor([0, 5, 1]), t.f[0], 0),
        IndexRangeError,
        ("scatter_add", "5", "0 to 2"),
    ),
    Bad(
        "label",
        lambda t: wg.cross_entropy(t.f, [0, 3]),
        IndexRangeError,
        ("cross_entropy", "label 3", "0 to 2"),
    ),
    Bad(
        "label_negative",
        lambda t: wg.cross_entropy(t.f, [-1, 0]),
        IndexRangeError,
        ("cross_entropy", "label -1"),
    ),
    Bad("one_hot", lambda t: wg.one_hot(t.labels, 2), IndexRangeError, ("one_hot", "2", "0 to 1")),
    Bad("one_hot_classes", lambda t: wg.one_hot(t.labels, 2.5), ArgumentError, ("one_hot", "2.5")),
    Bad("setitem_array", lambda t: t.f.__setitem__([0, 2], 0.0), IndexRangeError, ("2", "0 to 1")),
    Bad(
        "setitem_array_shape",
        lambda t: t.f.__setitem__(wg.tensor([-1, 0]), [1.0, 2.0]),
        ShapeError,
        ("(2,)", "(2, 3)"),
    ),
    Bad("setitem_mask", lambda t: t.f.__setitem__(t.b, 0.0), IndexRangeError, ("mask", "(3,)")),
    Bad("setitem_float", lambda t: t.i.__setitem__([0], 0.5), DTypeError, ("int32", "floating")),
    Bad(
        "setitem_expanded",
        lambda t: wg.broadcast_to(t.s, (2,)).__setitem__([0], 1.0),
        ShapeError,
        ("expanded", "copy()"),
    ),
    Bad("sort_0d", lambda t: wg.sort(t.s), errors.AxisError, ("sort", "0-d")),
    Bad("sort_axis", lambda t: wg.argsort(t.f, 2), errors.AxisError, ("argsort", "2", "-2 to 1")),
    Bad("topk", lambda t: wg.topk(t.p, 4), ArgumentError, ("topk", "4", "0 to 3")),
    Bad("topk_half", lambda t: wg.topk(t.p, 1.5), ArgumentError, ("topk", "1.5", "integer")),
    Bad("search_side", lambda t: wg.searchsorted(t.p, t.p, "in"), ArgumentError, ("'in'", "left")),
    Bad("search_axes", lambda t: wg.searchsorted(t.f, t.p), ShapeError, ("x1", "(2, 3)", "1 axis")),
    Bad(
        "search_sorter",
        lambda t: wg.searchsorted(t.p, t.p, sorter=[0, 1]),
        ShapeError,
        ("sorter", "(2,)", "(3,)"),
    ),
    Bad(
        "search_range",
        lambda t: wg.searchsorted(t.p, t.p, sorter=[0, 1, 3]),
        IndexRangeError,
        ("searchsorted", "3", "0 to 2"),
    ),
    Bad("search_dtypes", lambda t: wg.searchsorted(t.labels, t.u), DTypeError, ("int32", "uint32")),
    Bad("bincount", lambda t: wg.bincount(t.p), DTypeError, ("bincount", "float32")),
    Bad("bincount_axes", lambda t: wg.bincount(t.i), ShapeError, ("bincount", "(2, 3)")),
    Bad(
        "bincount_low",
        lambda t: wg.bincount(wg.tensor([0, -1])),
        IndexRangeError,
        ("bincount: value -1", "0 to 2147483646 is needed"),
    ),
    Bad("nonzero", lambda t: wg.nonzero(t.s), ShapeError, ("nonzero", "0-d")),
    # Gradients.
    Bad("backward_leaf", lambda t: t.f.backward(), GradientError, ("backward", "require grad")),
    Bad(
        "backward_shape", lambda t: t.y.backward(), GradientError, ("backward", "(3,)", "gradient=")
    ),
    Bad("backward_wrong", lambda t: t.y.backward([1.0]), GradientError, ("(1,)", "(3,)")),
    Bad("backward_text", lambda t: t.y.backward("a"), DTypeError, ("numbers",)),
    Bad(
        "backward_dtype",
        lambda t: t.y.backward(wg.tensor([1, 2, 3])),
        DTypeError,
        ("backward", "int32", "float32"),
    ),
    Bad("set_grad_shape", lambda t: t.p.set_grad([1.0]), ShapeError, ("set_grad", "(1,)", "(3,)")),
    Bad("set_grad_leaf", lambda t: t.f.set_grad(t.f), GradientError, ("set_grad", "require grad")),
    Bad("grad_attribute", lambda t: setattr(t.p, "grad", [1.0]), GradientError, ("(1,)", "(3,)")),
    Bad("require_int", lambda t: t.i.requires_grad_(), GradientError, ("int32", "floating")),
    Bad("require_bool", lambda t: t.b.requires_grad_(), GradientError, ("bool", "floating")),
    Bad(
        "make_int_grad",
        lambda t: wg.tensor([1, 2], requires_grad=True),
        GradientError,
        ("int32", "floating"),
    ),
    Bad(
        "zeros_int_grad",
        lambda t: wg.zeros(2, dtype="int32", requires_grad=True),
        GradientError,
        ("int32", "floating"),
    ),
    Bad("require_result", lambda t: t.y.requires_grad_(), GradientError, ("only a leaf", "detach")),
    Bad("assign_tracked", lambda t: t.f[0].assign(t.y), GradientError, ("assign", "detach")),
    Bad("setitem_tracked", lambda t: t.p.__setitem__(0, 1.0), GradientError, ("no_grad", "where")),
    Bad("hook", lambda t: t.f.register_hook(print), GradientError, ("register_hook",)),
    Bad("retain", lambda t: t.f.retain_grad(), GradientError, ("retain_grad",)),
    Bad("grad_shape", lambda t: wg.grad(lambda x: +x)(t.f), GradientError, ("(2, 3)", "jacobian")),
    Bad("grad_int", lambda t: wg.grad(wg.sum)(t.i), DTypeError, ("grad", "int32", "floating")),
    Bad(
        "grad_nothing", lambda t: wg.grad(wg.sum)(), ArgumentError, ("grad", "argument 0", "0 came")
    ),
    Bad("grad_argnums", lambda t: wg.grad(wg.sum, -1)(t.f), ArgumentError, ("grad", "-1")),
    Bad("jvp_tuples", lambda t: wg.jvp(wg.exp, t.f, t.f), ArgumentError, ("jvp", "tuple")),
    Bad(
        "jvp_count",
        lambda t: wg.jvp(wg.exp, (t.f,), ()),
        ArgumentError,
        ("1 primals", "0 tangents"),
    ),
    Bad("jvp_shape", lambda t: wg.jvp(wg.exp, (t.f,), (t.s,)), GradientError, ("()", "(2, 3)")),
    Bad("gradcheck_int", lambda t: wg.gradcheck(wg.exp, [t.i]), GradientError, ("no floating",)),
    Bad(
        "no_grad_generator", lambda t: wg.no_grad(_generator), ArgumentError, ("generator", "with")
    ),
    # Devices.
    Bad("device", lambda t: wg.device("cuda"), DeviceError, ("'cuda'", "webgpu", "numpy")),
    Bad("device_kind", lambda t: wg.zeros(2, device=5), DeviceError, ("5", "numpy")),
    Bad("to", lambda t: t.f.to("tpu"), DeviceError, ("'tpu'", "numpy")),
    Bad("default", lambda t: wg.set_default_device("gpu0"), DeviceError, ("'gpu0'",)),
    # What is no tensor where one is needed.
    Bad("reshape_none", lambda t: wg.reshape(None, (1,)), DTypeError, ("numbers",)),
    Bad("take_none", lambda t: wg.take(None, [0]), DTypeError, ("numbers",)),
    Bad("sum_none", lambda t: wg.sum(None), DTypeError, ("numbers",)),
    Bad("softmax_text", lambda t: wg.softmax("a"), DTypeError, ("numbers",)),
    Bad("custom_op", lambda t: _custom(1.0), DTypeError, ("at least one tensor",)),
]


def _generator():
    yield 1


_custom = wg.custom_op(lambda x: x, backward=lambda ct, out, x: ct, name="custom")


def check(case: Bad, given: Given, device: Any) -> None:
    """Run a case, and look at the error and at what is left."""
    before = given.values()
    grad = given.p.grad
    default = wg.default_device()
    device.synchronize()
    dispatches = wg.stats()["dispatches"]
    with pytest.raises(case.error) as caught:
        case.call(given)
    device.synchronize()  # what was recorded counts too
    assert wg.stats()["dispatches"] == dispatches, "something was dispatched"
    error = caught.value
    assert isinstance(error, errors.WgradError)
    for cls, kinds in KINDS.items():
        if isinstance(error, cls):
            assert isinstance(error, kinds)
    text = str(error)
    for word in case.words:
        assert word in text, text
    assert "\n" not in text and 15 < len(text) < 300, text
    assert given.values() == before
    assert given.p.grad is grad and given.y.requires_grad
    assert wg.default_device() is default


assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_bad_input(case: Bad, device):
    check(case, Given(), device)


TWO_DEVICES = [
    Bad("add", lambda t: t.f + t.other, DeviceError, ("add", "webgpu", "numpy", ".to(")),
    Bad("add_promoting", lambda t: t.i + t.other, DeviceError, ("add", "webgpu", "numpy")),
    Bad("matmul", lambda t: t.f @ t.other, DeviceError, ("matmul", "webgpu", "numpy")),
    Bad("matmul_promoting", lambda t: t.i @ t.other, DeviceError, ("matmul", "webgpu", "numpy")),
    Bad("linear", lambda t: wg.linear(t.f, t.other[None]), DeviceError, ("webgpu", "numpy")),
    Bad("where", lambda t: wg.where(t.b, t.other, t.f), DeviceError, ("where", "webgpu")),
    Bad("concat", lambda t: wg.concat([t.f[0], t.other]), DeviceError, ("concat", ".to()")),
    Bad("stack", lambda t: wg.stack([t.i[0], t.other]), DeviceError, ("stack", ".to()")),
    Bad(
        "take",
        lambda t: wg.take(t.f, wg.tensor([0], device="numpy")),
        DeviceError,
        ("take", "webgpu", "numpy"),
    ),
    Bad(
        "labels",
        lambda t: wg.cross_entropy(t.f, wg.tensor([0, 1], device="numpy")),
        DeviceError,
        ("cross_entropy", "webgpu", "numpy"),
    ),
    Bad(
        "scatter",
        lambda t: wg.scatter_add(t.f[0], wg.tensor([0, 1, 2]), t.other, 0),
        DeviceError,
        ("webgpu", "numpy"),
    ),
    Bad("mse", lambda t: wg.mse_loss(t.f[0], t.other), DeviceError, ("webgpu", "numpy")),
    Bad("assign", lambda t: t.f.assign(t.other), DeviceError, ("assign", "webgpu", "numpy")),
    Bad("backward", lambda t: t.y.backward(t.other), DeviceError, ("backward", "webgpu", "numpy")),
    Bad("set_grad", lambda t: t.p.set_grad(t.other), DeviceError, ("set_grad", "webgpu")),
    Bad("jvp", lambda t: wg.jvp(wg.exp, (t.f[0],), (t.other,)), DeviceError, ("jvp", "webgpu")),
    Bad("clip", lambda t: wg.clip(t.f, t.other, 9.0), DeviceError, ("webgpu", "numpy")),
    Bad("float64", lambda t: t.f.astype("float64"), DTypeError, ("float64", "webgpu", "numpy")),
    Bad(
        "make_float64",
        lambda t: wg.tensor([1.0], dtype="float64"),
        DTypeError,
        ("float64", "webgpu", "numpy"),
    ),
    Bad("rand_float64", lambda t: wg.rand(3, dtype="float64"), DTypeError, ("float64", "webgpu")),
    Bad(
        "send_float64",
        lambda t: wg.tensor([1.0], dtype="float64", device="numpy").to("webgpu"),
        DTypeError,
        ("float64", "webgpu"),
    ),
]


@pytest.mark.parametrize("case", TWO_DEVICES, ids=lambda case: case.id)
def test_tensors_of_two_devices(case: Bad, webgpu):
    given = Given()
    assert given.other.device.name == "numpy"
    check(case, given, webgpu)


def test_a_tensor_without_room_is_our_own_memory_error(device):
    before = wg.tensor([1.0, 2.0])
    for shape in ((1 << 50,), (1 << 30, 1 << 30)):
        with pytest.raises(OutOfMemoryError) as caught:
            wg.zeros(shape)
        assert isinstance(caught.value, MemoryError)
        with pytest.raises(OutOfMemoryError):
            wg.broadcast_to(before[:1], shape) + 1
    assert (before * 2).tolist() == [2, 4]


def test_an_error_in_the_middle_leaves_the_device_usable(device):
    """Many errors in a row, with work recorded before and between, and results that are right."""
    x = wg.tensor([1.0, 2.0, 3.0])
    total = x * 0
    for i in range(20):
        total = total + x * i
        for wrong in (lambda: x + wg.zeros(2), lambda: x[5], lambda: wg.sum(x, axis=3)):
            with pytest.raises(errors.WgradError):
                wrong()
    assert total.tolist() == [190, 380, 570]


def test_values_computed_on_the_device_are_checked_too(device):
    """Indices that no host has seen cost a readback, and are checked all the same."""
    x = wg.tensor([1.0, 2.0, 3.0])
    computed = wg.tensor([0, 1]) + wg.tensor([1, 2])
    with pytest.raises(IndexRangeError, match="index 3 is out of range"):
        wg.take(x, computed)
    assert wg.take(x, computed - 1).tolist() == [1, 3]
    with pytest.raises(ArgumentError, match="pow"):
        wg.tensor([2, 3]) ** (wg.tensor([0, 1]) - 1)


def test_bounds_follow_assignments(device):
    """What was in range when it was made may not be any more."""
    x, index = wg.tensor([1.0, 2.0, 3.0]), wg.tensor([0, 1, 2])
    assert wg.take(x, index).tolist() == [1, 2, 3]
    index.assign([0, 1, 7])
    with pytest.raises(IndexRangeError, match="7"):
        wg.take(x, index)
    assert wg.take(x, index[:2]).tolist() == [1, 2]  # a view without the wrong one
    index[2].assign(1)
    assert wg.take(x, index).tolist() == [1, 2, 2]
    index[0] = -4
    with pytest.raises(IndexRangeError, match="-4"):
        wg.take(x, index)


@pytest.mark.parametrize(
    "lost",
    [
        lambda s: wg.tensor([s, 1.0]),
        lambda s: wg.asarray([[s], [s]]),
        lambda s: wg.ones(2) * [s, s],
        lambda s: wg.concat([wg.ones(1), [s]]),
        lambda s: wg.full((2,), s),
        lambda s: wg.linspace(0.0, s, 3),
        lambda s: wg.pad(wg.ones(2), 1, value=s),
    ],
)
def test_a_history_is_not_lost_in_silence(lost, device):
    s = wg.tensor(2.0, requires_grad=True)
    with pytest.raises(errors.GradientError, match="history would be lost"):
        lost(s)
    with wg.no_grad():
        lost(s)
    lost(s.detach())
