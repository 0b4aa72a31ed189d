"""Functions of networks as modules: what they take beside tensors is kept as attributes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..checks.arguments import checked_flag, respelled, spellings
from ..errors import CallError
from ..tensor import Tensor
from .module import Module


class FunctionModule(Module):
    """A module that calls one function, named by its subclass, with options it was made with.

    class ELU(FunctionModule, function=elu): ...   # nn.ELU(alpha=0.5)(x) is elu(x, alpha=0.5)

    The options are the function's arguments that have a default, under their names; a tensor among
    them is a buffer. With takes_inplace it takes PyTorch's `inplace` last, which has no effect: a
    compiled function reuses memory by itself.
    """

    _function: Callable[..., Tensor]
    options: inspect.Signature

    takes_inplace = False

    def __init_subclass__(
        cls, function: Callable[..., Tensor] | None = None, takes_inplace: bool = False, **kw: Any
    ):
        super().__init_subclass__(**kw)
        if function is None:  # a subclass of one that has a function
            return
        cls._function = staticmethod(function)
        parameters = inspect.signature(function).parameters.values()
        given = [x for x in parameters if x.default is not x.empty]
        if takes_inplace:
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            given.append(inspect.Parameter("inplace", kind, default=False, annotation="bool"))
        cls.takes_inplace = takes_inplace
        cls.options = inspect.Signature(given)
        cls.__signature__ = cls.options  # type: ignore[attr-defined]  # what help() shows

    def __init__(self, *args: Any, **options: Any):
        name = type(self).__name__
        options = respelled(options, spellings(self.options.parameters), name)
        try:
            bound = self.options.bind(*args, **options)
        except TypeError as error:
            raise CallError(f"{name}: {error}; {name}{self.options} is its call") from None
        bound.apply_defaults()
        if self.takes_inplace:
            checked_flag(bound.arguments.pop("inplace"), type(self).__name__, "inplace")
        for name, value in bound.arguments.items():
            setattr(self, name, value)

    def forward(self, *inputs: Any) -> Tensor:
        options = {name: getattr(self, name) for name in self._names()}
        return type(self)._function(*inputs, **options)

    def _names(self) -> list[str]:
        return [name for name in self.options.parameters if name != "inplace"]

    def extra_repr(self) -> str:
        """Return the options that are not the usual ones, tensors aside: they follow."""
        known = self.options.parameters
        given = [(name, getattr(self, name), known[name].default) for name in self._names()]
        return ", ".join(
            f"{name}={value!r}"
            for name, value, usual in given
            if not isinstance(value, Tensor) and repr(value) != repr(usual)
        )


class ForImages(Module):
    """A layer for images with so many `axes`, by a `function` of these: the subclass names both."""

    axes: int
    _function: Any

    def __init_subclass__(cls, axes: int = 0, function: Any = None, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if axes:  # else what layers share, or a subclass of one
            cls.axes, cls._function = axes, staticmethod(function)
