"""The tape: a listener that remembers calls, and the reverse pass over what it remembered.

What is remembered hangs on the tensors themselves (`Node`), so nothing outlives them. The reverse
pass walks the reachable nodes in falling order of their sequence numbers: no recursion, and every
cotangent is complete when its node is reached. The rules are written with ops, so a pass made with
recording on is itself recorded: gradients of any order.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from . import core
from .backends.array import Array, Storage, births
from .backends.tracing import tracing
from .checks.arguments import function as check_function
from .core import REGISTRY, Call, Node, Tensor, Value
from .errors import ArgumentError, GradientError, shown
from .interrupts import handled_outside, whole

P = ParamSpec("P")
R = TypeVar("R")
ZERO: Any = object()  # a gradient that zero_grad() has cleared, made of zeros when it is read


def record(call: Call) -> None:
    """Give the output a node when an input requires grad: the tape as a listener."""
    op = call.op
    if not op.rules or not call.out.array.dtype.is_floating:
        return
    names: tuple[str, ...] = ()
    parents: list[Node | None] = []
    tracked = False
    for position, value in enumerate(call.inputs):
        node = value.node if isinstance(value, Value) else None
        if isinstance(value, Value) and value.array.storage.history is not None:
            _check_assigned(value, op.name)
        if node is None or not node.requires_grad or (rule := op.rule(position)) is None:
            parents.append(None)
            continue
        if node.op is not None:
            check_history(value, op.name)  # type: ignore[arg-type]  # a Value is a Tensor
        parents.append(node)
        tracked = True
        names += rule.saves
    if not tracked:
        if op.is_view and call.out.array.storage.history is not None:
            call.out.node = unfollowed(call.out.array)
        return
    node = call.out.node
    if node is None:
        node = call.out.node = Node()
    node.requires_grad = True
    node.op = op
    node.params = call.params
    node.parents = tuple(parents)
    if op.wants_shapes:
        node.shapes = tuple(
            [v.array.layout.shape if isinstance(v, Value) else () for v in call.inputs]
        )
    node.origin = core.caller()
    node.version = call.out.array.storage.version
    if names:
        node.saved = {name: _save(name, call) for name in dict.fromkeys(names)}


def check_history(x: Value, where: str) -> None:
    """Raise GradientError when `x` was changed, through a view, since its op computed it.

    A view of a leaf is an exception: it shows the leaf's new values, as its history says.
    """
    node = x.node
    if node is None or node.op is None or node.version == x.array.storage.version:
        return
    origin: Node | None = node
    while origin is not None and origin.op is not None and origin.op.is_view:
        (origin,) = origin.parents
    if origin is None or origin.op is None:
        return
    raise GradientError(
        f"{where}: the memory of a result of {node.op.name} at {core.place(node.origin)} was "
        "assigned to through a view, so its history no longer leads to its values: assign to a "
        "copy(), use .detach(), or build the result with wg.where or wg.concat"
    )


def unfollowed(array: Array) -> Node:
    """Return the node of a tensor without history, though its memory holds tracked values.

    It tells the tensor from those made before these values came, whose history they lack.
    """
    node = Node()
    node.version = array.storage.version
    return node


def _check_assigned(x: Value, where: str) -> None:
    """Raise GradientError when `x` was made before tracked values were assigned to its memory."""
    history, node = x.array.storage.history, x.node
    if history is None or (node is not None and node.version >= history):
        return
    if node is None or node.op is None:  # else `check_history` says more
        raise GradientError(
            f"{where}: tracked values were assigned to the memory of this tensor through another "
            "one, so their gradient would be lost here: use the tensor that was assigned to, take "
            "the view anew, or detach() that tensor"
        )


def _save(name: str, call: Call) -> Any:
    """Return what `_restore` needs; the output's own node is left out, for it would be a cycle."""
    if name == "out":
        return call.out.array, None, call.out.array.storage.version
    if name == "inputs":
        return [_save_input(x) for x in call.inputs]
    return _save_input(call.inputs[core.INPUT_NAMES.index(name)])


def _save_input(x: core.Input) -> Any:
    return (x.array, x.node, x.array.storage.version) if isinstance(x, Value) else x


def _restore(owner: Node, name: str, saved: Any) -> Any:
    """Return a saved value as a tensor with its identity. Raises: GradientError when it is gone."""
    if isinstance(saved, list):
        return [_restore(owner, f"{i}", x) for i, x in enumerate(saved)]
    if not isinstance(saved, tuple):
        return saved
    array, node, version = saved
    if (tracer := tracing()) is not None:
        tracer.restored(owner, array.storage)
    if array.storage.version != version:
        which = "output" if name == "out" else f"input {name}"
        assert owner.op is not None
        raise GradientError(
            f"backward: the {which} of {owner.op.name} at {core.place(owner.origin)} was assigned "
            "to after the tape saved it: assign after backward(), or compute with a copy"
        )
    return core.wrap(array, owner if name == "out" else node)


def is_recording() -> bool:
    """Return whether calls are being recorded in this context."""
    return record in core.listeners()


def is_followed(x: Value) -> bool:
    """Return whether the tape, or forward mode, follows what is done with `x` in this context."""
    heard = core.listeners()
    if x.node is not None and x.node.requires_grad and record in heard:
        return True
    return any(h.follows(x) for h in heard if hasattr(h, "follows"))


