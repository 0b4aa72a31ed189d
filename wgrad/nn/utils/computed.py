"""Attributes of one module that are computed whenever they are read.

Such a module gets a class of its own: a subclass of what it was, with a property for each computed
attribute. It pickles and copies as others do, for the class is made again from the names.
"""

from __future__ import annotations

from typing import Any, Protocol

from ...errors import ArgumentError, shown
from ...tensor import Tensor
from ..module import Module


class Source(Protocol):
    """What an attribute is computed by."""

    def value(self, module: Module) -> Tensor:
        """Return what the attribute is now."""

    def take(self, module: Module, value: Tensor) -> None:
        """Let the attribute be `value` from now on."""


def plain(module: Any, name: Any, where: str) -> Tensor:
    """Return a module's tensor that is not computed. Raises: ArgumentError."""
    if not isinstance(module, Module):
        raise ArgumentError(f"{where}: {shown(module)} came, and a module is needed")
    x = vars(module).get(name) if isinstance(name, str) else None
    if not isinstance(x, Tensor):
        raise ArgumentError(
            f"{where}: {type(module).__name__} has no tensor {shown(name)} of its own"
        )
    return x


def compute(module: Module, name: str, source: Source) -> None:
    """Let an attribute be computed, which the module has no longer of its own."""
    vars(module).pop(name, None)
    vars(module).setdefault("_sources", _Sources()).by_name[name] = source
    _reclass(module)


def give_back(module: Module, name: str, value: Tensor) -> None:
    """Let an attribute be a plain one again."""
    sources = vars(module)["_sources"].by_name
    del sources[name]
    _reclass(module)
    if not sources:
        del vars(module)["_sources"]
    setattr(module, name, value)


def source_of(module: Any, name: str) -> Any:
    """Return what an attribute is computed by; None where it is not computed."""
    sources = getattr(module, "__dict__", {}).get("_sources")
    return None if sources is None else sources.by_name.get(name)


class _Sources:
    """What computes attributes, by name: no dict, for what it holds is found elsewhere."""

    def __init__(self) -> None:
        self.by_name: dict[str, Source] = {}


class _Computed:
    """What classes with computed attributes have in common."""

    _plain: type

    def __reduce_ex__(self, protocol: Any) -> Any:
        names = tuple(vars(self)["_sources"].by_name)
        return _bare, (self._plain, names), vars(self).copy()


def _class_of(cls: type, names: tuple[str, ...]) -> type:
    """Return a subclass that computes these attributes."""

    def computed(name: str) -> property:
        def read(self: Any) -> Tensor:
            return self._sources.by_name[name].value(self)

        def write(self: Any, value: Tensor) -> None:
            self._sources.by_name[name].take(self, value)

        return property(read, write, doc=f"Computed whenever it is read: {name}.")

    space = {name: computed(name) for name in names}
    details = {"_plain": cls, "__doc__": cls.__doc__, "__module__": cls.__module__}
    return type(f"Parametrized{cls.__name__}", (_Computed, cls), {**space, **details})


def _bare(cls: type, names: tuple[str, ...]) -> Any:
    made: Any = _class_of(cls, names)
    return made.__new__(made)


def _reclass(module: Module) -> None:
    names = tuple(vars(module)["_sources"].by_name)
    cls = getattr(type(module), "_plain", type(module))
    module.__class__ = _class_of(cls, names) if names else cls
