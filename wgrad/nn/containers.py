"""Modules and parameters in lists and dicts, and Sequential, which runs a list of them.

An attribute that is a plain list or dict of modules does as well; these have PyTorch's methods.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import (
    Callable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    ValuesView,
)
from typing import TYPE_CHECKING, Any, Self

from ..errors import ArgumentError, DTypeError, IndexRangeError, shown
from ..tensor import Tensor
from .module import Module
from .parameter import Parameter


class _Listed(Module):
    """A list whose entries are named 0, 1, ...: `_entry` says what may be one."""

    _word = "entries"

    def __init__(self, entries: Any = None):
        self._list: list[Any] = [] if entries is None else self._entries(entries)

    def _entry(self, x: Any, place: int | None) -> Any:
        """Return what is put into the list. Raises: DTypeError or ArgumentError."""
        raise NotImplementedError

    def _entries(self, entries: Any) -> list[Any]:
        if not isinstance(entries, Iterable) or isinstance(entries, (str, Tensor)):
            raise ArgumentError(
                f"{type(self).__name__}: {shown(entries)} came, and a list of {self._word} is "
                "needed"
            )
        return [self._entry(x, i) for i, x in enumerate(entries)]

    def _held(self) -> list[tuple[Any, Any]]:
        others = [(name, x) for name, x in vars(self).items() if x is not self._list]
        return [*enumerate(self._list), *others]

    def _of(self, entries: list[Any], which: slice) -> Any:
        """Return another list of the same kind: of the entries of a slice."""
        made = type(self)()
        made._list = entries
        return made

    def __len__(self) -> int:
        return len(self._list)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._list)

    def __contains__(self, x: Any) -> bool:
        return any(x is other for other in self._list)

    def __getitem__(self, which: int | slice) -> Any:
        """Return one entry; or, for a slice, the same kind of list of them."""
        try:
            picked = self._list[which]
        except (TypeError, IndexError, ValueError):
            raise IndexRangeError(
                f"{type(self).__name__}: {shown(which)} came; an index or a slice of "
                f"{len(self._list)} {self._word} is needed"
            ) from None
        return self._of(picked, which) if isinstance(which, slice) else picked

    def __setitem__(self, which: int, x: Any) -> None:
        """Put another entry in the place of one. Raises: ArgumentError, IndexRangeError."""
        place = self._place(which, len(self._list))
        self._put(place, place + 1, [self._entry(x, None)])

    def __delitem__(self, which: int | slice) -> None:
        """Take one entry, or those of a slice, out. Raises: IndexRangeError."""
        self[which]  # raises where there is none
        places = range(len(self._list))[which]
        for place in sorted([places] if isinstance(places, int) else places, reverse=True):
            self._put(place, place + 1, [])

    def _put(self, start: int, stop: int, entries: list[Any]) -> None:
        """Put entries, which are checked, in the place of those from `start` to `stop`."""
        self._list[start:stop] = entries

    def append(self, x: Any) -> Self:
        """Put an entry at the end, and return the whole. Raises: ArgumentError."""
        end = len(self._list)
        self._put(end, end, [self._entry(x, None)])
        return self

    def extend(self, entries: Iterable[Any]) -> Self:
        """Put entries at the end, and return the whole.

        Raises: ArgumentError, and then nothing has changed.
        """
        end = len(self._list)
        self._put(end, end, self._entries(entries))
        return self

    def insert(self, index: int, x: Any) -> Self:
        """Put an entry before number `index`, and return the whole; -1 is before the last one.

        Raises: ArgumentError; IndexRangeError beyond -n to n for n entries.
        """
        place = self._place(index, len(self._list) + 1)
        self._put(place, place, [self._entry(x, None)])
        return self

    def pop(self, which: int | slice = -1) -> Any:
        """Take one entry out and return it; or, for a slice, a list of what was taken out."""
        picked = self[which]
        del self[which]
        return picked

    def _place(self, which: Any, end: int) -> int:
        """Return an index from 0 up to but without `end`. Raises: IndexRangeError."""
        n = len(self._list)
        with contextlib.suppress(TypeError):
            index = operator.index(which)
            if -n <= index < end:
                return index + n if index < 0 else index
        name = type(self).__name__
        raise IndexRangeError(
            f"{name}: {shown(which)} came; an index from {-n} to {end - 1} is needed"
            if end
            else f"{name}: {shown(which)} came, and there are no {self._word}"
        )


class Sequential(_Listed):
    """Modules, or functions of one tensor, applied one after the other.

    Its steps are named 0, 1, ... in names of tensors, "2.bias", and found by net[0] and net[1:].
    They are changed as those of a list, but one at a time; the later ones get new numbers:

        net = nn.Sequential(nn.Linear(2, 4), wg.tanh, nn.Linear(4, 1))
        net[1] = nn.ReLU()
        net.append(nn.Sigmoid()).insert(2, nn.Dropout(0.1))
        del net[-1]

    Given an OrderedDict, or a dict, its steps have the names that are its keys, "first.bias", and
    are attributes too. Steps that come later are named by their numbers.

        net = nn.Sequential({"first": nn.Linear(2, 4), "last": nn.Linear(4, 1)})
        net.first.weight

    >>> net = wg.nn.Sequential(wg.nn.Linear(2, 4), wg.tanh, wg.nn.Linear(4, 1))
    >>> net(wg.ones(3, 2)).shape, list(net.state_dict())
    ((3, 1), ['0.weight', '0.bias', '2.weight', '2.bias'])
    """

    _word = "steps"

    _names: Sequence[str | None] = ()  # of the steps, where they have some

    def __init__(self, *steps: Callable[[Any], Any] | Mapping[str, Any]):
        given: Iterable[Any] = steps
        if len(steps) == 1 and isinstance(steps[0], Mapping):
            given = steps[0].values()
            self._names = [_key(name, type(self)) for name in steps[0]]
        self._list = self._entries(given)

    @property
    def steps(self) -> list[Callable[[Any], Any]]:
        """The steps: to be read; net.append and the like change them."""
        return self._list

    def forward(self, x: Any) -> Any:
        for step in self._list:
            x = step(x)
        return x

    def __add__(self, other: Iterable[Callable[[Any], Any]]) -> Sequential:
        """Return the steps of both, one after the other."""
        return self[:].extend(other)

    def __iadd__(self, other: Iterable[Callable[[Any], Any]]) -> Self:
        return self.extend(other)

    def _entry(self, x: Any, place: int | None) -> Any:
        if not callable(x):
            if place is None:
                raise ArgumentError(f"Sequential: step={shown(x)} came, and a function is needed")
            raise ArgumentError(
                f"Sequential: step {place} is {type(x).__name__}; modules or functions are needed"
            )
        return x

    def _put(self, start: int, stop: int, entries: list[Any]) -> None:
        if self._names and len(entries) != stop - start:
            self._names = [*self._names[:start], *(None for _ in entries), *self._names[stop:]]
        super()._put(start, stop, entries)

    def _of(self, entries: list[Any], which: slice) -> Sequential:
        made = Sequential(*entries)
        if self._names:
            made._names = self._names[which]
        return made

    def _held(self) -> list[tuple[Any, Any]]:
        if not self._names:
            return super()._held()
        pairs = enumerate(zip(self._names, self._list, strict=True))
        others = [(name, x) for name, x in vars(self).items() if x is not self._list]
        return [*((i if name is None else name, x) for i, (name, x) in pairs), *others]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in self.__dict__.get("_names", ()):
                return self._list[self._names.index(name)]
            return object.__getattribute__(self, name)  # raises what was raised before

        def __setattr__(self, name: str, value: Any) -> None:
            if name in self._names:
                self[self._names.index(name)] = value
            else:
                object.__setattr__(self, name, value)


class ModuleList(_Listed):
    """Modules in a list, which are found, moved and saved: under 0, 1, ...

    It has the methods of a list; a plain list as an attribute would do as well here. It runs
    nothing itself: that is Sequential. Raises: DTypeError for what is no module.

    >>> class Deep(wg.nn.Module):
    ...     def __init__(self):
    ...         self.layers = wg.nn.ModuleList(wg.nn.Linear(4, 4) for _ in range(3))
    ...
    ...     def forward(self, x):
    ...         for layer in self.layers:
    ...             x = layer(x).relu()
    ...         return x
    >>> len(list(Deep().parameters())), Deep()(wg.ones(2, 4)).shape
    (6, (2, 4))
    """

    _word = "modules"

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__(modules)

    def _entry(self, x: Any, place: int | None) -> Any:
        return _module(x, "ModuleList")

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        """Return the modules of both in a list."""
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)


class ParameterList(_Listed):
    """Parameters in a list, which are found, moved and saved: under 0, 1, ...

    A tensor that does not require gradients becomes a parameter: a copy that does. What is no
    tensor stays what it is. A plain list of parameters as an attribute would do as well here.

    >>> weights = wg.nn.ParameterList([wg.ones(2), wg.zeros(3)])
    >>> weights[0], len(weights)
    (tensor([1., 1.], requires_grad=True), 2)
    """

    _word = "parameters"

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__(values)

    def _entry(self, x: Any, place: int | None) -> Any:
        return _parameter(x)


class _Mapped(Module):
    """A dict whose entries are named by its keys: `_entry` says what may be one."""

    def __init__(self, entries: Any = None):
        self._dict: dict[str, Any] = {}
        if entries is not None:
            self.update(entries)

    def _entry(self, x: Any) -> Any:
        """Return what is put into the dict. Raises: DTypeError."""
        raise NotImplementedError

    def _held(self) -> list[tuple[Any, Any]]:
        others = [(name, x) for name, x in vars(self).items() if x is not self._dict]
        return [*self._dict.items(), *others]

    def __len__(self) -> int:
        return len(self._dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self._dict)

    def __contains__(self, key: Any) -> bool:
        return key in self._dict

    def __getitem__(self, key: str) -> Any:
        """Return the entry of a key. Raises: ArgumentError where there is none."""
        if key not in self._dict:
            raise ArgumentError(
                f"{type(self).__name__}: {shown(key)} came, and it has {shown(list(self._dict))}"
            )
        return self._dict[key]

    def __getattr__(self, name: str) -> Any:
        """Return the entry of a key, as an attribute: parts.head is parts["head"]."""
        entries = vars(self).get("_dict", {})
        if name not in entries:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return entries[name]

    def __setitem__(self, key: str, x: Any) -> None:
        """Give a key an entry. Raises: ArgumentError; DTypeError."""
        self._dict[_key(key, type(self))] = self._entry(x)

    def __delitem__(self, key: str) -> None:
        """Take an entry out. Raises: ArgumentError where there is none."""
        self.pop(key)

    def keys(self) -> KeysView[str]:
        """Return the keys."""
        return self._dict.keys()

    def values(self) -> ValuesView[Any]:
        """Return the entries."""
        return self._dict.values()

    def items(self) -> ItemsView[str, Any]:
        """Return (key, entry) pairs."""
        return self._dict.items()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the entry of a key, or `default` where there is none."""
        return self._dict.get(key, default)

    def pop(self, key: str) -> Any:
        """Take an entry out and return it. Raises: ArgumentError where there is none."""
        picked = self[key]
        del self._dict[key]
        return picked

    def clear(self) -> None:
        """Take all entries out."""
        self._dict.clear()

    def update(self, entries: Any) -> None:
        """Take over the entries of a dict, or (key, entry) pairs.

        Raises: ArgumentError; DTypeError; and then nothing has changed.
        """
        try:
            new = dict(entries.items() if hasattr(entries, "items") else entries)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"{type(self).__name__}: {shown(entries)} came, and a dict is needed"
            ) from None
        self._dict.update({_key(k, type(self)): self._entry(x) for k, x in new.items()})

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in self.__dict__.get("_dict", ()):
                return self._dict[name]
            return object.__getattribute__(self, name)  # raises what was raised before


