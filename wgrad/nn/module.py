"""Module: a plain object whose tensors, wherever its attributes keep them, can be found.

Nothing is registered and nothing is intercepted: a module is its `__dict__`, searched when it is
asked. So modules pickle and copy like any other object.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from ..backends.tracing import members_read
from ..creation import DeviceLike
from ..devices import device as find_device
from ..dtypes import as_dtype
from ..errors import ArgumentError, DTypeError
from ..interrupts import interrupts_wait
from ..tensor import Tensor
from ..tensor.saved import prepare_value


class LoadResult(NamedTuple):
    """Which names `load_state_dict(strict=False)` found on one side only."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A part of a model: it finds its tensors by attribute, in the order of definition.

    Tensors and modules are found as attributes, and inside lists, tuples and dicts of them. A leaf
    that gradients were asked for (`wg.parameter`, `requires_grad_()`) is a parameter, also while it
    is frozen by `requires_grad_(False)`; another tensor is a buffer, which is saved and moved but
    not trained. What sits in two places (a tied weight, a layer used twice) counts once, under its
    first name; `state_dict` alone has all of its names.

        class Classifier(nn.Module):
            def __init__(self):
                self.hidden = [nn.Linear(64, 64), nn.Linear(64, 64)]
                self.scale = wg.parameter(1.0)

            def forward(self, x):
                for layer in self.hidden:
                    x = layer(x).relu()
                return x * self.scale
    """

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the module's output: what calling it runs."""
        raise ArgumentError(f"{type(self).__name__}: the class defines no forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # What it holds.
    def parameters(self) -> list[Tensor]:
        """Return every parameter once, in the order of definition; frozen ones too."""
        return [x for _, x in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """Return (name, parameter) pairs; a name is a path such as "layers.0.weight"."""
        return [(name, x) for name, x in self._named_tensors() if x.is_parameter]

    def modules(self) -> list[Module]:
        """Return this module and every module inside it, each once."""
        return [x for _, x in _members(self) if isinstance(x, Module)]

    def _named_tensors(self, every: bool = False) -> list[tuple[str, Tensor]]:
        """Return the parameters and buffers; results that are still on the tape are neither.

        Each comes once, or with `every` under each of its names.
        """
        named: dict[str, Tensor] = {}
        for name, x in _members(self, every):
            if isinstance(x, Tensor) and x.is_leaf and named.setdefault(name, x) is not x:
                raise ArgumentError(
                    f"{type(self).__name__}: two tensors are named {name!r}: a key or attribute "
                    "with a dot in it, or the keys 1 and '1', cannot be told apart"
                )
        return list(named.items())

    # What is done to all of it.
    def zero_grad(self) -> None:
        """Set the gradient of every parameter that has one to zeros."""
        for x in self.parameters():
            x.zero_grad()

    def requires_grad_(self, value: bool = True) -> Self:
        """Freeze every parameter (False), or let it be trained again, and return the module."""
        for x in self.parameters():
            x.requires_grad_(value)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `.training` here and in every module inside, and return the module."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Leave training mode, and return the module: `train(False)`."""
        return self.train(False)

    def to(self, device: DeviceLike) -> Self:
        """Move every tensor to `device`, with its gradient, and return the module.

        The tensors keep their identity, so an optimizer that holds them goes on. Raises:
        DeviceError; DTypeError, with nothing moved, for a dtype that the device lacks.
        """
        members_read(buffers=True)
        target = find_device(device)
        named = self._named_tensors()
        for name, x in named:
            target.check_dtype(x.dtype, f"to: {name}")
        _change([x for _, x in named if x.device is not target], lambda x: x.to(target))
        return self

    def astype(self, dtype: Any) -> Self:
        """Convert every floating tensor to `dtype`, with its gradient, and return the module.

        The tensors keep their identity, but an optimizer remembers what they were: make it
        afterwards. Raises: DTypeError, with nothing converted, for a dtype that is not floating or
        that a device lacks.
        """
        members_read(buffers=True)
        chosen = as_dtype(dtype)
        if not chosen.is_floating:
            raise DTypeError(f"astype: {chosen.name} came, and a floating dtype is needed")
        named = [(name, x) for name, x in self._named_tensors() if x.dtype.is_floating]
        for name, x in named:
            x.device.check_dtype(chosen, f"astype: {name}")
        _change([x for _, x in named if x.dtype is not chosen], lambda x: x.astype(chosen))
        return self

    # Saving and loading.
    def state_dict(self) -> dict[str, Tensor]:
        """Return a snapshot: copies of all parameters and buffers by name, on their device.

        As in PyTorch, a tensor that sits in two places is there under both names: one copy, which
        pickles and saves as any other. Where modules refer back to one that holds them, there is
        no end of names, and each tensor has its first one alone.

            net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9, bias=False))
            net[1].weight = net[0].weight  # tied
            list(net.state_dict())  # ["0.weight", "1.weight"]
        """
        members_read(buffers=True)
        copies: dict[int, Tensor] = {}
        state = {}
        for name, x in self._named_tensors(every=True):
            if id(x) not in copies:
                copies[id(x)] = x.detach().copy()
            state[name] = copies[id(x)]
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Take over the values of `state`: tensors of any device, or arrays, by name.

        With strict=False names that only one side has are left alone, and returned. A tensor of
        several names needs only one of them, and the same values under all that come (PyTorch
        would keep the last). Everything is checked first: when this raises, nothing has changed.

        Raises: ArgumentError for missing or unexpected names, and for two names of one tensor with
        different values; ShapeError; DTypeError.
        """
        members_read(buffers=True)
        where = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping):
            raise DTypeError(f"{where}: {type(state).__name__} came, and a dict by name is needed")
        own = dict(self._named_tensors(every=True))
        brought = {id(x) for name, x in own.items() if name in state}
        missing = [name for name, x in own.items() if id(x) not in brought]
        unexpected = [name for name in state if name not in own]
        if strict and (missing or unexpected):
            parts = [
                f"{what} {', '.join(map(repr, names))}"
                for what, names in (("missing", missing), ("unexpected", unexpected))
                if names
            ]
            raise ArgumentError(f"{where}: the names do not match: {'; '.join(parts)}")
        ready: dict[int, tuple[Tensor, Tensor, str]] = {}
        for name, x in own.items():
            if name not in state:
                continue
            value = prepare_value(state[name], x, f"{where}: {name}")
            _, first, other = ready.setdefault(id(x), (x, value, name))
            if other != name and state[other] is not state[name] and not _same(first, value):
                raise ArgumentError(
                    f"{where}: {other!r} and {name!r} name one tensor here, and different values "
                    "came for them: bring the same, or one of the two"
                )
        with interrupts_wait():
            for x, value, _ in ready.values():
                x._write(value.array)
        return LoadResult(missing, unexpected)

    def _held(self) -> list[tuple[Any, Any]]:
        """Return what the module holds by name: its attributes, unless a class names them anew."""
        return list(vars(self).items())

    # For people.
    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr before the members."""
        return ""

    @reprlib.recursive_repr("...")
    def __repr__(self) -> str:
        lines = []
        for name, x in _children(self):
            if isinstance(x, Module):
                lines.append(f"{name}: {x!r}")
            elif isinstance(x, Tensor) and x.is_leaf:
                kind = "parameter" if x.is_parameter else "buffer"
                kind = f"frozen {kind}" if x.is_parameter and not x.requires_grad else kind
                lines.append(f"{name}: {kind} {x.dtype.name} {x.shape}")
        title, extra = type(self).__name__, self.extra_repr()
        if not lines:
            return f"{title}({extra})"
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{title}({extra}\n  {body}\n)"


def _change(tensors: list[Tensor], to: Callable[[Tensor], Tensor]) -> None:
    """Give tensors other arrays, and their gradients too; all are made before any is given."""
    made = [(x, to(x.detach()), None if x.grad is None else to(x.grad.detach())) for x in tensors]
    with interrupts_wait():
        for x, other, grad in made:
            x.array = other.array
            if grad is not None:
                x.set_grad(grad)


def _same(a: Tensor, b: Tensor) -> bool:
    floats = a.dtype.is_floating  # whose NaN are equal here
    return np.array_equal(a.numpy(), b.numpy(), equal_nan=floats)


def _members(root: Any, every: bool = False) -> Iterator[tuple[str, Tensor | Module]]:
    """Yield every tensor and module in `root` once, with its path, in the order of definition.

    With `every`, it comes under each of its paths, unless there is no end of them. A stack instead
    of recursion: a chain of a thousand modules is no deeper than one.
    """
    members_read()
    once = not every or _circular(root)
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        name, item = stack.pop()
        if once and id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, (Tensor, Module)):
            yield name, item
        inner = _items(item)
        stack.extend((f"{name}.{key}" if name else str(key), x) for key, x in reversed(inner))


def _circular(root: Any) -> bool:
    """Whether something in `root` holds what it lies in."""
    around: set[int] = set()  # what the item at hand lies in
    done: set[int] = set()
    stack = [(root, False)]
    while stack:
        item, leaving = stack.pop()
        if leaving:
            around.discard(id(item))
            done.add(id(item))
        elif id(item) in around:
            return True
        elif id(item) not in done:
            around.add(id(item))
            stack.append((item, True))
            stack.extend((x, False) for _, x in _items(item))
    return False


def _items(item: Any) -> list[tuple[Any, Any]]:
    """Return what a module or a container holds that may hold tensors, by key."""
    pairs: list[tuple[Any, Any]]
    if isinstance(item, Module):
        pairs = item._held()
    elif isinstance(item, dict):
        pairs = list(item.items())
    elif isinstance(item, (list, tuple)):
        pairs = list(enumerate(item))
    else:
        return []
    return [(k, x) for k, x in pairs if isinstance(x, (Tensor, Module, list, tuple, dict))]


def _children(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield what the module holds without passing through another module, by path."""
    seen: set[int] = set()
    stack = [(str(key), x) for key, x in reversed(_items(module))]
    while stack:
        name, item = stack.pop()
        if isinstance(item, (Tensor, Module)):
            yield name, item
        elif id(item) not in seen:
            seen.add(id(item))
            stack.extend((f"{name}.{key}", x) for key, x in reversed(_items(item)))
