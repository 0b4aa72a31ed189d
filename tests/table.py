"""The table of operations that the forward and the gradient tests run over.

One row says how an operation is called, what NumPy computes for it in float64, on which inputs and
dtypes it is tried, how exact float32 is, and by which inputs it can be differentiated. A row names
what it covers: ops of the registry and public functions. The tests fail when one has no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import wgrad as wg

FLOATS = ("float32", "float64")
INTS = ("int32", "uint32")
NUMBERS = FLOATS + INTS
ALL = (*NUMBERS, "bool")


@dataclass(frozen=True)
class Arg:
    """One input. A kind of "value" takes the dtype under test, "bool" and "index" their own."""

    shape: tuple[int, ...] = (2, 3)
    low: float = -2.0
    high: float = 2.0
    integers: tuple[int, int] = (-9, 9)  # both included; unsigned ones start at 0 at the least
    kind: str = "value"

    def dtype(self, asked: str) -> str:
        return {"value": asked, "bool": "bool", "index": "int32"}[self.kind]

    def sample(self, rng: np.random.Generator, asked: str, shape: Any = None) -> np.ndarray:
        shape = self.shape if shape is None else shape
        dtype = self.dtype(asked)
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if dtype in FLOATS:
            return rng.uniform(self.low, self.high, shape).astype(dtype)
        low, high = self.integers
        if dtype == "uint32":
            low, high = max(low, 0), max(high, 0)
        return rng.integers(low, high + 1, shape).astype(dtype)


@dataclass(frozen=True)
class Row:
    """One way to use an operation."""

    id: str
    covers: tuple[str, ...]  # ops of the registry that the call applies
    call: Callable[..., wg.Tensor]
    reference: Callable[..., Any]  # gets float64, int64 and bool arrays
    args: tuple[Arg, ...]
    dtypes: tuple[str, ...] = NUMBERS
    result: Callable[[str], str] = lambda dtype: dtype
    rtol: float = 1e-6  # of float32 against the reference
    atol: float = 1e-6
    grad: tuple[int, ...] = (0,)  # the inputs by which it is differentiated; () for none
    smooth: Callable[..., bool] = lambda *arrays: True  # whether differences can be taken here
    elementwise: bool = False  # inputs broadcast, and any shape will do
    public: tuple[str, ...] = field(default=())  # public functions that it covers

    def samples(self, rng: np.random.Generator, dtype: str) -> list[np.ndarray]:
        return [arg.sample(rng, dtype) for arg in self.args]

    def smooth_samples(self, rng: np.random.Generator, dtype: str = "float64") -> list[np.ndarray]:
        """Return inputs away from every kink."""
        for _ in range(1000):
            found = self.samples(rng, dtype)
            if self.smooth(*found):
                return found
        raise AssertionError(f"{self.id}: no smooth inputs in 1000 samples")

    def expected(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Return what NumPy computes, in float64 or int64, from the very same inputs."""
        wide = [widened(x) for x in arrays]
        if self.result is to_float:  # of bools NumPy would compute in float16
            wide = [x.astype(np.float64) if x.dtype == bool else x for x in wide]
        with np.errstate(all="ignore"):
            return np.asarray(self.reference(*wide))


def widened(array: np.ndarray) -> np.ndarray:
    """Return an array in the type that references compute in."""
    wide = {"f": np.float64, "i": np.int64, "u": np.int64}.get(array.dtype.kind)
    return array if wide is None else array.astype(wide)


def to_float(dtype: str) -> str:
    return dtype if dtype in FLOATS else "float32"


def to_bool(dtype: str) -> str:
    return "bool"


def to_int(dtype: str) -> str:
    return "int32"


def counted(dtype: str) -> str:
    return "int32" if dtype == "bool" else dtype


# Where differences can be taken.
def away(*points: float) -> Callable[..., bool]:
    """Every input keeps its distance from these points."""
    return lambda *xs: all(np.abs(x - p).min() > 0.05 for x in xs for p in points)


