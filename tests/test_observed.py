"""What a compiled function asks of Python while it is traced: followed, or else not replayed."""

from __future__ import annotations

import contextlib
import contextvars
import cProfile
import dataclasses
import datetime
import enum
import fractions
import functools
import gc
import importlib.metadata
import itertools
import linecache
import locale
import logging
import math
import operator
import os
import queue
import random
import re
import sys
import threading
import time
import traceback
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.core import place
from wgrad.program.guard.watched import Watched
from wgrad.program.trace.names import names_of_class

ONE = np.ones(2, "float32")
ACT: Any = wg.tanh
SCALE = 1.0
MODE = "none"
LAST: Any = None
NAMES = ["SCALE", "settings_of_observed"]
LOG = logging.getLogger("wgrad.tests")


class Holder:
    def __init__(self, value: Any = None):
        self.value = value


class Kind(enum.Enum):
    PLAIN = 1
    MUTABLE = [1.0]  # noqa: RUF012


class Number(float):
    pass


def nothing(*_: Any) -> None:
    return None


def as_list(x: Any) -> Any:
    return x.tolist() if isinstance(x, wg.Tensor) else x


def run(make: Callable, compiled: bool, calls: int, seed: int) -> tuple[list, Any]:
    """Return what every call of a scenario returned and left, and what was called.

    `make()` returns the function, the arguments of call i, what happens before it, and the state.
    """
    random.seed(seed)
    np.random.seed(seed)
    function, args, act, state = make()
    called = wg.compile(function) if compiled else function
    found = []
    for i in range(calls):
        act(i)
        found.append((as_list(called(*args(i))), as_list(state())))
    return found, called


def follows(make: Callable, calls: int = 9) -> Any:
    """Check that a scenario is replayed, and is the same as without compile."""
    plain, _ = run(make, False, calls, 0)
    found, compiled = run(make, True, calls, 0)
    assert found == plain
    assert len({str(x) for x in plain}) > 1, "the scenario changes nothing"
    assert any(s.captures for s in compiled._signatures.values())
    return compiled


def tells(make: Callable, words: str, calls: int = 9, seeds: int = 1) -> None:
    """Check that a scenario runs uncompiled, is the same, and warns at the caller's line."""
    for seed in range(seeds):
        plain, _ = run(make, False, calls, seed)
        with pytest.warns(UserWarning, match=f"runs uncompiled.*{words}") as caught:
            found, compiled = run(make, True, calls, seed)
        assert found == plain
        assert caught[0].filename == __file__
        assert all(s.is_plain for s in compiled._signatures.values())


def tensors(*rows: list[float]) -> Callable:
    """Return what gives one of some tensors to every call; calls of one row get one tensor."""
    made: list[wg.Tensor] = []

    def args(i: int) -> tuple:
        if not made:
            made.extend(wg.tensor(np.array(row, "float32")) for row in rows)
        return (made[i % len(made)],)

    return args


def once(at: int, act: Callable) -> Callable:
    return lambda i: act() if i == at else None


# Operations that are swapped.
def swaps() -> list[tuple[str, Callable, Callable]]:
    """Return (name, a function of x, what swaps an operation in it)."""
    plain, chosen, made = [wg.tanh], [functools.partial(wg.maximum, 0.0)], Holder(wg.tanh)
    act = [wg.tanh]
    net = nn.Sequential(nn.Linear(2, 2, seed=1), wg.tanh)
    members = vars(net)
    layers = next(v for v in members.values() if isinstance(v, (list, tuple)))

    def in_globals() -> None:
        globals()["ACT"] = wg.relu

    def sequential() -> None:
        for key, value in list(members.items()):
            if value is layers:
                members[key] = type(layers)([layers[0], wg.relu])

    def cell() -> Any:
        inside = wg.tanh

        def f(x: Any) -> Any:
            return inside(x)

        def swap() -> None:
            nonlocal inside
            inside = wg.relu

        return f, swap

    def default(x: Any, act: Any = wg.tanh) -> Any:
        return act(x)

    def in_module(x: Any) -> Any:
        return wg.sigmoid(x)

    return [
        ("global", lambda x: ACT(x), in_globals),
        ("list", lambda x: plain[0](x), lambda: plain.__setitem__(0, wg.relu)),
        ("map", lambda x: next(map(act[0], [x])), lambda: act.__setitem__(0, wg.exp)),
        (
            "partial",
            lambda x: chosen[0](x),
            lambda: chosen.__setitem__(0, functools.partial(wg.minimum, 0.0)),
        ),
        ("attribute", lambda x: made.value(x), lambda: setattr(made, "value", wg.relu)),
        ("sequential", lambda x: net(x), sequential),
        ("cell", *cell()),
        ("default", default, lambda: setattr(default, "__defaults__", (wg.relu,))),
        ("module", in_module, lambda: setattr(wg, "sigmoid", wg.relu)),
    ]


