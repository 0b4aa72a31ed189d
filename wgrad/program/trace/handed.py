"""The tensors that a call hands out: each has a number, and a recipe to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...backends.array import Array, Storage
from ...core import Call, Node, Op, Value, caller
from ...dtypes import DType
from ...errors import GradientError
from ...layout import Layout
from ...tape import identity
from ...tensor import Tensor
from .finish import Bindings, Source
from .tracer import Tracer

NO, HISTORY, LEAF = range(3)  # whether a tensor requires grad, and why


class Made(NamedTuple):
    """A tensor that each run makes anew: a view of an output (by number) or of a Source."""

    where: Any
    layout: Layout
    dtype: DType
    status: int
    grad: int | None  # which handed-out tensor is the gradient of a leaf
    bounds: tuple[int, int] | None


class Handed:
    """What one traced call hands out: results, and gradients that it leaves.

    `known` are the objects that existed before, by id. `places` numbers declared tensors, by id: a
    later run hands out the tensor that is declared there by then.
    """

    def __init__(
        self,
        tracer: Tracer,
        leaves: Sequence[Tensor],
        known: Mapping[int, Any],
        places: Mapping[int, int],
    ):
        self._tracer = tracer
        self._known, self._places = known, places
        self._argument: dict[int, int] = {}  # the first position of each, by its id
        for i, x in enumerate(leaves):
            self._argument.setdefault(id(x), i)
        self._entries = {
            id(t.before): node for node, t in tracer.grads.items() if isinstance(t.before, Value)
        }
        self._numbers: dict[int, int] = {}
        self.tensors: list[Tensor] = []
        self.specs: list[Any] = []  # how to make each: a Source, or Made
        self.shown: dict[Storage, None] = {}  # storages from outside that views show
        self.made: dict[Storage, int] = {}  # storages made inside, and their number

    def number(self, x: Tensor) -> int:
        """Return the number of a tensor."""
        if id(x) not in self._numbers:
            number = self._numbers[id(x)] = len(self.tensors)
            self.tensors.append(x)
            self.specs.append(None)
            self.specs[number] = self._spec(x)
        return self._numbers[id(x)]

    def _spec(self, x: Tensor) -> Any:
        if id(x) in self._argument:
            return Source("argument", self._argument[id(x)])
        if id(x) in self._entries:
            return Source("grad", self._entries[id(x)])
        if id(x) in self._places:
            return Source("declared", self._places[id(x)])
        if id(x) in self._known:
            return Source("object", x)
        storage, layout, dtype = x.array.storage, x.array.layout, x.array.dtype
        status, grad = NO, None
        if x.requires_grad and x.node is not None:
            status = LEAF if x.is_leaf and x.node.sequence > self._tracer.start else HISTORY
            if status == LEAF and isinstance(x.node.grad, Tensor):
                grad = self.number(x.node.grad)
        known = self._tracer.static_bounds(storage)
        if storage in self._tracer.made:
            where: Any = self.made.setdefault(storage, len(self.made))
        else:
            self.shown[storage] = None
            where, known = x.array, None
        return Made(where, layout, dtype, status, grad, known)

    def bound(self, bindings: Bindings) -> list[Any]:
        """Return how to make each, once it is known what a run is bound to."""
        specs: list[Any] = []
        for spec in self.specs:
            if isinstance(spec, Source) and spec.kind == "grad":
                spec = Source("grad", bindings.node_key(spec.of))
            elif isinstance(spec, Made) and isinstance(spec.where, Array):
                spec = spec._replace(where=bindings.whole[spec.where.storage][0])
            specs.append(spec)
        return specs

    def cut(self) -> None:
        """Take the history off all of them, which frees what only the graph holds."""
        for i, (x, spec) in enumerate(zip(self.tensors, self.specs, strict=True)):
            if isinstance(spec, Made) and spec.status == HISTORY:
                fresh = Tensor(x.array)
                fresh.node = lost_history(fresh)
                self.tensors[i] = fresh


class _NoHistory(Op):
    """Stands where the history of a result would begin: a backward pass that comes here fails.

    Without it the gradients of what went into a compiled function would be missing in silence.
    """

    def run(self, device: Any, inputs: tuple, params: dict) -> Array:
        raise NotImplementedError  # it is put into nodes, and never applied

    def pull(self, position: int, ct: Tensor, env: dict[str, Any]) -> Tensor | None:
        raise GradientError(
            "backward: this leads into a compiled function, whose results have no history: call "
            "backward() or wg.grad inside the function, or detach() its result"
        )

    def push(self, call: Call, tangents: Any) -> Tensor | None:
        raise NotImplementedError  # nor pushed


_no_history = _NoHistory("compile", (lambda: None,))


def lost_history(out: Tensor) -> Node:
    """Return the node of a result that would require grad without compile."""
    parent = Node(requires_grad=True)  # of this level of differentiation, which looks no further
    node = Node(requires_grad=True)
    node.op, node.parents, node.origin = _no_history, (parent,), caller()
    identity.stamp(node, out.array)
    return node
