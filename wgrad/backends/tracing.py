"""What stands between devices and a tracer: who captures, what changes, numbers that live on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..errors import TraceError


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

    @classmethod
    def of(cls, owner: Any, name: str) -> Live:
        """Return the number that is now the attribute `name` of `owner`."""
        return cls(getattr, owner, name)

    def read(self) -> float:
        """Return the number that it is now."""
        function, args = self.call
        return float(function(*args))


class _Unbacked:
    """The buffer of a storage that a traced function made, until its program has run."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TraceError(
            "compile: a tensor was used that a function made while it was traced; it has no values "
            "until the trace ends, for other threads, and none at all after a trace that failed"
        )


UNBACKED = _Unbacked()


_tracer: ContextVar[Any] = ContextVar("wgrad_tracer", default=None)


def tracing() -> Any:
    """Return the tracer (program/trace.py) that captures this context's work, or None."""
    return _tracer.get()


@contextmanager
def traced_by(tracer: Any) -> Iterator[None]:
    """Let `tracer` have the work of this block instead of the devices; None suspends it."""
    token = _tracer.set(tracer)
    try:
        yield
    finally:
        _tracer.reset(token)


def changing(owner: Any, *names: str) -> None:
    """Tell the tracer, if one captures, that attributes of `owner` are about to change.

    They are put back when its trace fails; so is the content of a list or dict (with no names).
    """
    tracer = _tracer.get()
    if tracer is not None:
        tracer.changing(owner, *names)


def members_read(buffers: bool = False) -> None:
    """Tell the tracer, if one captures, that a module looks for what its attributes hold.

    It looks for parameters and modules, or for buffers too.
    """
    tracer = _tracer.get()
    if tracer is not None:
        tracer.searched = max(tracer.searched, 1 + buffers)