@pytest.mark.parametrize("n", range(9), ids=[s[0] for s in swaps()])
def test_observed_operations_that_are_swapped(numpy_device, monkeypatch, n):
    monkeypatch.setattr(wg, "sigmoid", wg.sigmoid)  # put back at the end
    globals()["ACT"] = wg.tanh
    _, function, swap = swaps()[n]
    x = wg.tensor([-1.0, 2.0])
    compiled = wg.compile(function)
    for _ in range(4):
        np.testing.assert_allclose(compiled(x).numpy(), function(x).numpy(), rtol=1e-6)
    before = function(x).numpy()
    swap()
    assert not np.allclose(before, function(x).numpy())
    for _ in range(3):
        np.testing.assert_allclose(compiled(x).numpy(), function(x).numpy(), rtol=1e-6)


# What a call keeps of its arguments and results.
@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (lambda x, y: x.detach(), "view of tensor argument 0 in .*box.value"),
        (lambda x, y: x[1:], "view of tensor argument 0 in .*box.value"),
        (lambda x, y: [x.detach()], r"view of tensor argument 0 in .*box.value\[0\]"),
        (lambda x, y: x, "box.value"),
        (lambda x, y: {"x": (x,)}, "box.value"),
        (lambda x, y: y, "box.value"),
        (lambda x, y: y.detach(), "box.value"),
    ],
)
def test_observed_what_is_kept_outside(device, keep, words):
    def make():
        box = Holder()

        def step(x):
            y = x * 2
            box.value = keep(x, y)
            return y

        def state():
            found = box.value
            while isinstance(found, (list, dict, tuple)):
                found = found["x"] if isinstance(found, dict) else found[0]
            return found

        a, b = [1.0, 2.0], [3.0, 4.0]
        return step, tensors(a, a, b, a), nothing, state

    tells(make, words)

    def same_tensor():
        function, _, act, state = make()
        x, y = wg.tensor([1.0, 2.0]), wg.tensor([3.0, 4.0])
        return function, lambda i: ([x, x, y, x, y, y][i % 6],), act, state

    tells(same_tensor, words)


