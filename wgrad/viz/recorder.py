"""The recorder: an interpreter that listens while a function runs, and keeps all that it computes.

Which module an operation ran in is seen in Python's own frames, so that modules do nothing for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..backends.array import Array
from ..backends.base import Device
from ..core import (
    Call,
    Input,
    Interpreter,
    Node,
    Op,
    Value,
    apply,
    caller,
    interpreted,
    place,
)
from ..errors import DTypeError, GradientError, shown
from ..nn.members import members
from ..nn.module import Module
from ..tensor import Tensor
from .labels import label_of
from .trace import Item, Scope, Trace, Use


class _Detach(Op):
    """What a tensor is that has the values of another one, and not its history."""

    def run(self, device: Device, inputs: tuple, params: dict) -> Array:
        """Return the values, unchanged."""
        return inputs[0]

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        """Return None: nothing passes."""
        return None


DETACH = _Detach("detach", (None,), "The same values without a history.")


class Recorded:
    """One call of an operation, with all that it was given."""

    __slots__ = ("inputs", "keys", "line", "made", "op", "out", "params", "scopes", "versions")

    def __init__(
        self, op: Op, inputs: tuple[Input, ...], params: dict, out: Tensor, keys: tuple, made: int
    ):
        self.op, self.inputs, self.params, self.out = op, inputs, params, out
        self.keys, self.made = keys, made  # of the inputs (None for numbers), and of the output
        self.versions = [x.array.storage.version for x in (*inputs, out) if isinstance(x, Value)]
        self.line = caller()
        self.scopes: tuple[Scope, ...] = ()


class Recorder(Interpreter):
    """Keeps every call, and which value each input was."""

    def __init__(self) -> None:
        self.calls: list[Recorded] = []
        self.nodes: dict[Node, int] = {}  # the key of what the tape follows
        self.tensors: dict[int, tuple[Value, int]] = {}  # that of other tensors, which are kept
        self.arrays: dict[tuple[int, int], Value] = {}  # by identity and version: who had it first
        self.keys = 0
        self._frames: dict[Any, Scope] = {}  # kept, so that no two calls share one
        self._names: dict[int, str] = {}
        self.roots: list[Module] = []  # modules that were called from outside of any

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        """Run the operation below, and keep it."""
        keys = tuple(self.key(x) if isinstance(x, Value) else None for x in inputs)
        out = apply(op, *inputs, **params)
        call = Recorded(op, inputs, params, out, keys, self.key(out, fresh=True))
        call.scopes = self._scopes()
        self.calls.append(call)
        return out

    def adopted(self, x: Value) -> None:
        """Note that `x` has the values of the last result now."""
        last = self.calls[-1].out
        self.tensors[id(x)] = x, self.key(last)

    def key(self, x: Value, fresh: bool = False) -> int:
        """Return the key of a value, a new one when it was never seen."""
        if not fresh:
            if x.node is not None and x.node in self.nodes:
                return self.nodes[x.node]
            if id(x) in self.tensors:
                return self.tensors[id(x)][1]
        values = id(x.array), x.array.storage.version
        tracked = x.node is not None and x.node.requires_grad  # its own values, of whoever has them
        first = None if fresh or tracked else self.arrays.get(values)
        source = None if first is None else self.key(first)
        self.keys += 1
        key = self.keys
        self.tensors[id(x)] = x, key
        self.arrays.setdefault(values, x)
        if x.node is not None:
            self.nodes[x.node] = key
        if first is not None:
            same: Any = x
            call = Recorded(DETACH, (first,), {}, same, (source,), key)
            call.scopes = self._scopes()
            self.calls.append(call)
        return key

    def _scopes(self) -> tuple[Scope, ...]:
        """Return the modules whose `forward` is running, the outermost first."""
        found = []
        frame = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            if code.co_name == "forward" and code.co_argcount:
                module = frame.f_locals.get(code.co_varnames[0])
                if isinstance(module, Module):
                    found.append((frame, module))
            frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
        scopes: list[Scope] = []
        for frame, module in reversed(found):
            if frame not in self._frames:
                if id(module) not in self._names:
                    self.roots.append(module)
                    self._name(module)
                name = self._names[id(module)]
                title = f"{name} ({type(module).__name__})" if name else type(module).__name__
                self._frames[frame] = Scope(len(self._frames), title)
            scopes.append(self._frames[frame])
        return tuple(scopes)

    def _name(self, root: Module) -> None:
        for name, x in members(root):
            if isinstance(x, Module):
                self._names.setdefault(id(x), name)

    def let_go(self) -> None:
        """Forget the frames, which hold all variables of the functions that ran."""
        self._frames.clear()


def record(
    function: Callable, args: Sequence[Any], kwargs: dict[str, Any], where: str
) -> tuple[Recorder, Tensor]:
    """Call a function, and return what was listened to, and its result.

    Raises: DTypeError where it returns no tensor.
    """
    recorder = Recorder()
    for x in (*args, *kwargs.values()):  # before what is detached from them
        for value in x if isinstance(x, (tuple, list)) else (x,):
            if isinstance(value, Value):
                recorder.key(value)
    try:
        out: Any = interpreted(recorder, function, *args, **kwargs)
    finally:
        recorder.let_go()
    if not isinstance(out, Tensor):
        name = getattr(function, "__name__", type(function).__name__)
        raise DTypeError(
            f"{where}: {name} returned {shown(out)}, and one tensor is needed: draw a function "
            "that returns it"
        )
    return recorder, out


def leading(recorder: Recorder, out: Tensor) -> list[Recorded]:
    """Return the calls that lead to `out`, in the order in which they ran."""
    wanted = {recorder.key(out)}
    chosen = []
    for call in reversed(recorder.calls):
        if call.made in wanted:
            wanted.update(key for key in call.keys if key is not None)
            chosen.append(call)
    return chosen[::-1]


def traced(
    recorder: Recorder, out: Tensor, names: Iterable[tuple[str, Value]], where: str
) -> Trace:
    """Return the trace of what leads to `out`; `names` are labels of tensors that have none.

    Raises: GradientError where nothing does.
    """
    calls = leading(recorder, out)
    if not calls:
        raise GradientError(
            f"{where}: the function returned a tensor that it computed nothing for, and there is "
            "nothing to draw"
        )
    given = {id(x): name for name, x in names}
    trace = Trace(recorder.key(out))

    def keep(key: int, x: Value, version: int, leaf: bool) -> None:
        if key not in trace.items:
            trace.items[key] = Item(
                key, x.shape, label_of(x) or given.get(id(x), ""), x.node, x.array, version, leaf,
                x.node is not None and x.node.is_parameter,
            )  # fmt: skip

    for call in calls:
        versions = iter(call.versions)
        for key, x in zip(call.keys, call.inputs, strict=True):
            if isinstance(x, Value):
                keep(key, x, next(versions), True)
        numbers = {i: x for i, x in enumerate(call.inputs) if not isinstance(x, Value)}
        keep(call.made, call.out, next(versions), False)
        line = place(call.line) if call.line else ""
        trace.uses.append(Use(call.op.name, call.keys, numbers, call.made, line, call.scopes))
    return trace
