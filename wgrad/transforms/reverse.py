"""Reverse mode as functions of functions, over the one tape: grad, value_and_grad, vjp."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from .. import tape
from ..backends.array import Storage, births
from ..checks import guarded
from ..core import Node, apply
from ..core.interpret import current, within
from ..errors import ArgumentError, GradientError, shown
from ..interrupts import handled_outside
from ..ops import movement
from ..tensor import Tensor
from .inputs import check_inputs, filled, numbered, output, versions


class _Level:
    """One differentiation by reverse mode: inputs of its own, and the reverse pass to them.

    The inputs are aliased, so that a derivative with respect to the same tensor taken outside
    sees another identity, and the reverse pass ends where this level began.
    """

    def __init__(self, inputs: Sequence[Tensor]):
        self.outer = tape.is_recording()
        self.depth = len(current.get().recording)  # of levels that batches make
        self.inputs = [tape.recording(True, apply, movement.alias, x) for x in inputs]
        for x in self.inputs:
            if x.node is None:
                x.node = Node()
            x.node.requires_grad = True
        self.nodes = [x.node for x in self.inputs if x.node is not None]
        self.versions = versions(self.inputs)
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
        return out if outside or self.is_followed(self.nodes_of(out)) else tape.unrecorded(out)

    def gradients(self, out: Tensor, ct: Tensor) -> list[Tensor]:
        """Return the cotangents of the inputs; zeros for those that `out` does not depend on."""
        gradients: dict[Node, Tensor] = {}
        ours = set(self.nodes)

        def visit(node: Node, ct: Tensor) -> bool:
            if node in ours:
                gradients[node] = ct
            return node not in ours

        order = self.nodes_of(out)
        start = next(births)
        given: set[Storage] = set()
        if order:
            tape.check_history(out, "grad")
            mode = self.is_followed(order) or (self.outer and tape.is_tracked(ct))
            recording = current.get().recording
            # Of batches that were made since, nothing is recorded either.
            within_level = len(recording) - self.depth + 1
            recording = (*recording[: self.depth - 1], *(mode,) * within_level)

            def run() -> None:
                tape.pull_back(order, ct, visit)
                for node, gradient in gradients.items():
                    gradients[node] = tape.owned(gradient, start, given)

            handled_outside(within, current.get().switched(recording), run)
        return [
            gradients[n] if n in gradients else Tensor(x.device.full(x.shape, 0, x.dtype))
            for n, x in zip(self.nodes, self.inputs, strict=True)
        ]


def vjp(f: Callable, *primals: Any) -> tuple[Tensor, Callable[..., Any]]:
    """Return f(*primals) and `pull(ct)`, which gives the cotangent of each primal.

    A primal may be a tuple, list or dict of tensors, nested at will: its cotangent is one too.
    `pull` returns one cotangent for one primal and a tuple for several, and may be called
    repeatedly.

    >>> y, pull = wg.vjp(lambda x: x * x, wg.tensor([1.0, 2.0]))
    >>> y, pull(wg.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    leaves, trees = numbered(enumerate(primals), "vjp")
    level = _Level(leaves)
    out = output(tape.differentiated(f, *filled(trees, level.inputs)), "vjp")
    check_inputs(level.inputs, level.versions, "vjp")

    def pull(ct: Any) -> Any:
        cotangents = level.gradients(out, out._as_cotangent(ct, "vjp"))
        shaped = filled(trees, cotangents)
        return shaped[0] if len(shaped) == 1 else shaped

    return level.value(out), guarded(pull, "vjp")


def value_and_grad(f: Callable, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives f's value and its gradient by the arguments `argnums`.

    f returns a 0-d tensor. One number gives one gradient, a sequence a tuple of them. An argument
    may be a tuple, list or dict of tensors, such as the parameters of a model by name: its
    gradient is one too.

    >>> loss = lambda w, x: ((x * w["scale"] + w["shift"]) ** 2).sum()
    >>> w = {"scale": wg.tensor(2.0), "shift": wg.tensor(1.0)}
    >>> value, slopes = wg.value_and_grad(loss)(w, wg.tensor([1.0, -1.0]))
    >>> value, slopes["scale"], slopes["shift"]
    (tensor(10.), tensor(8.), tensor(4.))
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
        leaves, trees = numbered([(i, args[i]) for i in chosen], "grad")
        level = _Level(leaves)
        full = list(args)
        for i, x in zip(chosen, filled(trees, level.inputs), strict=True):
            full[i] = x
        out = output(tape.differentiated(f, *full, **kwargs), "grad")
        check_inputs(level.inputs, level.versions, "grad")
        if not out.dtype.is_floating:
            raise GradientError(f"grad: the function returned {out.dtype.name}, not a float")
        if out.shape:
            raise GradientError(
                f"grad: the function returned shape {out.shape}, and only a 0-d result has a "
                "gradient; see jacobian"
            )
        one = Tensor(out.device.full((), 1, out.dtype))
        gradients = level.gradients(out, one)
        shaped = filled(trees, gradients)
        return level.value(out), shaped if many else shaped[0]

    return guarded(compute, "value_and_grad")


def grad(f: Callable, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of f by its first argument (or by `argnums`).

    f returns a 0-d tensor; the gradient has the argument's shape, or is a tuple, list or dict of
    gradients where the argument is one of tensors. `wg.grad(wg.grad(f))` is the
    second derivative.

    >>> wg.grad(lambda x: x**3)(wg.tensor(2.0))  # 3 x ** 2
    tensor(12.)
    >>> wg.grad(wg.grad(lambda x: x**3))(wg.tensor(2.0))  # 6 x
    tensor(12.)
    """
    both = value_and_grad(f, argnums)

    def compute(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return guarded(compute, "grad")
