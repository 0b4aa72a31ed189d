"""Operations of the user's own, with a backward rule of the user's own."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import core, tape
from .backends import events
from .backends.array import Array, Number
from .backends.base import Device
from .checks.arguments import function as check_function
from .core import Call, Op, Tensor, Value
from .core.batched import memory
from .core.interpret import Context, within
from .errors import DTypeError, GradientError, shown
from .ops.families import guarded_op
from .transforms.batch import vmap


class CustomOp(Op):
    """A function made one op: its inside is not recorded, its gradient is the rule given."""

    calls_back = True
    is_sealed = False

    def __init__(self, name: str, forward: Callable, backward: Callable):
        super().__init__(name, (lambda inputs, out: backward,), forward.__doc__ or "")
        self.__module__ = getattr(forward, "__module__", "wgrad")
        with contextlib.suppress(TypeError, ValueError):  # a builtin has none
            self.__signature__ = inspect.signature(forward)
        self.forward = forward
        self.backward = backward

    @guarded_op
    def __call__(self, *inputs: Any, **params: Any) -> Tensor:
        if not any(isinstance(x, Value) for x in inputs):
            raise DTypeError(f"{self.name}: at least one tensor is needed among the inputs")
        return core.apply(self, *inputs, **params)

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        """Run the function on tensors that nothing follows: its inside is only observed."""
        detached = [core.wrap(x) if isinstance(x, Array) else x for x in inputs]
        inside = Context(recording=(False,), observed=bool(events.observers.get()))
        made = within(inside, self.forward, *detached, **params)
        if not isinstance(made, Value):
            raise DTypeError(f"{self.name}: forward returned {shown(made)}, and a tensor is needed")
        return made.array

    def batch(self, level: Any, inputs: list, batched: list[bool], params: dict) -> Tensor:
        """Apply a custom op whose function and rule are mapped over the batch."""
        chosen = {"randomness": level.randomness}

        def forward(*given: Any, **named: Any) -> Any:
            axes = tuple(0 if isinstance(x, Value) else None for x in given)
            return vmap(lambda *xs: self.forward(*xs, **named), axes, **chosen)(*given)

        def backward(ct: Any, out: Any, *given: Any, **named: Any) -> Any:
            axes = (0, 0, *(0 if isinstance(x, Value) else None for x in given))
            return vmap(lambda *xs: self.backward(*xs, **named), axes, **chosen)(ct, out, *given)

        mapped = CustomOp(self.name, forward, backward)
        return core.apply(mapped, *level.in_front(inputs, batched), **params)

    def pulls(self, positions: Sequence[int], ct: Tensor, env: dict[str, Any]) -> list:
        parts = self._gradients(ct, env)  # one run of the rule serves all inputs of the call
        return [parts[i] for i in positions]

    def _gradients(self, ct: Tensor, env: Mapping[str, Any]) -> Sequence[Tensor | None]:
        inputs = env["inputs"]
        params = {k: v for k, v in env.items() if k not in ("inputs", "out", "shapes")}
        result = self.backward(ct, env["out"], *inputs, **params)
        parts = result if isinstance(result, (tuple, list)) else (result,)
        if len(parts) != len(inputs):
            raise GradientError(
                f"{self.name}: backward returned {len(parts)} gradients for {len(inputs)} inputs; "
                "one per input is needed (None where there is none)"
            )
        for i, part in enumerate(parts):
            if part is not None and (not isinstance(part, Value) or part.shape != env["shapes"][i]):
                raise GradientError(
                    f"{self.name}: backward returned {shown(part)} for input {i}, and a tensor of "
                    f"shape {env['shapes'][i]} is needed"
                )
        if tape.is_recording():
            return parts
        # A rule may hand out what it was given; a gradient has memory of its own.
        known = {memory(x.array) for x in (*inputs, env["out"]) if isinstance(x, Value)}
        return [p.copy() if p is not None and memory(p.array) in known else p for p in parts]

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise GradientError(
            f"{self.name}: forward mode needs a rule that a custom op with a backward alone lacks"
        )


def custom_op(
    forward: Callable | None = None, *, backward: Callable, name: str | None = None
) -> Any:
    """Make an operation of `forward(*inputs)` whose gradient is what `backward` returns.

    `backward(ct, out, *inputs)` gets the cotangent of the output, the output and the inputs, and
    returns one gradient per input (None for none). Keyword arguments of a call go to both. As a
    decorator: `@wg.custom_op(backward=...)`.

    Raises: GradientError when `backward` returns the wrong number of gradients or wrong shapes.

    >>> clipped = wg.custom_op(  # the identity, whose gradient is kept small
    ...     lambda x: x * 1, backward=lambda ct, out, x: wg.clip(ct, -1, 1), name="clipped"
    ... )
    >>> wg.grad(lambda x: clipped(x) * 100)(wg.tensor(2.0))
    tensor(1.)
    """

    def make(function: Callable) -> CustomOp:
        check_function(function, "custom_op", "forward")
        called = name or str(getattr(function, "__name__", "custom"))
        return CustomOp(called, function, backward)

    return make if forward is None else make(forward)
