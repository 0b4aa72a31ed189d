"""The declared policy: what was given, and the arguments, is all the state there is.

One trace is believed. What it finds besides is refused, and what it read in Python is as it was
read. Before a run the declared objects are compared by identity, and nothing else is looked at.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

from ... import random
from ...backends.array import Storage, births
from ...core import Node
from ...errors import TraceError
from ...interrupts import whole
from ...recent import Recent
from ...tensor import Tensor
from ..run.replay import Replay
from ..signatures import Signature
from ..trace.collecting import uncollected
from ..trace.recording import Recording
from ..trace.tracer import Tracer
from .notes import TooMuchError
from .opaque import global_dice, state_of_dice
from .policy import Call, Function, Policy, with_floats
from .state import Declaration, State, holds_state
from .watch import Watch

ARGUMENTS = 16  # calls with other objects that hold state among their arguments


class Inside:
    """What one trace may use of what it finds outside."""

    def __init__(self, function: Function, state: State, call: Call):
        self._function, self._state = function, state
        self._frozen = function.frozen()
        self._generators = {random.global_generator(), *state.generators}
        self._generators |= {x for x in call.objects if isinstance(x, random.Generator)}
        given = (*call.leaves, *function.freeze)
        self._nodes = state.nodes.union(x.node for x in given if x.node is not None)
        self._start = next(births)

    def has(self, storage: Storage) -> bool:
        """Whether memory may be used: declared, a gradient of what is, or made for an optimizer."""
        grads = (node.grad for node in self._nodes)
        return (
            storage in self._state.memory_places
            or storage in self._frozen
            or storage.born > self._start  # `Declared` sees afterwards for whom
            or any(storage is x.array.storage for x in grads if isinstance(x, Tensor))
        )

    def has_node(self, node: Node) -> bool:
        """Whether the gradient of a node may be used."""
        return node in self._nodes

    def has_generator(self, generator: Any) -> bool:
        """Whether numbers may be drawn from a generator."""
        return generator in self._generators

    def later(self, storage: Storage) -> bool:
        """Whether memory was made while the function was traced."""
        return storage.born > self._start

    def name_of(self, x: Any) -> str:
        """Return what the function calls a tensor, its node or its memory."""
        try:
            name = Watch([(self._function.name, self._function.call)]).name_of(x)
        except TooMuchError:
            name = None
        return "a tensor" if name is None else f"{name}, a tensor"


class Declared(Policy):
    """The policy for functions whose state was declared: `state=` of wg.compile."""

    def __init__(self, function: Function, state: Any):
        super().__init__(function)
        self._state = state
        self._given = Declaration([("state", state)])
        self._others: Recent[Any] = Recent(ARGUMENTS)

    def _declaration(self, objects: Sequence[Any]) -> Declaration:
        holders = [x for x in objects if holds_state(x)]
        if not holders:
            return self._given
        key = tuple(map(id, holders))
        declaration = self._others[key]
        if declaration is None:
            names = [(type(x).__name__, x) for x in holders]
            declaration = Declaration([("state", self._state), *names])
            self._others.keep(key, declaration)
        return declaration

    def key(self, objects: Sequence[Any]) -> int:
        declaration = self._declaration(objects) if objects else self._given
        declaration.look()
        return declaration.number

    @whole
    @uncollected
    def trace(self, signature: Signature, call: Call) -> tuple[Any]:
        """Trace the call, and run what it did."""
        function, declaration = self._function, self._declaration(call.objects)
        if declaration.changed is not None:
            function.signatures.reason = f"{declaration.changed}, which is declared, changes"
        recording = self.outline(call)

        def keep(replay: Replay) -> Signature:
            # Found by what the state is now, with what an optimizer has made for itself.
            key = call.key[0], declaration.number, *call.key[2:]
            now = function.signatures.get(key) or function.signatures.add(key, call.objects)
            now.captures.insert(0, replay)
            return now

        return self._first_run(recording, call, signature, keep)

    def outline(self, call: Call) -> Recording:
        """Trace the call, and tell what it does, which is still to be run, or undone.

        Raises: TraceError where a replay would not do it; all is as before then.
        """
        function, declaration = self._function, self._declaration(call.objects)
        inside = Inside(function, declaration.now, call)
        before = declaration.now
        dice = _dice()
        recording = self._recorded(call, declaration, inside)
        with recording.undone_if_it_fails():
            declaration.take(State(declaration.roots))
            recording.finish(declaration, declaration.now.known, lambda x: None)
            recording.cut()
            self._check(recording, before, declaration, inside)
            if dice != _dice():
                raise TraceError(
                    f"compile: {function.name} draws random numbers that are not wgrad's, which a "
                    "replay would not draw: use wg.rand and its like, or draw outside"
                )
        return recording

    def _recorded(self, call: Call, declaration: Declaration, inside: Inside) -> Recording:
        def run(args: tuple, kwargs: dict) -> Recording:
            tracer = Tracer(self._function.frozen(), inside)
            for container in (*declaration.now.dicts, *declaration.now.lists):
                tracer.changing(container)
            recording = Recording(call.leaves, tracer)
            recording.run(self._function.call, args, kwargs)
            self._ran = self._ran.joined(recording.ran)
            return recording

        return with_floats(call, self._ran, run)

    def _check(
        self, recording: Recording, before: State, declaration: Declaration, inside: Inside
    ) -> None:
        """Raise TraceError where a replay would not do what the call did."""
        name, now, tracer = self._function.name, declaration.now, recording.tracer
        if recording.asked is not None:
            raise TraceError(f"compile: {name} cannot be compiled with state=: {recording.asked}")
        if recording.changes_arguments:
            raise TraceError(
                f"compile: {name} changes the containers among its arguments, which a replay "
                "would not: return what is new"
            )
        for path, storage in now.paths.items():
            if storage in tracer.made:
                made = recording.made_at(storage)
                raise TraceError(
                    f"compile: {name} keeps a tensor that is made at {made} in {path}, which a "
                    "replay would not: return it, or assign() it to a tensor that is there before"
                )
        changed = now.difference(before)
        if changed is not None:
            raise TraceError(
                f"compile: {name} changes {changed}, which a replay would not: change it outside"
            )
        if recording.kept():
            gc.collect()
        for storage in recording.kept():
            raise TraceError(
                f"compile: {name} keeps a tensor that is made at {recording.made_at(storage)}, "
                "which a replay would not: return it, or assign() it to a declared tensor"
            )
        for storage, _ in tracer.initial:
            is_ours = tracer.faults is not None and tracer.faults.records.storage is storage
            if inside.later(storage) and storage not in now.memory_places and not is_ours:
                raise TraceError(
                    f"compile: {name} uses an optimizer (or the like) that makes state of its own "
                    "and is not in state=: add it there"
                )


def _dice() -> list[Any]:
    """Return the states of the generators of others that anybody may draw from."""
    return [state_of_dice(x) for _, x in global_dice()]
