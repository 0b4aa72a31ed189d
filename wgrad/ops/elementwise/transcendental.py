"""Powers, exponentials, logarithms and the error function."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import REGISTRY, Value, apply
from .. import accuracy
from ..accuracy import Accuracy
from ..families import with_dtype
from .arithmetic import abs_, clamp, weighted
from .declare import elementwise
from .logic import equal, greater_equal, isinf, less, logical_and, logical_not, where

_FLAT = 1e-15  # an exponent below which a**b is 1, for all that its slope shows


def _power_base(a: Any, b: Any) -> Any:
    """d(a**b)/da = b a**(b-1), which is 0 where b is 0, also where a is 0, subnormal or NaN.

    Where b is almost 0 it is b / a, for a**(b-1) may be infinite.
    """
    if isinstance(b, (int, float)):
        if abs(b) >= _FLAT:
            return b * power(a, b - 1)
        return where(greater_equal(a, 0), b / a, math.nan) if b else 0
    # 1 / a is no number there, and b times it would be NaN, its slope too: no a is asked for it.
    least = float(np.finfo(b.dtype.numpy).tiny)
    flat = logical_and(equal(b, 0), logical_not(greater_equal(abs_(a), least)))
    base = where(flat, 1.0, a)
    almost = logical_and(less(abs_(b), _FLAT), greater_equal(base, 0))
    slope = where(almost, b / base, b * power(base, where(flat, 1.0, b - 1)))
    return where(flat, 0.0, slope)


def _power_exponent(out: Any, a: Any) -> Any:
    """d(a**b)/db = a**b log a, which is 0 where a**b is 0, and at 0 ** 0, as in PyTorch."""
    if isinstance(a, (int, float)) and a:
        return weighted(out, math.log(a) if a > 0 else math.nan)
    slope = -math.inf if isinstance(a, (int, float)) else log(a)
    unit = logical_and(equal(a, 0), equal(out, 1)) if isinstance(a, Value) else equal(out, 1)
    return weighted(out, with_dtype(where(unit, 0.0, slope), out.dtype))


def _power(a: Any, b: Any) -> Any:
    """a ** b; NumPy takes roots for it where b is 0.5 all along a row, also of -inf and -0.0."""
    with contextlib.suppress(TypeError):  # b is no number
        if float(b) != 0.5:
            return np.power(a, b)
    roots = np.equal(b, 0.5)
    if isinstance(roots, np.ndarray) and not roots.any():
        return np.power(a, b)
    signed = np.logical_and(roots, np.logical_or(np.equal(a, 0), np.equal(a, -np.inf)))
    return np.power(np.where(signed, np.absolute(a), a), b)


power = elementwise(
    "pow",
    wgsl=lambda *dtypes: {"int32": "int_pow(a, b)", "uint32": "uint_pow(a, b)"}.get(
        dtypes[0].name, "real_pow(a, b)"
    ),
    numpy=_power,
    partials=(_power_base, _power_exponent),
    kind="number",
    ulp=Accuracy(8, more=accuracy.powers),
    doc="a ** b; (-3) ** 2 is 9, 0 ** 0 is 1, a negative base with a fractional exponent is NaN.",
)

exp = elementwise(
    "exp",
    wgsl="real_exp(a)",
    numpy=np.exp,
    partials=(lambda out: out,),
    ulp=Accuracy(4, points=(88.72284, -87.33655, -103.97, 0.3465736)),
    doc="e ** a.",
    example="""
    >>> x = wg.tensor([0.0, 1.0], requires_grad=True)
    >>> y = wg.exp(x)
    >>> y.sum().backward()
    >>> x.grad.tolist() == y.tolist()  # its slope is its value
    True
    """,
)
exp2 = elementwise(
    "exp2",
    wgsl="real_exp2(a)",
    numpy=np.exp2,
    partials=(lambda out: math.log(2) * out,),
    ulp=Accuracy(4, points=(128, -126, -149, 0.5)),
    doc="2 ** a, exact for integers.",
)
expm1 = elementwise(
    "expm1",
    wgsl="real_expm1(a)",
    numpy=np.expm1,
    partials=(lambda a: exp(a),),
    ulp=Accuracy(4, points=(88.72284, -17, 1e-8, 0.3465736)),
    doc="e ** a - 1, which keeps its digits where a is near 0.",
    example="""
    >>> tiny = wg.tensor(1e-8)
    >>> wg.expm1(tiny), wg.exp(tiny) - 1
    (tensor(1.e-08), tensor(0.))
    """,
)
log = elementwise(
    "log",
    wgsl="real_log(a)",
    numpy=np.log,
    partials=(lambda a: 1 / a,),
    ulp=Accuracy(4, points=(1, 2**-0.5, 2**0.5)),
    doc="The natural logarithm; log(0) is -inf, of a negative number NaN.",
    example="""
    >>> wg.log(wg.tensor([1.0, 0.0, -1.0]))
    tensor([  0., -inf,  nan])
    """,
)
log1p = elementwise(
    "log1p",
    wgsl="real_log1p(a)",
    numpy=np.log1p,
    partials=(lambda a: 1 / (1 + a),),
    ulp=Accuracy(4, points=(-1, 0.25, -0.25, 2**0.5 - 1, 1e-8, 2.0**24)),
    doc="log(1 + a), which keeps its digits where a is near 0.",
    example="""
    >>> tiny = wg.tensor(1e-8)
    >>> wg.log1p(tiny), wg.log(1 + tiny)  # 1 + 1e-8 is 1 in float32
    (tensor(1.e-08), tensor(0.))
    """,
)
log2 = elementwise(
    "log2",
    wgsl="real_log2(a)",
    numpy=np.log2,
    partials=(lambda a: (1 / math.log(2)) / a,),
    ulp=Accuracy(4, points=(1, 2**-0.5, 2**0.5)),
    doc="The logarithm to base 2, exact for powers of 2.",
    example="""
    >>> wg.log2(wg.tensor([1.0, 8.0, 0.25]))
    tensor([ 0.,  3., -2.])
    """,
)
log10 = elementwise(
    "log10",
    wgsl="real_log10(a)",
    numpy=np.log10,
    partials=(lambda a: (1 / math.log(10)) / a,),
    ulp=Accuracy(4, points=(1, 2**-0.5, 10)),
    doc="The logarithm to base 10.",
)


def _share(a: Any, b: Any) -> Any:
    """e**a / (e**a + e**b), a half where both are the same infinity."""
    level = logical_and(equal(a, b), isinf(a))
    return apply(REGISTRY["sigmoid"], where(level, 0.0, a - b))  # which is declared after this


logaddexp = elementwise(
    "logaddexp",
    wgsl="real_logaddexp(a, b)",
    numpy=np.logaddexp,
    partials=(_share, lambda a, b: _share(b, a)),
    ulp=Accuracy(4, points=(0.6931472, 1), terms=2),
    doc="log(e ** a + e ** b); never overflows.",
)
sqrt = elementwise(
    "sqrt",
    wgsl="sqrt(a)",
    numpy=np.sqrt,
    partials=(lambda out: 0.5 / out,),
    ulp=4,
    doc="The square root; its slope at 0 is infinite.",
    example="""
    >>> wg.sqrt(wg.tensor([4.0, 2.25]))
    tensor([2. , 1.5])
    """,
)

# erf(x) / x over [0, 1] as a polynomial in x ** 2, to 8e-18.
_INNER = (
    -7.795898827002142e-10, 1.3720064546777686e-08, -1.6208483801871705e-07,
    1.6447424703317362e-06, -1.492473690741966e-05, 0.00012055294904839707,
    -0.0008548325975389692, 0.0052239776071164225, -0.02686617064323777,
    0.11283791670945006, -0.37612638903183543, 1.1283791670955126,
)  # fmt: skip
# e ** (x ** 2) (1 - erf(x)) (x + 2) over [1, 28] as a polynomial in (x - 1.5) / (x + 2), to 3e-15.
_OUTER = (
    1.2800518183487838e-05, -8.857484447990382e-05, 0.00023675332772870876,
    -0.0003014676936256987, 0.00021479667658165776, -0.00017490084514207484,
    4.81432456370283e-05, 0.0002085994172065501, 0.000279409719007157,
    -0.0004128697721456424, -0.0017296145311059712, -0.000252885759635419,
    0.00791485940333078, 0.006978419839546768, -0.04286462089012298,
    -0.0343597441861483, 0.3817633069462212, -0.8788317846337708, 1.1255489575901103,
)  # fmt: skip


_BLOCK = 1 << 14  # elements: what is made of so many on the way stays in a cache


def by_blocks(function: Callable[[np.ndarray], Any], a: np.ndarray) -> np.ndarray:
    """Return what a function makes of an array's elements, block by block, in its dtype."""
    flat = a.reshape(-1)
    if flat.size <= _BLOCK:
        return np.asarray(function(flat)).astype(a.dtype, copy=False).reshape(a.shape)
    out = np.empty_like(flat)
    for i in range(0, flat.size, _BLOCK):
        out[i : i + _BLOCK] = function(flat[i : i + _BLOCK])
    return out.reshape(a.shape)


def polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """Return a polynomial of an array, from its leading coefficient on."""
    first, second, *others = coefficients
    total = x * first
    total += second
    for c in others:  # in place: most of the time would go into making arrays
        total *= x
        total += c
    return total


def signs(a: np.ndarray) -> np.ndarray:
    """Return the sign bits of float32 numbers."""
    return a.view(np.int32) & np.int32(-(1 << 31))


def with_signs(x: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Set sign bits, in place, of float32 numbers that have none or the same."""
    whole = x.view(np.int32)
    whole |= bits
    return x


def _erf_parts(x: Any, far: Any) -> tuple[Any, Any]:
    """erf(x) as if x were in [0, 1], and 1 - erf(x), also where tiny, of those that are `far`."""
    near = np.minimum(x, 1)
    inner = x * polynomial(_INNER, near * near)
    out = np.minimum(x[far], 28)  # from where on it is 0
    head = out.astype(np.float32).astype(np.float64)  # whose square is exact
    slow = polynomial(_OUTER, (out - 1.5) / (out + 2)) / (out + 2)
    return np.asarray(inner), np.exp(-head * head) * (np.exp((head - out) * (head + out)) * slow)


def erfc_of_positive(x: Any) -> Any:
    """1 - erf(x) for float64 x of at least 0, with all its digits."""
    far = x > 1
    inner, tail = _erf_parts(x, far)
    value = np.asarray(1 - inner)
    value[far] = tail
    return value


def bell_of(t: np.ndarray, scale: float) -> np.ndarray:
    """e ** (-scale * t ** 2) of float32 numbers, scale being 0.5 or 1, with all its digits.

    The number is cut in two, so that what is squared is exact.
    """
    head = (t.view(np.int32) & -4096).view(np.float32)
    value = head * head
    value *= -scale
    np.exp(value, out=value)
    rest = t - head
    head += t
    rest *= head
    rest *= -scale
    value *= np.exp(rest, out=rest)
    return value


# The same in float32: erf(x) / x - 1 over [0, 1] as a polynomial in x ** 2, and E over [1, 4] with
# 1 - erf(x) = e ** -E, as one in x.
_NARROW_INNER = (
    -5.6314189e-4, 0.00491755083, -0.0267113112, 0.112801798, -0.37612325, 0.128379107,
)  # fmt: skip
_NARROW_OUTER = (
    -1.855749e-4, 0.00293961586, -0.0218053516, 0.103037439, 0.638225615, 1.12704003, 3.53708921e-4,
)  # fmt: skip


def _narrow_erf(a: np.ndarray) -> np.ndarray:
    size = np.minimum(np.abs(a), np.float32(4))  # from where on it is 1
    outer = polynomial(_NARROW_OUTER, size)
    np.negative(outer, out=outer)
    np.exp(outer, out=outer)
    np.subtract(1, outer, out=outer)
    near = np.minimum(size, np.float32(1))
    inner = polynomial(_NARROW_INNER, near * near)
    inner *= near
    inner += near
    far = size > 1
    outer *= far
    inner *= ~far
    outer += inner
    return with_signs(outer, signs(a))


def _erf(a: Any) -> Any:
    if isinstance(a, np.ndarray) and a.dtype == np.float32:
        return by_blocks(_narrow_erf, a)
    size = np.abs(a.astype(np.float64))
    far = size > 1
    value, tail = _erf_parts(size, far)
    value[far] = 1 - tail
    return np.copysign(value, a).astype(a.dtype)


def bell(a: Any) -> Any:
    """e ** -(a ** 2), whose own slope at infinity is 0, too."""
    a = clamp(a, -30.0, 30.0)  # where it is 0
    return exp(-(a * a))


erf = elementwise(
    "erf",
    wgsl="real_erf(a)",
    numpy=_erf,
    partials=(lambda a: (2 / math.sqrt(math.pi)) * bell(a),),
    ulp=Accuracy(8, points=(1, 4)),
    doc="The error function: the share of a normal distribution within a * sqrt(2) of its mean.",
    example="""
    >>> wg.erf(wg.tensor([0.0, 10.0]))
    tensor([0., 1.])
    """,
)
