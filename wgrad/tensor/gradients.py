"""The gradients of a tensor: requires_grad, grad, hooks, backward."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Self

from .. import tape
from ..backends.tracing import changing
from ..core import Node, Tensor, Value, wrap
from ..core.batched import differs
from ..creation import tensor
from ..errors import DeviceError, DTypeError, GradientError, ShapeError


class Gradients(Value):
    """requires_grad, grad, hooks and backward(), as properties and methods of tensors."""

    __slots__ = ()

    @property
    def requires_grad(self) -> bool:
        """Whether backward() passes through or ends at this tensor."""
        return self.node is not None and self.node.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, value: bool = True) -> Self:
        """Make this leaf require gradients, or not, and return it.

        From the first time on it is a parameter, as what `wg.parameter` makes is: False freezes it,
        and neither a module nor an optimizer forgets it. Raises: GradientError.
        """
        if value and not self.dtype.is_floating:
            raise GradientError(
                f"requires_grad: {self.dtype.name} cannot require gradients; a floating dtype is "
                "needed"
            )
        if not self.is_leaf:
            raise GradientError(
                "requires_grad: only a leaf can be changed; use .detach() for a copy of this "
                "result without history"
            )
        if self.node is None:
            changing(self, "node")
            self.node = Node()
        changing(self.node, "requires_grad", "is_parameter")
        self.node.requires_grad = bool(value)
        self.node.is_parameter |= bool(value)
        return self

    @property
    def is_parameter(self) -> bool:
        """Whether this is a leaf that gradients were asked for, even if it is frozen by now."""
        return self.node is not None and self.node.op is None and self.node.is_parameter

    @property
    def is_leaf(self) -> bool:
        """Whether nothing recorded made this tensor."""
        return self.node is None or self.node.op is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() added up here; None before the first, zeros after
        zero_grad()."""
        node = self.node
        if node is None:
            return None
        tape.touch_grad(node, "read")
        if node.grad is tape.ZERO:
            node.grad = wrap(self.device.full(self.shape, 0, self.dtype))
        return node.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        self.set_grad(value)

    def set_grad(self, value: Any) -> None:
        """Set the gradient by hand; None removes it. Raises: GradientError, ShapeError."""
        if value is None:
            if self.node is not None:
                tape.touch_grad(self.node, "set")
                self.node.grad = None
            return
        if not self.requires_grad and not self.is_parameter:
            raise GradientError("set_grad: the tensor does not require grad")
        assert self.node is not None
        tape.touch_grad(self.node, "set")
        self.node.grad = self._as_cotangent(value, "set_grad")

    def _as_cotangent(self, value: Any, where: str) -> Tensor:
        """Return `value` as a gradient of this tensor: its shape, dtype and device, or an error."""
        if not isinstance(value, Tensor):
            value = tensor(value, dtype=self.dtype, device=self.device)
        if value.shape != self.shape:
            raise _GradientShapeError(
                f"{where}: a gradient of shape {value.shape} came for a tensor of "
                f"shape {self.shape}"
            )
        if value.dtype is not self.dtype:
            raise DTypeError(
                f"{where}: a {value.dtype.name} gradient came for a {self.dtype.name} tensor"
            )
        if value.device is not self.device:
            raise DeviceError(
                f"{where}: the gradient is on {value.device.name} and the tensor on "
                f"{self.device.name}"
            )
        return value

    def zero_grad(self) -> None:
        """Set the gradient, if there is one, to zeros."""
        if self.node is not None:
            tape.touch_grad(self.node, "clear")
            if self.node.grad is not None:
                self.node.grad = tape.ZERO

    def retain_grad(self) -> None:
        """Make backward() keep the gradient of this intermediate result in `.grad`."""
        if not self.requires_grad:
            raise GradientError("retain_grad: the tensor does not require grad")
        assert self.node is not None
        changing(self.node, "retains_grad")
        self.node.retains_grad = True

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Call `hook(gradient)` when this tensor's gradient is complete, in every backward pass.

        A tensor that it returns takes the gradient's place. Returns a handle with `remove()`.
        """
        if not self.requires_grad:
            raise GradientError("register_hook: the tensor does not require grad")
        assert self.node is not None
        return HookHandle(self.node, hook)

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add the gradients of this tensor to the `.grad` of every leaf that leads to it.

        `gradient` is the cotangent to start from; a 0-d tensor starts from 1. Calling it twice
        adds twice. With `create_graph` the gradients can be differentiated themselves.

        Raises: GradientError without a graph, for a root that is not 0-d without `gradient`, and
        when a saved tensor was assigned to; ShapeError for a gradient of the wrong shape.
        """
        if differs(self):
            raise GradientError(
                "backward: it came inside vmap, where it would add the gradients of all examples "
                "up: take wg.grad of a function of one example"
            )
        if not self.requires_grad:
            raise GradientError(
                "backward: the tensor does not require grad: nothing that led to it was recorded"
            )
        if gradient is None:
            if self.shape:
                raise GradientError(
                    f"backward: a root of shape {self.shape} needs gradient=, a tensor of that "
                    "shape; only a 0-d root starts from 1"
                )
            gradient = wrap(self.device.full((), 1, self.dtype))
        tape.check_history(self, "backward")
        ct = self._as_cotangent(gradient, "backward")
        assert self.node is not None
        tape.backward(self.node, ct, create_graph)


class _GradientShapeError(GradientError, ShapeError):
    """A gradient of the wrong shape is both misuse of the tape and a wrong shape."""


class HookHandle:
    """What `register_hook` returns; `remove()` takes the hook away."""

    _keys = itertools.count()  # not the handle's id, which is free again when nobody keeps it

    def __init__(self, node: Node, hook: Callable):
        self._node = weakref.ref(node)
        self._key = next(self._keys)
        changing(node, "hooks")
        node.hooks = {**(node.hooks or {}), self._key: hook}

    def remove(self) -> None:
        """Take the hook away; removing twice does nothing."""
        node = self._node()
        if node is not None and node.hooks is not None and self._key in node.hooks:
            changing(node, "hooks")
            node.hooks = {k: hook for k, hook in node.hooks.items() if k != self._key}


def clear_gradients(tensors: Iterable[Gradients], set_to_none: bool) -> None:
    """Set the gradients of tensors that have one to zeros, or remove them."""
    for x in tensors:
        if not set_to_none:
            x.zero_grad()
        elif x.grad is not None:
            x.set_grad(None)
