"""What the einops package must know to take tensors: made when somebody imports it, never before.

einops asks a backend for each library. A backend is a class below one of einops' own, so it cannot
be written down before einops is there, and we import nothing that a program does not. A finder
waits in `sys.meta_path` for that one import, takes itself out, and defines the class when einops
has been loaded in its own way; where einops came first, the class is defined at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from . import creation, functional, shaping
from .core import Tensor, Value

_PACKAGE = "einops"
_defined: list[type] = []  # a class holds those below it by weak references alone


def register() -> None:
    """Let einops take tensors: now where it is imported, else as soon as it is."""
    if _PACKAGE in sys.modules:
        _define()
    elif not any(isinstance(finder, _Arrival) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Arrival())


class _Arrival(MetaPathFinder):
    """Waits for einops: the others find it, and what loads it defines our backend at the end."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec that the other finders have for einops, and None for all else."""
        if fullname != _PACKAGE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def loaded(module: ModuleType) -> None:
                load(module)
                _define()

            spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


def _define() -> None:
    """Define the backend, which einops finds among the classes below its own."""
    base: Any = getattr(sys.modules.get(f"{_PACKAGE}._backends"), "AbstractBackend", None)
    if base is None:
        return  # another version of einops, whose import is not to fail for our sake

    class WgradBackend(base):
        """How einops does with tensors what it does with arrays of any library."""

        framework_name = "wgrad"

        def is_appropriate_type(self, tensor: Any) -> bool:
            return isinstance(tensor, Value)

        def from_numpy(self, x: np.ndarray) -> Tensor:
            return creation.asarray(x)

        def to_numpy(self, x: Tensor) -> np.ndarray:
            return x.numpy()

        def arange(self, start: int, stop: int) -> Tensor:
            return creation.arange(start, stop)

        def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
            return shaping.reshape(x, tuple(shape))

        def transpose(self, x: Tensor, axes: Sequence[int]) -> Tensor:
            return shaping.permute_dims(x, tuple(axes))

        def stack_on_zeroth_dimension(self, tensors: Sequence[Tensor]) -> Tensor:
            return shaping.stack(tensors)

        def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
            return shaping.concat(tensors, axis)

        def add_axis(self, x: Tensor, new_position: int) -> Tensor:
            return shaping.expand_dims(x, new_position)

        def add_axes(self, x: Tensor, n_axes: int, pos2len: Mapping[int, int]) -> Tensor:
            for place in sorted(pos2len):
                x = shaping.expand_dims(x, place)
            shape = [pos2len.get(i, n) for i, n in enumerate(x.shape)]
            return shaping.broadcast_to(x, shape)  # a view: nothing is repeated in memory

        def tile(self, x: Tensor, repeats: Sequence[int]) -> Tensor:
            return shaping.tile(x, tuple(repeats))

        def is_float_type(self, x: Tensor) -> bool:
            return x.dtype.is_floating

        def einsum(self, pattern: str, *x: Tensor) -> Tensor:
            return functional.einsum(pattern, *x)

    _defined.append(WgradBackend)