def test_observed_views_of_one_storage_kept_outside(device):
    def make():
        box, data = Holder(), wg.arange(20.0)

        def step(x):
            box.value = x
            return (x * 2).sum()

        return step, lambda i: (data[2 * (i // 2) :][:2],), nothing, lambda: box.value

    tells(make, "keeps tensor argument 0 in .*box.value")


def test_observed_arguments_kept_by_globals_and_in_lists(device):
    def by_name():
        def step(x):
            globals()["LAST"] = x.detach()
            return x * 2

        a, b = [1.0, 2.0], [3.0, 4.0]
        return step, tensors(a, a, b), nothing, lambda: LAST

    tells(by_name, "LAST")

    def in_a_list():
        box = [None]

        def step(x):
            box[0] = x.detach()
            return x * 2

        return step, tensors([1.0], [1.0], [3.0]), nothing, lambda: box[0]

    tells(in_a_list, r"box\[0\]")

    def on_the_compiled():
        def step(x):
            called.last = x.detach()
            return x * 2

        called = wg.compile(step)
        return called, tensors([1.0], [1.0], [3.0]), nothing, lambda: called.last

    with pytest.warns(UserWarning, match="keeps a view of tensor argument 0 in .*called.last"):
        run(on_the_compiled, False, 6, 0)

    def a_container():
        box = Holder()

        def step(batch):
            box.value = batch
            return batch["x"] * 2

        return step, lambda i: ({"x": wg.ones(2), "n": 1},), nothing, lambda: id(box.value) and 1

    with pytest.warns(UserWarning, match="argument"):
        run(a_container, True, 5, 0)


def test_observed_numbers_and_names_that_are_stored_anew(numpy_device):
    def make():
        def step(x):
            global MODE
            MODE = "train"
            return x * 2

        return step, tensors([1.0]), lambda i: globals().update(MODE="eval"), lambda: MODE

    tells(make, "MODE")

    def quiet():
        box = Holder()

        def step(x):
            box.value = x.shape[0]
            return x * 2

        return step, lambda i: (wg.ones(1 + i // 4),), nothing, lambda: box.value

    follows(quiet, 8)


# Chance.
def chances() -> dict[str, tuple[Callable, str]]:
    """Return functions that make a number at random, and what a warning says."""

    def generator():
        draws = np.random.default_rng(random.randrange(100))
        return lambda: draws.random() < 0.5

    def legacy():
        draws = np.random.RandomState(random.randrange(100))
        return lambda: draws.rand() < 0.5

    def of_attribute():
        net = Holder(np.random.default_rng(random.randrange(100)))
        return lambda: net.value.integers(2) == 1

    def own():
        draws = random.Random(random.randrange(100))
        return lambda: draws.choice([True, False, False])

    def shuffled():
        return lambda: random.sample([1, 2], 2)[0] == 1

    here = r"test_observed.py, line \d+"
    return {
        "random": (lambda: lambda: random.random() < 0.5, f"Random.random at .*{here}"),
        "sample": (shuffled, f"Random.sample.* at .*{here}"),
        "Random": (own, f"Random.choice.* at .*{here}"),
        "numpy": (lambda: lambda: np.random.rand() < 0.5, "draws from numpy.random"),
        "Generator": (generator, f"draws from .*draws .*{here}"),
        "RandomState": (legacy, f"draws from .*draws .*{here}"),
        "attribute": (of_attribute, f"draws from .*net.value .*{here}"),
    }


@pytest.mark.parametrize("kind", chances())
def test_observed_chance(numpy_device, kind):
    make_chance, words = chances()[kind]

    def make():
        chance = make_chance()
        return (lambda x: x * 2 if chance() else x * 3), tensors([1.0]), nothing, nothing

    tells(make, words, seeds=5)


def test_observed_a_generator_of_known_numbers_made_inside_or_unused_is_compiled(numpy_device):
    idle = np.random.default_rng(0)

    def f(x, draws=idle):
        numbers = np.random.default_rng(3)
        return x * float(numbers.random()) if SCALE else x * draws.random()

    compiled = wg.compile(f)
    expected = float(np.float32(np.random.default_rng(3).random()))
    for _ in range(5):
        idle.random()
        assert compiled(wg.ones(1)).item() == pytest.approx(expected)
    assert len(compiled.programs) == 1


# What cannot be looked into.
def spent() -> dict[str, tuple[Callable, str]]:
    """Return makers of functions of nothing whose place is hidden, and what a warning says."""

    def loop():
        it = itertools.count()

        def first():
            for k in it:
                return k // 4

        return first

    def zipped():
        pairs = zip(itertools.count(), itertools.count(), strict=False)
        return lambda: next(pairs)[0] // 4

    def generator():
        made = (k // 4 for k in range(100))
        return lambda: next(made)

    def listed():
        it = iter([k // 4 for k in range(100)])
        return lambda: it.__next__()

    def in_set():
        items = {(iter([k // 4 for k in range(100)]))}
        return lambda: next(next(iter(items)))

    def queued():
        line: queue.SimpleQueue = queue.SimpleQueue()
        for k in range(100):
            line.put(k // 4)
        return lambda: line.get()

    def of_threads():
        line: queue.Queue = queue.Queue()
        for k in range(100):
            line.put(k // 4)
        return lambda: line.get()

    def unpacked():
        it = (k // 8 for k in itertools.count())

        def two():
            a, b = itertools.islice(it, 2)
            return a + b

        return two

    return {
        "loop": (loop, "it .*is an itertools.count"),
        "zip": (zipped, "pairs .*is a zip"),
        "generator": (generator, "made .*is a generator"),
        "list": (listed, "it .*is a list_iterator"),
        "set": (in_set, "list_iterator"),
        "SimpleQueue": (queued, "SimpleQueue.get at"),
        "Queue": (of_threads, "Queue.get"),
        "unpacked": (unpacked, "it .*is a generator"),
    }


@pytest.mark.parametrize("kind", spent())
def test_observed_iterators_and_queues(numpy_device, kind):
    make_next, words = spent()[kind]

    def make():
        following = make_next()
        return (lambda x: x * following()), tensors([1.0]), nothing, nothing

    tells(make, words)


def test_observed_iterators_of_the_users_own_classes_are_told_apart(numpy_device):
    class Steps:
        def __init__(self):
            self.at = 0

        def __iter__(self):
            return self

        def __next__(self):
            self.at += 1
            return self.at // 4

    def make():
        steps = Steps()
        return (lambda x: x * next(steps)), tensors([1.0]), nothing, nothing

    tells(make, "differs from call to call|steps.at")


def test_observed_files_the_clock_and_the_machine(numpy_device, tmp_path):
    path = tmp_path / "flag"

    def exists():
        path.unlink(missing_ok=True)
        return (
            lambda x: x * 2 if os.path.exists(path) else x * 3,
            tensors([1.0]),
            once(5, path.touch),
            nothing,
        )

    tells(exists, r"exists, which calls (posix|nt).*stat.* at .*test_observed.py, line")

    def path_exists():
        _, *rest = exists()
        return (lambda x: x * 2 if path.exists() else x * 3), *rest

    tells(path_exists, "exists")

    def reads():
        path.write_text("1")
        return (
            lambda x: x * float(path.read_text()),
            tensors([1.0]),
            once(5, lambda: path.write_text("7")),
            nothing,
        )

    tells(reads, "Path.read_text")

    def by_the_clock():
        import time

        start = time.monotonic()
        return (
            lambda x: x * (2 if time.monotonic() - start > 1e6 else 3),
            tensors([1.0]),
            nothing,
            nothing,
        )

    tells(by_the_clock, "time.monotonic at .*test_observed.py, line")


class Answers:
    """Has whatever it is asked for."""

    def __init__(self, k: float):
        object.__setattr__(self, "k", k)

    def __getattribute__(self, name: str) -> Any:
        return object.__getattribute__(self, "k") if name == "k" else Answers(0.0)

    def __call__(self, *args: Any) -> Any:
        return self


@pytest.mark.parametrize("where", ["closure", "argument", "list"])
def test_observed_objects_that_answer_everything_run_uncompiled(numpy_device, where):
    def make():
        held = Answers(2.0)
        act = once(5, lambda: object.__setattr__(held, "k", 7.0))
        first = tensors([1.0])
        if where == "closure":
            return (lambda x: x * held.k), first, act, nothing
        if where == "argument":
            return (lambda x, y: x * y.k), (lambda i: (*first(i), held)), act, nothing
        return (lambda x, y: x * y[0].k), (lambda i: (*first(i), [held])), act, nothing

    tells(make, "Answers, whose __getattribute__ hides its state")


@pytest.mark.parametrize("kind", ["object", "tensor", "tree"])
def test_observed_targets_of_weak_references_are_not_kept_alive(numpy_device, kind):
    inner = Holder(3.0)
    held = [wg.tensor([3.0]) if kind == "tensor" else Holder(inner)]
    if kind == "tree":
        inner.parent = weakref.ref(held[0])  # type: ignore[attr-defined]  # made here
    there, within = weakref.ref(held[0]), weakref.ref(inner)
    del inner

    @wg.compile
    def f(x: Any) -> Any:
        found = there()
        if found is None:
            return x
        return x * (found if kind == "tensor" else found.value.value)

    x = wg.ones(1)
    assert [f(x).item() for _ in range(5)] == [3.0] * 5
    assert any(s.captures for s in f._signatures.values())
    if kind == "tensor":
        held[0][:] = 5.0
    else:
        held[0].value.value = 5.0
    assert [f(x).item() for _ in range(5)] == [5.0] * 5
    if kind != "tensor":
        held[0].value = Holder(7.0)
        assert within() is None
        assert [f(x).item() for _ in range(5)] == [7.0] * 5
    held.clear()
    gc.collect()
    assert there() is None
    assert [f(x).item() for _ in range(5)] == [1.0] * 5


TOLD_OF_THE_PROCESS: dict[str, Callable[[], Any]] = {
    "wg.stats": wg.stats,
    "sys.getrecursionlimit": lambda: sys.getrecursionlimit(),
    "sys.getswitchinterval": lambda: sys.getswitchinterval(),
    "gc.isenabled": lambda: gc.isenabled(),
    "threading.Thread.name": lambda: threading.main_thread().name,
    "logging.getLevelName": lambda: logging.getLevelName("INFO"),
    "logging.Logger.hasHandlers": lambda: logging.getLogger("wgrad").hasHandlers(),
    "locale": lambda: locale.getlocale(),
    "time.get_clock_info": lambda: time.get_clock_info("time"),
    "numpy.geterr": lambda: np.geterr(),
    "numpy.get_printoptions": lambda: np.get_printoptions(),
    "weakref.getweakrefcount": lambda: weakref.getweakrefcount(Holder),
    "contextvars.copy_context": lambda: contextvars.copy_context(),
    "version, which calls (posix|nt)": lambda: importlib.metadata.version("numpy"),
    "linecache.getline": lambda: linecache.getline(__file__, 1),
    "traceback.extract_stack": lambda: traceback.extract_stack(),
}


@pytest.mark.parametrize("words", TOLD_OF_THE_PROCESS)
def test_observed_questions_about_the_process_are_told_of(numpy_device, words):
    asks = TOLD_OF_THE_PROCESS[words]
    linecache.clearcache()  # else all lines of all tests may be there, which are too many to watch

    def make():
        return (lambda x: x * (2 if asks() is None else 3)), tensors([1.0]), nothing, nothing

    tells(make, rf"{words}.* at .*test_observed.py, line \d+: the answer may be another")


def test_observed_lines_that_an_instruction_lacks_are_those_before_it():
    def outer():
        inside = 1
        return lambda: inside

    code = outer().__code__
    assert next(code.co_positions())[0] is None  # it copies its closure's cells
    assert place((code, 0)) == f"{__file__}, line {code.co_firstlineno}"
    assert place((code, 10_000)) == f"{__file__}, line {code.co_firstlineno}"


# What can be looked into.
def watched() -> dict[str, Callable]:
    """Return makers of (a function of nothing, what sets it to another number)."""

    def environment():
        os.environ["WGRAD_TEST_SCALE"] = "0"
        return (
            lambda: float(os.getenv("WGRAD_TEST_SCALE", "0")),
            lambda k: os.environ.update(WGRAD_TEST_SCALE=str(k)),
        )

    def bound():
        settings = {"a": 0.0}
        get = settings.get
        return lambda: get("a"), lambda k: settings.update(a=float(k))

    def bound_item():
        settings = [0.0]
        get = settings.__getitem__
        return lambda: get(0), lambda k: settings.__setitem__(0, float(k))

    def in_set():
        thing = Holder(0)
        things = {thing}
        return lambda: sum(t.value for t in things), lambda k: setattr(thing, "value", k)

    def as_key():
        thing = Holder(0)
        things = {thing: 1}
        return lambda: sum(t.value for t in things), lambda k: setattr(thing, "value", k)

    def member():
        return lambda: Kind.PLAIN.factor, lambda k: setattr(Kind.PLAIN, "factor", k)

    def member_value():
        held = [Kind.MUTABLE]
        return lambda: held[0].value[0], lambda k: Kind.MUTABLE.value.__setitem__(0, k)

    def by_name():
        return lambda: globals()[NAMES[0]], lambda k: globals().update(SCALE=k)

    def event():
        flag = threading.Event()
        return lambda: 2 if flag.is_set() else 3, lambda k: flag.set() if k else None

    def emptiness():
        line: queue.Queue = queue.Queue()
        return lambda: 2 if line.empty() else 3, lambda k: line.put(1) if k else None

    def number():
        scale = Number(2.0)
        scale.factor = 0
        return lambda: scale.factor, lambda k: setattr(scale, "factor", k)

    def big():
        data = np.zeros((200, 200), "float32")
        return lambda: float(data.sum()), lambda k: data.__setitem__((3, 7), k)

    def slot():
        class Slotted:
            __slots__ = ("k",)

        thing = Slotted()
        return (
            lambda: thing.k if hasattr(thing, "k") else 9,
            lambda k: setattr(thing, "k", k) if k else None,
        )

    def weak():
        thing = Holder(0)
        ref = weakref.ref(thing)
        return lambda: ref().value, lambda k, thing=thing: setattr(thing, "value", k)

    def memory():
        data = bytearray([0])
        view = memoryview(data)
        return lambda: view[0], lambda k: data.__setitem__(0, k)

    def record():
        row = np.zeros((), dtype=[("k", "f4")])[()]
        return lambda: float(row["k"]), lambda k: row.__setitem__("k", k)

    def registry():
        @functools.singledispatch
        def scale(_):
            return 1.0

        known = {0}

        def register(k):
            if k not in known:
                known.add(k)
                scale.register(int, lambda _: k)

        return lambda: scale(3), register

    def arguments():
        sys.argv.append("0")
        return lambda: float(sys.argv[-1]), lambda k: sys.argv.__setitem__(-1, str(k))

    def default():
        table = __import__("collections").defaultdict(float)
        return (
            lambda: table.get("a", table.default_factory()),
            lambda k: setattr(table, "default_factory", lambda: float(k)),
        )

    def kinds_of_one():
        things = [{1}]
        choices = [{1}, {True}, {1.0}]
        return (
            lambda: len(type(next(iter(things[0]))).__name__),
            lambda k: things.__setitem__(0, choices[k % 3]),
        )

    def chosen_by_name():
        thing, names = Holder(0), ["value"]
        return lambda: getattr(thing, names[0]), lambda k: setattr(thing, "value", k)

    def getter():
        thing, get = Holder(0), operator.attrgetter("value")
        return lambda: get(thing), lambda k: setattr(thing, "value", k)

    def partial_getter():
        thing = Holder(0)
        get = functools.partial(getattr, thing)
        return lambda: get("value"), lambda k: setattr(thing, "value", k)

    def formatted():
        thing, text = Holder(0), "{0.value}"
        return lambda: float(text.format(thing)), lambda k: setattr(thing, "value", k)

    def matched():
        thing = Holder(0)

        def find():
            match thing:
                case Holder(value=k):
                    return k

        return find, lambda k: setattr(thing, "value", k)

    def of_dict():
        thing = Holder(0)
        return lambda: vars(thing)["value"], lambda k: setattr(thing, "value", k)

    def replaced():
        @dataclasses.dataclass
        class Settings:
            k: float = 0.0
            n: int = 2

        held = [Settings()]
        return (
            lambda: dataclasses.replace(held[0], n=3).k,
            lambda k: held.__setitem__(0, Settings(float(k))),
        )

    def dates():
        held = [datetime.date(2020, 1, 1)]
        first = datetime.date(2020, 1, 1)
        return (
            lambda: (held[0] - first).days,
            lambda k: held.__setitem__(0, datetime.date(2020, 1, 1 + k)),
        )

    def fraction():
        held = [fractions.Fraction(1, 2)]
        return (
            lambda: wg.tensor([float(held[0])]),
            lambda k: held.__setitem__(0, fractions.Fraction(1 + k, 2)),
        )

    def shadowed():
        globals().pop("abs", None)
        return lambda: abs(-1), lambda k: globals().update(abs=lambda _: 7) if k else None

    def patched():
        real = math.floor if isinstance(math.floor, types.BuiltinFunctionType) else int
        return lambda: math.floor(2.5), lambda k: setattr(
            math, "floor", (lambda _: 7) if k else real
        )

    def of_metaclass():
        class Meta(type):
            scale = 0

        class Made(metaclass=Meta):
            pass

        return lambda: Made.scale, lambda k: setattr(Meta, "scale", k)

    def of_bases():
        class One:
            scale = 1

        class Two:
            scale = 2

        class Child(One):
            pass

        child = Child()
        return lambda: child.scale, lambda k: setattr(Child, "__bases__", (Two if k else One,))

    def masked():
        data = np.ma.array([1.0, 2.0], mask=[False, False])
        return (
            lambda: float(data.sum()),
            lambda k: data.__setitem__(0, np.ma.masked) if k else None,
        )

    def weak_values():
        thing = Holder(0)
        table, alive = weakref.WeakValueDictionary(a=thing), [thing]
        return lambda: table["a"].value, lambda k: setattr(alive[0], "value", k)

    def logger():
        log = logging.getLogger("wgrad.tests.levels")
        log.isEnabledFor(logging.INFO)
        return (
            lambda: 2 if log.isEnabledFor(logging.INFO) else 3,
            lambda k: log.setLevel(logging.DEBUG if k else logging.ERROR),
        )

    def logger_by_name():
        def by_name():
            return 2 if logging.getLogger("wgrad.tests.named").isEnabledFor(logging.INFO) else 3

        def by_child():
            child = logging.getLogger("wgrad").getChild("tests.named")
            return by_name() + (10 if child.level == logging.DEBUG else 0)

        return by_child, lambda k: logging.getLogger("wgrad.tests.named").setLevel(
            logging.DEBUG if k else logging.ERROR
        )

    def root_logger():
        return (
            lambda: logging.getLogger().level,
            lambda k: logging.getLogger().setLevel(30 + k),
        )

    def of_a_function():
        def unused():
            raise NotImplementedError  # nobody calls it

        unused.scale = 0
        return lambda: unused.scale, lambda k: setattr(unused, "scale", k)

    def of_a_function_later():
        return (
            lambda: getattr(of_a_function, "later", 9),
            lambda k: setattr(of_a_function, "later", k) if k else None,
        )

    def within_an_object():
        timer = threading.Timer(1.0, nothing)
        return (
            lambda: 2 if timer.finished.is_set() else 3,
            lambda k: timer.finished.set() if k else None,
        )

    def by_import():
        return (
            lambda: importlib.import_module("settings_of_observed").scale,
            lambda k: setattr(sys.modules["settings_of_observed"], "scale", k),
        )

    def by_module_name():
        return (
            lambda: sys.modules[NAMES[1]].scale,
            lambda k: setattr(sys.modules["settings_of_observed"], "scale", k),
        )

    def drawn():
        generator = wg.Generator(3)
        return lambda: generator.counter, lambda k: setattr(generator, "counter", k)

    return {k: f for k, f in locals().items() if callable(f)}


@pytest.mark.parametrize("kind", watched())
def test_observed_state_of_all_kinds_is_followed(numpy_device, monkeypatch, kind):
    monkeypatch.setenv("WGRAD_TEST_SCALE", "0")
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setitem(globals(), "SCALE", 0)
    monkeypatch.setitem(globals(), "abs", None)  # put back at the end
    monkeypatch.setattr(math, "floor", math.floor)
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    settings = types.ModuleType("settings_of_observed")
    settings.scale = 0
    monkeypatch.setitem(sys.modules, "settings_of_observed", settings)

    def make():
        find, change = watched()[kind]()
        return (lambda x: x * find()), tensors([1.0]), lambda i: change(i // 4), nothing

    follows(make, 12)


def test_observed_a_cache_that_is_cleared(numpy_device):
    def make():
        numbers = [1.0]

        @functools.lru_cache
        def cached():
            return sum(numbers)

        def act(i):
            if i == 4:
                numbers[0] = 5.0  # not seen by the cache ...
            if i == 6:
                cached.cache_clear()  # ... until now

        return (lambda x: x * cached()), tensors([1.0]), act, nothing

    follows(make, 10)

    @functools.lru_cache(maxsize=8)
    def mask(n):
        return wg.ones(n) * 2

    f = wg.compile(lambda x: x * mask(x.shape[0]))
    for i in range(6):
        mask(i + 3)  # other entries are nothing to it
        assert f(wg.ones(2)).tolist() == [2, 2]
    assert len(f.programs) <= 2 and f._signatures


def test_observed_what_puts_out_or_only_computes_is_compiled(numpy_device, capsys):
    lock, again = threading.Lock(), threading.RLock()

    def f(x):
        print("traced")
        LOG.info("x %s", 1)
        with lock, again, contextlib.suppress(ValueError), contextlib.nullcontext():
            return x * max(len([1, 2]), int("1")) * np.float32(np.sqrt(4.0))

    compiled = wg.compile(f)
    for _ in range(6):
        assert compiled(wg.ones(1)).tolist() == [4]
    assert capsys.readouterr().out == "traced\n" * 2
    assert len(compiled.programs) == 1


def test_observed_a_first_call_may_ask_for_what_later_ones_do_not(numpy_device):
    class Lazy:
        table: Any = None

        def __call__(self, x):
            if self.table is None:
                self.table = np.random.rand(2).astype("float32")
            return x * wg.tensor(self.table)

    lazy = Lazy()
    f = wg.compile(lazy)
    for _ in range(6):
        np.testing.assert_allclose(f(wg.ones(2)).numpy(), lazy.table)
    assert all(s.captures for s in f._signatures.values())


def test_observed_code_made_anew_at_every_call_leaves_it_uncompiled(numpy_device):
    def make():
        return (
            lambda x: eval("lambda x: x * 3")(x),
            tensors([1.0]),
            nothing,
            nothing,
        )

    tells(make, "made anew", 12)


# Only what is read is watched.
class Net(nn.Module):
    runs = 0

    def __init__(self):
        self.inner = nn.Linear(2, 1, seed=0)
        self.history: list = []
        self.scale = 2.0

    def forward(self, x):
        return self.inner(x) * self.scale


def test_observed_attributes_that_the_step_never_reads_cost_no_trace(device):
    net, notes = Net(), types.SimpleNamespace(count=0, other=[])
    holder = nn.Sequential(nn.Linear(2, 2, seed=3))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @wg.compile
    def step(x):
        net.zero_grad()
        loss = net(holder(x)).square().mean() * len(notes.other or "a")
        loss.backward()
        optimizer.step()
        return loss

    for i in range(8):
        loss = step(wg.ones((1, 2)))
        net.history.append(loss)
        net.best = min(float(i), 3.0)
        holder.noted = [i]
        optimizer.steps_taken = i
        notes.count += 1
        Net.runs += 1
        if i == 3:
            traced = len(step.programs)
    assert len(step.programs) == traced
    net.scale = 4.0
    twin = Net()
    twin.load_state_dict({k: v for k, v in net.state_dict().items() if k.startswith("inner")})
    twin.scale = 4.0
    expected = twin(holder(wg.ones((1, 2)))).square().mean().item()
    assert step(wg.ones((1, 2))).item() == pytest.approx(expected)


def test_observed_names_of_our_own_classes_are_all_known():
    parameter = wg.parameter([1.0])
    things: list[Any] = [
        nn.Linear(2, 2),
        nn.Sequential(nn.ReLU()),
        nn.Conv2d(1, 1, 3),
        nn.BatchNorm1d(2),
        nn.LayerNorm(2),
        nn.Embedding(2, 2),
        nn.Dropout(0.5),
        nn.MultiheadAttention(2, 1),
        optim.SGD([parameter], lr=0.1),
        optim.Adam([parameter], lr=0.1),
    ]
    for thing in things:
        assert set(vars(thing)) <= names_of_class(type(thing)), type(thing)
    assert "history" not in names_of_class(nn.Linear)


def test_observed_members_that_a_module_looks_for_are_watched(numpy_device):
    net = nn.Module()
    net.extras = [wg.parameter([1.0])]

    @wg.compile
    def step(x):
        net.zero_grad()
        return x * len(net.parameters())

    for _ in range(3):
        assert step(wg.ones(1)).item() == 1
    net.extras.append(0.5)  # no tensor: nothing to it
    step(wg.ones(1))
    assert len(step.programs) == 1
    net.others = {"b": wg.parameter([1.0])}
    assert step(wg.ones(1)).item() == 2
    net.extras[0].requires_grad_(False)
    plain = len(net.parameters())
    assert [step(wg.ones(1)).item() for _ in range(3)] == [plain] * 3


def test_observed_functions_that_do_not_run_are_not_looked_into(numpy_device):
    lines = iter(range(100))

    class Trainer:
        def __init__(self):
            self.queue: queue.SimpleQueue = queue.SimpleQueue()
            self.log = [0]
            self.k = 2.0

        def fit(self):
            self.queue.get()
            return next(lines), self.log

        def step(self, x):
            return x * self.k

    trainer = Trainer()
    f = wg.compile(trainer.step)
    for i in range(6):
        trainer.log = [i]
        trainer.fit = i  # a member of that name, too
        assert f(wg.ones(1)).item() == 2
    assert len(f.programs) == 1
    trainer.step = None
    trainer.k = 3.0
    assert f(wg.ones(1)).item() == 3


def test_observed_what_one_signature_asks_is_not_held_against_another(numpy_device):
    it = itertools.count()

    def following():
        return next(it)

    def f(x, draws):
        return x * following() if draws else x * 2

    compiled = wg.compile(f)
    with pytest.warns(UserWarning, match="it .*is an itertools.count"):
        assert [compiled(wg.ones(1), True).item() for _ in range(5)] == list(range(5))
    assert [compiled(wg.ones(1), False).item() for _ in range(5)] == [2] * 5
    assert [bool(s.captures) for s in compiled._signatures.values()] == [False, True]


def test_observed_beside_a_profiler(numpy_device):
    heard = []
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        f = wg.compile(lambda x: x * 2)
        for _ in range(4):
            f(wg.ones(1))
    finally:
        profiler.disable()
    assert profiler.getstats()
    sys.setprofile(lambda *event: heard.append(event[1]))
    try:
        g = wg.compile(lambda x: x * 2)
        for _ in range(4):
            g(wg.ones(1))
        traced = len(heard)
        g(wg.ones(1))
    finally:
        sys.setprofile(None)
    assert len(f.programs) == len(g.programs) == 1 and len(heard) > traced > 0


def test_observed_warnings_stand_at_the_callers_line(numpy_device):
    box = Holder(0)

    def f(x):
        box.value += 1
        return nn.Sequential(lambda y: y * 2)(x)

    compiled = wg.compile(f)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(6):
            compiled(wg.ones(1))
    assert [w.filename for w in caught] == [__file__]
    with open(__file__) as source:
        assert "compiled(wg.ones(1))" in source.readlines()[caught[0].lineno - 1]


class Cell:
    """A thing whose methods do something else at every call."""

    def __init__(self):
        self.h = wg.zeros(2)
        self.seen = weakref.WeakSet()
        self.buffers = [wg.zeros(2) for _ in range(20)]
        self.weights = [wg.parameter([1.0, float(i)]) for i in range(20)]
        self.turns: dict = {}

    def turn(self):
        return len(self.turns.setdefault("now", []))

    def rebinds(self, x):
        self.h = (self.h + x) * 0.5
        return self.h * 1.0

    def keeps(self, x):
        self.last = x.detach()
        return x * 2

    def counts(self, x):
        self.turns["now"] = self.turns.get("now", 0) + 1
        return x * 2


@pytest.mark.parametrize(
    ("method", "words", "line"),
    [
        ("rebinds", "a tensor that it uses, .*self.h", "self.h = "),
        ("keeps", "keeps a view of tensor argument 0 in .*self.last", "self.last = "),
        ("counts", "changes .*self.turns", "self.turns["),
    ],
)
def test_observed_warnings_name_the_thing_and_its_line(numpy_device, method, words, line):
    f = wg.compile(getattr(Cell(), method))
    with pytest.warns(UserWarning, match=words) as caught:
        for _ in range(8):
            f(wg.ones(2))
    place = re.search(r"test_observed\.py, line (\d+)", str(caught[0].message))
    with open(__file__) as source:
        assert place is not None and line in source.readlines()[int(place[1]) - 1]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda ws, bs, k, x: x * ws[k], r"a tensor that it uses, .*ws\[\d\].*, used at .*line"),
        (lambda ws, bs, k, x: bs[k].assign(x), r"bs\[\d\]"),
        (lambda ws, bs, k, x: ws[k].zero_grad(), r"what it does to a gradient, that of .*ws\[\d\]"),
        (lambda ws, bs, k, x: x * wg.tensor([1.0, float(k)]), "made of host data at .*, line"),
    ],
)
def test_observed_differences_name_the_tensor(numpy_device, monkeypatch, act, words):
    ws, bs = [wg.parameter([1.0, i]) for i in range(9)], [wg.zeros(2) for _ in range(9)]
    numbers = iter(range(9))
    found: list[str] = []
    judge = Watched._judge

    def judged(self, signature, now, twin, expected):
        found.extend(now.difference(t.account) or "" for t in signature.pending)
        return judge(self, signature, now, twin, expected)

    monkeypatch.setattr(Watched, "_judge", judged)
    g = wg.compile(lambda x: act(ws, bs, next(numbers), x))
    with pytest.warns(UserWarning, match="numbers .*is a list_iterator|range_iterator"):
        for _ in range(3):
            g(wg.ones(2))
    assert any(re.search(words, text) for text in found), found


def test_observed_a_state_that_changes_at_every_call_is_named(numpy_device):
    box = Holder(0)
    f = wg.compile(lambda x: x * box.value)
    with pytest.warns(
        UserWarning, match=r"box\.value \(.*test_observed.py, line \d+\) changes"
    ) as w:
        for i in range(20):
            box.value = i
            assert f(wg.ones(1)).item() == i
    assert len(w) == 1