def apart(*xs: np.ndarray) -> bool:
    """No two inputs are nearly equal at any place."""
    return all(np.abs(x - y).min() > 0.05 for i, x in enumerate(xs) for y in xs[:i])


def distinct(x: np.ndarray) -> bool:
    """No two elements are nearly equal."""
    return np.diff(np.sort(x, axis=None)).min() > 0.01


# References that NumPy has no one function for.
def np_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def np_logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    top = x.max(axis=axis, keepdims=True)
    out = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return out if keepdims else out.squeeze(axis)


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


def np_pow(a: np.ndarray, b: Any) -> np.ndarray:
    return np.power(a, b)


def _elementwise() -> Iterator[Row]:
    pair = (Arg(), Arg())

    def row(name: str, call: Any, reference: Any, args: tuple[Arg, ...], **more: Any) -> Row:
        more.setdefault("grad", tuple(range(len(args))))
        more.setdefault("public", (name,))
        return Row(name, (name,), call, reference, args, elementwise=True, **more)

    yield row("add", wg.add, np.add, pair, dtypes=ALL)
    yield row("subtract", wg.subtract, np.subtract, pair)
    yield row("multiply", wg.multiply, np.multiply, pair, dtypes=ALL)
    # A divisor away from 0, whose differences would need smaller steps.
    divisor = Arg(low=0.5, high=2.0, integers=(1, 9))
    yield row("divide", wg.divide, np.divide, (Arg(), divisor), dtypes=ALL, result=to_float)
    yield row("negative", wg.negative, np.negative, (Arg(),))
    yield row("reciprocal", wg.reciprocal, lambda a: 1 / a, (divisor,), dtypes=ALL, result=to_float)
    yield row("square", wg.square, np.square, (Arg(),))
    base, exponent = Arg(low=0.3, high=2.5, integers=(-5, 5)), Arg(integers=(0, 6))
    yield row("pow", wg.pow, np_pow, (base, exponent), rtol=1e-5)

    wide = Arg(low=-9.0, high=9.0)
    transcendental = {"dtypes": ALL, "result": to_float, "rtol": 2e-6}
    yield row("exp", wg.exp, np.exp, (wide,), **transcendental)
    positive = Arg(low=0.2, high=4.0, integers=(1, 9))
    yield row("log", wg.log, np.log, (positive,), **transcendental)
    yield row("sqrt", wg.sqrt, np.sqrt, (positive,), **transcendental)
    yield row("sin", wg.sin, np.sin, (wide,), **transcendental)
    yield row("cos", wg.cos, np.cos, (wide,), **transcendental)
    yield row("tanh", wg.tanh, np.tanh, (Arg(low=-3, high=3),), **transcendental)
    yield row(
        "sigmoid", wg.sigmoid, lambda a: 1 / (1 + np.exp(-1.0 * a)), (wide,), **transcendental
    )

    yield row("relu", wg.relu, lambda a: np.maximum(a, 0), (Arg(),), smooth=away(0))
    yield row("abs", wg.abs, np.abs, (Arg(),), smooth=away(0))
    yield row("sign", wg.sign, np.sign, (Arg(),), smooth=away(0))
    yield row("maximum", wg.maximum, np.maximum, pair, dtypes=ALL, smooth=apart)
    yield row("minimum", wg.minimum, np.minimum, pair, dtypes=ALL, smooth=apart)
    low = Arg(low=-1.5, high=-0.5, integers=(-6, 3))
    high = Arg(low=0.5, high=1.5, integers=(4, 6))
    yield row("clamp", wg.clip, np.clip, (Arg(), low, high), smooth=apart, public=("clip",))
    yield row(
        "where",
        wg.where,
        np.where,
        (Arg(kind="bool"), Arg(), Arg()),
        dtypes=ALL,
        grad=(1, 2),
    )

    near = (Arg(integers=(0, 2)), Arg(integers=(0, 2)))  # equal often enough
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        yield row(
            name, getattr(wg, name), getattr(np, name), near, dtypes=ALL, result=to_bool, grad=()
        )
    for name in ("logical_and", "logical_or", "logical_xor"):
        yield row(name, getattr(wg, name), getattr(np, name), pair, dtypes=("bool",), grad=())
    yield row("logical_not", wg.logical_not, np.logical_not, (Arg(),), dtypes=("bool",), grad=())
    for name in ("isnan", "isinf", "isfinite"):
        yield row(
            name,
            getattr(wg, name),
            getattr(np, name),
            (Arg(),),
            dtypes=ALL,
            result=to_bool,
            grad=(),
        )


