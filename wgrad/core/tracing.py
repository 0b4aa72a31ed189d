"""The contract of a tracer: what operations, the tape and optimizers tell it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..backends import tracing as below
from ..backends.array import Array, Storage
from ..backends.base import Device
from ..backends.faults import Allowed
from ..backends.tracing import DeviceTracer
from .op import Node, Value


class Stream(Protocol):
    """A generator of random numbers: a seed, and the count of numbers taken so far."""

    seed: int
    counter: int


class Tracer(DeviceTracer, Protocol):
    """Who takes the devices' place while a function runs once, and writes down what it does."""

    # Functions and their arguments: f(1, *args) is called before every later run, f(-1, *args)
    # to undo that when the run fails.
    callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]]

    # Integers, which have no values yet.
    def own_bounds(self, x: Array) -> tuple[int, int] | None:
        """Return what the elements lie between in every run; None where that is not known."""

    def checked(self, x: Value, allowed: Allowed) -> Value:
        """Return integers that all are allowed, and see to it in every run."""

    def range_chosen(self, x: Value, least: int, greatest: int) -> bool:
        """Return whether all integers lie in a range now; the program is for such runs alone."""

    # Gradients and histories.
    def grad_touched(self, node: Node, how: str) -> None:
        """Note that a gradient is about to be used; `touch_grad` has the words for it."""

    def restored(self, owner: Node, storage: Storage) -> None:
        """Note that a gradient rests on a value which the call of `owner` saved."""

    def history_assigned(self, x: Array) -> None:
        """Note that tracked values are assigned to a tensor."""

    # What a run does to the world besides.
    def numbers_taken(self, generator: Stream, first: int, count: int) -> None:
        """Note that `count` random numbers were drawn, from number `first` on."""

    def once_more(self, arrays: Sequence[Array]) -> AbstractContextManager[None]:
        """Return a block whose work on `arrays` is done anew, after all that came before it.

        That it equals work which was done before is not to show: its results are not kept.
        """

    def turn(self, device: Device, of: Any = None) -> Any:
        """Return a turn of a loop, which is traced from now until it is closed or withdrawn.

        It may be the reverse `of` another one. See program/trace/loops.py.
        """

    def require(self, holds: Callable[..., bool], *args: object) -> None:
        """Run the program only while `holds(*args)`: the path taken rests on it."""


# Returns the tracer that captures this context's work, or None.
tracing: Callable[[], Tracer | None] = below.current_tracer.get
