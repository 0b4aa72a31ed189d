"""The reverse pass over what the tape recorded.

It walks the reachable nodes in falling order of their sequence numbers: no recursion, and every
cotangent is complete when its node is reached. The rules are written with ops, so a pass made with
recording on is itself recorded: gradients of any order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextvars import ContextVar
from itertools import repeat
from operator import attrgetter
from typing import Any

from ..backends.array import Storage, births
from ..core import REGISTRY, Node, Tensor, apply
from ..core.batched import everything, memory
from ..core.interpret import current, within
from ..core.tracing import tracing
from ..errors import GradientError, shown
from ..interrupts import handled_outside, whole
from .identity import restored
from .record import is_recording, recording

ZERO: Any = object()  # a gradient that zero_grad() has cleared, made of zeros when it is read


# The node whose gradient is computed now, where an interpreter may ask for it.
_pulled: ContextVar[Node | None] = ContextVar("wgrad_pulled", default=None)
pulled: Callable[[], Node | None] = _pulled.get


_sequence = attrgetter("sequence")


def reachable(root: Node, floor: int = 0) -> list[Node]:
    """Return the nodes that lead to `root`, latest first; none older than sequence `floor`."""
    seen = {root}
    stack = [root]
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen and parent.sequence >= floor:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=_sequence, reverse=True)


def pull_back(
    order: Iterable[Node],
    ct: Tensor | Mapping[Node, Tensor],
    visit: Callable[[Node, Tensor], bool],
    ends: Collection[Node] = (),
) -> None:
    """Carry the cotangent of the first node of `order`, or those of several, down to all others.

    `visit(node, ct)` is told each node's complete cotangent; the pass goes on to the node's
    inputs when it returns True. It stops at `ends`, whose hooks are not for it to call.
    """
    now = current.get()
    if now.is_narrowing:  # each pull computes in the dtypes that its call did
        return within(now.exact(), pull_back, order, ct, visit, ends)
    if not now.interpreters:
        return _pull_back(order, ct, visit, ends)
    token = _pulled.set(None)
    try:
        _pull_back(order, ct, visit, ends)
    finally:
        _pulled.reset(token)


def _pull_back(
    order: Iterable[Node],
    ct: Any,
    visit: Callable[[Node, Tensor], bool],
    ends: Collection[Node],
) -> None:
    is_told = bool(current.get().interpreters)
    order = list(order)
    pending: dict[Node, Any] = dict(ct) if isinstance(ct, Mapping) else {order[0]: ct}
    members = set(order)
    for node in order:
        ct = pending.pop(node, None)
        if ct is None:
            continue
        if node in ends:
            visit(node, ct)
            continue
        if node.hooks:
            for hook in tuple(node.hooks.values()):
                ct = _checked_hook_result(hook(ct), ct)
        op = node.op
        if not visit(node, ct) or op is None:
            continue
        env: dict[Any, Any] = {**node.params, "shapes": node.shapes}
        for name, saved in node.saved.items():
            env[name] = restored(node, name, saved)
        if is_told:
            _pulled.set(node)
        parents = node.parents
        wanted: list[int] = []
        for position, parent in enumerate(parents):
            if parent is not None and parent in members:
                wanted.append(position)
        if op.pulls is None:
            parts: Iterable[Any] = map(op.pull, wanted, repeat(ct), repeat(env))
        else:
            parts = op.pulls(wanted, ct, env)
        for position, part in zip(wanted, parts):  # noqa: B905  # map's end is that of `wanted`
            if part is not None:
                to: Any = parents[position]
                before = pending.get(to)
                pending[to] = part if before is None else before + part


def _checked_hook_result(result: Any, ct: Tensor) -> Tensor:
    """Return what a gradient hook leaves: its result, or the gradient as it was for None."""
    if result is None:
        return ct
    if not isinstance(result, Tensor) or result.shape != ct.shape or result.dtype is not ct.dtype:
        raise GradientError(
            f"hook: it returned {shown(result)}; a {ct.dtype.name} tensor of shape {ct.shape} is "
            "needed"
        )
    return result


def backward(root: Node, ct: Tensor, create_graph: bool) -> None:
    """Add the gradients of `root` to the `.grad` of every leaf that leads to it.

    They are added when all are known: a pass that fails, or is interrupted, adds none.
    """
    reached: list[tuple[Node, Tensor]] = []
    start = next(births)

    def visit(node: Node, ct: Tensor) -> bool:
        if node.op is None or node.retains_grad:
            reached.append((node, ct))
        return True

    def run() -> None:
        order = reachable(root)
        pull_back(order, ct, visit)
        _add_gradients(reached, [n for n in order if n.op is None], start)

    handled_outside(recording, create_graph, run)


@whole
def _add_gradients(reached: list[tuple[Node, Tensor]], leaves: Iterable[Node], start: int) -> None:
    """Add cotangents to the gradients of their nodes: all of them, or none."""
    given: set[Storage] = set()
    for i, (node, ct) in enumerate(reached):
        touch_grad(node, "add")
        fresh = node.grad is None or node.grad is ZERO
        reached[i] = node, owned(ct, start, given) if fresh else node.grad + ct
    for node, total in reached:
        before = node.grad
        if before is None or before is ZERO or is_recording() or before.requires_grad:
            node.grad = total
        else:
            before._write(total.array, owned=True)
    for node in leaves:  # where every slope is 0 by rule (sign, x ** 0), no cotangent arrived
        touch_grad(node, "fill")
        if node.grad is None:
            node.grad = ZERO


def touch_grad(node: Node, how: str) -> None:
    """Tell a tracer, if one captures, what is about to happen to the gradient of `node`.

    "read" (or written to by hand), "add" (backward), "fill" (None becomes zeros), "clear" (zeros
    take its place, unless it is None) or "set", without a look at what it was.
    """
    tracer = tracing()
    if tracer is not None:
        tracer.grad_touched(node, how)


def owned(ct: Tensor, start: int, given: set[Storage]) -> Tensor:
    """Return `ct` as a tensor whose memory is reached through nothing else.

    Two leaves may receive one cotangent (a + b), or views of one, and a rule or a hook may return
    a tensor that it keeps; assigning to a gradient must change no other tensor. So it is copied
    unless its memory was made after `start` (in this pass) and is not `given` away yet.
    """
    array = everything(ct).array
    fresh = array.layout.contiguous and array.layout.size == array.storage.size
    if not fresh or array.storage.born < start or array.storage in given:
        ct = apply(REGISTRY["copy"], ct)
    given.add(memory(ct.array))
    return ct
