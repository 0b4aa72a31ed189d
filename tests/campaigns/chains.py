"""Random chains of elementwise ops over edge values: compiled they give the bits of eager ones.

A program has several chains, in which values are used again and numbers come up. Whatever one
kernel makes of several ops, on the same device nothing may differ but the sign of NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.ops import REGISTRY
from wgrad.ops.families import Elementwise

SHARE = 3  # new kernels are slow to compile
CHAINS = 6  # of a program
MOST = 5  # ops of a chain
SIZE = 64
EDGES = np.array(
    [0.0, -0.0, 1, -1, 0.5, -0.5, 2, 3, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 2**-126]
    + [3e38, -3e38, 2**24, -(2**24) - 2, 1e10, -1e10, 88, -88, 104, 1e-10, 0.1, -0.3, 1.5]
    + [-2.5, 100, -7, 1e20, -1e20, 1e-20, 1 - 2**-24, 1 + 2**-23, -17.3, 33.3],
    np.float32,
)
WHOLE = np.array([0, 1, -1, 2, 3, -7, 31, 32, 33, 2**31 - 1, -(2**31), 2**30, 12345], np.int32)
LEFT_OUT = {"polygamma", "sinc_ratio", "i0_ratio"}  # which take an order, a number of few values


class Link(NamedTuple):
    """One op, and its operands: an earlier link, an input as ~i, or a number."""

    op: Elementwise
    args: tuple[Any, ...]

    def __str__(self) -> str:
        shown = (
            f"x{~a}" if a < 0 else f"v{a}" if isinstance(a, int) else a.text for a in self.args
        )
        return f"{self.op.name}({', '.join(shown)})"


class Fixed(NamedTuple):
    """A number as an operand."""

    value: float | int

    @property
    def text(self) -> str:
        return repr(self.value)

    def __lt__(self, other: Any) -> bool:
        return False


def takes(op: Elementwise, dtype: wg.DType) -> bool:
    """Whether operands of a dtype will do, the first of a choice aside."""
    one = wg.ones(1, dtype, device="numpy")
    try:
        op.resolve([one > 0 if op.kind == "select" else one, *[one] * (op.arity - 1)])
    except wg.errors.DTypeError:
        return False
    return op.name not in LEFT_OUT and (dtype is wg.float32 or op.name != "pow")


OPS = {
    dtype: [o for o in REGISTRY.values() if isinstance(o, Elementwise) and takes(o, dtype)]
    for dtype in (wg.float32, wg.int32)
}


def chain(rng: np.random.Generator, dtype: wg.DType) -> list[Link]:
    """Return a chain whose every link leads to the last one, as a rule."""
    numbers = EDGES if dtype is wg.float32 else WHOLE
    links: list[Link] = []
    for i in range(int(rng.integers(2, MOST + 1))):
        op = OPS[dtype][int(rng.integers(len(OPS[dtype])))]
        args: list[Any] = []
        for _ in range(op.arity):
            pick = rng.random()
            if pick < 0.25 and i:
                args.append(int(rng.integers(i)))
            elif pick < 0.45 and op.arity > 1 and op.kind != "select":
                args.append(Fixed(numbers[rng.integers(len(numbers))].item()))
            else:
                args.append(~int(rng.integers(3)))
        args[int(rng.integers(op.arity))] = i - 1 if i else ~int(rng.integers(3))
        links.append(Link(op, tuple(args)))
    return links


def values(links: list[Link], inputs: Sequence[wg.Tensor]) -> wg.Tensor:
    """Return the last value of a chain."""
    made: list[wg.Tensor] = []
    for op, args in links:
        operands = [
            a.value if isinstance(a, Fixed) else made[a] if a >= 0 else inputs[~a] for a in args
        ]
        if op.kind == "select":
            operands[0] = operands[0] > 0
        made.append(op(*operands).astype(inputs[0].dtype))
    return made[-1]


def same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return where two arrays have equal bits, or are both NaN."""
    kind = f"u{a.dtype.itemsize}"
    both = np.isnan(a) & np.isnan(b) if a.dtype.kind == "f" else False
    return (a.view(kind) == b.view(kind)) | both


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    dtype = wg.float32 if rng.random() < 0.8 else wg.int32
    pool = EDGES if dtype is wg.float32 else WHOLE
    arrays = [pool[rng.integers(0, len(pool), SIZE)] for _ in range(3)]
    if dtype is wg.float32 and rng.random() < 0.3:
        arrays[0] = rng.standard_normal(SIZE).astype(np.float32) * 3
    inputs = [wg.tensor(a, dtype) for a in arrays]
    chains = [chain(rng, dtype) for _ in range(CHAINS)]
    eager = [values(links, inputs).numpy() for links in chains]
    compiled = wg.compile(lambda *xs: [values(links, xs) for links in chains])
    for links, right, made in zip(chains, eager, compiled(*inputs), strict=True):
        found = made.numpy()
        wrong = ~same(right, found)
        if wrong.any():
            i = int(np.argmax(wrong))
            text = "; ".join(f"v{n} = {link}" for n, link in enumerate(links))
            return (
                f"{text} of {[a[i].item() for a in arrays]} is {found[i]!r} compiled, and eager "
                f"{right[i]!r}, at {int(wrong.sum())} places"
            )
    return None
