"""checkpoint: what a function computed on its way is computed again for the backward pass.

The tape is recorded as always, and then what its rules saved of values made inside is let go. The
reverse pass that asks for such a value runs the function once more, and takes what its rules save
this time; nodes stay those of the first run, so gradients of any order go the same way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

from .. import tape
from ..backends.array import Array, births
from ..core import Input, Interpreter, Node, Op, Value, apply, interpreters
from ..core.batched import memory
from ..core.interpret import Context, current, within
from ..core.tracing import tracing
from ..errors import GradientError
from ..origin import caller, place
from ..repeated import Draws
from ..tape import identity
from ..tensor import Tensor
from .inputs import with_leaves


def checkpoint(f: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call `f(*args, **kwargs)`, and keep nothing of it but its arguments and its result.

    What the backward pass needs of the rest is computed again when it gets there: less memory for
    one more forward pass. Random numbers are the same both times, and memory that f writes to (the
    averages of a batch norm) is written once. Without arguments it returns f so changed, and is a
    decorator: `@wg.checkpoint`.

    f may be a module, and may use any tensors besides its arguments. In a compiled function the
    program computes again what it would have kept, and needs less memory: `explain().peak_bytes`.

    Raises: GradientError, in the backward pass, where f does otherwise when it is run again, or
    where what it used has been assigned to since.

    >>> block = wg.nn.Sequential(wg.nn.Linear(4, 64), wg.nn.ReLU(), wg.nn.Linear(64, 4))
    >>> y = wg.checkpoint(block, wg.ones((2, 4)))
    >>> y.sum().backward()  # here the hidden layer is computed once more
    >>> block[0].weight.grad.shape
    (64, 4)
    """
    if args or kwargs:
        return _checkpointed(f, args, kwargs)

    @functools.wraps(f, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        return _checkpointed(f, args, kwargs)

    return run


def _checkpointed(f: Callable, args: tuple, kwargs: dict) -> Any:
    opaque = any(not i.is_transparent for i in interpreters())
    if opaque or not tape.is_recording():  # what follows other things needs them all
        return f(*args, **kwargs)
    return _Segment(f, args, kwargs).run()


class _Used(NamedTuple):
    """Memory from outside that an operation was given: what of it, and its version then."""

    array: Array
    is_leaf: bool
    version: int


class _Seen(Interpreter):
    """Notes what operations are given that was there before."""

    is_transparent = True

    def __init__(self) -> None:
        self.start = next(births)
        self.used: dict[Any, _Used] = {}

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        for x in inputs:
            if isinstance(x, Value) and (storage := memory(x.array)).born < self.start:
                is_leaf = x.node is not None and x.node.op is None and x.node.requires_grad
                key = storage, x.array.layout
                self.used.setdefault(key, _Used(x.array, is_leaf, storage.version))
        return apply(op, *inputs, **params)


class _Segment:
    """One call of a checkpointed function, which can be made again."""

    def __init__(self, f: Callable, args: tuple, kwargs: dict):
        self._call = f, args, kwargs
        self._origin = caller()
        self._draws = Draws()
        self._context = current.get()
        self._found: dict[int, Mapping[str, Any]] = {}

    def run(self) -> Any:
        """Call the function, and let go of what its nodes saved of values made inside."""
        seen = _Seen()
        made, nodes = self._record(self._context.inside(seen))
        self._used = list(seen.used.values())
        self._ops = [node.op for node in nodes]
        self._versions = {memory(x.array): memory(x.array).version for x in self._used}
        for i, node in enumerate(nodes):
            kept = {name: _without_values(x, seen.start) for name, x in node.saved.items()}
            if any(map(_is_gone, kept.values())):
                node.saved = _Again(self, i, kept)
        return made

    def _record(self, context: Context) -> tuple[Any, list[Node]]:
        """Return what the function gives, and the nodes made inside that lead to it, in order."""
        floor = Node().sequence
        f, args, kwargs = self._call
        with self._draws.one_pass():
            made = within(context, f, *args, **kwargs)
        nodes: set[Node] = set()

        def look(x: Any) -> None:
            if isinstance(x, Value) and x.node is not None and x.node.sequence > floor:
                nodes.update(tape.reachable(x.node, floor))

        with_leaves(made, look)
        return made, sorted((n for n in nodes if n.op is not None), key=lambda n: n.sequence)

    def saved_by(self, number: int) -> Mapping[str, Any]:
        """Return what a node's rules save, from another run; each is handed out once."""
        if number not in self._found:
            self._run_again()
        return self._found.pop(number)

    def _run_again(self) -> None:
        for storage, version in self._versions.items():
            if storage.version != version:
                raise GradientError(
                    f"checkpoint: memory that the function called at {place(self._origin)} used "
                    "was assigned to after it ran, so it cannot be run again: assign after "
                    "backward(), or give it a copy"
                )
        written = {memory(x.array): x for x in self._used if memory(x.array).version != x.version}
        before = [(x.array, x.array.storage.device.copy(x.array)) for x in written.values()]
        tracer = tracing()
        # A program that finds the same work twice does it once, and keeps the result: so what the
        # second run works on is not the same to it.
        values = [x.array for x in self._used if not x.is_leaf] or [x.array for x in self._used]
        with nullcontext() if tracer is None else tracer.once_more(values):
            # Followed as the first run was: functions may do otherwise where nobody looks on.
            _, nodes = self._record(self._context.inside(_Seen()))
        for array, old in before:
            array.storage.device.write(array, old)
        for storage, version in self._versions.items():
            identity.unwritten(storage, version)
        if [node.op for node in nodes] != self._ops:
            raise GradientError(
                f"checkpoint: the function called at {place(self._origin)} did otherwise when it "
                f"was run again: {len(nodes)} operations lead to its result, and "
                f"{len(self._ops)} did; it may depend on nothing but its arguments and tensors"
            )
        self._found = {i: node.saved for i, node in enumerate(nodes)}


class _Again(Mapping):
    """What the rules of a node saved, whose values made inside are computed again when asked for.

    `kept` has the rest: the nodes of all, and the values from outside.
    """

    def __init__(self, segment: _Segment, number: int, kept: dict[str, Any]):
        self._segment, self._number, self._kept = segment, number, kept

    def __getitem__(self, name: str) -> Any:
        return dict(self.items())[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def items(self) -> Any:
        """Return the names and values; the segment is run again for those that are gone."""
        found = dict(self._segment.saved_by(self._number).items())
        return [(name, _filled(x, found[name])) for name, x in self._kept.items()]


class OfOneRun:
    """What a rule saves that holds what was made inside: another run has another one."""


_GONE = OfOneRun()


def _without_values(entry: Any, start: int) -> Any:
    """Return what was saved without the arrays that were made since `start`."""
    if isinstance(entry, OfOneRun):
        return _GONE
    if isinstance(entry, list):
        return [_without_values(x, start) for x in entry]
    if isinstance(entry, tuple) and memory(entry[0]).born >= start:
        return (None, *entry[1:])
    return entry


def _is_gone(entry: Any) -> bool:
    if isinstance(entry, list):
        return any(map(_is_gone, entry))
    return entry is _GONE or (isinstance(entry, tuple) and entry[0] is None)


def _filled(entry: Any, found: Any) -> Any:
    """Return what was saved with the arrays that were found in another run; its nodes stay."""
    if isinstance(entry, list):
        return [_filled(x, y) for x, y in zip(entry, found, strict=True)]
    if isinstance(entry, tuple) and entry[0] is None:
        return found[0], entry[1], found[2]
    return found if entry is _GONE else entry
