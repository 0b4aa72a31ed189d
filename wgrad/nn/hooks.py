"""Hooks on modules: functions that are told of a module's calls, and may change what passes.

Those of gradients are hooks of tensors, put on the inputs and outputs of one call, each time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from .. import tape
from ..dtypes import DType
from ..errors import GradientError, shown
from ..layout import Shape
from ..ops import movement
from ..shaping import concat
from ..tensor import Tensor

_keys = itertools.count()


class ModuleHookHandle:
    """What registering a hook on a module returns; `remove()` takes the hook away."""

    def __init__(self, table: dict[int, tuple], key: int):
        self._table = table
        self._key = key

    def remove(self) -> None:
        """Take the hook away; removing twice does nothing."""
        self._table.pop(self._key, None)

    def __enter__(self) -> ModuleHookHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hooks:
    """The hooks of one module, by kind, in the order in which they are called."""

    def __init__(self) -> None:
        self.pre: dict[int, tuple[Callable, bool]] = {}  # with whether keywords are wanted
        self.post: dict[int, tuple[Callable, bool, bool]] = {}  # and whether also after an error
        self.backward_pre: dict[int, tuple[Callable]] = {}
        self.backward: dict[int, tuple[Callable]] = {}

    def add(self, kind: str, hook: tuple, first: bool = False) -> ModuleHookHandle:
        """Add a hook, before the others if it is to be the `first`, and return its handle."""
        table: dict[int, tuple] = getattr(self, kind)
        key = next(_keys)
        others = dict(table) if first else {}
        for k in others:
            del table[k]
        table[key] = hook
        table.update(others)
        return ModuleHookHandle(table, key)

    def call(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Return module.forward(*args, **kwargs), with everything that hooks make of it."""
        always = dict(self.post)
        try:
            for hook, with_kwargs in list(self.pre.values()):
                args, kwargs = _new_inputs(hook, module, args, kwargs, with_kwargs)
            told = _Told(self, module) if self.backward or self.backward_pre else None
            if told is not None:
                args = told.inputs(args)
            out = module.forward(*args, **kwargs)
            for key, (hook, with_kwargs, _) in list(self.post.items()):
                always.pop(key, None)
                made = hook(module, args, kwargs, out) if with_kwargs else hook(module, args, out)
                out = out if made is None else made
            return out if told is None else told.outputs(out)
        except Exception:
            for hook, with_kwargs, anyway in always.values():
                if anyway:
                    hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
            raise


