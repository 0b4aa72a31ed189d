"""Interpreters: what `apply` asks before an operation runs, such as forward mode and vmap.

They form a stack in the context; the innermost is asked first. It answers with the result, which it
may get from those below by calling `apply` itself: while it works the stack ends below it. So the
transforms nest in any order, and none of them knows the others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, Self, TypeVar

from ..checks.arguments import function as check_function
from ..errors import InterpreterError, shown
from .op import Input, Op, Tensor, Value

P = ParamSpec("P")
R = TypeVar("R")


class Interpreter:
    """Asked before an operation runs; the other methods say what it knows of a tensor."""

    has_level = False  # whether it makes tensors of its own, which the tape records apart
    # Whether it follows no tensor, so that what it answers may be compiled, or computed again.
    is_transparent = False
    # Whether it lets products compute in fewer digits than their operands have; None: it says
    # nothing of that.
    narrows: bool | None = None

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        """Return the result of an operation; `apply` in here asks the interpreters below."""
        raise NotImplementedError

    def follows(self, x: Value) -> bool:
        """Return whether this interpreter carries something along with `x` that has to last."""
        return False

    def adopted(self, x: Value) -> None:
        """Note that a result has become the values of another tensor, `x`."""

    def refuse_assignment(self, value: Any) -> None:
        """Raise an error when assigning `value` in place would lose what is carried along."""


class Context:
    """How calls are treated in the current context; never changed, only exchanged for another.

    `interpreters` are asked before an operation runs. `recording` says whether the tape records:
    once for each level at which there are tensors of their own (vmap makes one), the innermost
    last. `observed` says that somebody is told afterwards.
    """

    __slots__ = ("_below", "interpreters", "observed", "recording", "records", "special")

    def __init__(
        self,
        interpreters: tuple[Interpreter, ...] = (),
        recording: tuple[bool, ...] = (True,),
        observed: bool = False,
    ):
        self.interpreters = interpreters
        self.recording = recording
        self.records = recording[-1]
        self.observed = observed
        self._below: Context | None = None
        self.special = bool(interpreters) or observed  # whether `apply` has to look any further

    def below(self) -> Context:
        """Return the context without the innermost interpreter."""
        if self._below is None:
            self._below = Context(self.interpreters[:-1], self.recording, self.observed)
        return self._below

    def until(self, at: int) -> Context:
        """Return the context without the interpreters from number `at` on, and their levels."""
        levels = sum(i.has_level for i in self.interpreters[at:])
        recording = self.recording[: len(self.recording) - levels]
        return Context(self.interpreters[:at], recording, self.observed)

    def inside(self, interpreter: Interpreter) -> Context:
        """Return the context with one more interpreter, which is asked first."""
        return Context((*self.interpreters, interpreter), self.recording, self.observed)

    def without(self, interpreter: Interpreter) -> Context:
        """Return the context with an interpreter, which has no level, one time less."""
        left = list(self.interpreters)
        if interpreter in left:  # a generator may leave its block in another context
            left.reverse()
            left.remove(interpreter)
            left.reverse()
        return Context(tuple(left), self.recording, self.observed)

    @property
    def is_narrowing(self) -> bool:
        """Whether products compute in fewer digits than their operands have."""
        said = (i.narrows for i in reversed(self.interpreters) if i.narrows is not None)
        return next(said, False)

    def exact(self) -> Context:
        """Return the context without what says in how many digits products compute."""
        left = tuple([i for i in self.interpreters if i.narrows is None])
        return Context(left, self.recording, self.observed)

    def told(self, observed: bool) -> Context:
        """Return the context with observers, or without."""
        return Context(self.interpreters, self.recording, observed)

    def switched(self, recording: tuple[bool, ...]) -> Context:
        """Return the context with each level recorded, or not."""
        if self.recording == recording:
            return self
        if not self.special and len(recording) == 1:
            return ON if recording[0] else OFF
        return Context(self.interpreters, recording, self.observed)


ON = Context()
OFF = Context(recording=(False,))
current: ContextVar[Context] = ContextVar("wgrad_context", default=ON)


def within(context: Context, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in another context, and return its result.

    It is no `with` block, whose end a signal's handler that raises can prevent.
    """
    # Unpacked, not called: no handler runs between this and the `try`.
    (token,) = map(current.set, (context,))
    try:
        return function(*args, **kwargs)
    finally:
        current.reset(token)


def interpreters() -> tuple[Interpreter, ...]:
    """Return the interpreters of the current context, the innermost last."""
    return current.get().interpreters


def interpreted(
    by: Interpreter, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function with `by` asked before all other interpreters, and return its result.

    Raises: InterpreterError for what is no interpreter, and where it answers with no tensor, or
    with one of another shape than the result has, as far as that is known beforehand.
    """
    if not isinstance(by, Interpreter):
        raise InterpreterError(f"interpreted: {shown(by)} came, and an Interpreter is needed")
    return within(current.get().inside(by), function, *args, **kwargs)


class Interpreted:
    """A block inside which an interpreter is asked first; a decorator of functions, too.

    `interpreter` is what is asked; it has no level.
    """

    interpreter: Interpreter

    def __enter__(self) -> Self:
        # Unpacked, not called: no handler of a signal runs before `with` has the block.
        (_,) = map(current.set, (current.get().inside(self.interpreter),))
        return self

    def __exit__(self, *exc: object) -> None:
        (_,) = map(current.set, (current.get().without(self.interpreter),))

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return the function, run in such a block."""
        check_function(function, type(self).__name__, "function")

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            return interpreted(self.interpreter, function, *args, **kwargs)

        return run


def ask(now: Context, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
    """Return what the innermost interpreter answers. Raises: InterpreterError for nonsense."""
    top = now.interpreters[-1]
    answer: Any = within(now.below(), top.call, op, inputs, params)
    if not isinstance(answer, Tensor):
        raise InterpreterError(
            f"{op.name}: the interpreter {type(top).__name__} answered {shown(answer)}, and a "
            "tensor is needed"
        )
    shape = op.shape_of(inputs, params)
    if shape is not None and answer.shape != shape:
        raise InterpreterError(
            f"{op.name}: the interpreter {type(top).__name__} answered with a tensor of shape "
            f"{answer.shape}, and shape {shape} is needed"
        )
    return answer
