"""Compiled functions over Python state that changes between calls, beside the plain functions.

A program is source text: a module of state (numbers, containers, objects, closures, modules,
optimizers, generators, iterators), and a `step` of random statements that read and write it. It is
run twice: as it is, and compiled. Between calls the state is changed in the same random ways, and
after every call the result and all that can be reached are compared, aliases included.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import itertools
import math
import os
import random
import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device

SHARE = 4  # each traces several programs
CALLS = 14

STATE = """
import collections, contextvars, enum, functools, itertools, os, random, threading, types
import numpy as np
import wgrad as wg
from wgrad import nn, optim

class Leaf:
    __slots__ = ("k", "t")
    def __init__(self, k):
        self.k = k

class Base:
    factor = 1.0
    def scaled(self, v):
        return v * self.factor + self.k
    @property
    def double(self):
        return 2 * self.k
    @staticmethod
    def fixed(v):
        return v - 0.5
    def __call__(self, v):
        return self.act(v)

class Thing(Base):
    def __init__(self, k):
        self.k, self.act, self.mode, self.child = k, wg.tanh, "a", Leaf(k)
        self.buf, self.h, self.last = wg.full((3,), 0.5), wg.zeros(3), None
        self.unread, self.items, self.n = [], [1.0, 2.0], 0
    def __repr__(self):
        return "a thing"

class Mark(enum.Enum):
    A = 1
    B = [2.0]
Mark.A.weight = 1.5

class Net(nn.Module):
    gain = 1.0
    def __init__(self):
        self.first, self.rest = nn.Linear(3, 3, seed=1), [wg.relu, nn.Linear(3, 3, seed=2)]
        self.history, self.scale = [], 0.5
    def forward(self, v):
        v = self.first(v) * self.scale
        for part in self.rest:
            v = part(v)
        return v * (2.0 if self.training else self.gain)

G, H, MODE = 1.5, 2, "a"
obj, other = Thing(0.5), Thing(0.25)
table, items, ops = {"a": 1.0, "b": [2.0, 3.0]}, [0.5, 1.0], [wg.tanh, wg.relu]
things, keyed, line = {other}, {other: 0.5}, collections.deque([1.0, 2.0], maxlen=4)
data, octets, flag = np.array([1.0, 2.0]), bytearray([1, 2]), threading.Event()
ctx, mod, names = contextvars.ContextVar("ctx", default=1.0), types.ModuleType("m"), ["k", "G"]
mod.k, mod.act = 1.0, wg.sin
get, part = table.get, functools.partial(wg.maximum, 0.25)
net = Net()
weights = [wg.parameter([0.5, 1.0, -1.0]), wg.parameter([1.0, 2.0, 0.5])]
opt = optim.SGD(weights, lr=0.1, momentum=0.5)
gen, draws, it = wg.Generator(7), np.random.default_rng(5), itertools.count(3)
own = random.Random(4)
kept, registry = [], {}
LAST, k2 = None, 0.5
xs = [wg.full((3,), 0.5), wg.tensor([1.0, -1.0, 2.0])]
ys = [wg.tensor([0.5, -0.5, 1.0]), wg.ones(3)]
long, buffers = wg.arange(8.0) * 0.25, [wg.zeros(3)]

class Sub(Thing):
    factor = 3.0

def helper(v):
    return v * H + len(items)

def chosen(v, k=1.0, *, extra=0.5):
    return v * k + extra

@functools.lru_cache
def cached(n):
    return n * G

def outer(start):
    inner = start
    def read(v):
        return v + inner
    def write(k):
        nonlocal inner
        inner = k
    return read, write

cell, set_cell = outer(0.25)

def doubling(f):
    @functools.wraps(f)
    def run(v):
        return f(v) * obj.k
    return run

@doubling
def wrapped(v):
    return v + G

def generator(v):
    for k in items:
        yield v * k
