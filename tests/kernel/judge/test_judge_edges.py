"""WGSL's rules at the edges: devices give what the language says, and what the twin gives.

Integers wrap, a division by 0 gives the dividend and its rest 0, shifts take the low five bits of
their count, and floats that no integer holds become the nearest that does. A NaN or an infinity
that is made of the inputs comes out where the arithmetic is the text's own.
"""

from __future__ import annotations

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.base import Device

NAN, INF = np.nan, np.inf
LEAST, MOST = -(2**31), 2**31 - 1
I32, U32, F32 = np.int32, np.uint32, np.float32

# The text of a result, its type, what x and y are, and what is to come. x and y are parameters,
# so that no compiler computes it.
EDGES = [
    ("x + y", I32, [MOST, LEAST, -1], [1, -1, 1], [LEAST, MOST, 0]),
    ("x - y", I32, [LEAST, 0, MOST], [1, LEAST, -1], [MOST, LEAST, LEAST]),
    ("x * y", I32, [MOST, LEAST, 65536], [2, -1, 65536], [-2, LEAST, 0]),
    ("-x", I32, [LEAST, MOST, 0], [0, 0, 0], [LEAST, -MOST, 0]),
    ("abs(x)", I32, [LEAST, -1, MOST], [0, 0, 0], [LEAST, 1, MOST]),
    ("x / y", I32, [7, LEAST, -7], [0, -1, 2], [7, LEAST, -3]),
    ("x % y", I32, [7, LEAST, -7], [0, -1, 2], [0, 0, -1]),
    ("x << u32(y)", I32, [1, 1, -1], [31, 32, 33], [LEAST, 1, -2]),
    ("x >> u32(y)", I32, [LEAST, LEAST, -8], [31, 32, 34], [-1, LEAST, -2]),
    ("clamp(x, y, 3)", I32, [5, -5, 0], [0, 0, 9], [3, 0, 3]),
    ("x + y", U32, [2**32 - 1, 0, 5], [1, 0, 2**32 - 5], [0, 0, 0]),
    ("x - y", U32, [0, 1, 5], [1, 2, 5], [2**32 - 1, 2**32 - 1, 0]),
    ("x * y", U32, [2**31, 65537, 3], [2, 65537, 0], [0, 131073, 0]),
    ("x / y", U32, [7, 2**32 - 1, 0], [0, 2, 0], [7, MOST, 0]),
    ("x % y", U32, [7, 2**32 - 1, 0], [0, 10, 0], [0, 5, 0]),
    ("x >> y", U32, [2**31, 2**31, 6], [31, 32, 33], [1, 2**31, 3]),
    ("countLeadingZeros(x) + y", U32, [0, 1, 2**31], [0, 0, 0], [32, 31, 0]),
    ("firstLeadingBit(x)", U32, [0, 1, 2**31], [0, 0, 0], [2**32 - 1, 0, 31]),
    ("extractBits(x, y, 40u)", U32, [255, 255, 255], [4, 32, 99], [15, 0, 0]),
    ("f32(i32(x)) + y", F32, [3e9, -3e9, -1.9], [0, 0, 0], [2147483520, LEAST, -1]),
    ("f32(u32(x)) + y", F32, [-5.0, 5e9, 2.9], [0, 0, 0], [0, 4294967040, 2]),
    ("f32(i32(x)) + y", F32, [INF, -INF, 0.5], [0, 0, 0], [2147483520, LEAST, 0]),
    ("x / y", F32, [1.0, -1.0, 1.0], [0.0, 0.0, -INF], [INF, -INF, -0.0]),
    ("x * y", F32, [1e38, -0.0, INF], [10.0, 2.0, -1.0], [INF, -0.0, -INF]),
    ("x + y", F32, [INF, -0.0, 1.0], [1.0, -0.0, -INF], [INF, -0.0, -INF]),
    ("x * y", F32, [NAN, 1.0, INF], [1.0, NAN, 0.0], [NAN, NAN, NAN]),
    ("-x", F32, [0.0, -0.0, INF], [0, 0, 0], [-0.0, 0.0, -INF]),
    ("sqrt(x) + y", F32, [INF, 0.0, 4.0], [0, 0, 0], [INF, 0.0, 2.0]),
    ("exp(x) + y", F32, [-INF, 100.0, 0.0], [0, 0, 0], [0.0, INF, 1.0]),
    ("log(x) + y", F32, [0.0, INF, 1.0], [0, 0, 0], [-INF, INF, 0.0]),
    ("round(x) + y", F32, [0.5, 1.5, -2.5], [0, 0, 0], [0.0, 2.0, -2.0]),
    ("x % y", F32, [5.5, -5.5, 5.5], [2.0, 2.0, -2.0], [1.5, -1.5, 1.5]),
    ("sign(x) + y", F32, [-INF, 0.0, INF], [0, 0, 0], [-1.0, 0.0, 1.0]),
    ("select(1.0, x / y, y != 0.0)", F32, [1.0, 2.0, 0.0], [0.0, 4.0, 0.0], [1.0, 0.5, 1.0]),
]
TYPES = {I32: "i32", U32: "u32", F32: "f32"}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_devices_do_what_wgsl_says_at_the_edges(compiled: bool, device: Device) -> None:
    ops = []
    for value, kind, *_ in EDGES:
        t = TYPES[kind]
        ops.append(wg.kernel.elementwise(f"fn f(x: {t}, y: {t}) -> {t} {{ return {value}; }}"))
    given = [tuple(wg.tensor(np.array(v, kind)) for v in (x, y)) for _, kind, x, y, _ in EDGES]

    def all_of_them(given: list) -> list:
        return [op(*x) for op, x in zip(ops, given, strict=True)]

    f = wg.compile(all_of_them) if compiled else all_of_them
    f(given)
    faults = []
    for (value, kind, x, y, right), found in zip(EDGES, f(given), strict=True):
        wanted, got = np.array(right, kind), found.numpy()
        same = np.array_equal(wanted, got, equal_nan=kind is F32)
        if kind is F32:
            zeros = (wanted == 0) & (got == 0)
            same = same and np.array_equal(np.signbit(wanted[zeros]), np.signbit(got[zeros]))
        if not same:
            faults.append(f"{value} of {TYPES[kind]} {x}, {y}: {got} instead of {wanted}")
    assert not faults, "\n".join(faults)


def test_slopes_that_are_infinite_count_nothing_where_nothing_depends_on_them(
    device: Device,
) -> None:
    text = """fn f(x: f32, y: f32) -> f32 {
        if x <= 0.0 { return y * y; }
        return select(sqrt(x), sqrt(x - 1.0), x > 1.0) + length(vec2f(y, 0.0)) + pow(x, y);
    }"""
    f = wg.kernel.elementwise(text)
    x, y = wg.tensor([0.0, -1.0, 1.0, 4.0]), wg.tensor([3.0, 0.0, 0.0, 2.0])
    by_x, by_y = wg.grad(lambda x, y: f(x, y).sum(), (0, 1))(x, y)
    np.testing.assert_allclose(by_x.numpy(), [0, 0, 0.5, 0.5 / 3**0.5 + 8], rtol=1e-5)
    np.testing.assert_allclose(by_y.numpy(), [6, 0, 0, 1 + 16 * np.log(4)], rtol=1e-5, atol=1e-6)
