"""Training steps interrupted at random points by handlers that raise, or work with tensors.

Python runs the handler of a signal as a function begins, after a call that is no Python function's,
and at a jump back. A trace function finds these points inside wgrad, and sends a signal at the n-th
of them; in every tenth program a timer sends it. What is compared with a twin that nothing
interrupted: the state is that before the call, or that after it, and all goes on from there.
"""

from __future__ import annotations

import dis
import inspect
import signal
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.backends.base import Device
from wgrad.backends.tracing import tracing
from wgrad.errors import WgradError
from wgrad.tape import ZERO, is_recording

SHARE = 5
AFTER = 2  # further steps that have to be right
TIMED = 10  # one program of so many
SIGNAL = signal.SIGUSR1
_HOME = Path(wg.__file__).parent
_TRIED = frozenset({
    "compiled.py", "declared.py", "finish.py", "grads.py", "handed.py", "numpy.py", "outline.py",
    "recording.py", "replay.py", "state.py", "tracer.py", "watch.py", "watched.py", "work.py",
})  # fmt: skip
_POINTS = frozenset(
    op for name, op in dis.opmap.items() if name.startswith("CALL") or name == "JUMP_BACKWARD"
)


class InterruptedStepError(Exception):
    """What a handler raises."""


class Points:
    """The points at which a handler may run, counted while a function runs; `act` at one."""

    def __init__(self, at: int = 0, act: Callable[[], None] = lambda: None):
        self.count = 0
        self._at = at
        self._act = act
        self._last: dict[FrameType, int] = {}  # by frame: where its last opcode is

    def during(self, function: Callable[[], Any]) -> Any:
        """Call a function, and count its points."""
        sys.settrace(self._enter)
        try:
            return function()
        finally:
            sys.settrace(None)

    def _point(self) -> None:
        self.count += 1
        if self.count == self._at:
            self._act()

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not _is_tried(frame.f_code):
            frame.f_trace_lines = False
            return self._leave
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if not frame.f_code.co_flags & inspect.CO_GENERATOR:  # one that is closed has no point
            self._point()
        return self._inside

    def _inside(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode":
            last, self._last[frame] = self._last.get(frame, -1), frame.f_lasti
            if last >= 0 and _opcodes(frame.f_code)[last] in _POINTS:
                self._point()
            return self._inside
        return self._leave(frame, event, arg)

    def _leave(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event in ("return", "exception"):
            self._last.pop(frame, None)
            if event == "return" and frame.f_back is not None:
                self._last.pop(frame.f_back, None)  # no point follows a Python function's call
        return self._leave if event != "opcode" else None


@cache
def _is_tried(code: CodeType) -> bool:
    """Whether points in this code count.

    Those of wgrad, but for the passes and lowerings, which change nothing that lasts, and for the
    module that holds signals back itself, whose own care is for Python's real points alone.
    """
    path = Path(code.co_filename)
    if not path.is_relative_to(_HOME) or path.name == "interrupts.py":
        return False
    inside = path.relative_to(_HOME).parts
    return inside[0] != "program" or inside[-1] in _TRIED


@cache
def _opcodes(code: CodeType) -> bytes:
    return code.co_code


class Values:
    """What the calls of a step have made so far."""

    def __init__(self) -> None:
        self.hidden: dict[int, wg.Tensor] = {}  # by the call that made it

    def until(self, call: int) -> wg.Tensor:
        """Return what the calls before have made, should this one be done twice."""
        return self.hidden[max(i for i in self.hidden if i < call)]


class Training:
    """A small training program, the same for equal choices."""

    def __init__(self, choices: dict[str, Any]):
        self.choices = choices
        wg.manual_seed(choices["seed"])
        rng = np.random.default_rng(choices["seed"])
        self.w = wg.parameter(rng.standard_normal((4, 3)))
        self.b = wg.parameter(rng.standard_normal(3))
        self.norm = nn.BatchNorm1d(3) if choices["norm"] else None
        self.x = wg.tensor(rng.standard_normal((5, 4)), dtype=float)
        self.total = wg.zeros(2)
        self.noise = wg.Generator(3)
        params = [self.w, self.b, *(self.norm.parameters() if self.norm else [])]
        self.optimizer = choices["optimizer"](params)
        self.values = Values()
        self.stream = wg.get_rng_state()
        self.compiled = wg.compile(self.step) if choices["compiled"] else None

    # One call each, of a step whose values so far are `v`.
    def multiply(self, v: Values) -> None:
        v.hidden[0] = nn.functional.linear(self.x, self.w.T, self.b)

    def normalize(self, v: Values) -> None:
        assert self.norm is not None
        v.hidden[1] = self.norm(v.until(1))

    def disturb(self, v: Values) -> None:
        drawn = wg.randn(5, 3, generator=self.noise)
        v.hidden[2] = v.until(2) + drawn

    def drop(self, v: Values) -> None:
        v.hidden[3] = nn.functional.dropout(v.until(3), 0.5)

    def finish(self, v: Values) -> None:
        h = v.until(4)
        soft = nn.functional.softmax(h) if self.choices["softmax"] else h.tanh()
        v.hidden[4] = (soft * h).mean()

    def clear(self, v: Values) -> None:
        self.optimizer.zero_grad()

    def pull(self, v: Values) -> None:
        v.until(5).backward()

    def move(self, v: Values) -> None:
        self.optimizer.step()

    def set(self, v: Values) -> None:
        self.total[0] = self.total[0] + self.w[0, 0].detach()

    def halve(self, v: Values) -> None:
        self.total.assign(self.total * 0.5)

    def eager(self) -> list[Callable[[Values], None]]:
        """The calls of a step."""
        chosen = self.choices
        calls = [
            (self.multiply, True), (self.normalize, chosen["norm"]),
            (self.disturb, chosen["noise"]), (self.drop, chosen["dropout"]), (self.finish, True),
            (self.clear, chosen["clear"]), (self.pull, True), (self.move, True),
            (self.set, chosen["add"]), (self.halve, chosen["add"]),
        ]  # fmt: skip
        return [call for call, wanted in calls if wanted]

    def step(self) -> wg.Tensor:
        """All of them."""
        v = Values()
        for call in self.eager():
            call(v)
        return v.hidden[4].detach()

    def units(self) -> list[Callable[[], Any]]:
        """What is done whole or not at all, in the order of a step."""
        if self.compiled is not None:
            return [self.compiled]
        return [partial(call, self.values) for call in self.eager()]

    def state(self) -> dict[str, Any]:
        """Return all that calls change."""
        found: dict[str, Any] = {"rng": wg.get_rng_state()[1], "noise": self.noise.counter}
        tensors = {"w": self.w, "b": self.b, "total": self.total}
        if self.norm is not None:
            tensors |= self.norm.state_dict()
        for name, x in tensors.items():
            found[name] = x.numpy()
        for i, p in enumerate(self.optimizer.params):
            grad = None if p.node is None else p.node.grad
            found[f"grad {i}"] = grad if grad is None else (
                np.zeros(p.shape) if grad is ZERO else grad.numpy()
            )  # fmt: skip
            found[f"version {i}"] = p.array.storage.version
        kept = self.optimizer.state_dict()["state"]
        for i in range(len(self.optimizer.params)):
            entry = kept.get(i, {})
            found[f"count {i}"] = entry.get("step", 0)
            names = ("momentum_buffer", "exp_avg", "exp_avg_sq")
            found[f"memory {i}"] = [entry[k].numpy() if k in entry else None for k in names]
        return found


def difference(a: Any, b: Any) -> str | None:
    """Return where two states differ."""
    if isinstance(a, dict):
        return next((f"{k}: {d}" for k in a if (d := difference(a[k], b[k])) is not None), None)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return next((d for x, y in zip(a, b, strict=True) if (d := difference(x, y))), None)
    if a is None or b is None:
        same = a is b or not np.any(a if b is None else b)  # a velocity begins as None or as zeros
    else:
        same = np.shape(a) == np.shape(b) and np.allclose(a, b, 1e-4, 1e-6, equal_nan=True)
    return None if same else f"{a} and {b}"


def optimizers() -> list[Callable[..., Any]]:
    return [
        partial(optim.SGD, lr=0.1),
        partial(optim.SGD, lr=0.1, momentum=0.9),
        partial(optim.Adam, lr=0.1),
        partial(optim.AdamW, lr=0.1, weight_decay=0.1),
    ]


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    choices: dict[str, Any] = {
        name: bool(rng.integers(2))
        for name in ("compiled", "norm", "noise", "dropout", "softmax", "clear", "add")
    }
    choices["optimizer"] = optimizers()[rng.integers(4)]
    choices["seed"] = int(rng.integers(1000))
    raises, timed = bool(rng.integers(3)), not rng.integers(TIMED)
    before_steps = int(
        rng.integers(0, 3) if not rng.integers(8) else rng.integers(3, 5)
    )  # most are replays
    mine, twin = Training(choices), Training(choices)
    seeds = _Streams(mine, twin)
    for _ in range(before_steps):
        for name in range(len(mine.units())):
            seeds.both(name)
    chosen = int(rng.integers(len(mine.units())))
    for name in range(chosen):
        seeds.both(name)
    seeds.to(twin)
    before, points = twin.state(), Points()
    points.during(twin.units()[chosen])
    seeds.left(twin)
    after = twin.state()
    seeds.to(mine)
    at = int(rng.integers(1, points.count + 1))
    told: list[str] = []
    wrong = _interrupted(mine, chosen, at, raises, timed, rng, told)
    seeds.left(mine)
    seeds.to(mine)
    what = f"{choices}, step {before_steps}, unit {chosen}, point {at} of {points.count}"
    if wrong or told:
        return f"{what}: {wrong or told}"
    if tracing() is not None or not is_recording() or wg.default_device() is not device:
        return f"{what}: the tape, a tracer or the default device is left switched"
    if signal.getsignal(SIGNAL) is not signal.SIG_DFL:
        return f"{what}: the handler is left"
    found = mine.state()
    not_done, not_begun = difference(after, found), difference(before, found)
    if not_done is not None and not_begun is not None:
        return f"{what}: neither before ({not_begun}) nor after ({not_done})"
    if not_done is not None:
        seeds.one(mine, chosen)
    elif mine.compiled is None:
        seeds.both(chosen)  # what it returned is lost
    rest = [*range(chosen + 1, len(mine.units()))] + [*range(len(mine.units()))] * AFTER
    for name in rest:
        seeds.both(name)
    if mine.compiled is not None and any(s.is_plain for s in mine.compiled._signatures.values()):
        return f"{what}: it runs uncompiled"
    wrong = difference(twin.state(), mine.state())
    return None if wrong is None else f"{what}, afterwards: {wrong}"


class _Streams:
    """Two programs that share one global stream of random numbers, each from its own state."""

    def __init__(self, *programs: Training):
        self._programs = programs
        for x in programs:
            wg.manual_seed(x.choices["seed"])
            self.left(x)

    def to(self, x: Training) -> None:
        wg.set_rng_state(x.stream)

    def left(self, x: Training) -> None:
        x.stream = wg.get_rng_state()

    def one(self, x: Training, unit: int) -> None:
        self.to(x)
        x.units()[unit]()
        self.left(x)

    def both(self, unit: int) -> None:
        for x in self._programs:
            self.one(x, unit)


def _interrupted(
    mine: Training,
    chosen: int,
    at: int,
    raises: bool,
    timed: bool,
    rng: np.random.Generator,
    told: list[str],
) -> str | None:
    """Run a unit that a signal interrupts; return what is wrong about it."""
    over = False

    def handle(number: int, frame: Any) -> None:
        if over:
            return
        if raises:
            raise InterruptedStepError
        try:
            x = wg.ones(3) * 2 + 1
            if x.tolist() != [3, 3, 3]:
                told.append(f"a handler computed {x.tolist()}")
            wg.rand(3, generator=wg.Generator(5))
            mine.w.numpy()
        except WgradError as error:
            told.append(f"a handler was refused: {error}")

    signal.signal(SIGNAL, handle)
    signal.signal(signal.SIGALRM, handle)
    try:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, float(10.0 ** rng.uniform(-5, -3)))
            mine.units()[chosen]()
        else:
            Points(at, partial(signal.raise_signal, SIGNAL)).during(mine.units()[chosen])
    except InterruptedStepError:
        return None
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(SIGNAL, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return None