class ModuleDict(_Mapped):
    """Modules in a dict, which are found, moved and saved: under its keys, also as attributes.

    Raises: ArgumentError for a key that is no text, or has a dot; DTypeError for what is no module.

    >>> heads = wg.nn.ModuleDict({"mean": wg.nn.Linear(4, 1), "scale": wg.nn.Linear(4, 2)})
    >>> heads["scale"](wg.ones(3, 4)).shape, heads.mean.weight.shape
    ((3, 2), (1, 4))
    """

    def __init__(self, modules: Any = None):
        super().__init__(modules)

    def _entry(self, x: Any) -> Any:
        return _module(x, "ModuleDict")


class ParameterDict(_Mapped):
    """Parameters in a dict, which are found, moved and saved: under its keys.

    A tensor that does not require gradients becomes a parameter, as in ParameterList.
    Raises: ArgumentError for a key that is no text, or has a dot.

    >>> scales = wg.nn.ParameterDict({"a": wg.ones(2), "b": wg.zeros(3)})
    >>> scales["a"], list(scales)
    (tensor([1., 1.], requires_grad=True), ['a', 'b'])
    """

    def __init__(self, parameters: Any = None):
        super().__init__(parameters)

    def _entry(self, x: Any) -> Any:
        return _parameter(x)


def _module(x: Any, where: str) -> Module | None:
    if x is not None and not isinstance(x, Module):
        raise DTypeError(f"{where}: {shown(x)} came, and modules are needed")
    return x


def _parameter(x: Any) -> Any:
    return Parameter(x) if isinstance(x, Tensor) and not x.is_parameter else x


def _key(key: Any, cls: type) -> str:
    """Return the name of an entry. Raises: ArgumentError, also for an attribute of the class."""
    where = cls.__name__
    if not isinstance(key, str) or not key or "." in key:
        raise ArgumentError(f"{where}: the key {shown(key)} came, and text without dots is needed")
    if hasattr(cls, key):
        raise ArgumentError(f"{where}: the key {key!r} came, which is the name of a method")
    return key
