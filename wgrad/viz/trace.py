"""What was computed, as a drawing wants it: values, the operations that made them, and scopes.

It is read off the tape (taped.py), or listened to while a function runs (recorder.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..backends.array import Array
from ..core import Node, wrap
from ..layout import Shape


@dataclass(frozen=True)
class Scope:
    """One call of a module, which may be called again."""

    serial: int
    name: str  # "layers.0 (Linear)"


@dataclass
class Item:
    """A value: where it comes from, and what is known of it."""

    key: int
    shape: Shape
    label: str = ""
    node: Node | None = None  # what the tape knows it by
    array: Array | None = None  # None where nothing holds its values any more
    edition: int = 0  # of the array's memory when these were its values
    is_leaf: bool = True
    is_parameter: bool = False
    grad: Any = None  # a tensor, or None

    @property
    def is_known(self) -> bool:
        """Whether its values are still there."""
        return self.array is not None and self.array.storage.version == self.edition

    @property
    def data(self) -> Any:
        """Its values as a NumPy array; None where they are gone, or were written over."""
        if self.array is None or not self.is_known:
            return None
        return wrap(self.array).numpy()


@dataclass
class Use:
    """One use of an operation: its inputs are keys of items, or numbers in `numbers`."""

    name: str
    inputs: tuple[int | None, ...]  # None: a number, or what the tape does not know
    numbers: dict[int, float]  # by their place
    out: int
    line: str = ""
    scopes: tuple[Scope, ...] = ()


@dataclass
class Trace:
    """Items by key, and the uses that lead to `root`, in the order in which they ran."""

    root: int
    items: dict[int, Item] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    makers: dict[int, int] = field(default_factory=dict)  # the place of the use that made an item

    def edges(self) -> Iterator[tuple[int, int]]:
        """Yield (item, place of a use) for every input."""
        for i, use in enumerate(self.uses):
            for key in use.inputs:
                if key is not None:
                    yield key, i
