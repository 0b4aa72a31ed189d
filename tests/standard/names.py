"""Every name of the standard: functions and methods with their signatures, dtypes, constants.

A signature of ours conforms when every call that the standard allows is one of ours too: its
positional-only parameters are taken by position, its keyword-only ones by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import wgrad as wg

CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)
ATTRIBUTES = ("device", "dtype", "mT", "ndim", "shape", "size", "T")
OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and", "or", "xor", "lshift", "rshift"),
)
UNARY_METHODS = (
    *("abs", "neg", "pos", "invert", "bool", "complex", "float", "index", "int"),
    "dlpack_device",
)
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")

_UNARY = """
    abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag
    isfinite isinf isnan log log1p log2 log10 logical_not negative positive real reciprocal round
    sign signbit sin sinh sqrt square tan tanh trunc matrix_transpose nonzero unique_all
    unique_counts unique_inverse unique_values
"""
_BINARY = """
    add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign
    divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and
    logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract
    matmul
"""
_OTHERS = """
    __array_namespace_info__()
    arange(start, /, stop=None, step=1, *, dtype=None, device=None)
    asarray(obj, /, *, dtype=None, device=None, copy=None)
    empty(shape, *, dtype=None, device=None)
    empty_like(x, /, *, dtype=None, device=None)
    eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)
    from_dlpack(x, /, *, device=None, copy=None)
    full(shape, fill_value, *, dtype=None, device=None)
    full_like(x, /, fill_value, *, dtype=None, device=None)
    linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True)
    meshgrid(*arrays, indexing="xy")
    ones(shape, *, dtype=None, device=None)
    ones_like(x, /, *, dtype=None, device=None)
    tril(x, /, *, k=0)
    triu(x, /, *, k=0)
    zeros(shape, *, dtype=None, device=None)
    zeros_like(x, /, *, dtype=None, device=None)
    astype(x, dtype, /, *, copy=True, device=None)
    can_cast(from_, to, /)
    finfo(type, /)
    iinfo(type, /)
    isdtype(dtype, kind)
    result_type(*arrays_and_dtypes)
    clip(x, /, min=None, max=None)
    take(x, indices, /, *, axis=None)
    take_along_axis(x, indices, /, *, axis=-1)
    tensordot(x1, x2, /, *, axes=2)
    vecdot(x1, x2, /, *, axis=-1)
    broadcast_arrays(*arrays)
    broadcast_to(x, /, shape)
    concat(arrays, /, *, axis=0)
    expand_dims(x, /, axis)
    flip(x, /, *, axis=None)
    moveaxis(x, source, destination, /)
    permute_dims(x, /, axes)
    repeat(x, repeats, /, *, axis=None)
    reshape(x, /, shape, *, copy=None)
    roll(x, /, shift, *, axis=None)
    squeeze(x, /, axis)
    stack(arrays, /, *, axis=0)
    tile(x, repetitions, /)
    unstack(x, /, *, axis=0)
    argmax(x, /, *, axis=None, keepdims=False)
    argmin(x, /, *, axis=None, keepdims=False)
    count_nonzero(x, /, *, axis=None, keepdims=False)
    searchsorted(x1, x2, /, *, side="left", sorter=None)
    where(condition, x1, x2, /)
    argsort(x, /, *, axis=-1, descending=False, stable=True)
    sort(x, /, *, axis=-1, descending=False, stable=True)
    cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)
    cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)
    max(x, /, *, axis=None, keepdims=False)
    mean(x, /, *, axis=None, keepdims=False)
    min(x, /, *, axis=None, keepdims=False)
    prod(x, /, *, axis=None, dtype=None, keepdims=False)
    std(x, /, *, axis=None, correction=0.0, keepdims=False)
    sum(x, /, *, axis=None, dtype=None, keepdims=False)
    var(x, /, *, axis=None, correction=0.0, keepdims=False)
    all(x, /, *, axis=None, keepdims=False)
    any(x, /, *, axis=None, keepdims=False)
    diff(x, /, *, axis=-1, n=1, prepend=None, append=None)
"""
_LINALG = """
    cholesky(x, /, *, upper=False)
    cross(x1, x2, /, *, axis=-1)
    det(x, /)
    diagonal(x, /, *, offset=0)
    eigh(x, /)
    eigvalsh(x, /)
    inv(x, /)
    matmul(x1, x2, /)
    matrix_norm(x, /, *, keepdims=False, ord="fro")
    matrix_power(x, n, /)
    matrix_rank(x, /, *, rtol=None)
    matrix_transpose(x, /)
    outer(x1, x2, /)
    pinv(x, /, *, rtol=None)
    qr(x, /, *, mode="reduced")
    slogdet(x, /)
    solve(x1, x2, /)
    svd(x, /, *, full_matrices=True)
    svdvals(x, /)
    tensordot(x1, x2, /, *, axes=2)
    trace(x, /, *, offset=0, dtype=None)
    vecdot(x1, x2, /, *, axis=-1)
    vector_norm(x, /, *, axis=None, keepdims=False, ord=2)
