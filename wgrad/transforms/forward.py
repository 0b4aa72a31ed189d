"""Forward mode: an interpreter that carries a tangent beside each value that it follows.

One direction a pass. It nests with reverse mode in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from ..core import Call, Input, Interpreter, Node, Op, Value, apply, interpreted
from ..errors import ArgumentError, GradientError
from ..ops import movement
from ..tensor import Tensor
from .inputs import check_inputs, filled, leaves_like, numbered, output, versions, with_leaves
from .reverse import grad


class _ForwardMode(Interpreter):
    """An interpreter that carries a tangent beside each value that depends on the primals."""

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

    def call(self, op: Op, inputs: tuple[Input, ...], params: dict[str, Any]) -> Tensor:
        out = apply(op, *inputs, **params)
        if not out.dtype.is_floating or not op.rules:
            return out
        tangents = [None if op.rule(i) is None else self.of(x) for i, x in enumerate(inputs)]
        if any(t is not None for t in tangents):
            # Those outside this level are asked about it and record it, the level itself is not.
            tangent = op.push(Call(op, inputs, params, out), tangents)
            if tangent is not None:
                self.give(out, tangent)
        return out


def jvp(f: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return f(*primals) and its derivative in the direction `tangents`, by forward mode.

    A primal may be a tuple, list or dict of tensors, nested at will, as in `grad`: its tangent is
    one too, and so may be what f returns. Shapes: each tangent has its primal's; the derivative has
    the output's.

    >>> y, slope = wg.jvp(lambda x: x * x, [wg.tensor([1.0, 2.0])], [wg.tensor([1.0, 0.0])])
    >>> y, slope
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise ArgumentError("jvp: primals and tangents are a tuple each: jvp(f, (x,), (dx,))")
    if len(primals) != len(tangents):
        raise ArgumentError(f"jvp: {len(primals)} primals and {len(tangents)} tangents came")
    inputs, trees = numbered(enumerate(primals), "jvp")
    parts = leaves_like(trees, tangents, "jvp: tangents")
    directions = [x._as_cotangent(t, "jvp: tangent") for x, t in zip(inputs, parts, strict=True)]
    mode = _ForwardMode()
    aliases = [apply(movement.alias, x) for x in inputs]
    for x, t in zip(aliases, directions, strict=True):
        mode.give(x, t)
    before = versions(aliases)
    out = interpreted(mode, f, *filled(trees, aliases))
    check_inputs(aliases, before, "jvp")
    given = {t.array.storage for t in directions}

    def tangent_of(y: Any) -> Tensor:
        tangent = mode.of(output(y, "jvp"))
        if tangent is None:
            return Tensor(y.device.full(y.shape, 0, y.dtype))
        # The caller's own direction stays the caller's.
        return tangent.copy() if tangent.array.storage in given else tangent

    return out, with_leaves(out, tangent_of)


def hvp(f: Callable, x: Any, v: Any) -> Any:
    """Return the Hessian of f at `x` times `v`, forward over reverse: no Hessian is built.

    `x` and `v` may be alike tuples, lists or dicts of tensors, as in `jvp`.

    >>> f = lambda x: (x**3).sum()
    >>> wg.hvp(f, wg.tensor([1.0, 2.0]), wg.tensor([1.0, 1.0]))
    tensor([ 6., 12.])
    """
    return jvp(grad(f), (x,), (v,))[1]