def _reductions() -> Iterator[Row]:
    box = Arg((2, 3, 4))
    shapes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("", {}),
        ("-axis", {"axis": 1}),
        ("-axes-kept", {"axis": (0, -1), "keepdims": True}),
    )

    def rows(name: str, args: Any, call: Any, reference: Any, **more: Any) -> Iterator[Row]:
        for suffix, how in shapes:
            yield Row(
                f"{name}{suffix}",
                (more.get("op", name),),
                lambda x, how=how: call(x, **how),
                lambda x, how=how: reference(x, **how),
                args,
                public=(name,),
                **{k: v for k, v in more.items() if k != "op"},
            )

    yield from rows("sum", (box,), wg.sum, np.sum, dtypes=ALL, result=counted, rtol=1e-5)
    yield from rows(
        "prod",
        (Arg((2, 3, 4), 0.5, 1.5, (-2, 2)),),
        wg.prod,
        np.prod,
        dtypes=ALL,
        result=counted,
        rtol=1e-5,
    )
    yield from rows("max", (box,), wg.max, np.max, dtypes=ALL, result=counted, smooth=distinct)
    yield from rows("min", (box,), wg.min, np.min, dtypes=ALL, result=counted, smooth=distinct)
    yield from rows("any", (box,), wg.any, np.any, dtypes=ALL, result=to_bool, grad=())
    yield from rows("all", (box,), wg.all, np.all, dtypes=ALL, result=to_bool, grad=())
    yield from rows(
        "mean", (box,), wg.mean, np.mean, op="sum", dtypes=ALL, result=to_float, rtol=1e-5
    )
    yield from rows(
        "logsumexp",
        (box,),
        wg.logsumexp,
        np_logsumexp,
        op="exp",
        dtypes=NUMBERS,
        result=to_float,
        rtol=1e-5,
    )
    for name in ("argmax", "argmin"):
        op, function, reference = name[3:], getattr(wg, name), getattr(np, name)
        for suffix, how in shapes[:2]:
            yield Row(
                f"{name}{suffix}",
                (op, "where", "min", "equal"),
                lambda x, f=function, how=how: f(x, **how),
                lambda x, f=reference, how=how: f(x, **how),
                (Arg((2, 3, 4), integers=(0, 5)),),
                dtypes=ALL,
                result=to_int,
                grad=(),
                public=(name,),
            )


