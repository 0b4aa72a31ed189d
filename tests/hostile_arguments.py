"""Things that no one should give a function, and those that it wants, by parameters' names."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

import wgrad as wg
from wgrad import nn

try:
    import torch
except ImportError:
    torch = None

Make = Callable[[np.random.Generator], Any]


class MineError(Exception):
    """What the things below raise of their own accord, where nothing says what to raise."""


class Evil:
    """An object that answers every question wrongly."""

    def __init__(self, how: str, answer: Any):
        self.how, self.answer = how, answer

    def __repr__(self) -> str:
        return f"<evil {self.how}>"


def evil(how: str, answer: Any) -> Evil:
    """Return an object whose method `how` returns, or raises, an answer."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(answer, type) and issubclass(answer, Exception):
            raise answer("of its own")
        return answer

    return type("Evil", (Evil,), {how: method, "__hash__": object.__hash__})(how, answer)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def nested(depth: int) -> list:
    made: list = [1.0]
    for _ in range(depth):
        made = [made]
    return made


def endless() -> list:
    made: list = []
    made.append(made)
    return made


_ANSWERS = (RuntimeError, ValueError, KeyError, MineError, "a", -1, None, 1 << 70, 2.5)
_METHODS = (
    *("__array__", "__index__", "__float__", "__int__", "__len__", "__bool__", "__eq__"),
    *("__getattr__", "__iter__", "__dlpack__", "__call__", "__hash__", "__fspath__"),
)


def _evil(rng: np.random.Generator) -> Any:
    how = _METHODS[rng.integers(len(_METHODS))]
    return evil(how, _ANSWERS[rng.integers(len(_ANSWERS))])


def _outside(rng: np.random.Generator) -> Any:
    if torch is None:
        return object()
    kind = rng.integers(5)
    if kind < 3:
        shape = [(2, 3), (), (0,)][kind]
        return torch.nn.Parameter(torch.zeros(shape))
    return torch.zeros(2, 3).to(torch.bfloat16) if kind == 3 else torch.zeros(2, dtype=torch.int64)


PLAIN: list[Make] = [
    lambda rng: rng.choice([None, "", "a", "sum", "mean", "axis", "numpy", "cuda:0", "\0"]),
    lambda rng: [b"x", bytearray(8), memoryview(b"abc"), 1j, Ellipsis, NotImplemented][
        rng.integers(6)
    ],
    lambda rng: [0, 1, -1, 2, 7, -9, 10**6, 2**35, -(2**31), 2**63, -(2**63), 10**12, 10**400][
        rng.integers(13)
    ],
    lambda rng: [0.0, -0.0, 2.5, 1e308, -1e-320, float("nan"), float("inf"), -float("inf")][
        rng.integers(8)
    ],
    lambda rng: [True, False][rng.integers(2)],
    lambda rng: [range(10**12), range(0), range(3), range(4 * 10**6)][rng.integers(4)],
    lambda rng: nested(int(rng.choice([2, 40, 70, 900, 5000]))),
    lambda rng: [endless(), [[1, 2], [3]], [[], [1]], [None], ["a", 1], [1, [2]], [[]], [10**400]][
        rng.integers(8)
    ],
    lambda rng: [{1, 2}, {"a": 1}, {}, frozenset(), set(), {1: {2: 3}}][rng.integers(6)],
    lambda rng: (i for i in range(3)),
    lambda rng: [(), (0,), (-1,), (2, 3), (2**40, 2**40), (1,) * 70, (0, 1, 0), (1.5,), ("a",)][
        rng.integers(9)
    ],
    lambda rng: [object(), Unprintable(), lambda *a, **k: 0, print, int, types, slice(2)][
        rng.integers(7)
    ],
    lambda rng: mock.MagicMock(),
    _evil,
    _evil,
    _outside,
    lambda rng: [np.zeros(0), np.zeros((0, 3), bool), np.array(1), np.zeros((2, 3))[:, ::-1]][
        rng.integers(4)
    ],
    lambda rng: [
        np.array(["a"]), np.array([None, 1]), np.datetime64("2020-01-01"), np.zeros(2, ">f4"),
        np.zeros(2, complex), np.zeros(2, [("a", int)]), np.float32(1.5), np.uint8(3), np.bool_(1),
        np.array([np.nan, 1e300]), np.ma.masked_array([1.0, 2.0], [0, 1]), np.array([2**63 - 1]),
    ][rng.integers(12)],
    lambda rng: [nn.Linear(2, 2, seed=0), nn.ReLU(), wg.float32, wg.device("numpy"), wg.add, wg.nn][
        rng.integers(6)
    ],
]  # fmt: skip

