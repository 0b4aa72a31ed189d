"""Derivatives as functions of functions: grad, vjp, jvp, jacobian, hessian, hvp, gradcheck.

Reverse mode goes over the one tape. Forward mode is a listener of its own: a tangent is carried
beside each value, one direction a pass. The two nest in any order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from . import core, tape
from .backends.array import Storage, births
from .checks import guarded
from .core import Call, Node, Value
from .creation import tensor
from .errors import ArgumentError, DTypeError, GradientError, shown
from .interrupts import handled_outside
from .ops import movement
from .shaping import reshape, stack
from .tensor import Tensor


def _as_input(x: Any, op: str, position: int) -> Tensor:
    """Return a differentiable input: tensors as they are, numbers and arrays as float tensors."""
    found = x if isinstance(x, Tensor) else tensor(x, dtype=None)
    if not isinstance(x, Tensor) and not found.dtype.is_floating:
        found = found.astype(float)
    if not found.dtype.is_floating:
        raise DTypeError(
            f"{op}: argument {position} is {found.dtype.name}, and only a floating dtype can be "
            "differentiated"
        )
    return found


def _output(y: Any, op: str) -> Tensor:
    if not isinstance(y, Tensor):
        raise GradientError(f"{op}: the function returned {type(y).__name__}, not a tensor")
    return y


class _Level:
    """One differentiation by reverse mode: its own identities of the inputs, and the way back.

    The inputs are aliased, so that a derivative with respect to the same tensor taken outside
    sees another identity, and the reverse pass ends where this level began.
    """

    def __init__(self, inputs: Sequence[Tensor]):
        self.outer = tape.is_recording()
        self.inputs = [tape.recording(True, core.apply, movement.alias, x) for x in inputs]
        for x in self.inputs:
            if x.node is None:
                x.node = Node()
            x.node.requires_grad = True
        self.nodes = [x.node for x in self.inputs if x.node is not None]
        self.versions = _versions(self.inputs)
        self.floor = min((n.sequence for n in self.nodes), default=0)

    def is_followed(self, order: Sequence[Node]) -> bool:
        """Return whether something outside this level follows what these nodes computed.

        It does when a path leads out of the level, to an input that was tracked before or to a
        tracked tensor that the function captured. Otherwise nothing needs to be recorded.
        """
        ours = set(self.nodes)
        return self.outer and any(
            (node.op is None and node not in ours)
            or any(p is not None and p.sequence < self.floor for p in node.parents)
            for node in order
        )

    def nodes_of(self, out: Tensor) -> list[Node]:
        """Return the nodes of this level that lead to `out`, latest first."""
        if out.node is None or not out.node.requires_grad or out.node.sequence < self.floor:
            return []
        return tape.reachable(out.node, self.floor)

    def value(self, out: Tensor) -> Tensor:
        """Return the function's value with a history only if those outside follow it."""
        outside = out.node is not None and out.node.sequence < self.floor
        return out if outside or self.is_followed(self.nodes_of(out)) else out.detach()

    def gradients(self, out: Tensor, ct: Tensor) -> list[Tensor]:
        """Return the cotangents of the inputs; zeros for those that `out` does not depend on."""
        found: dict[Node, Tensor] = {}
        ours = set(self.nodes)

        def visit(node: Node, ct: Tensor) -> bool:
            if node in ours:
                found[node] = ct
            return node not in ours

        order = self.nodes_of(out)
        start = next(births)
        given: set[Storage] = set()
        if order:
            tape.check_history(out, "grad")
            recording = self.is_followed(order) or (self.outer and ct.requires_grad)

            def run() -> None:
                tape.pull_back(order, ct, visit)
                for node, gradient in found.items():
                    found[node] = tape.owned(gradient, start, given)

            handled_outside(tape.recording, recording, run)
        return [
            found[n] if n in found else Tensor(x.device.full(x.shape, 0, x.dtype))
            for n, x in zip(self.nodes, self.inputs, strict=True)
        ]


