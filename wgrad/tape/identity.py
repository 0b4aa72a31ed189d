"""Versions and identities: is a tensor what its history says, and what does a write change?

A storage counts the writes to its memory (`version`), and a node knows the version at which its
values were computed. `history` of a storage is the version since which it holds tracked values that
were assigned. All rules follow from these three:

- what was saved for a gradient is gone once its memory was written to (`restored`);
- a result whose memory was written to through another tensor has lost its history
  (`check_history`), unless it is a view of a leaf, which shows the leaf's new values;
- a tensor made before tracked values came into its memory lacks their history (`check_assigned`);
- a write makes the writer's own identity that of old values, unless it is a leaf (`written`), or
  the write hands it on (`rewrite`, `adopt`);
- a leaf that is recorded, and what shows it, is not written to (`check_target`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..backends.array import Array, Storage
from ..backends.tracing import changing
from ..core import INPUT_NAMES, Input, Node, Tensor, Value, interpreters, wrap
from ..core.batched import Batched, everything, lowered, memory
from ..core.tracing import tracing
from ..errors import GradientError, VmapError
from ..interrupts import interrupts_wait, whole
from ..origin import place

_PLACES = {name: place for place, name in enumerate(INPUT_NAMES)}


def stamp(node: Node, array: Array) -> None:
    """Note that the values which `array` has now are those of `node`."""
    node.version = array.storage.version


def assigned(node: Node | None, array: Array) -> None:
    """Note that the values of `array` were assigned to its memory, with the history of `node`."""
    array.storage.history = array.storage.version
    if node is not None:
        stamp(node, array)


def unfollowed(array: Array, outer: Node | None = None) -> Node | None:
    """Return the node of a tensor without history: None, unless its memory holds tracked values.

    Then one tells it from the tensors made before these values came, whose history they lack.
    """
    if array.storage.history is None:
        return None
    node = Node()
    node.outer = outer
    stamp(node, array)
    return node


# What was saved for a gradient.
def saved(name: str | int, inputs: tuple[Input, ...], out: Tensor) -> Any:
    """Return what `restored` needs; the output's own node is left out, for it would be a cycle.

    A number is the place of an input.
    """
    if name == "out":
        return out.array, None, out.array.storage.version
    if name == "inputs":
        return [_saved_input(x) for x in inputs]
    return _saved_input(inputs[name if isinstance(name, int) else _PLACES[name]])


def _saved_input(x: Input) -> Any:
    return (x.array, x.node, x.array.storage.version) if isinstance(x, Value) else x


def restored(owner: Node, name: str | int, saved: Any) -> Any:
    """Return a saved value as a tensor with its identity. Raises: GradientError when it is gone.

    What has a space in its name is one of several outputs.
    """
    if isinstance(saved, list):
        return [restored(owner, f"{i}", x) for i, x in enumerate(saved)]
    if not isinstance(saved, tuple):
        return saved
    array, node, version = saved
    if (tracer := tracing()) is not None:
        tracer.restored(owner, array.storage)
    if array.storage.version != version:
        which = {"out": "output"}.get(str(name), str(name))
        which = which if which == "output" or " " in which else f"input {which}"
        assert owner.op is not None
        raise GradientError(
            f"backward: the {which} of {owner.op.name} at {place(owner.origin)} was assigned "
            "to after the tape saved it: assign after backward(), or compute with a copy"
        )
    return wrap(array, owner if name == "out" else node)


# What is used now.
def check_history(x: Value, where: str) -> None:
    """Raise GradientError when `x` was changed, through a view, since its op computed it.

    A view of a leaf is an exception: it shows the leaf's new values, as its history says.
    """
    node = x.node
    if node is None or node.op is None or node.version == x.array.storage.version:
        return
    origin = _viewed(node)
    if origin is None or origin.op is None:
        return
    raise GradientError(
        f"{where}: the memory of a result of {node.op.name} at {place(node.origin)} was "
        "assigned to through a view, so its history no longer leads to its values: assign to a "
        "copy(), use .detach(), or build the result with wg.where or wg.concat"
    )


def _viewed(node: Node | None) -> Node | None:
    """Return the node that a chain of views starts from; None for one that nothing follows."""
    while node is not None and node.op is not None and node.op.is_view:
        (node,) = node.parents
    return node


def unrecorded(x: Any) -> Any:
    """Return `x` without what the innermost level has recorded of it: `detach` cuts all levels."""
    if x.node is None or x.node.outer is None:
        return x.detach()
    node = Node()
    node.outer = x.node.outer
    return wrap(x.array, node)


def is_tracked(x: Value) -> bool:
    """Return whether gradients lead to `x`, or to the batch that it is an example of."""
    node = x.node
    while node is not None:
        if node.requires_grad:
            return True
        node = node.outer
    return False


def check_assigned(x: Value, where: str) -> None:
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


# What is written to.
def check_target(x: Tensor, followed: bool, recorded: bool) -> None:
    """Raise GradientError where the history of a tensor that is assigned to would be wrong.

    The tape, or an interpreter, follows the target (`followed`) or else the value; `recorded` says
    that it is the tape, and the target.
    """
    if recorded:
        node = x.node
        while node is not None:  # of an example, and then of the whole batch
            origin = _viewed(node)
            node = node.outer
            if origin is None or origin.op is not None or not origin.requires_grad:
                continue
            what = "is a leaf that requires grad" if x.is_leaf else "is a view of such a leaf"
            raise GradientError(
                f"x[...] = value: the tensor {what}, and its old values would lose their gradient: "
                "use no_grad(), assign to a copy(), or build the result with wg.where or wg.concat"
            )
    elif everything(x).size < memory(x.array).size and not followed:
        raise GradientError(
            "x[...] = value: the value is tracked, and the tensor is a view of one that is not: "
            "assign to that with one key, as in x[0, 1] = value, or to a copy()"
        )
    tracer = tracing()
    if tracer is not None:
        tracer.history_assigned(x.array)


def write(x: Value, source: Array, owned: bool = False) -> None:
    """Give a tensor the values of an array, which nobody else holds when `owned`."""
    if isinstance(source.storage, Batched) or isinstance(x.array.storage, Batched):
        return _write_batch(x, source)
    bounds = source.storage.bounds
    device = x.array.storage.device
    with interrupts_wait():  # new values are told from old ones by the version
        if owned:
            device.replace(x.array, source)
        else:
            device.write(x.array, source)
        written(x, bounds)


def _write_batch(x: Value, source: Array) -> None:
    """Give all examples of a batch the values of an array, which may be those of each."""
    mine, given = x.array.storage, source.storage
    levels = [s.level for s in (mine, given) if isinstance(s, Batched)]
    level = max(levels, key=interpreters().index)  # the innermost
    shared = not isinstance(mine, Batched) or mine.level is not level or mine.shared_by_all
    theirs = isinstance(given, Batched) and given.level is level and given
    if shared and theirs and not theirs.shared_by_all:
        raise VmapError(
            f"assign: values that differ from example to example came for a tensor of shape "
            f"{x.shape} that all examples of a vmap share: assign to a copy that differs "
            "too, or build the result with wg.where or wg.concat"
        )
    complete = theirs.whole if theirs else source
    if not shared and not (theirs and not theirs.shared_by_all):
        complete = complete.view(complete.layout.expand((level.size, *complete.shape)))
    target = lowered(x) if isinstance(mine, Batched) and mine.level is level else x
    with interrupts_wait():
        write(target, complete)
        seen = everything(x).array
        if mine.history is not None and seen.layout.size == seen.storage.size:
            mine.history = None
        _lose_identity(x)


def written(x: Value, bounds: tuple[int, int] | None = None) -> None:
    """Note that a tensor's values are others now; `bounds` are those of all of them."""
    storage, layout = x.array.storage, x.array.layout
    storage.version += 1
    complete = layout.contiguous and layout.size == storage.size
    storage.bounds = bounds if complete else None
    if complete:
        storage.history = None
    _lose_identity(x)


