"""Eager calls against float64: every row of the table on odd values, layouts, shapes and dtypes.

A program is one row of tests/table, called on numbers among which are zeros of both signs, ties,
subnormal, huge and infinite ones and NaN, then sometimes a second function. Integers must be what
NumPy computes of int64. The value of floats and their gradient by every input are compared with
those of float64 on the NumPy device. How far they may lie apart is asked of float64 too: it
computes the same of inputs that are moved by a rounding, and what that changes, times 16, is
allowed, besides 8 roundings of the result (of what is no elementwise call alone: 32 of the largest
one). Where even finiteness changes, nothing is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from table import LAYOUTS, ROWS, Row, assert_matches
from table.row import HALF, INTS

import wgrad as wg
from wgrad.backends.base import Device

TINY = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-40, -1e-40, 1e-20, 20.0, -20.0, 90.0, -104.0)
NO_NUMBERS = (float("inf"), -float("inf"), float("nan"))
HUGE = (1e10, -1e10, 1e19, 1e25, -1e25, 3e38, -3e38)
# What adds up, or multiplies, whatever it is given: sums of huge numbers overflow by definition.
ADDING = (
    "sum", "mean", "matmul", "linear", "einsum", "tensordot", "vecdot", "cross", "trace",
    "cumulative", "conv", "avg_pool", "adaptive", "scatter_add", "fold", "diff", "bincount",
    "scaled_dot", "arithmetic", "var", "mse", "l1", "huber", "smooth_l1", "gaussian", "kl_div",
    "pow", "square", "hinge", "multi_margin", "unfold", "kron", "outer", "nll", "norm-1",
    "cross_entropy", "prod", "lp_pool", "ctc", "triplet", "poisson",
)  # fmt: skip
# What takes a matrix apart: of odd values it is singular, or ill-conditioned beyond any digit.
APART = (
    "inv", "det", "slogdet", "solve", "cholesky", "pinv", "matrix_power", "matrix_rank", "eig",
    "svd", "qr", "matrix_norm", "fft", "cofactor",
)  # fmt: skip
# Rows whose reference is for ordinary inputs: without an eps or a maximum, an end, or ties.
ROUGH = ("cosine", "normalize", "multi_margin", "gaussian", "erfinv", "max_unpool", "lp_pool")
TAILS: dict[str, Callable[[wg.Tensor], wg.Tensor]] = {
    "tanh": wg.tanh,
    "sigmoid": wg.sigmoid,
    "softplus": lambda x: wg.nn.functional.softplus(x),
    "bell": lambda x: wg.exp(-wg.square(wg.clip(x, -9, 9))),
    "ratio": lambda x: x / (1 + wg.abs(x)),
    "relu": wg.relu,
    "where": lambda x: wg.where(x > 0.25, wg.log(x), 0.0),
    "logsumexp": lambda x: wg.logsumexp(x, -1) if x.ndim and x.size else x,
    "softmax": lambda x: wg.softmax(x, -1) if x.ndim and x.size else x,
    "max": lambda x: wg.max(x, -1, ties="split") if x.ndim and x.size else x,
}
EPS = {"float32": 2.0**-24, "float16": 2.0**-11}
LEAST = {"float32": 2.0**-125, "float16": 2.0**-23}


class Program(NamedTuple):
    """A row, the function after it, what it is called on, and the cotangent of its result."""

    row: Row
    tail: str
    dtype: str
    layouts: tuple[str, ...]
    weights: int  # the seed of the cotangent

    def __str__(self) -> str:
        tail = f", then {self.tail}" if self.tail else ""
        return f"{self.row.id}{tail} of {self.dtype} laid out as {', '.join(self.layouts)}"

    def tensors(self, arrays: Sequence[np.ndarray], kind: str) -> list[wg.Tensor]:
        made = []
        for x, name in zip(arrays, self.layouts, strict=True):
            data = x.astype(kind) if x.dtype.kind == "f" else x
            if name in LAYOUTS and x.ndim and x.size and kind == "float32":
                made.append(LAYOUTS[name](data))
            else:
                made.append(wg.tensor(data, data.dtype.name))
        return made

    def run(self, arrays: Sequence[np.ndarray], kind: str, eps: float = 0) -> list[np.ndarray]:
        """Return the value in a dtype, and if it is one of floats the gradients."""
        given = self.tensors(arrays, kind)
        places = [i for i in self.row.grad if given[i].dtype.is_floating]

        def f(*chosen: wg.Tensor) -> wg.Tensor:
            full = list(given)
            for i, x in zip(places, chosen, strict=True):
                full[i] = x
            out = self.row.call(*full)
            return TAILS[self.tail](out) if self.tail and out.dtype.is_floating else out

        if not places:
            return [f().numpy()]
        out, pull = wg.vjp(f, *(given[i] for i in places))
        if not out.dtype.is_floating or out.dtype.name != kind:
            return [out.numpy()]
        rng = np.random.default_rng(self.weights)
        ct = (rng.integers(1, 9, out.shape) / 8).astype(kind)
        if eps:
            ct = ct * (1 + eps * rng.choice([-1.0, 1.0], out.shape))
        found = pull(wg.tensor(ct, kind))
        found = found if isinstance(found, tuple) else (found,)
        return [out.numpy(), *(g.numpy() for g in found)]


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    """Try one program."""
    row = ROWS[rng.integers(len(ROWS))]
    kinds = [d for d in (*row.dtypes, HALF) if d != "float64" and _has(device, row, d)]
    if not kinds:
        return None
    dtype = kinds[rng.integers(len(kinds))]
    tails = list(TAILS)
    tail = tails[rng.integers(len(tails))] if dtype == "float32" and rng.random() < 0.4 else ""
    names = ["dense", *LAYOUTS]
    layouts = tuple(names[rng.integers(len(names))] for _ in row.args)
    arrays = _arrays(rng, row, dtype)
    if tail:  # what overflows between two functions, or vanishes, is no fault
        for x in (x for x in arrays if x.dtype.kind == "f"):
            with np.errstate(invalid="ignore"):
                x[(np.abs(x) < 1e-15) | (np.abs(x) > 40)] = 0
    program = Program(row, tail, dtype, layouts, int(rng.integers(1 << 30)))
    if dtype in EPS:
        wrong = _compared(program, arrays, rng, device)
    else:
        wrong = _exact(program, arrays)
    if wrong is None:
        return None
    shown = "; ".join(f"{x.dtype.name} {x.tolist()}" for x in arrays)
    return f"{program}: {wrong}\n    of {shown}"


def _has(device: Device, row: Row, dtype: str) -> bool:
    if dtype == HALF:
        return "float32" in row.dtypes and wg.float16 in device.dtypes and "astype" not in row.id
    return row.id != "astype-float64"


def _arrays(rng: np.random.Generator, row: Row, dtype: str) -> list[np.ndarray]:
    """Return inputs of a row: of any shape where it allows, with odd values among them."""
    shapes = [arg.shape for arg in row.args]
    if row.elementwise and rng.random() < 0.5:
        whole = tuple(int(n) for n in rng.integers(1, 6, rng.integers(0, 4)))
        shapes = [
            whole if rng.random() < 0.7 else tuple(n if rng.random() < 0.7 else 1 for n in whole)
            for _ in row.args
        ]
    elif len(shapes) == 1 and row.id.split("-")[0] in _ANY_EXTENT:
        shapes = [tuple(int(n) for n in rng.integers(1, 9, len(shapes[0])))]
    arrays = [a.sample(rng, dtype, s) for a, s in zip(row.args, shapes, strict=True)]
    if rng.random() < 0.3 or row.id.startswith(APART):
        return arrays
    odd = list(TINY)
    if rng.random() < 0.5:
        odd += NO_NUMBERS
    if not row.id.startswith(ADDING) and rng.random() < 0.5:
        odd += HUGE
    if row.id.startswith(
        ("norm--", "norm-0", "kl_div", "prod", "cumulative_prod", "divide", "cosine")
    ):
        odd = [v for v in odd if not 0 < abs(v) < 1e-30]  # beside which slopes, or products, end
    for i, (x, arg) in enumerate(zip(arrays, row.args, strict=True)):
        if arg.kind != "value" or not x.size:
            continue
        if i and row.id.startswith("conv"):  # an infinite filter meets the zeros of padding
            odd = [v for v in odd if v - v == 0]
        if i and not row.elementwise:  # weights and other operands: products of huge numbers
            odd = [v for v in odd if v not in HUGE]
        places = rng.random(x.shape) < rng.choice([0.2, 0.5, 1.0])
        if x.dtype.kind == "f":
            with np.errstate(over="ignore"):
                x[places] = rng.choice(odd, x.shape).astype(x.dtype)[places]
            if rng.random() < 0.3:  # ties
                x[places] = x.flat[0]
        elif dtype in INTS and row.elementwise and row.result(dtype) != "float32":
            if "shift" in row.id or row.id == "pow":
                continue
            info = np.iinfo(x.dtype)
            x[places] = rng.choice([info.min, info.max, 0, 1], x.shape).astype(x.dtype)[places]
    return arrays


_ANY_EXTENT = {
    "sum", "prod", "max", "min", "any", "all", "mean", "var", "std", "count_nonzero", "norm",
    "cumulative_sum", "cumulative_prod", "logsumexp", "argmax", "argmin", "softmax", "log_softmax",
    "sort", "argsort", "flip", "tril", "triu", "normalize", "rms_norm", "layer_norm",
}  # fmt: skip


def _exact(program: Program, arrays: list[np.ndarray]) -> str | None:
    """Return what is wrong of integers or bools, whose results NumPy computes in int64."""
    row = program.row
    out = row.call(*(wg.tensor(x) for x in arrays))
    try:
        assert_matches(row, out, row.expected(arrays), program.dtype)
    except AssertionError as error:
        return " ".join(str(error).split())
    return None


def _compared(
    program: Program, arrays: list[np.ndarray], rng: np.random.Generator, device: Device
) -> str | None:
    """Return what is wrong of floats."""
    eps = EPS[program.dtype]
    try:
        with wg.device("numpy"):
            slopes: list[np.ndarray] = []
            if program.tail:  # what is large there comes out of the second function as a constant
                plain, *slopes = program._replace(tail="").run(arrays, "float64")
                if _largest(plain, 0) > 1e3:
                    program = program._replace(tail="")
            exact = program.run(arrays, "float64")
            near = [program.run(_moved(arrays, rng, eps), "float64", eps) for _ in range(4)]
    except wg.errors.WgradError as error:  # what is refused is refused everywhere
        try:
            program.run(arrays, program.dtype)
        except type(error):
            return None
        return f"only float64 raises {error!r}"
    found = program.run(arrays, program.dtype)
    if not program.tail and not program.row.id.startswith(ROUGH):
        wrong = _by_reference(program.row, exact[0], arrays)
        if wrong is not None:
            return f"the value in float64 {wrong}"
    names = ["the value", *(f"gradient {i}" for i in range(len(found) - 1))]
    alone = program.row.elementwise and not program.tail
    for i, (name, f, e) in enumerate(zip(names, found, exact, strict=False)):
        if i and (program.dtype == HALF or not _fits(exact[0], program.dtype)):
            continue  # cotangents of float16 overflow on the way: what it is for is storage
        least = 1.0 if i or program.tail or program.row.id.startswith("cosine") else 0.0
        # The second function's gradient is rounded as what is near 1, however small it is: softmax
        # takes a mean of cotangents from each. A slope of the first one multiplies that, and beside
        # a probability of 0 the slope of binary_cross_entropy is 1e12.
        steep = _largest(slopes[i - 1], least) if i and program.tail and slopes else least
        beside = 0.0 if alone else max(_largest(e, least), steep) * 32 * eps
        if program.row.id.startswith("scaled_dot"):  # weights near 1 cancel what is this large
            beside *= max(1.0, *(_largest(x, 1.0) for x in arrays)) ** 2
        wrong = _difference(f, e, [n[i] for n in near], program.dtype, beside)
        if wrong is not None:
            return f"{name} {wrong}"
    return None


def _by_reference(row: Row, exact: np.ndarray, arrays: list[np.ndarray]) -> str | None:
    """Return where float64 is not what NumPy computes; its plain formulas may be no number."""
    try:
        expected = np.asarray(row.expected(arrays))
    except ValueError:  # of no bound to shift by, for example
        return None
    if expected.shape != exact.shape or expected.dtype.kind != "f" or exact.dtype.kind != "f":
        return None
    size = _largest(expected, 0)
    with np.errstate(all="ignore"):
        wrong = np.isfinite(expected) & ~(np.abs(exact - expected) <= 1e-6 * size + 1e-12)
    if not wrong.any():
        return None
    at = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(wrong)))
    return f"at {at} is {np.atleast_1d(exact)[at]!r}, not {np.atleast_1d(expected)[at]!r}"


def _moved(arrays: list[np.ndarray], rng: np.random.Generator, eps: float) -> list[np.ndarray]:
    """Return inputs off by a rounding."""
    return [
        x.astype(np.float64) * (1 + eps * rng.choice([-1.0, 1.0], x.shape))
        if x.dtype.kind == "f"
        else x
        for x in arrays
    ]


def _fits(x: np.ndarray, dtype: str) -> bool:
    """Whether what is finite in float64 is so in a dtype."""
    return not (np.isfinite(x) & (np.abs(x) > float(np.finfo(dtype).max))).any()


def _largest(x: np.ndarray, least: float) -> float:
    """Return the largest size of what is finite."""
    if x.dtype.kind != "f":
        return least
    return float(np.abs(np.where(np.isfinite(x), x, least)).max(initial=least))


def _difference(
    found: np.ndarray, exact: np.ndarray, near: list[np.ndarray], dtype: str, beside: float
) -> str | None:
    """Return where a result differs from float64 by more than rounding explains."""
    if found.shape != exact.shape or any(n.shape != exact.shape for n in near):
        if any(n.shape != exact.shape for n in near):
            return None  # as many unique values as roundings allow
        return f"has shape {found.shape}, not {exact.shape}"
    if exact.dtype.kind != "f":
        same = np.all([n == exact for n in near], axis=0)
        wrong = same & (found != exact)
    else:
        f = found.astype(np.float64)
        most = float(np.finfo(dtype).max)
        with np.errstate(all="ignore"):
            spread = np.max([np.abs(n - exact) for n in near], axis=0, initial=0)
            allowed = 16 * spread + 8 * EPS[dtype] * np.abs(exact) + LEAST[dtype] + beside
            unclear = np.any([np.isfinite(n) != np.isfinite(exact) for n in near], axis=0)
            unclear |= np.abs(exact) + allowed >= most
            unclear &= np.isfinite(exact)
            outside = ~(np.abs(f - exact) <= allowed) & np.isfinite(exact)
            other = ~np.isfinite(exact) & ~((f == exact) | (np.isnan(f) & np.isnan(exact)))
            other &= ~np.any([np.isfinite(n) != np.isfinite(exact) for n in near], axis=0)
        wrong = (outside & ~unclear) | other
    if not wrong.any():
        return None
    at = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(wrong)))
    f, e = np.atleast_1d(found)[at], np.atleast_1d(exact)[at]
    return f"at {at} is {f!r}, not {e!r}"
