"""What devices need of a tracer: its contract, which one traces now, numbers read anew each run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Protocol, TypeVar

import numpy as np

from ..dtypes import DType
from ..errors import TraceError

if TYPE_CHECKING:  # they import what is below
    from .array import Array
    from .base import Device
    from .families import Family, Operands

P = ParamSpec("P")
R = TypeVar("R")


class Live(float):
    """A number that may change between the runs of a program: each run calls for it anew.

    Devices see the float that it was when it was made. `call` is the function and its arguments;
    two numbers whose calls are equal are one and the same in a program.
    """

    __slots__ = ("call",)

    call: tuple[Callable[..., float], tuple[Any, ...]]

    def __new__(cls, function: Callable[..., float], *args: Any) -> Live:
        made = super().__new__(cls, function(*args))
        made.call = function, args
        return made

    def read(self) -> float:
        """Return the number that it is now."""
        function, args = self.call
        return float(function(*args))


class _Unbacked:
    """The buffer of a storage that a traced function made, until its program has run."""

    give_back = int  # called without arguments by the destructor of a storage on a GPU

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TraceError(
            "compile: a tensor was used that a function made while it was traced; it has no values "
            "until the trace ends, for other threads and for a signal's handler, and none at all "
            "after a trace that failed"
        )


UNBACKED = _Unbacked()


class DeviceTracer(Protocol):
    """What devices, and all that stands below operations, need of whoever traces a function.

    `core.tracing.Tracer` adds what knows of values and gradients.
    """

    start: int  # which trace it is: everything it makes has a node with a larger number

    def noted(self, device: Device, work: Family, operands: Operands) -> Any:
        """Write down work of a kernel family, and return its result unless it is in place.

        That of a Dispatch is a list of arrays.
        """

    def upload(self, device: Device, data: np.ndarray, dtype: DType) -> Array:
        """Take host data for a constant, the same in every run."""

    def replace(self, device: Device, target: Array, fresh: Array) -> None:
        """Let an array have the values of another of its shape from now on."""

    def changing(self, owner: Any, *names: str) -> None:
        """Remember attributes of `owner` (or the content of a list or dict) as they are now."""

    def members_read(self, buffers: bool) -> None:
        """Note that a module looks for its parameters and modules, or for its buffers too."""

    def refuse(self, what: str) -> NoReturn:
        """End the trace with an error, for there is no program that does `what`."""

    def cannot_repeat(self, what: str, more: str = "") -> None:
        """Let the function run uncompiled from now on, for it does `what` at the user's line."""


current_tracer: ContextVar[Any] = ContextVar("wgrad_tracer", default=None)


# Returns the tracer that captures this context's work, or None. Every piece of work asks for it, so
# it is no function around this one. What knows of values asks core.tracing, for the same one.
tracing: Callable[[], DeviceTracer | None] = current_tracer.get


def unheard(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function of ours, which calls none of the user's, without a profiler in Python.

    One that observes a traced function would pass by every call that it makes, at a cost.
    """
    profiler = sys.getprofile()
    if type(profiler) is not FunctionType:
        return function(*args, **kwargs)
    try:
        sys.setprofile(None)
        return function(*args, **kwargs)
    finally:
        sys.setprofile(profiler)


class traced_by:
    """Let `tracer` have the work of a block instead of the devices; None suspends tracing.

    The block belongs into one that handlers of signals wait for (interrupts.py): one that raises
    as it is left would leave the tracer in its place.
    """

    __slots__ = ("_token", "_tracer")

    def __init__(self, tracer: DeviceTracer | None):
        self._tracer = tracer

    def __enter__(self) -> None:
        self._token = current_tracer.set(self._tracer)

    def __exit__(self, *exc: object) -> None:
        current_tracer.reset(self._token)


def changing(owner: Any, *names: str) -> None:
    """Tell the tracer, if one captures, that attributes of `owner` are about to change.

    They are put back when its trace fails; so is the content of a list or dict (with no names).
    """
    tracer = tracing()
    if tracer is not None:
        tracer.changing(owner, *names)


def members_read(buffers: bool = False) -> None:
    """Tell the tracer, if one captures, that a module looks for what its attributes hold.

    It looks for parameters and modules, or for buffers too.
    """
    tracer = tracing()
    if tracer is not None:
        tracer.members_read(buffers)
