"""What a policy is: it says what a program rests on besides its arguments, and traces calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from ...backends.array import Storage
from ...backends.events import held
from ...tensor import Tensor
from ..run.executors import Executors
from ..run.replay import Replay
from ..signatures import Signature, Signatures
from ..trace.floats import Floats
from ..trace.names import names_in
from ..trace.observe import Observation
from ..trace.recording import Recording


class Function(NamedTuple):
    """A function that is compiled, and what it has been compiled to so far."""

    call: Callable
    name: str
    freeze: tuple[Tensor, ...]
    signatures: Signatures
    executors: Executors

    def frozen(self) -> frozenset[Storage]:
        """Return the memory that is promised to change hardly ever."""
        return frozenset(x.array.storage for x in self.freeze)


class Call(NamedTuple):
    """One call: `leaves` are the tensors among its arguments, `objects` what else is no number."""

    key: Any  # of its signature
    args: tuple
    kwargs: dict
    leaves: list[Tensor]
    objects: list[Any]
    floats: Floats | None


class Policy:
    """Says what programs rest on besides arguments: `watched` (default), or `declared` state."""

    def __init__(self, function: Function):
        self._function = function
        self._ran = Observation()  # what any trace so far ran

    def key(self, objects: Sequence[Any]) -> Any:
        """Return what tells calls apart whose arguments are alike: nothing, if not declared."""

    def trace(self, signature: Signature, call: Call) -> tuple[Any] | None:
        """Trace a call and run its program. Return its result; None: the function is to run."""
        raise NotImplementedError

    def _first_run(
        self,
        recording: Recording,
        call: Call,
        signature: Signature,
        keep: Callable[[Replay], Signature],
        reason: str | None = None,
    ) -> tuple[Any]:
        """Run the program of a traced call, and return the call's result.

        `keep` puts its replay where later calls find it, unless it holds for this call's numbers
        alone. With a `reason` to do so, calls of this signature are left uncompiled.
        """
        signatures = self._function.signatures
        with recording.undone_if_it_fails():
            executor = self._function.executors.of(recording)
        with held() as release:
            result = recording.first_run(executor)
        replay = signatures.newest = Replay(recording, executor)
        if call.floats is None or not call.floats.are_fixed():
            signature = keep(replay)
        if reason is not None:
            signatures.give_up(signature, reason)
        signatures.make_room(signature)
        recording.release()  # observers may run programs, too
        release()
        return (result,)


T = TypeVar("T", bound=Recording)


def with_floats(
    call: Call,
    ran: Observation,
    run: Callable[[tuple, dict], T],
    twice: Callable[[], object] = lambda: None,
) -> T:
    """Trace a call, with its floats as inputs as far as that can be.

    `run` traces it with the arguments that it gets, and `ran` is what earlier traces ran; `twice`
    is told when the function has to run once more.
    """
    floats = call.floats
    if floats is None or not floats.places:
        return run(call.args, call.kwargs)
    if not (looks_at_types(ran) or floats.fail()):
        try:
            now = run(*floats.stand_ins(call.args, call.kwargs))
        except (TypeError, ZeroDivisionError):
            pass  # something takes true floats alone: all is as it was, and gets them
        else:
            if not looks_at_types(now.ran):
                return now
            now.tracer.undo()
        finally:
            floats.end()
        twice()
    floats.fix()
    return run(call.args, call.kwargs)


def looks_at_types(ran: Observation) -> bool:
    """Whether code that ran asks for the type of something, which tells a stand-in from a float."""
    return any("type" in names_in(code).variables for code, _ in ran.codes.values())
