"""Outlined: what a call would do, told without doing it, for programs that run elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ..core import place
from ..creation import zeros
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
from .trace.handed import Made
from .trace.outline import Outline
from .trace.recording import Recording
from .trace.tree import take_apart


class Outlined:
    """A call that was traced: its `program` before all passes, its `outline`, and its results.

    `results` are tensors like those that were returned, and `outputs` says which output of the
    program each is: there are no others, such as gradients. Until `undo`, optimizers have the
    memory that they would make in a first step.
    """

    def __init__(
        self,
        recording: Recording,
        gradients: dict[Any, Any],
        results: list[Made],
        outputs: list[int],
        program: Program,
    ):
        self.recording = recording
        self._gradients = gradients
        self.results = results
        self.outline: Outline = recording.outline
        self.outputs = outputs
        self.program = program

    def undo(self) -> None:
        """Leave all as it was before the trace."""
        _undo(self.recording, self._gradients)

    def line(self, slot: int) -> str:
        """Return the user's line that a slot is computed at."""
        return place(self.program.lines.get(slot))


def outlined(
    function: Callable,
    name: str,
    leaves: Sequence[Tensor],
    state: Any,
    freeze: tuple[Tensor, ...] = (),
) -> Outlined:
    """Trace `function(*leaves)`, which returns a list of tensors, by what `state` declares.

    Nothing runs, and `undo` of what is returned leaves all as it was. Raises: TraceError for what
    no replay would do.
    """
    what = Function(function, name, freeze, Signatures(name), Executors(True, 1))
    recording = _recorded(Declared(what, state), leaves)
    found: dict[Any, Any] = {}  # gradients, where a call begins with what the one before has left
    try:
        left = _left(recording)
        if left:
            # The first call finds no gradient, others do: it has to do the same as they do.
            first = recording.account.parts["an operation"]
            recording.tracer.undo()
            for node, x in left.items():
                found[node] = node.grad
                node.grad = zeros(x.shape, x.dtype, device=x.device)
            recording = _recorded(Declared(what, state), leaves)
            _check_gradients(name, recording, first)
        # What this call would leave is no business of the next one that is traced.
        for node, touched in recording.tracer.grads.items():
            node.grad = touched.before
        for callback, args in reversed(recording.outline.callbacks):
            callback(-1, *args)
        for generator, (drawn, _) in recording.tracer.generators.items():
            generator.counter = drawn
        return _told(recording, found)
    except BaseException:
        _undo(recording, found)
        raise


def _undo(recording: Recording, gradients: dict[Any, Any]) -> None:
    recording.tracer.undo()
    for node, x in gradients.items():
        node.grad = x


def _recorded(policy: Declared, leaves: Sequence[Tensor]) -> Recording:
    given = list(leaves)
    key = take_apart(((*given,), {}), [], [])
    rest()
    try:
        return policy.outline(Call((key,), (*given,), {}, given, [], None))
    finally:
        work()


def frozen(function: Callable) -> tuple[Tensor, ...]:
    """Return the tensors that a compiled function was promised to change hardly ever."""
    return function._freeze if isinstance(function, Compiled) else ()


def declared(function: Callable) -> Any:
    """Return the state that a compiled function declares; None where it declares none."""
    policy = function._made_by if isinstance(function, Compiled) else None
    return policy.keywords["state"] if isinstance(policy, functools.partial) else None


def plain(function: Callable) -> Callable:
    """Return what a compiled function was made of, or the function itself."""
    return function._function if isinstance(function, Compiled) else function


def _left(recording: Recording) -> dict[Any, Tensor]:
    """Return the gradients that a call leaves to the next one, where that looks at them."""
    left = {}
    for effect in recording.outline.effects:
        if effect.seen and effect.action == "set" and isinstance(effect.value, int):
            key = effect.key
            node = recording.leaves[key].node if isinstance(key, int) else key
            left[node] = recording.handed.tensors[effect.value]
    return left


def _check_gradients(name: str, recording: Recording, first: Any) -> None:
    """Raise TraceError where calls go on from gradients that earlier ones have left."""
    reads = any(source.kind == "grad" for source in recording.outline.sources)
    if reads or recording.account.parts["an operation"] != first:
        raise TraceError(
            f"compile: {name} goes on from gradients that a call before has left, which a program "
            "by itself does not have: let it call zero_grad() before backward()"
        )


def _told(recording: Recording, gradients: dict[Any, Any]) -> Outlined:
    tracer, outline = recording.tracer, recording.outline
    specs = [outline.specs[i] for i in recording.results]
    assert all(isinstance(x, Made) and isinstance(x.where, int) for x in specs)
    by_number = {number: storage for storage, number in recording.handed.made.items()}
    kept = list(dict.fromkeys(x.where for x in specs))
    made = [tracer.made[by_number[i]] for i in kept]
    bound = recording._bindings
    updates: dict = {bound.whole[s][1]: slot for s, slot in tracer.current.items()}
    program = make_program(tracer, bound, recording.steps, made, updates)
    return Outlined(recording, gradients, specs, [kept.index(x.where) for x in specs], program)
