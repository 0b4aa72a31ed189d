"""What a policy is: it says what a program rests on besides its arguments, and traces calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from ...backends.array import Storage
from ...tensor import Tensor
from ..run.executors import Executors
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


class Policy(Protocol):
    """Says what programs rest on besides arguments: `watched` (default), or `declared` state."""

    def key(self, objects: Sequence[Any]) -> Any:
        """Return what tells calls apart whose arguments are alike."""

    def trace(self, signature: Signature, call: Call) -> tuple[Any] | None:
        """Trace a call and run its program. Return its result; None: the function is to run."""


class Traced(Protocol):
    """What a policy makes of a traced call."""

    @property
    def recording(self) -> Recording:
        """What the trace saw."""


T = TypeVar("T", bound=Traced)


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
            if not looks_at_types(now.recording.ran):
                return now
            now.recording.undo()
        finally:
            floats.end()
        twice()
    floats.fix()
    return run(call.args, call.kwargs)


def looks_at_types(ran: Observation) -> bool:
    """Whether code that ran asks for the type of something, which tells a stand-in from a float."""
    return any("type" in names_in(code).variables for code, _ in ran.codes.values())