def _movement() -> Iterator[Row]:
    box = Arg((2, 3, 4))

    def row(id: str, op: str, call: Any, reference: Any, *args: Arg, **more: Any) -> Row:
        more.setdefault("dtypes", ALL)
        more.setdefault("rtol", 0)
        more.setdefault("atol", 0)
        return Row(id, (op,), call, reference, args or (box,), **more)

    yield row("alias", "alias", lambda x: +x, np.copy, public=())
    yield row("copy", "copy", lambda x: x.copy(), np.copy, public=())
    yield row(
        "broadcast_to",
        "broadcast_to",
        lambda x: wg.broadcast_to(x, (2, 3, 4)),
        lambda x: np.broadcast_to(x, (2, 3, 4)),
        Arg((3, 1)),
        public=("broadcast_to",),
    )
    yield row(
        "permute_dims",
        "permute_dims",
        lambda x: wg.permute_dims(x, (1, 2, 0)),
        lambda x: np.transpose(x, (1, 2, 0)),
        public=("permute_dims",),
    )
    yield row(
        "transpose",
        "permute_dims",
        lambda x: wg.transpose(x, 0, -1),
        lambda x: np.swapaxes(x, 0, -1),
        public=("transpose",),
    )
    yield row(
        "matrix_transpose",
        "permute_dims",
        wg.matrix_transpose,
        np.matrix_transpose,
        public=("matrix_transpose",),
    )
    yield row(
        "slice", "slice", lambda x: x[1:, ::-2, 1:4:2], lambda x: x[1:, ::-2, 1:4:2], public=()
    )
    yield row("index", "slice", lambda x: x[-1, :, 2], lambda x: x[-1, :, 2], public=())
    yield row(
        "flip",
        "slice",
        lambda x: wg.flip(x, (0, 2)),
        lambda x: np.flip(x, (0, 2)),
        public=("flip",),
    )
    yield row(
        "reshape",
        "reshape",
        lambda x: wg.reshape(x, (4, -1)),
        lambda x: np.reshape(x, (4, -1)),
        public=("reshape",),
    )
    yield row(
        "view",
        "reshape",
        lambda x: wg.view(x, (2, 1, -1, 4)),  # a view of any layout
        lambda x: np.reshape(x, (2, 1, 3, 4)),
        public=("view",),
    )
    yield row(
        "reshape-of-a-transpose",
        "reshape",
        lambda x: wg.reshape(wg.permute_dims(x, (2, 0, 1)), (6, 4)),
        lambda x: np.reshape(np.transpose(x, (2, 0, 1)), (6, 4)),
        public=(),
    )
    yield row(
        "flatten",
        "reshape",
        lambda x: wg.flatten(x, 1),
        lambda x: x.reshape(2, 12),
        public=("flatten",),
    )
    yield row(
        "expand_dims",
        "reshape",
        lambda x: wg.expand_dims(x, -2),
        lambda x: np.expand_dims(x, -2),
        public=("expand_dims",),
    )
    yield row(
        "squeeze",
        "reshape",
        lambda x: wg.squeeze(x, 1),
        lambda x: np.squeeze(x, 1),
        Arg((3, 1, 2)),
        public=("squeeze",),
    )
    yield row(
        "pad",
        "embed",
        lambda x: wg.pad(x, ((1, 0), (0, 2)), 1),
        lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=1),
        Arg(),
        public=("pad",),
    )
    three = (Arg((2, 3)), Arg((2, 1)), Arg((2, 4)))
    yield row(
        "concat",
        "concat",
        lambda *xs: wg.concat(xs, axis=1),
        lambda *xs: np.concatenate(xs, axis=1),
        *three,
        grad=(0, 1, 2),
        public=("concat",),
    )
    yield row(
        "stack",
        "concat",
        lambda *xs: wg.stack(xs, axis=-1),
        lambda *xs: np.stack(xs, axis=-1),
        Arg(),
        Arg(),
        grad=(0, 1),
        public=("stack",),
    )
    yield row(
        "to_device",
        "to_device",
        lambda x: _there_and_back(x),
        np.copy,
        public=(),
    )
    for target in ALL:
        reference = np.dtype("float64" if target in FLOATS else target)
        yield row(
            f"astype-{target}",
            "astype",
            lambda x, target=target: x.astype(target),
            lambda x, reference=reference: x.astype(reference),
            Arg(low=0.0, high=9.0, integers=(0, 9)),
            dtypes=tuple(d for d in ALL if d != target),
            result=lambda dtype, target=target: target,
            grad=(0,) if target == "float32" else (),
            rtol=1e-6 if target in FLOATS else 0,
            public=(),
        )


def _there_and_back(x: wg.Tensor) -> wg.Tensor:
    """Move a tensor to another device, where there is one for its dtype, and back."""
    here = x.device
    if here.name == "numpy":
        # A second NumPy device takes the place of the GPU, so that this runs everywhere.
        from wgrad.backends.numpy import NumpyDevice

        return x.to(NumpyDevice()).to(here)
    return x.to("numpy").to(here)


