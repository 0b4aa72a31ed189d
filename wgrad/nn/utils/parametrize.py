"""Parametrizations: tensors of a module that are computed from others whenever they are read.

The originals are in `module.parametrizations`, which is where state dicts have them.
"""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError, DTypeError, ShapeError, shown
from ...tensor import Tensor
from ..containers import ModuleDict
from ..module import Module
from ..parameter import Parameter
from .computed import compute, give_back, plain, source_of

__all__ = [
    *("ParametrizationList", "is_parametrized", "register_parametrization"),
    *("remove_parametrizations",),
]


class ParametrizationList(Module):
    """The originals of one tensor, and the modules that compute it from them, one after another.

    >>> layer = wg.nn.utils.parametrizations.weight_norm(wg.nn.Linear(3, 2))
    >>> chain = layer.parametrizations.weight
    >>> type(chain).__name__, chain.original0.shape, chain.original1.shape
    ('ParametrizationList', (2, 1), (2, 3))
    """

    def __init__(self, modules: list[Module], original: Tensor):
        self._steps = _Steps(modules)
        self._set(original, first=True)
        for i, module in enumerate(modules):
            setattr(self, str(i), module)

    def _set(self, value: Tensor, first: bool = False) -> None:
        trained = value.is_parameter if first else None
        made: Any = value.detach()
        for module in reversed(self._steps.modules):
            inverse = getattr(module, "right_inverse", None)
            if inverse is not None:
                made = inverse(made)
            elif not first:
                raise ArgumentError(
                    f"parametrize: {type(module).__name__} has no right_inverse, which tells the "
                    "originals of a value that is assigned"
                )
        several = isinstance(made, (tuple, list))
        names = [f"original{i}" for i in range(len(made))] if several else ["original"]
        for name, x in zip(names, made if several else [made], strict=True):
            if first:
                setattr(self, name, Parameter(x) if trained else x.detach().copy())
            else:
                getattr(self, name).assign(x)
        self._several = len(names) if several else 0

    def forward(self) -> Tensor:
        first, *rest = self._steps.modules
        if self._several:
            x = first(*(getattr(self, f"original{i}") for i in range(self._several)))
        else:
            x = first(self.original)  # type: ignore[attr-defined]
        for module in rest:
            x = module(x)
        return x

    def originals(self) -> list[Tensor]:
        """Return what the tensor is computed from."""
        if not self._several:
            return [self.original]  # type: ignore[attr-defined]
        return [getattr(self, f"original{i}") for i in range(self._several)]


class _Steps:
    """Modules in order: no list, for they have their names as attributes already."""

    def __init__(self, modules: list[Module]):
        self.modules = modules


class _Parametrized:
    """Where a parametrized tensor comes from."""

    def __init__(self, name: str):
        self.name = name

    def value(self, module: Any) -> Tensor:
        return module.parametrizations[self.name]()

    def take(self, module: Any, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise DTypeError(f"parametrize: {self.name} = {shown(value)}; a tensor is needed")
        module.parametrizations[self.name]._set(value)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let a tensor of a module be parametrization(original), whenever it is read.

    The original is module.parametrizations.<name>.original, which optimizers and state dicts have
    in the tensor's place; with `right_inverse(value)` the parametrization says what it is at the
    start (or several, original0 and so on, which its forward takes). A second parametrization
    takes what the first gives. Returns the module, whose class is another one from now on.
    Raises: ArgumentError; ShapeError when another shape comes out, unless it is `unsafe`.

    ```python
    class Symmetric(nn.Module):
        def forward(self, x):
            return wg.triu(x) + wg.triu(x, 1).T


    layer = nn.Linear(3, 3)
    nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    assert (layer.weight == layer.weight.T).all()
    ```
    """
    name = "register_parametrization"
    if not isinstance(parametrization, Module):
        raise DTypeError(f"{name}: {shown(parametrization)} came, and a module is needed")
    if is_parametrized(module, tensor_name):
        before: Any = module.parametrizations[tensor_name]  # type: ignore[attr-defined]
        setattr(before, str(len(before._steps.modules)), parametrization)
        before._steps.modules.append(parametrization)
        return module
    x = plain(module, tensor_name, name)
    held = ParametrizationList([parametrization], x)
    made = held()
    if not unsafe and made.shape != x.shape:
        raise ShapeError(f"{name}: {made.shape} came out for {tensor_name} of shape {x.shape}")
    if not isinstance(vars(module).get("parametrizations"), ModuleDict):
        module.parametrizations = ModuleDict()  # type: ignore[attr-defined]
    module.parametrizations[tensor_name] = held  # type: ignore[attr-defined]
    compute(module, tensor_name, _Parametrized(tensor_name))
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Return whether a tensor of the module, or any, has a parametrization."""
    held: Any = vars(module).get("parametrizations")
    return bool(held) if tensor_name is None else bool(held) and tensor_name in held


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a parametrized tensor a plain one again, and return the module.

    It is what it was computed to be last, or with leave_parametrized=False its original.
    Raises: ArgumentError for a tensor that has no parametrization.
    """
    if not isinstance(source_of(module, tensor_name), _Parametrized):
        raise ArgumentError(
            f"remove_parametrizations: {type(module).__name__} has no parametrized "
            f"{shown(tensor_name)}"
        )
    held = module.parametrizations  # type: ignore[attr-defined]
    originals = held[tensor_name].originals()
    if not leave_parametrized and len(originals) > 1:
        raise ArgumentError(
            f"remove_parametrizations: {tensor_name} is made of {len(originals)} originals, so it "
            "can only be left as it is computed: leave_parametrized=True"
        )
    value = originals[0] if not leave_parametrized else getattr(module, tensor_name).detach()
    held.pop(tensor_name)
    if leave_parametrized:
        value = Parameter(value) if originals[0].is_parameter else value.copy()
    give_back(module, tensor_name, value)
    if not held:
        del module.parametrizations  # type: ignore[attr-defined]
    return module