TENSORS: list[Make] = [
    lambda rng: wg.tensor(rng.normal(size=(2, 3))),
    lambda rng: wg.tensor(rng.normal(size=(3,))),
    lambda rng: wg.tensor(rng.normal(size=(3, 3))),
    lambda rng: wg.tensor(rng.normal(size=(1, 2, 4, 4))),
    lambda rng: wg.tensor(rng.integers(0, 3, (2, 3))),
    lambda rng: wg.parameter(rng.normal(size=(2, 3))),
    lambda rng: wg.parameter(rng.normal(size=(2, 3))) * 2,
]
ODD_TENSORS: list[Make] = [
    lambda rng: wg.zeros((0, 3)),
    lambda rng: wg.tensor(2.0),
    lambda rng: wg.tensor([True, False, True]),
    lambda rng: wg.tensor([1, 2], dtype="uint32"),
    lambda rng: wg.broadcast_to(wg.tensor([1.0, 2.0, 3.0]), (2, 3)),
    lambda rng: wg.tensor([[np.nan, np.inf, -np.inf], [0.0, -0.0, 3e38]]),
    lambda rng: wg.tensor([1.0, 2.0], device="numpy"),
    lambda rng: wg.tensor([1.0, 2.0], device="numpy", dtype="float64"),
    lambda rng: wg.tensor([[-1, 5], [2**31 - 1, -(2**31)]]),
    lambda rng: [wg.tensor(1.0), wg.parameter([1.0]), 2][: rng.integers(1, 4)],
]

SMALL = (0, 1, -1, 2, None)
GOOD: dict[str, Make] = {
    "axis": lambda rng: SMALL[rng.integers(5)],
    "dtype": lambda rng: ["float32", "int32", "bool", "uint32", None, float, int][rng.integers(7)],
    "device": lambda rng: None,
    "shape": lambda rng: [(2, 3), (6,), 4, (), (0, 2), (-1,)][rng.integers(6)],
    "reduction": lambda rng: rng.choice(["mean", "sum", "none"]),
    "mode": lambda rng: rng.choice(["nearest", "bilinear", "constant", "reflect", "auto"]),
    "indices": lambda rng: wg.tensor(rng.integers(0, 2, (2, 3))),
    "generator": lambda rng: wg.Generator(int(rng.integers(9))),
    "equation": lambda rng: "ij,jk->ik",
    "f": lambda rng: [lambda *a: (a[0] * a[0]).sum(), lambda *a: a[0].sin()][rng.integers(2)],
}
GOOD |= {
    "dataset": lambda rng: wg.data.TensorDataset(wg.zeros((5, 3)), wg.arange(5)),
    "data_source": lambda rng: range(5),
    "sampler": lambda rng: wg.data.SequentialSampler(range(5)),
    "indices_or_sections": lambda rng: 2,
    "datasets": lambda rng: [range(3), range(4)],
    "num_samples": lambda rng: int(rng.integers(1, 9)),
    "optimizer": lambda rng: wg.optim.SGD([wg.parameter([1.0])], lr=0.1),
    "model": lambda rng: nn.Linear(3, 2, seed=0),
    "loader": lambda rng: [(wg.ones((2, 3)), wg.zeros((2, 2)))],
    "loss": lambda rng: nn.functional.mse_loss,
    "transforms": lambda rng: [wg.data.transforms.CenterCrop(2)],
    "path": lambda rng: ["file.npy", "file.onnx", "file.csv", "."][rng.integers(4)],
    "milestones": lambda rng: [1, 3],
    "lr_lambda": lambda rng: lambda epoch: 0.9**epoch,
    "weights": lambda rng: [0.1, 0.5, 2.0],
    "base_distribution": lambda rng: wg.distributions.Normal(wg.zeros(3), wg.ones(3)),
}
GOOD["module"] = GOOD["model"]
GOOD["where"] = lambda rng: "somewhere"
GOOD["p"] = lambda rng: [
    wg.distributions.Normal(0.0, 1.0), wg.distributions.Uniform(0.0, 1.0), 0.5,
][rng.integers(3)]  # fmt: skip
GOOD["q"] = GOOD["p"]
GOOD["function"] = GOOD["forward"] = GOOD["f"]
GOOD["target"] = GOOD["indices"]


def hostile(rng: np.random.Generator) -> Any:
    """Return something that a function does not want."""
    pool = ODD_TENSORS if rng.random() < 0.25 else PLAIN
    return pool[rng.integers(len(pool))](rng)


def good(rng: np.random.Generator, name: str, default: Any, note: str) -> Any:
    """Return something that a parameter may want."""
    if name in GOOD:
        return GOOD[name](rng)
    if isinstance(default, (bool, str)) or (default is None and rng.random() < 0.5):
        return default
    if isinstance(default, float) or "float" in str(note):
        return float(rng.uniform(0, 1))
    if isinstance(default, int) or "int" in str(note):
        return int(rng.integers(0, 4))
    return TENSORS[rng.integers(len(TENSORS))](rng)


def snapshot(x: Any) -> Any:
    """Return what a tensor or an array holds, or None."""
    if isinstance(x, (wg.Tensor, np.ndarray)) and x.size < 1000:
        with contextlib.suppress(Exception):
            data = x.numpy() if isinstance(x, wg.Tensor) else x
            return data.shape, data.dtype, data.tobytes()
    return None
