"""Outlined: what a call would do, told without doing it, for programs that run elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import tape
from ..core import Value, place
from ..errors import TraceError
from ..tensor import Tensor
from .compiled import Compiled
from .guard.declared import Declared
from .guard.policy import Call, Function
from .ir import Program
from .run.executors import Executors
from .signatures import Signatures
from .trace.collecting import rest, work
from .trace.finish import make_program
from .trace.grads import entry_state
from .trace.handed import Made
from .trace.outline import Outline
from .trace.recording import Recording
from .trace.tree import take_apart


class Outlined:
    """A call that was traced: its `program` before all passes, its `outline`, and its results.

    `results` are tensors like those that were returned, and `outputs` says which output of the
    program each is: there are no others, such as gradients.
    """

    def __init__(
        self, recording: Recording, results: list[Made], outputs: list[int], program: Program
    ):
        self.recording = recording
        self.results = results
        self.outline: Outline = recording.outline
        self.outputs = outputs
        self.program = program

    def line(self, slot: int) -> str:
        """Return the user's line that a slot is computed at."""
        return place(self.program.lines.get(slot))


@contextmanager
def outlined(
    function: Callable, name: str, leaves: Sequence[Tensor], state: Any
) -> Iterator[Outlined]:
    """Trace `function(*leaves)`, which returns a list of tensors, by what `state` declares.

    In the block, optimizers have the memory that they would make in a first step; after it all is
    as it was before. Nothing runs. Raises: TraceError for what no replay would do.
    """
    freeze = function._freeze if isinstance(function, Compiled) else ()
    signatures = Signatures(name)
    policy = Declared(Function(function, name, freeze, signatures, Executors(True, 1)), state)
    given = list(leaves)
    key = take_apart(((*given,), {}), [], [])
    rest()
    try:
        recording = policy.outline(Call((key,), (*given,), {}, given, [], None))
    finally:
        work()
    try:
        _check_gradients(name, recording)
        # What this call would leave is no business of the next one that is traced.
        for node, touched in recording.tracer.grads.items():
            node.grad = touched.before
        for callback, args in reversed(recording.outline.callbacks):
            callback(-1, *args)
        for generator, (first, _) in recording.tracer.generators.items():
            generator.counter = first
        yield _told(name, recording)
    finally:
        recording.tracer.undo()


def plain(function: Callable) -> Callable:
    """Return what a compiled function was made of, or the function itself."""
    return function._function if isinstance(function, Compiled) else function


def _check_gradients(name: str, recording: Recording) -> None:
    """Raise TraceError where a call goes on from gradients that an earlier one has left."""
    for effect in recording.outline.effects:
        if not effect.seen or effect.action == "keep":
            continue
        left: Any = None
        if effect.action == "set":
            handed = isinstance(effect.value, int)
            left = recording.handed.tensors[effect.value] if handed else effect.value
        elif effect.action == "clear":
            left = tape.ZERO if effect.entry else None
        if isinstance(left, Value) or entry_state(left, effect.seen) != effect.entry:
            raise TraceError(
                f"compile: {name} adds to gradients that a call before has left, which a program "
                "on its own does not have: let it call zero_grad() before backward()"
            )
    for source in recording.outline.sources:
        if source.kind == "grad":
            raise TraceError(
                f"compile: {name} reads a gradient that a call before has left, which a program on "
                "its own does not have: let it call backward() itself"
            )


def _told(name: str, recording: Recording) -> Outlined:
    tracer, outline = recording.tracer, recording.outline
    specs = [outline.specs[i] for i in recording.results]
    assert all(isinstance(x, Made) and isinstance(x.where, int) for x in specs)
    by_number = {number: storage for storage, number in recording.handed.made.items()}
    kept = list(dict.fromkeys(x.where for x in specs))
    made = [tracer.made[by_number[i]] for i in kept]
    bound = recording._bindings
    updates = {bound.whole[s][1]: slot for s, slot in tracer.current.items()}
    program = make_program(tracer, bound, recording.steps, made, updates)
    return Outlined(recording, specs, [kept.index(x.where) for x in specs], program)


