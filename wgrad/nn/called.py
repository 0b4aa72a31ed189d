"""functional_call: a module as a function of its parameters, which transforms can be taken of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..backends.tracing import members_read
from ..errors import ArgumentError, CallError, DTypeError, ShapeError, shown
from ..tensor import Tensor
from .module import Module


def functional_call(
    model: Module, params: Mapping[str, Tensor], args: Any = (), kwargs: Any = None
) -> Any:
    """Return model(*args, **kwargs) with the tensors of `params` in the place of its own.

    `params` has names as in `named_parameters()` and `state_dict()`, buffers too; what it leaves
    out stays the module's own. A tensor of several names needs one of them.
    `args` is a tuple, or the only argument. Afterwards, also after an error, the module is what it
    was; what it assigns to a buffer is assigned to the tensor given for that.

    Raises: CallError for what is no module; ArgumentError for a name that the module lacks, and
    for two tensors in the place of one; DTypeError for what is no tensor; ShapeError where a shape
    is not that of the module's tensor.

    >>> model = wg.nn.Linear(2, 1)
    >>> params = {name: p.detach() for name, p in model.named_parameters()}
    >>> loss = lambda p, x: wg.functional_call(model, p, (x,)).square().mean()
    >>> each = wg.vmap(wg.grad(loss), in_axes=(None, 0))(params, wg.ones((5, 2)))
    >>> each["weight"].shape  # a gradient for each of five examples
    (5, 1, 2)
    """
    if not isinstance(model, Module):
        raise CallError(f"functional_call: {shown(model)} came, and a module is needed")
    if not isinstance(params, Mapping):
        raise DTypeError(f"functional_call: {shown(params)} came, and a dict by name is needed")
    members_read(buffers=True)
    own = dict(model._named_tensors(every=True))
    taken: dict[int, str] = {}  # by tensor: of several names of one, the same value is needed
    for name, value in params.items():
        if name not in own:
            raise ArgumentError(
                f"functional_call: {type(model).__name__} has no parameter or buffer {shown(name)}"
            )
        if not isinstance(value, Tensor):
            raise DTypeError(f"functional_call: {name} is {shown(value)}; a tensor is needed")
        if value.shape != own[name].shape:
            raise ShapeError(
                f"functional_call: {name} has shape {value.shape}, and the module's has "
                f"{own[name].shape}"
            )
        first = taken.setdefault(id(own[name]), name)
        if value is not params[first]:
            raise ArgumentError(
                f"functional_call: {first} and {name} are two names of one tensor, and different "
                "ones came: give it by one name"
            )
    # Tensors keep their place in the module, whatever holds them, and show other memory.
    names = list(taken.values())
    before = [(own[name], own[name].array, own[name].node) for name in names]
    given = [(params[name].array, params[name].node) for name in names]
    try:
        for (x, _, _), (array, node) in zip(before, given, strict=True):
            x.array, x.node = array, node
        return model(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for x, array, node in before:
            x.array, x.node = array, node