def recording(mode: bool, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function with recording on or off, in this context alone, and return its result."""
    return core.heard_by(_switched(core.listeners(), mode), function, *args, **kwargs)


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


def _switched(heard: tuple[core.Listener, ...], mode: bool) -> tuple[core.Listener, ...]:
    """Return the listeners with the tape (always the first) or without it."""
    others = tuple(x for x in heard if x is not record)
    return (record, *others) if mode else others


# The listeners to go back to, one entry for each `with` block entered in this context. A stack in
# the context, not on the object, for one object may be entered by several threads at once.
_outer: ContextVar[tuple[tuple[core.Listener, ...], ...]] = ContextVar("wgrad_outer", default=())
_BOTH: Any = _outer, core.chosen_listeners


class _Switch:
    """Recording on or off, as a context manager and as a decorator of functions, async ones too."""

    mode: bool

    def __new__(cls, function: Callable | None = None) -> Any:
        """Return the switch, or `function` decorated (so that parentheses may be left out)."""
        switch = super().__new__(cls)
        return switch if function is None else switch(function)

    def __enter__(self) -> None:
        heard = core.listeners()
        outer, chosen = (*_outer.get(), heard), _switched(heard, self.mode)
        # Unpacked, not called: no handler of a signal runs before `with` has the block.
        _, _ = map(ContextVar.set, _BOTH, (outer, chosen))

    def __exit__(self, *exc: Any) -> None:
        *rest, heard = _outer.get()
        _, _ = map(ContextVar.set, _BOTH, (tuple(rest), heard))

    def __call__(self, function: Callable) -> Callable:
        check_function(function, type(self).__name__, "function")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ArgumentError(
                f"{type(self).__name__}: {function.__qualname__} is a generator, which would leave "
                "its caller switched between values: put a `with` block inside it"
            )
        mode, switch = self.mode, type(self)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaiting(*args: Any, **kwargs: Any) -> Any:
                with switch():
                    return await function(*args, **kwargs)

            return awaiting

        @functools.wraps(function)
        def calling(*args: Any, **kwargs: Any) -> Any:
            return recording(mode, function, *args, **kwargs)

        return calling


class no_grad(_Switch):
    """Nothing computed inside requires grad: `with no_grad():`, or `@no_grad()` on a function."""

    mode = False


class enable_grad(_Switch):
    """Record inside again: `with enable_grad():` within a `no_grad` block, or as a decorator."""

    mode = True


def reachable(root: Node, floor: int = 0) -> list[Node]:
    """Return the nodes that lead to `root`, latest first; none older than sequence `floor`."""
    seen = {root}
    stack = [root]
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen and parent.sequence >= floor:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: -node.sequence)


def pull_back(order: Iterable[Node], ct: Tensor, visit: Callable[[Node, Tensor], bool]) -> None:
    """Carry the cotangent of the first node of `order` down to all the others.

    `visit(node, ct)` is told each node's complete cotangent; the pass goes on to the node's
    inputs when it returns True.
    """
    order = list(order)
    pending: dict[Node, Any] = {order[0]: ct}
    members = set(order)
    for node in order:
        ct = pending.pop(node, None)
        if ct is None:
            continue
        for hook in tuple((node.hooks or {}).values()):
            ct = _checked_hook_result(hook(ct), ct)
        if not visit(node, ct) or node.op is None:
            continue
        env: dict[str, Any] = {**node.params, "shapes": node.shapes}
        for name, saved in node.saved.items():
            env[name] = _restore(node, name, saved)
        for position, parent in enumerate(node.parents):
            if parent is None or parent not in members:
                continue
            part = node.op.pull(position, ct, env)
            if part is not None:
                before = pending.get(parent)
                pending[parent] = part if before is None else before + part


def _checked_hook_result(result: Any, ct: Tensor) -> Tensor:
    """Return what a gradient hook leaves: its result, or the gradient as it was for None."""
    if result is None:
        return ct
    if not isinstance(result, Value) or result.shape != ct.shape or result.dtype is not ct.dtype:
        raise GradientError(
            f"hook: it returned {shown(result)}; a {ct.dtype.name} tensor of shape {ct.shape} is "
            "needed"
        )
    return result  # type: ignore[return-value]  # a Value is a Tensor


def backward(root: Node, ct: Tensor, create_graph: bool) -> None:
    """Add the gradients of `root` to the `.grad` of every leaf that leads to it.

    They are added when all are known: a pass that fails, or is interrupted, adds none.
    """
    found: list[tuple[Node, Tensor]] = []
    start = next(births)

    def visit(node: Node, ct: Tensor) -> bool:
        if node.op is None or node.retains_grad:
            found.append((node, ct))
        return True

    def run() -> None:
        order = reachable(root)
        pull_back(order, ct, visit)
        _add_gradients(found, [n for n in order if n.op is None], start)

    handled_outside(recording, create_graph, run)


@whole
def _add_gradients(found: list[tuple[Node, Tensor]], leaves: Iterable[Node], start: int) -> None:
    """Add cotangents to the gradients of their nodes: all of them, or none."""
    given: set[Storage] = set()
    for i, (node, ct) in enumerate(found):
        touch_grad(node, "add")
        fresh = node.grad is None or node.grad is ZERO
        found[i] = node, owned(ct, start, given) if fresh else node.grad + ct
    for node, total in found:
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
    array = ct.array
    fresh = array.layout.contiguous and array.layout.size == array.storage.size
    if not fresh or array.storage.born < start or array.storage in given:
        ct = core.apply(REGISTRY["copy"], ct)
    given.add(ct.array.storage)
    return ct


core.add_default_listener(record)