def _linalg() -> Iterator[Row]:
    cases = {
        "matmul": ((2, 3), (3, 4)),
        "matmul-batched": ((2, 1, 2, 3), (2, 3, 2)),
        "matmul-vectors": ((3,), (3,)),
        "matmul-row": ((3,), (2, 3, 2)),
        "matmul-column": ((2, 2, 3), (3,)),
    }
    for id, shapes in cases.items():
        yield Row(
            id,
            ("matmul",),
            wg.matmul,
            np.matmul,
            tuple(map(Arg, shapes)),
            rtol=1e-5,
            grad=(0, 1),
            public=("matmul",),
        )
    cases = {
        "linear": ((4, 3), (2, 3), (2,)),
        "linear-of-a-box": ((2, 2, 3), (4, 3), (4,)),
        "linear-of-a-vector": ((3,), (4, 3), (4,)),
    }
    for id, shapes in cases.items():
        yield Row(
            id,
            ("matmul_transposed",),
            wg.linear,
            lambda x, w, b: x @ w.T + b,
            tuple(map(Arg, shapes)),
            rtol=1e-5,
            grad=(0, 1, 2),
            public=("linear",),
        )
    yield Row(
        "linear-without-bias",
        ("matmul_transposed",),
        wg.linear,
        lambda x, w: x @ w.T,
        (Arg((4, 3)), Arg((2, 3))),
        rtol=1e-5,
        grad=(0, 1),
    )


def _indexing() -> Iterator[Row]:
    def index(shape: tuple[int, ...], size: int) -> Arg:
        return Arg(shape, integers=(0, size - 1), kind="index")

    yield Row(
        "take",
        ("gather",),
        lambda x, i: wg.take(x, i, axis=1),
        lambda x, i: np.take(x, i, axis=1),
        (Arg((2, 3, 2)), index((2, 4), 3)),
        dtypes=ALL,
        public=("take",),
    )
    yield Row(
        "take-flat",
        ("gather",),
        wg.take,
        np.take,
        (Arg((2, 3)), index((5,), 6)),
        dtypes=ALL,
    )
    yield Row(
        "take_along_axis",
        ("gather",),
        lambda x, i: wg.take_along_axis(x, i, 0),
        lambda x, i: np.take_along_axis(x, i, 0),
        (Arg((3, 4)), index((5, 4), 3)),
        dtypes=ALL,
        public=("take_along_axis",),
    )
    yield Row(
        "take_along_axis-broadcast",
        ("gather",),
        lambda x, i: wg.take_along_axis(x, i, -1),
        lambda x, i: np.take_along_axis(*np.broadcast_arrays(x, np.repeat(i, 3, 0))[:1], i, -1),
        (Arg((3, 4)), index((1, 4), 4)),
        dtypes=ALL,
    )
    for axis, values in ((0, (5, 2)), (1, (3, 6))):
        yield Row(
            f"scatter_add-axis{axis}",
            ("scatter_add",),
            lambda x, i, v, axis=axis: wg.scatter_add(x, i, v, axis),
            lambda x, i, v, axis=axis: np_scatter_add(x, i, v, axis),
            (Arg((3, 2)), index(values, (3, 2)[axis]), Arg(values)),
            dtypes=NUMBERS,
            grad=(0, 2),
            public=("scatter_add",),
        )