def _lose_identity(x: Value) -> None:
    """Take the identity of the old values off the new ones."""
    node = x.node
    if node is None or (node.op is None and node.requires_grad):
        return
    if node.op is None and node.is_parameter:  # frozen: it has no history that could be wrong
        changing(node, "version")
        stamp(node, x.array)
        return
    changing(x, "node")
    # A leaf stays one; any other identity was that of the old values.
    x.node = unfollowed(x.array)


def rewritten(writes: Iterable[tuple[Storage, int, tuple[int, int] | None]]) -> None:
    """Note that a program wrote to storages, so often each, as the function did that was traced.

    With each come the bounds of what it holds now.
    """
    for storage, times, bounds in writes:
        storage.version += times
        storage.bounds = bounds


def unwritten(storage: Storage, version: int) -> None:
    """Note that memory holds the values again that it had at a version."""
    storage.version = version


def rewrite(x: Tensor, source: Array, owned: bool) -> None:
    """Write to a tensor that keeps its history, as PyTorch's does inside `no_grad`.

    Its gradient is that of what it was. Rules that saved the old values notice that they are gone.
    """
    node = x.node
    write(x, source, owned)
    _keep_history(x, node)


def overwritten(x: Tensor) -> None:
    """Note that a tensor's memory was written to, as by `rewrite`."""
    node = x.node
    written(x)
    _keep_history(x, node)


def _keep_history(x: Tensor, node: Node | None) -> None:
    if node is not None and node.op is not None and node.requires_grad:
        changing(node, "version")
        stamp(node, x.array)
        x.node = node


@whole
def adopt(x: Tensor, out: Tensor) -> None:
    """Give `x` the values and the identity of a result that nobody else has."""
    node, before = out.node, x.node
    x.node = None  # that of the old values
    write(x, out.array, owned=True)
    x.node = node
    assigned(node, x.array)
    if node is not None:
        node.retains_grad = before is not None and before.retains_grad
    for interpreter in interpreters():
        interpreter.adopted(x)
