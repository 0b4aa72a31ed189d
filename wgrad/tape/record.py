"""The recording step: what `apply` does with a call when the tape is switched on, and the switch.

What is remembered hangs on the tensors themselves (`Node`), so nothing outlives them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from operator import call
from typing import Any, ParamSpec, TypeVar

from .. import core
from ..checks.arguments import function as check_function
from ..core import Input, Node, Op, Tensor, Value
from ..core.interpret import Context, current, within
from ..errors import ArgumentError
from ..origin import caller
from .identity import check_assigned, check_history, saved, stamp, unfollowed

P = ParamSpec("P")
R = TypeVar("R")


def record(op: Op, inputs: tuple[Input, ...], params: dict[str, Any], out: Tensor) -> None:
    """Give the output a node when an input requires grad."""
    if not op.rules or not out.array.dtype.is_floating:
        return
    names: tuple[Any, ...] = ()
    parents: list[Node | None] = []
    tracked = False
    for position, value in enumerate(inputs):
        if not isinstance(value, Value):
            parents.append(None)
            continue
        storage = value.array.storage
        if storage.history is not None:
            check_assigned(value, op.name)
        node = value.node
        if node is None or not node.requires_grad or (rule := op.rule(position)) is None:
            parents.append(None)
            continue
        if node.op is not None and node.version != storage.version:
            check_history(value, op.name)
        parents.append(node)
        tracked = True
        names += rule.saves
    if not tracked:
        if op.is_view and out.array.storage.history is not None:
            outer = None if out.node is None else out.node.outer
            out.node = unfollowed(out.array, outer)
        return
    node = out.node
    if node is None:
        node = out.node = Node()
    node.requires_grad = True
    node.op = op
    if params:
        node.params = params
    node.parents = tuple(parents)
    if op.wants_shapes:
        node.shapes = tuple([v.array.layout.shape if isinstance(v, Value) else () for v in inputs])
    node.origin = caller(2)  # that of `apply`, and this one, are ours
    stamp(node, out.array)
    if names:
        kept: dict[Any, Any] = {}
        for name in names:
            if name not in kept:
                kept[name] = saved(name, inputs, out)
        node.saved = kept


def is_recording() -> bool:
    """Return whether calls are being recorded in this context."""
    return current.get().records


def is_followed(x: Value) -> bool:
    """Return whether the tape, or an interpreter, follows what is done with `x` in this context."""
    now = current.get()
    if now.records and x.node is not None and x.node.requires_grad:
        return True
    return any(i.follows(x) for i in now.interpreters)


def recording(mode: bool, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function with recording on or off, in this context alone, and return its result."""
    now = current.get()
    if now.records is not mode:
        now = now.switched((*now.recording[:-1], mode))
    return within(now, function, *args, **kwargs)


_differentiated: ContextVar[bool] = ContextVar("wgrad_differentiated", default=False)


def differentiated(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function that a transform takes the derivative of, with recording on."""
    # Unpacked, not called: no handler of a signal runs between this and the `try`.
    (token,) = map(_differentiated.set, (True,))
    try:
        return recording(True, function, *args, **kwargs)
    finally:
        _differentiated.reset(token)


def passes_through(inputs: Iterable[Value]) -> bool:
    """Return whether gradients pass through a function of these inputs to what is outside of it.

    They do to what the inputs follow from, and to the inputs of a transform.
    """
    tracked = [x.node for x in inputs if x.node is not None and x.node.requires_grad]
    if not tracked or not is_recording():
        return False
    return _differentiated.get() or any(node.op is not None for node in tracked)


# What to go back to, one entry for each `with` block entered in this context. A stack in the
# context, not on the object, for one object may be entered by several threads at once.
_outer: ContextVar[tuple[tuple[bool, ...], ...]] = ContextVar("wgrad_outer", default=())
_SETTERS: Any = _outer.set, current.set


class _Switch:
    """Recording on or off, as a context manager and as a decorator of functions, async ones too."""

    mode: bool

    def __new__(cls, function: Callable | None = None) -> Any:
        """Return the switch, or `function` decorated (so that parentheses may be left out)."""
        switch = super().__new__(cls)
        return switch if function is None else switch(function)

    def __enter__(self) -> None:
        outer = (*_outer.get(), current.get().recording)
        # Unpacked, not called: no handler of a signal runs before `with` has the block.
        _, _ = map(call, _SETTERS, (outer, self._switched()))

    def __exit__(self, *exc: Any) -> None:
        *rest, before = _outer.get()
        _, _ = map(call, _SETTERS, (tuple(rest), current.get().switched(before)))

    def _switched(self) -> Context:
        """Return the context with all levels recorded, or none: the user means all of them."""
        now = current.get()
        return now.switched((self.mode,) * len(now.recording))

    def __call__(self, function: Callable) -> Callable:
        check_function(function, type(self).__name__, "function")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ArgumentError(
                f"{type(self).__name__}: {function.__qualname__} is a generator, which would leave "
                "its caller switched between values: put a `with` block inside it"
            )
        switch = type(self)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaiting(*args: Any, **kwargs: Any) -> Any:
                with switch():
                    return await function(*args, **kwargs)

            return awaiting

        @functools.wraps(function)
        def calling(*args: Any, **kwargs: Any) -> Any:
            return within(self._switched(), function, *args, **kwargs)

        return calling


class no_grad(_Switch):
    """Nothing computed inside requires grad: `with no_grad():`, or `@no_grad()` on a function.

    >>> x = wg.parameter([1.0])
    >>> with wg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    mode = False


class enable_grad(_Switch):
    """Record inside again: `with enable_grad():` within a `no_grad` block, or as a decorator.

    >>> x = wg.parameter([1.0])
    >>> with wg.no_grad():
    ...     with wg.enable_grad():
    ...         y = x * 2
    >>> y.requires_grad
    True
    """

    mode = True


core.set_recorder(record)