def _compositions() -> Iterator[Row]:
    logits = Arg((3, 4), -4, 4)
    for name in ("softmax", "log_softmax"):
        for axis in (-1, 0):
            yield Row(
                f"{name}-axis{axis}",
                ("max", "exp", "sum"),
                lambda x, name=name, axis=axis: getattr(wg, name)(x, axis),
                lambda x, name=name, axis=axis: (
                    np.log(np_softmax(x, axis)) if "log" in name else np_softmax(x, axis)
                ),
                (logits,),
                result=to_float,
                rtol=1e-5,
                public=(name,),
            )
    labels = Arg((3,), integers=(0, 3), kind="index")
    for reduction, fold in (("mean", np.mean), ("sum", np.sum), ("none", np.copy)):
        yield Row(
            f"cross_entropy-{reduction}",
            ("gather",),
            lambda x, i, r=reduction: wg.cross_entropy(x, i, r),
            lambda x, i, fold=fold: fold(np_cross_entropy(x, i)),
            (logits, labels),
            result=to_float,
            rtol=1e-5,
            public=("cross_entropy",),
        )
        yield Row(
            f"mse_loss-{reduction}",
            ("square",),
            lambda x, y, r=reduction: wg.mse_loss(x, y, r),
            lambda x, y, fold=fold: fold((x - y) ** 2),
            (Arg(), Arg()),
            dtypes=FLOATS,
            rtol=1e-5,
            grad=(0, 1),
            public=("mse_loss",),
        )
    yield Row(
        "one_hot",
        ("equal", "astype"),
        lambda i: wg.one_hot(i, 4),
        lambda i: np.eye(4)[i],
        (Arg((2, 3), integers=(0, 3)),),
        dtypes=INTS,
        result=lambda dtype: "float32",
        grad=(),
        public=("one_hot",),
    )
    yield Row(
        "clip-numbers",
        ("clamp",),
        lambda x: wg.clip(x, -1, 1),
        lambda x: np.clip(x, -1, 1),
        (Arg(),),
        dtypes=("float32", "float64", "int32"),
        smooth=away(-1, 1),
    )
    yield Row(
        "clip-below",
        ("clamp",),
        lambda x: wg.clip(x, lo=1),
        lambda x: np.maximum(x, 1),
        (Arg(),),
        smooth=away(1),
    )
    yield Row("pow-square", ("square",), lambda x: x**2, np.square, (Arg(),))
    yield Row("pow-cube", ("pow",), lambda x: x**3, lambda x: x**3, (Arg(),), rtol=1e-5)
    yield Row(
        "pow-of-number",
        ("pow",),
        lambda x: 2**x,
        lambda x: 2.0**x,
        (Arg(integers=(0, 9)),),
        rtol=1e-5,
    )
    yield Row(
        "pow-root",
        ("pow",),
        lambda x: x**0.5,
        lambda x: x**0.5,
        (Arg(low=0.2, high=4.0, integers=(0, 9)),),
        result=to_float,
        rtol=1e-5,
    )
    yield Row(
        "max-split",
        ("max",),
        lambda x: wg.max(x, axis=1, ties="split"),
        lambda x: np.max(x, axis=1),
        (Arg((2, 5)),),
        smooth=distinct,
    )
    yield Row(
        "arithmetic-with-numbers",
        ("add", "subtract", "multiply", "divide", "negative"),
        lambda x: 3 - 2 * x + x / 4 - 1 / (x - 9.5) + (-x - 1),
        lambda x: 3 - 2 * x + x / 4 - 1 / (x - 9.5) + (-x - 1),
        (Arg(),),
        dtypes=(*FLOATS, "int32"),
        result=to_float,
        rtol=1e-5,
    )


ROWS: tuple[Row, ...] = (
    *_elementwise(),
    *_reductions(),
    *_movement(),
    *_linalg(),
    *_indexing(),
    *_compositions(),
)
assert len({row.id for row in ROWS}) == len(ROWS), "two rows have one id"
DIFFERENTIABLE = tuple(row for row in ROWS if row.grad and "float64" in row.dtypes)
ELEMENTWISE = tuple(row for row in ROWS if row.elementwise)


# Views that hold given values in memory laid out in odd ways, between values that must not be read.
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
    assert out.dtype.name == row.result(dtype)
    assert out.shape == expected.shape
    found = out.numpy()
    assert found.dtype == out.dtype.numpy
    if out.dtype.is_floating:
        exact = out.dtype.name == "float64" and (dtype == "float64" or dtype not in FLOATS)
        rtol, atol = (1e-12, 1e-12) if exact else (row.rtol, row.atol)
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
    else:
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(found, expected.astype(found.dtype))  # wraps as it does