class Hooked:
    """What can be called, and tells hooks of its calls; a subclass has `forward`."""

    _hooks: Hooks | None = None

    forward: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.call(self, args, kwargs)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> ModuleHookHandle:
        """Call `hook(module, args, output)` after every forward; what it returns is the output.

        None leaves the output as it is. With `with_kwargs` it is hook(module, args, kwargs,
        output); `prepend` puts it before the hooks that are there; `always_call` calls it also
        when forward raises, with None for the output. The handle's `remove()` takes it away.

        A compiled function runs hooks of Python while it is traced, and not again in each run;
        what they compute with tensors is part of the program.

        ```python
        seen = {}
        net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        handle = net[0].register_forward_hook(lambda m, args, out: seen.update(out=out.detach()))
        net(wg.ones(4, 2))  # seen["out"] has shape (4, 3)
        handle.remove()
        ```
        """
        return self._add_hook("post", (hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> ModuleHookHandle:
        """Call `hook(module, args)` before every forward; what it returns are the new arguments.

        A tuple has all positional arguments, another value is the only one, and None changes
        nothing. With `with_kwargs` it is hook(module, args, kwargs), which returns None or a pair
        (args, kwargs). The rest is as in register_forward_hook.
        """
        return self._add_hook("pre", (hook, with_kwargs), prepend)

    def register_full_backward_hook(
        self, hook: Callable, prepend: bool = False
    ) -> ModuleHookHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of a call are known.

        grad_input has the gradient of each positional input, None where none flows; grad_output
        that of each output. A tuple that it returns takes the place of grad_input. The tensor
        outputs are the result itself, or those of a tuple or list. An input that forward did not
        use has a gradient of zeros. Under compile as in register_forward_hook.
        """
        return self._add_hook("backward", (hook,), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> ModuleHookHandle:
        """Call `hook(module, grad_output)` when the gradients of a call's outputs are known.

        A tuple that it returns takes the place of grad_output.
        """
        return self._add_hook("backward_pre", (hook,), prepend)

    def _add_hook(self, kind: str, hook: tuple, first: bool) -> ModuleHookHandle:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add(kind, hook, first)


def _new_inputs(
    hook: Callable, module: Any, args: tuple, kwargs: dict[str, Any], with_kwargs: bool
) -> tuple[tuple, dict[str, Any]]:
    made = hook(module, args, kwargs) if with_kwargs else hook(module, args)
    if made is None:
        return args, kwargs
    if not with_kwargs:
        return (made if isinstance(made, tuple) else (made,)), kwargs
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], dict):
        return (made[0] if isinstance(made[0], tuple) else (made[0],)), made[1]
    raise GradientError(
        f"forward_pre_hook: it returned {shown(made)}; None, or a pair (args, kwargs), is needed"
    )


class _Told:
    """What hooks of gradients are told of one call.

    The tensors that gradients flow to pass through one packed tensor, so that a single hook on it
    has the gradients of all of them, whole; what was not used has zeros.
    """

    def __init__(self, hooks: Hooks, module: Any):
        self.hooks = hooks
        self.module = module
        self.above: tuple[Tensor | None, ...] | None = None  # the gradients of the outputs
        self.count = 0  # of positional inputs
        self.complete = False  # whether the inputs' gradients will be told

    def inputs(self, args: tuple) -> tuple:
        """Return the positional inputs, such that their gradients are told."""
        self.count = len(args)
        places = _followed(args)
        if not self.hooks.backward or not places:
            return args
        kinds = _kinds(args, places)

        def below(packed: Tensor) -> Tensor | None:
            if self.above is None:  # the pass came by another way than the outputs
                return None
            grads: list[Tensor | None] = [None] * self.count
            for i, grad in zip(places, _parts(packed, kinds), strict=True):
                grads[i] = grad
            above, self.above = self.above, None
            made = self._ask(self.hooks.backward, tuple(grads), above)
            return _packed([made[i] for i in places], packed) if made is not None else None

        self.complete = True
        return _through(args, places, below)

    def outputs(self, out: Any) -> Any:
        """Return the output (a tensor, or several in a tuple or list) whose gradients are told."""
        several = isinstance(out, (tuple, list))
        outs = tuple(out) if several else (out,)
        places, count = _followed(outs), len(outs)
        if not places:
            return out
        kinds = _kinds(outs, places)

        def above(packed: Tensor) -> Tensor | None:
            grads: list[Any] = [None] * count
            for i, grad in zip(places, _parts(packed, kinds), strict=True):
                grads[i] = grad
            made = self._ask(self.hooks.backward_pre, tuple(grads))
            self.above = tuple(grads) if made is None else made
            if not self.complete and self.hooks.backward:
                self._ask(self.hooks.backward, (None,) * self.count, self.above)
            return None if made is None else _packed([made[i] for i in places], packed)

        passed = _through(outs, places, above)
        if not several:
            return passed[0]
        if hasattr(out, "_fields"):  # a named tuple
            return type(out)(*passed)
        return type(out)(passed)

    def _ask(self, table: dict[int, tuple[Callable]], grads: tuple, *more: Any) -> tuple | None:
        """Return the gradients that hooks left, None where none changed any."""
        changed = False
        for (hook,) in list(table.values()):
            made = hook(self.module, grads, *more)
            if made is None:
                continue
            given = made if isinstance(made, (tuple, list)) else (made,)
            fits = len(given) == len(grads) and all(
                (new is None) == (old is None)
                and (old is None or (isinstance(new, Tensor) and new.shape == old.shape))
                for new, old in zip(given, grads, strict=True)
            )
            if not fits:
                raise GradientError(
                    f"backward hook: it returned {shown(made)}; None, or a gradient of the same "
                    f"shape for each of {len(grads)}, is needed"
                )
            grads, changed = tuple(given), True
        return grads if changed else None


def _followed(values: Sequence[Any]) -> list[int]:
    """Return where there are tensors that gradients flow to."""
    if not tape.is_recording():
        return []
    return [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]


def _kinds(values: Sequence[Any], places: Sequence[int]) -> list[tuple[Shape, DType]]:
    """Return what has to be known of tensors to find them in a packed one."""
    return [(values[i].shape, values[i].dtype) for i in places]


def _through(values: tuple, places: Sequence[int], told: Callable) -> tuple:
    """Return values of which those at `places` pass through one tensor with the hook `told`."""
    some = [values[i] for i in places]
    if len(some) == 1:
        packed: Any = movement.reshape(some[0], some[0].shape)  # the same memory, another node
        parts: Sequence[Tensor] = (packed,)
    else:
        packed = concat([movement.reshape(x, (prod(x.shape),)) for x in some])
        parts = _parts(packed, _kinds(values, places))
    packed.register_hook(told)
    new = dict(zip(places, parts, strict=True))
    return tuple(new.get(i, x) for i, x in enumerate(values))


def _parts(packed: Tensor, kinds: Sequence[tuple[Shape, DType]]) -> list[Tensor]:
    """Return the tensors that lie in a packed one."""
    if len(kinds) == 1:
        return [packed]
    out, start = [], 0
    for shape, dtype in kinds:
        size = prod(shape)
        piece = movement.slice_view(packed, (start,), (size,), (1,))
        out.append(movement.reshape(piece, shape).astype(dtype, copy=False))
        start += size
    return out


def _packed(grads: Sequence[Any], like: Tensor) -> Tensor:
    """Return gradients as one of the packed tensor."""
    if len(grads) == 1:
        return grads[0]
    flat = concat([movement.reshape(x, (prod(x.shape),)) for x in grads])
    return flat.astype(like.dtype, copy=False)
