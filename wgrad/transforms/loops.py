"""Scans that a compiled function captures once: one turn is traced, and so is its reverse.

The turn's own tape is kept, in the node of the whole loop. The reverse pass goes down that tape in
a turn of the reverse loop, whatever it reads of the first turn's values, the first loop keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import tape
from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import Call, Node, Op, apply, interpreters, wrap
from ..core.tracing import tracing
from ..creation.inputs import as_tensor
from ..dtypes import float32
from ..ops import movement
from ..repeated import Draws
from ..tensor import Tensor
from .checkpoint import OfOneRun
from .inputs import leaves_of, with_leaves
from .results import Cts, results_of


class _Given(Op):
    """What a turn is given: its history begins there."""

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        raise NotImplementedError

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise NotImplementedError


_GIVEN = _Given("turn", ())


@dataclass
class Form(OfOneRun):
    """What a loop does, for its reverse: its turn, and the nodes of that.

    `carries` and `slices` are the nodes of what the turn was given (None for integers), `outs`
    those of what it returned, carries first, and `outside` those that it met outside.
    """

    turn: Any
    carries: list[Node | None]
    slices: list[Node | None]
    outs: list[Node | None]
    outside: list[Node]
    likes: list[Array]  # what the results of a turn are like
    length: int
    is_reverse: bool
    again: Callable[[], list[Tensor]]  # the results turn by turn


class LoopOp(Op):
    """A whole loop, as a node of the tape: its parents are first carries, slices, and `outside`."""

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        return device.full((), 0, float32)

    def pulls(self, positions: Sequence[int], ct: Any, env: dict[str, Any]) -> list[Any]:
        form: Form = env["form"]
        if not tape.is_recording():
            made = _reversed(form, ct)
            if made is not None:
                return [made[i] for i in positions]
        return _turn_by_turn(form, ct, env["parents"], positions)

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise NotImplementedError


_LOOP = LoopOp("scan", (lambda: None,))


def captured(
    step: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any,
    length: int,
    is_reverse: bool,
    unrolled: Callable[[Any, Any], tuple[Any, Any]],
) -> tuple[Any, Any] | None:
    """Return what a scan gives whose turn is traced once; None where it has to be unrolled."""
    tracer = tracing()
    if interpreters() or tape.is_recording():  # which look at what operations are given
        init, xs = [with_leaves(x, _alias) for x in (init, xs)]
    first, slices = leaves_of(init), leaves_of(xs)
    devices = {x.device for x in (*first, *slices)}
    if tracer is None or length < 2 or len(devices) != 1:
        return None
    if not all(i.is_transparent for i in interpreters()):
        return None
    (device,) = devices
    turn, draws = tracer.turn(device), Draws()
    try:
        carry = with_leaves(init, lambda x: _given(turn.given(x.shape, x.dtype)))
        x = with_leaves(
            xs,
            lambda x: None if x is None else _given(turn.given(x.shape[1:], x.dtype, x.array), x),
        )
        nodes = [[t.node for t in leaves_of(tree)] for tree in (carry, x)]
        floor = Node().sequence
        with draws.one_pass():
            carry, y = step(carry, x)
        y = with_leaves(y, lambda v: None if v is None else as_tensor(v, "scan: y"))
        outs = [*leaves_of(carry), *leaves_of(y)]
        if any(v.device is not device for v in outs):
            turn.withdraw()
            return None
    except BaseException:
        turn.withdraw()
        raise
    count = len(first)
    made = turn.close(
        [v.array for v in outs[:count]],
        [v.array for v in first],
        [v.array for v in slices],
        [v.array for v in outs[count:]],
        length,
        is_reverse,
    )
    if made is None:
        return None
    out_nodes = [_tracked(v.node) for v in outs]
    given = [n for part in nodes for n in part]
    behind = _behind([n for n in out_nodes if n is not None], floor)
    outside = [n for n in behind if n not in given]

    def again() -> list[Tensor]:
        # Of the same tensors as the parents are: the pass turn by turn ends at their nodes.
        with draws.in_turns(length).one_pass():
            return [t for tree in unrolled(init, xs) for t in leaves_of(tree)]

    form = Form(
        turn, nodes[0], nodes[1], out_nodes, outside, [v.array for v in outs], length, is_reverse,
        again,
    )  # fmt: skip
    # What no result follows from has no gradient, not one of zeros.
    starts = [
        _tracked(v.node) if node in behind else None
        for v, node in zip((*first, *slices), given, strict=True)
    ]
    parents = [*starts, *outside]
    results = iter(_results(form, parents, made))
    return tuple(
        [with_leaves(tree, lambda v: None if v is None else next(results)) for tree in (carry, y)]
    )


def _alias(x: Any) -> Any:
    return None if x is None else apply(movement.alias, x)


def _given(x: Array, of: Tensor | None = None) -> Tensor:
    """Return what a turn is given as a tensor, whose history begins there."""
    tensor = wrap(x)
    followed = of is None or _tracked(of.node) is not None
    if tape.is_recording() and x.dtype.is_floating and followed:
        tensor.node = Node(requires_grad=True)
        tensor.node.is_parameter = False
        tensor.node.op = _GIVEN
    return tensor


def _tracked(node: Node | None) -> Node | None:
    return node if node is not None and node.requires_grad and tape.is_recording() else None


def _behind(roots: Iterable[Node], floor: int) -> list[Node]:
    """Return the nodes of before a turn that its results follow from directly."""
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node.sequence > floor:
                stack.extend([p for p in node.parents if p is not None])
    return sorted([n for n in seen if n.sequence < floor], key=lambda n: n.sequence)


def _results(form: Form, parents: list[Node | None], made: list[Array]) -> list[Tensor]:
    """Return the results of a loop, with its node behind those that gradients lead to."""
    if not any(parents):
        return [wrap(x) for x in made]
    return results_of(_LOOP, parents, made, {"form": form})


def _order(roots: Iterable[Node], ends: Sequence[Node]) -> list[Node]:
    """Return the nodes that lead to some, and not beyond `ends`, latest first."""
    seen, stops = set(roots), set(ends)
    stack = list(seen - stops)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                if parent not in stops:
                    stack.append(parent)
    return sorted(seen, key=lambda node: -node.sequence)


def _gradients(cts: dict[Node, Tensor], ends: Sequence[Node | None]) -> list[Tensor | None]:
    """Return the cotangents of `ends`, given those of others."""
    found: dict[Node, Tensor] = {}
    stops = [n for n in ends if n is not None]

    def visit(node: Node, ct: Tensor) -> bool:
        if node in stops:
            found[node] = ct
        return True

    if cts:
        tape.pull_back(_order(cts, stops), cts, visit, frozenset(stops))
    return [None if n is None else found.get(n) for n in ends]


def _add(cts: dict[Node, Tensor], node: Node, ct: Tensor) -> None:
    cts[node] = cts[node] + ct if node in cts else ct


def _reversed(form: Form, cts: Cts) -> list[Tensor | None] | None:
    """Return the cotangents of a loop's parents by a loop; None where that does not do."""
    tracer = tracing()
    if tracer is None or not form.turn.is_of(tracer):
        return None
    count = len(form.carries)
    turn = tracer.turn(form.turn.device, form.turn)
    try:
        roots: dict[Node, Tensor] = {}
        starts: list[Array | None] = []
        stacked: list[Array] = []
        for i, (like, node) in enumerate(zip(form.likes, form.outs, strict=True)):
            came = cts[i].array if i in cts else None
            if i < count and form.carries[i] is not None:
                starts.append(came)
                given = turn.given(like.shape, like.dtype)
            elif i >= count and came is not None and node is not None:
                stacked.append(came)
                given = turn.given(like.shape, like.dtype, came)
            else:
                continue
            if node is not None:
                _add(roots, node, wrap(given))
        found = _gradients(roots, [*form.carries, *form.slices, *form.outside])
        ends: list[Array] = []
        for like, node, ct in zip(form.likes, form.carries, found, strict=False):
            if node is not None:
                zeros = turn.device.full(like.shape, 0, like.dtype) if ct is None else None
                ends.append(ct.array if zeros is None else zeros)  # type: ignore[union-attr]
        at = count + len(form.slices)
        for ct in found[at:]:  # what is outside gets the sum over all turns
            if ct is not None:
                ends.append((wrap(turn.given(ct.shape, ct.dtype)) + ct).array)
                starts.append(None)
        ys = [ct.array for ct in found[count:at] if ct is not None]
    except BaseException:
        turn.withdraw()
        raise
    made = turn.close(ends, starts, stacked, ys, form.length, not form.is_reverse)
    if made is None:
        return None
    last, all_of_them = iter(made[: len(ends)]), iter(made[len(ends) :])
    results: list[Tensor | None] = []
    for i, ct in enumerate(found):
        if i < count:
            results.append(None if form.carries[i] is None else wrap(next(last)))
        elif i < at:
            results.append(None if ct is None else wrap(next(all_of_them)))
        else:
            results.append(None if ct is None else wrap(next(last)))
    return results


def _turn_by_turn(form: Form, cts: Cts, parents: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """Return cotangents of parents through the unrolled loop: of any order."""
    outs = tape.recording(True, form.again)
    roots: dict[Node, Tensor] = {}
    for i, ct in cts.items():
        node = outs[i].node
        if node is not None and node.requires_grad:
            _add(roots, node, ct)
    return _gradients(roots, [parents[i] for i in places])
