"""What an optimizer remembers of a parameter, as an update sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, shown
from ..tensor import Tensor

if TYPE_CHECKING:
    from .optimizer import Optimizer

Kept = Tensor | tuple[Tensor, ...]


class State(dict):
    """What is remembered of one parameter, looked up as an update asks for it."""

    __slots__ = ("_i", "_optimizer", "kept", "new", "step")

    step: Any  # how many there were, with this one

    def __init__(self, optimizer: Optimizer, i: int):
        self._optimizer, self._i = optimizer, i
        self.kept: dict[str, Kept] = {}  # what was there before the update
        self.new: list[str] = []  # of this, what the optimizer does not have yet

    def __missing__(self, name: str) -> Kept:
        optimizer, i = self._optimizer, self._i
        if name not in optimizer._memory:
            raise ArgumentError(
                f"{optimizer._name}.update: state[{shown(name)}] was asked for, and "
                f"{', '.join(optimizer.state) or 'nothing'} is remembered"
            )
        kept = optimizer._memory[name][i]
        if kept is None or _device(kept) is not optimizer.params[i].array.storage.device:
            kept = optimizer._moved(name, i)
            self.new.append(name)
        self.kept[name] = kept
        dict.__setitem__(self, name, kept)
        return kept

    def __getattr__(self, name: str) -> Any:
        if name == "step":  # it has no value yet
            kind = type(self._optimizer).__name__
            raise ArgumentError(
                f"{kind}.update: state.step was asked for: the class needs counts_steps = True"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setitem__(self, name: str, value: Kept) -> None:
        if name not in self.kept:
            self[name]  # what is there before
        dict.__setitem__(self, name, value)


def tensors_of(kept: Any) -> Sequence[Any]:
    """Return the tensors of what is remembered of a parameter under one name."""
    return kept if isinstance(kept, (tuple, list)) else (kept,)


def _device(kept: Kept) -> Any:
    first = kept[0] if isinstance(kept, tuple) else kept
    return first.array.storage.device


def alike(kept: Kept, tensors: list[Tensor]) -> Kept:
    """Return one tensor where `kept` is one, else all of them."""
    return tuple(tensors) if isinstance(kept, tuple) else tensors[0]
