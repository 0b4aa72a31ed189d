"""A recording: a function ran once with the tracer in the devices' place, and this is what it saw.

Its program then computes what the function computed, so that a traced call leaves what a plain one
leaves. What is needed to do it again is its `Outline`; the recording itself goes after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, NamedTuple

from ...backends.array import Storage
from ...backends.events import held
from ...backends.threefry import split_seed
from ...backends.tracing import traced_by
from ...core import place
from ...interrupts import interruptible
from ...tensor import Tensor
from ..ir import Program
from ..run.build import Executor
from .finish import Bindings, Source, make_program
from .grads import KIND, Touched, entry_state
from .handed import Handed
from .observe import Observer
from .outline import ArgumentEffect, Effect, Outline, Outside, Written, generated, ranges
from .tracer import Tracer
from .tree import Same, fill, take_apart, template
from .work import Origin


class Account(NamedTuple):
    """All that a second trace has to repeat, by what it is called in a warning."""

    parts: dict[str, Any]
    origins: list[Origin]  # of the operations


class Recording:
    """One traced call: `run` it, and `finish`, which lets go of the function's result."""

    outline: Outline
    program: Program
    account: Account

    def __init__(self, leaves: Sequence[Tensor], tracer: Tracer):
        self.tracer = tracer
        self.leaves = leaves
        self._nodes = [(x.node, x.requires_grad) for x in leaves]

    def run(self, function: Callable, args: tuple, kwargs: dict) -> None:
        """Call the function. When it raises all is as it was."""
        self.containers = _containers(args, kwargs)
        before = _arguments(args, kwargs)
        with self.undone_if_it_fails():
            self._out = self._call(function, args, kwargs)
        self.changes_arguments = _arguments(args, kwargs) != before

    def _call(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        """Run the function with the tracer in the devices' place; it may be interrupted."""
        tracer, outside = self.tracer, copy_context()
        swapped = []  # in the order of the arguments, a tensor that comes twice only once
        try:
            for i, x in enumerate(self.leaves):
                if tracer.position_of(x.array) is None:
                    swapped.append((x, x.array, tracer.given(x.array, i)))
                    x.array = swapped[-1][2]
            observer = Observer()
            try:
                # `release` tells the observers of events what the traced call has told so far.
                with held() as self.release, traced_by(tracer), observer:
                    out = interruptible(outside, function, *args, **kwargs)
                with traced_by(tracer):
                    tracer.settle()
            finally:
                observer.seen.searched = tracer.searched
                self.ran = observer.seen  # what ran in the call, and what it asked of the world
                self.asked = observer.refusal or tracer.assigned
            if tracer.refusal is not None:  # which the function caught, to go another way
                raise tracer.refusal
            return out
        finally:
            for x, array, mine in swapped:
                if x.array is mine:
                    x.array = array

    @contextmanager
    def undone_if_it_fails(self) -> Iterator[None]:
        """Leave everything outside as it was before the trace when what is inside raises."""
        try:
            yield
        except BaseException:
            self.tracer.undo()
            raise

    # What is to be done again.
    def finish(
        self, outside: Outside, known: Mapping[int, Any], name_of: Callable[[Any], str | None]
    ) -> None:
        """Tell the trace's outline, given what stands outside.

        `known` are all objects there by id, and `name_of` says what a tensor, its node or its
        memory is called.
        """
        tracer, leaves = self.tracer, self.leaves
        self.outside, self._name_of = outside, name_of
        handed = self.handed = Handed(tracer, leaves, known, outside.places)
        returned: dict[int, tuple[int, Tensor]] = {}
        self.template, account = template(self._out, returned, known)
        del self._out
        self.results = [handed.number(x) for _, x in returned.values()]
        touched = [(node, t, self._action(t)) for node, t in tracer.grads.items()]
        argument_effects = self._effects_on_arguments()
        bindings = self._bindings = Bindings(
            tracer, leaves, outside.tensors, outside.storages, outside.memory_places, handed.shown
        )
        effects = [
            Effect(
                bindings.node_key(node), t.seen, entry_state(t.before, t.seen), *action,
                not t.seen & KIND and action[0] == "set",
            )
            for node, t, action in touched
        ]  # fmt: skip
        for storage in tracer.frozen:
            tracer.relies_on(storage)
        self.steps = bindings.steps()
        choices = ranges(tracer.choices, bindings, leaves)
        self.outline = Outline(
            sources=[bindings.sources[slot] for slot in sorted(bindings.sources)],
            specs=handed.bound(bindings),
            template=self.template,
            results=self.results,
            effects=effects,
            argument_effects=argument_effects,
            written=[
                Written(
                    bindings.whole[s][0], s.version - tracer.versions[s], tracer.static_bounds(s)
                )
                for s in tracer.current
            ],
            generators=generated(tracer),
            callbacks=tracer.callbacks,
            faults=tracer.faults,
            pins=list(bindings.pins.items()),
            reached=bindings.reached,
            fixed_grads=list(bindings.fixed_grads.items()),
            histories=list(tracer.histories.items()),
            guards=tracer.guards,
            checks=ranges(tracer.checks, bindings, leaves, choices),
            choices=choices,
        )
        self.account = Account(self._parts(account), tracer.origins)

    def _action(self, t: Touched) -> tuple[str, Any]:
        if t.stage == "cleared":
            return "clear", None
        if t.rests_as_it_was:
            return "keep", None
        grad = t.node.grad
        return "set", self.handed.number(grad) if isinstance(grad, Tensor) else grad

    def _effects_on_arguments(self) -> list[ArgumentEffect]:
        effects = []
        for i, (x, (node, tracked)) in enumerate(zip(self.leaves, self._nodes, strict=True)):
            grad = None
            if x.node is not None and x.node.sequence > self.tracer.start:
                if isinstance(x.node.grad, Tensor):
                    grad = self.handed.number(x.node.grad)
            loses = node is not None and x.node is not node
            changed = x.requires_grad if x.requires_grad != tracked else None
            if loses or changed is not None:
                effects.append(ArgumentEffect(i, loses, changed, grad))
        return effects

    # What another trace has to repeat.
    def _parts(self, result: Any) -> dict[str, Any]:
        tracer, did = self.tracer, self.outline
        inputs = [
            (s.kind, tracer.constants[slot][1][:2] if s.kind == "constant" else s.of)
            for slot, s in sorted(self._bindings.sources.items())
        ]
        handed = [
            Same(x.of) if isinstance(x, Source) and x.kind == "object" else x for x in did.specs
        ]
        return {
            "an operation": [step.account for step in self.steps],
            "a tensor that it uses": inputs,
            "a generator that it draws from": [
                ("global" if is_global else g, n) for g, is_global, n in did.generators
            ],
            "what it writes to": did.written,
            "what it does to a gradient": did.effects,
            "what it does to its arguments": did.argument_effects,
            "what it returns": [result, did.results, handed],
            "what each step counts": did.callbacks,
        }  # fmt: skip

    def difference(self, other: Account) -> str | None:
        """Return what an earlier trace did otherwise, and where; None where all is the same."""
        for what, mine in self.account.parts.items():
            theirs = other.parts[what]
            if mine == theirs:
                continue
            pairs = enumerate(zip(mine, theirs, strict=False))
            at = next((i for i, (a, b) in pairs if a != b), min(len(mine), len(theirs)))
            if what == "an operation":
                longer = self.account if len(mine) > at else other
                return f"{what} at {place(longer.origins[at])}"
            detail = self._named(what, at) if len(mine) > at else None
            return what if detail is None else f"{what}, {detail},"
        return None

    def _named(self, what: str, at: int) -> str | None:
        """Return which part of an account is meant."""
        did = self.outline
        if what == "a tensor that it uses":
            slot, source = sorted(self._bindings.sources.items())[at]
            if source.kind == "constant":
                return f"made of host data at {place(self.tracer.constants[slot][1][2])}"
            reads = (
                place(origin)
                for step, origin in zip(self.steps, self.account.origins, strict=True)
                if any(ref.slot == slot for ref in step.refs())
            )
            read = next(reads, None)
            return f"{self._name(source)}{'' if read is None else f', used at {read}'}"
        if what == "what it writes to":
            return self._name(did.written[at].source)
        if what == "what it does to a gradient":
            return self._name(Source("grad", did.effects[at].key))
        if what == "what it does to its arguments":
            return f"tensor argument {did.argument_effects[at].position}"
        return None

    def _name(self, source: Source) -> str:
        if isinstance(source.of, int):
            text = f"tensor argument {source.of}"
        else:
            text = self._name_of(source.of) or "one that has no name"
        return f"that of {text}" if source.kind == "grad" else text

    # What it keeps.
    def kept(self) -> list[Storage]:
        """Return the storages made inside that live on, and are not handed out."""
        return [s for s in self.tracer.made if s not in self.handed.made]

    def made_at(self, storage: Storage) -> str:
        """Return where a storage was made inside."""
        slot = self.tracer.made[storage]
        for step, origin in zip(self.tracer.steps, self.tracer.origins, strict=True):
            if slot in step.writes():
                return place(origin)
        constant = self.tracer.constants.get(slot)
        return place(constant[1][2] if constant else None)

    # The first run.
    def cut(self) -> None:
        """Take the history off what is handed out, which frees what only the graph holds."""
        self.handed.cut()
        for effect in self.outline.effects:
            if effect.action == "set" and isinstance(effect.value, int):
                node = self.outline.node(effect.key, self.leaves)
                node.grad = self.handed.tensors[effect.value]

    def prepare(self) -> Program:
        """Return the program, which also computes what lives on without being handed out."""
        tracer = self.tracer
        self._alive = [*self.handed.made, *self.kept()]
        updates: dict = {self._bindings.whole[s][1]: slot for s, slot in tracer.current.items()}
        outputs = [tracer.made[s] for s in self._alive]
        self.program = make_program(tracer, self._bindings, self.steps, outputs, updates)
        return self.program

    def first_run(self, executor: Executor | None) -> Any:
        """Give values to what the trace left without, and return the function's result.

        When that fails everything is as before the trace.
        """
        if executor is not None:
            with self.undone_if_it_fails():
                bound = self._bindings
                inputs = [
                    self.outline.storage(source, self.leaves, self.outside)
                    if source.kind == "window"
                    else bound.first[slot]
                    for slot, source in sorted(bound.sources.items())
                ]
                generators = self.tracer.generators.items()
                starts = [(split_seed(g.seed), first) for g, (first, _) in generators]
                outs = executor.run(
                    inputs,
                    lambda g, offset: (starts[g][0], starts[g][1] + offset),
                )
                for storage, new in zip(self._alive, outs, strict=True):
                    storage.buffer, new.buffer = new.buffer, storage.buffer
                if self.tracer.faults is not None:
                    executor.device.expect(self.tracer.faults)
        return fill(self.template, [self.handed.tensors[i] for i in self.results])


def _arguments(args: tuple, kwargs: dict) -> tuple[Any, list[int]]:
    """Return what arguments are, to be compared with what they are after a call."""
    tensors: list[Any] = []
    return take_apart((args, kwargs), tensors, []), list(map(id, tensors))


def _containers(*values: Any) -> list[Any]:
    """Return the lists and dicts, in whatever they lie, that arguments are."""
    containers: list[Any] = []
    stack = list(values)
    while stack:
        x = stack.pop()
        if isinstance(x, (list, dict)):
            containers.append(x)
        if isinstance(x, (list, tuple, dict)):
            stack.extend(x.values() if isinstance(x, dict) else x)
    return containers