"""
_FFT = """
    fft(x, /, *, n=None, axis=-1, norm="backward")
    ifft(x, /, *, n=None, axis=-1, norm="backward")
    fftn(x, /, *, s=None, axes=None, norm="backward")
    ifftn(x, /, *, s=None, axes=None, norm="backward")
    rfft(x, /, *, n=None, axis=-1, norm="backward")
    irfft(x, /, *, n=None, axis=-1, norm="backward")
    rfftn(x, /, *, s=None, axes=None, norm="backward")
    irfftn(x, /, *, s=None, axes=None, norm="backward")
    hfft(x, /, *, n=None, axis=-1, norm="backward")
    ihfft(x, /, *, n=None, axis=-1, norm="backward")
    fftfreq(n, /, *, d=1.0, dtype=None, device=None)
    rfftfreq(n, /, *, d=1.0, dtype=None, device=None)
    fftshift(x, /, *, axes=None)
    ifftshift(x, /, *, axes=None)
"""
_METHODS = """
    __array_namespace__(*, api_version=None)
    __dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None)
    __getitem__(key, /)
    __setitem__(key, value, /)
    to_device(device, /, *, stream=None)
"""
_INFO = """
    capabilities()
    default_device()
    default_dtypes(*, device=None)
    devices()
    dtypes(*, device=None, kind=None)
"""


def _signatures() -> dict[str, inspect.Signature]:
    """Return the signature of every function, of methods without `self`."""
    lines = [f"{name}(x, /)" for name in _UNARY.split()]
    lines += [f"{name}(x1, x2, /)" for name in _BINARY.split()]
    lines += _OTHERS.strip().split("\n")
    lines += [f"linalg.{line.strip()}" for line in _LINALG.strip().split("\n")]
    lines += [f"fft.{line.strip()}" for line in _FFT.strip().split("\n")]
    lines += [f"Tensor.{line.strip()}" for line in _METHODS.strip().split("\n")]
    lines += [f"Tensor.__{name}__()" for name in UNARY_METHODS]
    both = [f"{side}{name}" for name in OPERATORS for side in ("", "r")]
    lines += [f"Tensor.__{name}__(other, /)" for name in (*both, *COMPARISONS)]
    lines += [f"info.{line.strip()}" for line in _INFO.strip().split("\n")]
    made = {}
    for line in lines:
        name, _, parameters = line.strip().partition("(")
        made[name] = inspect.signature(eval(f"lambda {parameters[:-1]}: None"))
    return made


SIGNATURES = _signatures()
CLAIMS = {*SIGNATURES, *CONSTANTS, *(f"Tensor.{name}" for name in ATTRIBUTES), *DTYPES}


def _ours(name: str) -> Any:
    home, _, attribute = name.rpartition(".")
    if home == "Tensor":
        return getattr(wg.tensor(1.0, device="numpy"), attribute)
    if home == "info":
        return getattr(wg.__array_namespace_info__(), attribute)
    return getattr(getattr(wg, home) if home else wg, attribute)


def _check_signature(theirs: inspect.Signature, function: Any) -> None:
    ours = list(inspect.signature(function).parameters.values())
    by_name = {p.name: p for p in ours}
    needed = {p.name for p in ours if p.default is p.empty and "VAR" not in p.kind.name}
    placed = [p for p in ours if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in ours)
    for place, p in enumerate(theirs.parameters.values()):
        mine = by_name.get(p.name)
        if p.kind is p.VAR_POSITIONAL:
            assert variadic, f"no *{p.name}"
            continue
        if p.kind is p.POSITIONAL_ONLY:
            mine = placed[place] if place < len(placed) else None
            if mine is None and variadic:
                continue
            assert mine is not None and mine.name == p.name, f"{p.name} is called otherwise"
        assert mine is not None, f"no parameter {p.name}"
        if p.kind is p.POSITIONAL_OR_KEYWORD:
            assert placed[place : place + 1] == [mine], f"{p.name} is not at place {place}"
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            assert mine.kind is not p.POSITIONAL_ONLY, f"{p.name} is not taken by name"
        if p.default is not p.empty:
            assert mine.default is not p.empty, f"{p.name} has no default"
            if p.default is not None:  # None stands for a default that may be spelled out
                assert mine.default == p.default, f"{p.name} is {mine.default!r} by default"
        needed.discard(mine.name)
    assert not needed, f"{sorted(needed)} are needed, and the standard does not know them"


def verdicts() -> Iterator[tuple[str, Any]]:
    """Yield every name with the check that it is there, and what it should be."""

    def constant(name: str) -> None:
        import math

        mine, right = getattr(wg, name), None if name == "newaxis" else getattr(math, name)
        assert mine == right or (mine != mine and right != right)

    def dtype(name: str) -> None:
        found = getattr(wg, name)
        assert found == wg.__array_namespace_info__().dtypes(device="numpy")[name]

    for name in CONSTANTS:
        yield name, lambda name=name: constant(name)
    for name in DTYPES:
        yield name, lambda name=name: dtype(name)
    for name in ATTRIBUTES:
        matrix = wg.zeros((2, 3), device="numpy")
        yield f"Tensor.{name}", lambda name=name, matrix=matrix: getattr(matrix, name)
    for name, theirs in SIGNATURES.items():
        yield name, lambda name=name, theirs=theirs: _check_signature(theirs, _ours(name))