"""

_STATE = compile(STATE, "<state>", "exec")
READS = [
    "v = v * G",
    "v = v + obj.k",
    "v = v * obj.child.k",
    "v = obj.act(v)",
    "v = ops[0](v) + ops[-1](v)",
    "v = obj(v)",
    "v = obj.scaled(v)",
    "v = v + obj.double",
    "v = obj.fixed(v)",
    "v = v * 2 if obj.mode == 'a' else v - 1",
    "v = v * 2 if MODE == 'a' else v - 1",
    "for k in items: v = v + k",
    "for k in obj.items: v = v * k",
    "v = v + table['a'] + table['b'][0]",
    "v = v * get('a')",
    "v = v * sum(table.get('b'))",
    "v = v + sum(t.k for t in things)",
    "v = v + sum(t.k * w for t, w in keyed.items())",
    "v = v + line[0] - line[-1]",
    "v = v * float(data[0])",
    "v = v + wg.tensor(data.astype('float32'))[0]",
    "v = v + octets[0]",
    "v = v * 3 if flag.is_set() else v",
    "v = v * ctx.get()",
    "v = mod.act(v) * mod.k",
    "v = v + getattr(obj, names[0])",
    "v = v + vars(obj)['k']",
    "v = v + globals()[names[1]]",
    "v = part(v)",
    "v = helper(v)",
    "v = chosen(v)",
    "v = v * cached(2)",
    "v = cell(v)",
    "v = wrapped(v)",
    "for y in generator(v): v = v + y",
    "v = v + sum([w for w in generator(v)])",
    "v = v * Mark.A.weight",
    "v = v * Mark.B.value[0]",
    "v = v * float(os.getenv('WGRAD_STATE', '1'))",
    "v = net(v)",
    "v = v * (2 if net.training else 3)",
    "v = v + weights[0] * weights[1]",
    "v = v + obj.buf",
    "v = v * opt.lr",
    "v = v + wg.rand(3)",
    "v = v * wg.rand(3, generator=gen)",
    "v = v if weights[0].grad is None else v + weights[0].grad.detach()",
    "v = v * len(net.parameters())",
    "v = v + k2",
    "v = v + thing.k",
    "v = v * len(obj.items)",
    "v = wg.where(y > 0, v, v * 0.5)",
    "v = (lambda q: q * G)(v)",
    "v = v * max(items) if hasattr(obj, 'extra') else v",
    "with wg.no_grad(): v = v + weights[0]",
    "v = v + wg.grad(lambda a: (a * a * G).sum())(y)",
    "try:\n        v = v + table['maybe']\n    except KeyError:\n        v = v - 1",
    "match obj:\n        case Thing(k=q): v = v + q",
    "v = v * f'{obj.k}'.count('.')",
    "import math\n    v = v * math.sqrt(abs(H))",
]
# What a replay would not do again, or what nobody can see: it has to be noticed.
WRITES = [
    "obj.last = v.detach()",
    "obj.last = x",
    "obj.last = x.detach()",
    "obj.last = y[1:]",
    "obj.last = [y]",
    "kept.append(v.detach())",
    "kept[:] = [x.detach()]",
    "registry['x'] = x.detach()",
    "registry[obj] = v.detach()",
    "globals()['LAST'] = y.detach()",
    "obj.h = (obj.h + v.detach()) * 0.5",
    "obj.n += 1",
    "obj.n = 3",
    "obj.mode = 'a'",
    "table['n'] = x.shape[0]",
    "obj.extra = 1",
    "line.append(1.0)",
    "v = v + next(it)",
    "v = v * 2 if draws.random() < 0.5 else v",
    "v = v * 2 if random.random() < 0.5 else v",
    "v = v * own.choice([1, 1, 2])",
    "v = v * 2 if np.random.rand() < 0.5 else v",
    "other.act = ops[0]",
    "obj.items = [1.0, 2.0]",
    "things.add(obj)",
]
# What is done to tensors, which a replay does again.
EFFECTS = [
    "obj.buf.assign((obj.buf + v.detach()).tanh())",
    "obj.buf[1:] = v.detach()[:2] * 0.1",
    "y.assign(y * 0.5)",
    "(weights[0] * v).sum().backward()",
    "weights[0].grad = None",
    "weights[1].zero_grad()",
    "opt.zero_grad(); (weights[0] * weights[1] * y).sum().backward(); opt.step()",
    "net.zero_grad()",
    "net(v).tanh().sum().backward()",
    "buffers[0].assign(y)",
]
RETURNS = [
    "v",
    "(v, obj.k)",
    "{'v': v, 'items': items}",
    "[v, v, obj.buf]",
    "(v[1:], y)",
    "v.detach()",
]
CHANGES = [
    "globals().update(G={f})",
    "globals().update(H={i})",
    "globals().update(MODE='{c}')",
    "obj.k = {f}",
    "other.k = {f}",
    "obj.child.k = {f}",
    "obj.child = Leaf({f})",
    "obj.act = {op}",
    "ops[0] = {op}",
    "ops.append({op})",
    "obj.mode = '{c}'",
    "obj.items.append({f})",
    "obj.items = [{f}, 2.0]",
    "items[0] = {f}",
    "items.append({f})",
    "table['a'] = {f}",
    "table['b'] = [{f}]",
    "table['b'][0] = {f}",
    "table['maybe'] = {f}",
    "things.add(Thing({f}))",
    "keyed[other] = {f}",
    "line.append({f})",
    "data[0] = {f}",
    "octets[0] = {i}",
    "flag.set()",
    "flag.clear()",
    "ctx.set({f})",
    "mod.k = {f}",
    "mod.act = {op}",
    "names[1] = '{gh}'",
    "globals().update(part=functools.partial(wg.minimum, {f}))",
    "globals().update(helper=lambda v: v * {f})",
    "chosen.__defaults__ = ({f},)",
    "chosen.__kwdefaults__ = dict(extra={f})",
    "cached.cache_clear()",
    "set_cell({f})",
    "Base.factor = {f}",
    "Thing.factor = {f}",
    "obj.factor = {f}",
    "Base.scaled = lambda self, v: v - {f}",
    "Base.__call__ = lambda self, v: v * {f}",
    "Base.double = property(lambda self: self.k * {f})",
    "Mark.A.weight = {f}",
    "Mark.B.value[0] = {f}",
    "os.environ['WGRAD_STATE'] = '{i}'",
    "net.eval()",
    "net.train()",
    "net.scale = {f}",
    "Net.gain = {f}",
    "net.rest[0] = {op}",
    "net.rest.append(wg.sin)",
    "net.first = nn.Linear(3, 3, seed={i})",
    "net.other = wg.parameter([{f}])",
    "net.history.append({f})",
    "net.history.append(wg.ones(2))",
    "obj.unread.append({f})",
    "obj.noted = {f}",
    "obj.buf = wg.full((3,), {f})",
    "obj.buf.assign(wg.full((3,), {f}))",
    "obj.last = None",
    "obj.n = {i}",
    "opt.lr = abs({f})",
    "opt.momentum = abs({f} / 4)",
    "weights[0].grad = None",
    "weights[0].set_grad([{f}, 0.0, 1.0])",
    "weights[1].requires_grad_(False)",
    "weights[1].requires_grad_(True)",
    "weights[0] = weights[1]",
    "wg.manual_seed({i})",
    "globals().update(draws=np.random.default_rng({i}), it=itertools.count({i}))",
    "globals().update(obj=other, other=obj)",
    "globals().update(k2={f})",
    "obj.__class__ = Thing if type(obj) is Sub else Sub",
    "kept.clear()",
    "registry.clear()",
]
ARGUMENTS = [
    "(xs[0], ys[0])", "(xs[1], ys[0])", "(xs[0], xs[0])", "(long[{j}:{j3}], ys[1])",
    "(xs[0], long[1:4])", "(xs[0], obj.buf)", "(xs[1][::-1], ys[1])", "(wg.full((3,), {f}), ys[0])",
    "(xs[0].detach(), ys[0])",
]  # fmt: skip
NUMBERS = (0.5, 0.75, 1.25, -1.0, 2.0)
OPS = ("wg.tanh", "wg.relu", "wg.sin", "wg.abs", "wg.sigmoid")


def source(rng: np.random.Generator) -> str:
    """Return the text of a random step, which takes tensors x and y and an object."""
    body = [str(x) for x in rng.choice(READS, rng.integers(1, 6))]
    body += [str(x) for x in rng.choice(EFFECTS, rng.integers(0, 3))]
    if rng.random() < 0.4:
        body += [str(x) for x in rng.choice(WRITES, rng.integers(1, 3))]
    rng.shuffle(body)
    lines = ["def step(x, y, thing=obj):", "    v = x * 1.0", *(f"    {x}" for x in body)]
    return "\n".join([*lines, f"    return {rng.choice(RETURNS)}", ""])


def related(text: str, rng: np.random.Generator) -> list[str]:
    """Return some changes, most of them of what a step names."""
    named = set(re.findall(r"\w+", text)) - {"v", "obj", "wg", "step", "net", "weights"}
    near = [c for c in CHANGES if named & set(re.findall(r"\w+", c))]
    chosen = [str(x) for x in rng.choice(CHANGES, 2)]
    return chosen + ([str(x) for x in rng.choice(near, 3)] if near else [])


def filled(text: str, rng: np.random.Generator) -> str:
    """Return a text with random values in its places."""
    j = int(rng.integers(0, 5))
    places = {
        "f": rng.choice(NUMBERS), "i": rng.integers(1, 4), "c": rng.choice(["a", "b"]),
        "op": rng.choice(OPS), "gh": rng.choice(["G", "H"]), "j": j, "j3": j + 3,
    }  # fmt: skip
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    """Run one program both ways, and return what differs."""
    text = source(rng)
    few = related(text, rng)  # the same few changes come again and again
    few_arguments = [str(x) for x in rng.choice(ARGUMENTS, 2)]
    plan = []
    for i in range(CALLS):
        often = 0.0 if i in (1, 2, 6, 7, 8) else 0.5
        changes = [filled(str(rng.choice(few)), rng) for _ in range(2) if rng.random() < often]
        plan.append((changes, filled(str(rng.choice(few_arguments[: 1 + (i > 3)])), rng)))
    seed = int(rng.integers(1 << 30))
    # One after the other: random numbers and the environment are everybody's.
    runs = [list(history(text, plan, compiled, seed)) for compiled in (False, True)]
    for i, (plain, found) in enumerate(zip(*runs, strict=False)):
        what = difference(plain, found, f"call {i}")
        if what is not None:
            told = (f"{k}: {'; '.join(c)} step{a}" for k, (c, a) in enumerate(plan[: i + 1]))
            return "\n".join([what, text, *told])
    return None


def history(text: str, plan: list, compiled: bool, seed: int) -> Iterator[Any]:
    """Yield, after every call, its result and all state, as plain data."""
    random.seed(seed)
    np.random.seed(seed)
    wg.manual_seed(seed)
    os.environ.pop("WGRAD_STATE", None)
    world: dict[str, Any] = {"__name__": "a_program"}
    exec(_STATE, world)
    exec(text, world)
    plain = world.pop("step")
    step = wg.compile(plain) if compiled else plain
    names = [n for n in world if not n.startswith("__")]
    try:
        for changes, arguments in plan:
            for change in changes:
                with contextlib.suppress(wg.errors.WgradError):  # a gradient of what has none
                    exec(change, world)
            try:
                out = step(*eval(arguments, world))
            except wg.errors.WgradError as error:
                yield type(error).__name__
                return
            numbers = hash(random.getstate()), hash(np.random.get_state()[1].tobytes())
            chance = [wg.get_rng_state(), numbers, np.random.get_state()[2]]
            yield Account()([out, {n: world[n] for n in names}, chance])
    finally:
        os.environ.pop("WGRAD_STATE", None)


class Account:
    """Writes down objects, and all in them, as plain data; what comes again is told by a number."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._alive: list[Any] = []  # no other object may take one's place

    def _number(self, x: Any) -> int:
        self._alive.append(x)
        return self._met.setdefault(id(x), len(self._met))

    def __call__(self, x: Any) -> Any:
        if type(x) in (int, float, bool, str, type(None)):
            return x
        if isinstance(x, type):
            return x.__name__, vars(x).get("factor"), vars(x).get("gain")
        if id(x) in self._met:
            return "again", self._met[id(x)]
        self._number(x)
        if isinstance(x, wg.Tensor):
            grad = self(x.grad) if x.is_leaf and x.requires_grad else None
            return self._number(x.array.storage), x.requires_grad, x.numpy().copy(), grad
        if isinstance(x, np.ndarray):
            return x.copy()
        if isinstance(x, dict):
            return [(self(k), self(v)) for k, v in x.items()]
        if isinstance(x, (list, tuple, collections.deque)):
            return [type(x).__name__, *map(self, x)]
        if isinstance(x, set):
            return sorted(str(v.k) for v in x)
        if isinstance(x, enum.Enum):
            return x.name, self(vars(x).get("weight"))
        if isinstance(x, np.random.Generator):
            return str(x.bit_generator.state)
        if isinstance(x, random.Random):
            return hash(x.getstate())
        if isinstance(x, (itertools.count, bytearray, wg.Generator)):
            return repr(x)
        if isinstance(x, threading.Event):
            return x.is_set()
        if isinstance(x, (wg.nn.Module, wg.optim.SGD)) or hasattr(x, "k"):
            slots = [(n, self(getattr(x, n, None))) for n in getattr(x, "__slots__", ())]
            return type(x).__name__, slots, self(dict(getattr(x, "__dict__", {})))
        return type(x).__name__


def difference(a: Any, b: Any, where: str) -> str | None:
    """Return where two accounts differ, and how."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        same = a.shape == b.shape
        if same and a.tobytes() != b.tobytes():
            same = np.allclose(a, b, 1e-3, 1e-4, equal_nan=True)
    elif isinstance(a, (list, tuple)) and type(a) is type(b) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            text = difference(x, y, f"{where}[{i}]")
            if text is not None:
                return text
        return None
    elif isinstance(a, float) and isinstance(b, float):
        same = math.isclose(a, b, rel_tol=1e-4) or (a != a and b != b)
    else:
        same = type(a) is type(b) and a == b
    return None if same else f"{where}: {str(a)[:300]}, and compiled {str(b)[:300]}"