def vjp(f: Callable, *primals: Any) -> tuple[Tensor, Callable[..., Any]]:
    """Return f(*primals) and `pull(ct)`, which gives the cotangent of each primal.

    `pull` returns a tensor for one primal and a tuple for several, and may be called repeatedly.
    """
    level = _Level([_as_input(x, "vjp", i) for i, x in enumerate(primals)])
    out = _output(tape.differentiated(f, *level.inputs), "vjp")
    _check_inputs(level.inputs, level.versions, "vjp")

    def pull(ct: Any) -> Any:
        found = level.gradients(out, out._as_cotangent(ct, "vjp"))
        return found[0] if len(found) == 1 else tuple(found)

    return level.value(out), guarded(pull, "vjp")


def value_and_grad(f: Callable, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives f's value and its gradient by the arguments `argnums`.

    f returns a 0-d tensor. One number gives one gradient, a sequence a tuple of them.
    """
    many = isinstance(argnums, (tuple, list))
    asked: Sequence[Any] = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    try:
        chosen = tuple(operator.index(i) for i in asked)
    except TypeError:
        raise ArgumentError(
            f"grad: argnums {shown(argnums)} came, and an integer or a tuple of them is needed"
        ) from None

    def compute(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        for i in chosen:
            if not 0 <= i < len(args):
                raise ArgumentError(f"grad: argument {i} is asked for, and {len(args)} came")
        level = _Level([_as_input(args[i], "grad", i) for i in chosen])
        full = list(args)
        for i, x in zip(chosen, level.inputs, strict=True):
            full[i] = x
        out = _output(tape.differentiated(f, *full, **kwargs), "grad")
        _check_inputs(level.inputs, level.versions, "grad")
        if not out.dtype.is_floating:
            raise GradientError(f"grad: the function returned {out.dtype.name}, not a float")
        if out.shape:
            raise GradientError(
                f"grad: the function returned shape {out.shape}, and only a 0-d result has a "
                "gradient; see jacobian"
            )
        one = Tensor(out.device.full((), 1, out.dtype))
        found = level.gradients(out, one)
        return level.value(out), tuple(found) if many else found[0]

    return guarded(compute, "value_and_grad")


def grad(f: Callable, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of f by its first argument (or by `argnums`).

    f returns a 0-d tensor; the gradient has the argument's shape. `wg.grad(wg.grad(f))` is the
    second derivative.
    """
    both = value_and_grad(f, argnums)

    def compute(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return guarded(compute, "grad")


class _ForwardMode:
    """A listener that carries a tangent beside each value that depends on the primals."""

    def __init__(self) -> None:
        self.tangents: WeakKeyDictionary[Node, tuple[Tensor, int]] = WeakKeyDictionary()

    def of(self, x: Any) -> Tensor | None:
        """Return the tangent of a value, or None where it does not depend on the primals."""
        if not isinstance(x, Value) or x.node is None or x.node not in self.tangents:
            return None
        tangent, version = self.tangents[x.node]
        if version != x.array.storage.version:
            raise GradientError(
                "jvp: a tensor that depends on the primals was assigned to through a view, so its "
                "tangent no longer belongs to its values: assign to a copy()"
            )
        return tangent

    def give(self, x: Value, tangent: Tensor) -> None:
        """Let `tangent` be the tangent of `x`."""
        if x.node is None:
            x.node = Node()
        self.tangents[x.node] = tangent, x.array.storage.version

    def follows(self, x: Value) -> bool:
        """Return whether `x` has a tangent."""
        return self.of(x) is not None

    def adopted(self, x: Value) -> None:
        """Keep the tangent of a result that became the values of another tensor, `x`."""
        if x.node is not None and x.node in self.tangents:
            self.give(x, self.tangents[x.node][0])

    def refuse_assignment(self, value: Tensor) -> None:
        """Raise GradientError when assigning `value` would lose its tangent."""
        if self.of(value) is not None:
            raise GradientError(
                "assign: the value depends on the primals of a jvp, and assigning would lose its "
                "tangent: build the result with wg.where or wg.concat"
            )

    def __call__(self, call: Call) -> None:
        if not call.out.dtype.is_floating or not call.op.rules:
            return
        found = [None if call.op.rule(i) is None else self.of(x) for i, x in enumerate(call.inputs)]
        if not any(t is not None for t in found):
            return
        heard = core.listeners()
        # What computes the tangent is heard by those outside this level, not by the level itself.
        tangent = core.heard_by(heard[: heard.index(self)], call.op.push, call, found)
        if tangent is not None:
            self.give(call.out, tangent)


def jvp(f: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Return f(*primals) and its derivative in the direction `tangents`, by forward mode.

    Shapes: each tangent has its primal's; the derivative has the output's.
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise ArgumentError("jvp: primals and tangents are a tuple each: jvp(f, (x,), (dx,))")
    if len(primals) != len(tangents):
        raise ArgumentError(f"jvp: {len(primals)} primals and {len(tangents)} tangents came")
    inputs = [_as_input(x, "jvp", i) for i, x in enumerate(primals)]
    directions = [x._as_cotangent(t, "jvp: tangent") for x, t in zip(inputs, tangents, strict=True)]
    mode = _ForwardMode()
    aliases = [core.apply(movement.alias, x) for x in inputs]
    for x, t in zip(aliases, directions, strict=True):
        mode.give(x, t)
    versions = _versions(aliases)
    out = _output(core.heard_by((*core.listeners(), mode), f, *aliases), "jvp")
    _check_inputs(aliases, versions, "jvp")
    tangent = mode.of(out)
    if tangent is None:
        tangent = Tensor(out.device.full(out.shape, 0, out.dtype))
    elif tangent.array.storage in {t.array.storage for t in directions}:
        tangent = tangent.copy()  # the caller's own direction stays the caller's
    return out, tangent


def _versions(inputs: Sequence[Tensor]) -> list[int]:
    return [x.array.storage.version for x in inputs]


def _check_inputs(inputs: Sequence[Tensor], versions: list[int], op: str) -> None:
    """Raise GradientError when the function assigned to what it is differentiated by."""
    if _versions(inputs) != versions:
        raise GradientError(
            f"{op}: the function assigned to its own input, which has no derivative then: assign "
            "to a copy()"
        )


def basis(x: Tensor) -> list[Tensor]:
    """Return the unit tensors of the shape of `x`, in order."""
    eye = np.eye(x.size, dtype=x.dtype.numpy).reshape(x.size, *x.shape)
    return [tensor(e, x.dtype, x.device) for e in eye]


def jacobian(f: Callable, mode: str = "auto") -> Callable[..., Tensor]:
    """Return a function that gives the Jacobian of f by its first argument.

    Shapes: f: (n...) -> (m...) gives (m..., n...). `mode` is "forward" (one pass a column),
    "reverse" (one pass a row) or "auto": whichever has fewer.
    """
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(
            f'jacobian: mode {shown(mode)} came; "auto", "forward" or "reverse" needed'
        )

    def compute(x: Any, *rest: Any, **kwargs: Any) -> Tensor:
        x = _as_input(x, "jacobian", 0)
        if mode != "forward":
            out, pull = vjp(lambda a: f(a, *rest, **kwargs), x)
            if mode == "reverse" or out.size <= x.size:
                rows = [pull(e) for e in basis(out)]
                if not rows:
                    return Tensor(x.device.full((*out.shape, *x.shape), 0, out.dtype))
                return reshape(stack(rows), (*out.shape, *x.shape))
        columns = []
        for e in basis(x):
            out, column = jvp(lambda a: f(a, *rest, **kwargs), (x,), (e,))
            columns.append(column)
        if not columns:
            shape = _output(f(x, *rest, **kwargs), "jacobian").shape
            return Tensor(x.device.full((*shape, *x.shape), 0, x.dtype))
        return reshape(stack(columns, axis=-1), (*columns[0].shape, *x.shape))

    return guarded(compute, "jacobian")


def hvp(f: Callable, x: Any, v: Any) -> Tensor:
    """Return the Hessian of f at `x` times `v`, forward over reverse: no Hessian is built."""
    return jvp(grad(f), (x,), (v,))[1]


def hessian(f: Callable) -> Callable[..., Tensor]:
    """Return a function that gives the Hessian of f by its first argument.

    Shapes: f: (n...) -> () gives (n..., n...).
    """
    return jacobian(grad(f), mode="forward")
