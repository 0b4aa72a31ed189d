"""PyTorch's way to ask for gradients: of results that are there, by tensors that they came from.

`wg.grad` differentiates functions; `backward()` adds to `.grad`. This does neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import tape
from .backends.array import Storage, births
from .checks.arguments import checked_flag
from .core import Node
from .errors import DTypeError, GradientError, ShapeError
from .interrupts import handled_outside
from .tensor import Tensor

__all__ = ["grad"]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of the sum of `outputs` by each of `inputs`; no `.grad` changes.

    `grad_outputs` has a factor (a cotangent) for each output, of its shape; 0-d outputs need none.
    With `create_graph` the gradients have a history, and can be differentiated again. An input that
    no output depends on is an error, None with `allow_unused`, zeros with `materialize_grads`. The
    history lives as long as the tensors do, whatever `retain_graph` says.

    Shapes: a gradient has its input's. Raises: GradientError; ShapeError; DTypeError.
    Source: torch.autograd.grad.

    >>> x = wg.tensor([1.0, 2.0], requires_grad=True)
    >>> (slope,) = wg.autograd.grad((x**3).sum(), x, create_graph=True)
    >>> (bend,) = wg.autograd.grad(slope.sum(), x)
    >>> bend  # 6 x
    tensor([ 6., 12.])
    """
    roots, leaves = _tensors(outputs, "outputs"), _tensors(inputs, "inputs")
    factors = _factors(grad_outputs, roots)
    flags = {"create_graph": create_graph, "allow_unused": allow_unused}
    for name, value in {**flags, "materialize_grads": materialize_grads}.items():
        checked_flag(value, "grad", name)
    for i, x in enumerate(leaves):
        if not x.requires_grad:
            raise GradientError(
                f"grad: input {i} of shape {x.shape} does not require grad: call requires_grad_() "
                "on it before the outputs are computed from it"
            )
    gradients: dict[Node, Tensor] = {}

    def run() -> None:
        for root, ct in zip(roots, factors, strict=True):
            _add(root, ct, {x.node for x in leaves if x.node is not None}, gradients)

    handled_outside(tape.recording, bool(create_graph), run)
    results: list[Tensor | None] = []
    for i, x in enumerate(leaves):
        assert x.node is not None
        result = gradients.get(x.node)
        if result is None and materialize_grads:
            result = Tensor(x.device.full(x.shape, 0, x.dtype))
        elif result is None and not allow_unused:
            raise GradientError(
                f"grad: no output depends on input {i} of shape {x.shape}; with allow_unused=True "
                "its gradient is None"
            )
        results.append(result)
    return tuple(results)


def _tensors(given: Any, name: str) -> list[Tensor]:
    tensors = [given] if isinstance(given, Tensor) else given
    whole = isinstance(tensors, (list, tuple)) and all(isinstance(x, Tensor) for x in tensors)
    if not whole or not tensors:
        raise DTypeError(
            f"grad: {type(given).__name__} came as {name}, and a tensor or a sequence of them is "
            "needed"
        )
    return list(tensors)


def _factors(given: Any, roots: Sequence[Tensor]) -> list[Tensor]:
    """Return the cotangents that the passes start from."""
    if given is None or isinstance(given, Tensor):
        given = [given] * (1 if given is not None else len(roots))
    if not isinstance(given, (list, tuple)) or len(given) != len(roots):
        raise ShapeError(
            f"grad: {len(roots)} outputs came, and one of grad_outputs is needed for each"
        )
    factors = []
    for i, (root, ct) in enumerate(zip(roots, given, strict=True)):
        if root.node is None or not root.requires_grad:
            raise GradientError(f"grad: output {i} of shape {root.shape} has no history")
        tape.check_history(root, "grad")
        if ct is None and root.shape:
            raise GradientError(
                f"grad: output {i} has shape {root.shape}, and only a 0-d one needs no "
                "grad_outputs: sum it, or pass them"
            )
        one = Tensor(root.device.full((), 1, root.dtype)) if ct is None else ct
        factors.append(root._as_cotangent(one, "grad"))
    return factors


def _add(root: Tensor, ct: Tensor, wanted: set[Node], gradients: dict[Node, Tensor]) -> None:
    """Add the gradients of one output to those of the nodes that are asked for."""
    assert root.node is not None
    order = tape.reachable(root.node)
    leading = set(wanted)  # the nodes that something wanted leads to: no others are walked
    for node in reversed(order):
        if any(parent in leading for parent in node.parents if parent is not None):
            leading.add(node)
    order = [node for node in order if node in leading]
    if root.node not in leading:
        return
    reached: dict[Node, Tensor] = {}

    def visit(node: Node, ct: Tensor) -> bool:
        if node in wanted:
            reached[node] = ct
        return True

    start = next(births)
    tape.pull_back(order, ct, visit)
    given: set[Storage] = set()
    for node, part in reached.items():
        before = gradients.get(node)
        gradients[node] = tape.owned(part, start, given) if before is None else before + part
