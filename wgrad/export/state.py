"""State as `wg.save` would write it, with the memory of each tensor in the place of a copy.

What a page changes of it are the tensors' values, and numbers that are marked. A mark is a path
in the description, whether the number is a float, and one of

    "count", k      counter k
    "setting", j    setting j
    "table", t, k   the value of table t that counter k says
    "seed", g       the seed of random stream g
    "drawn", g      how many numbers were taken of it
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends.numpy import NumpyDevice, as_numpy
from ..errors import ArgumentError, shown
from ..io.leaves import Leaf
from ..io.nesting import described, taken
from ..nn import Module
from ..optim import Optimizer
from ..optim.remembered import tensors_of
from ..optim.turns import Turning
from ..random import Generator
from ..random.generator import RngState
from ..tensor import Tensor
from .numbers import Counters

GAP = secrets.token_hex(16)  # a text that is in nobody's state, where a marked number stands


class Mark:
    """A number in a state that a page has its own value of: what it is at first, and what it is."""

    def __init__(self, value: Any, *told: Any):
        self.value, self.told = value, told


class Walk:
    """One state, taken apart: `tree` has leaves and marks; `tensors` says whose each leaf is."""

    def __init__(self, state: Any, counters: Counters, streams: Mapping[Any, int]):
        self.counters, self.streams = counters, streams
        self.tensors: dict[Leaf, Tensor] = {}
        self._leaves: dict[Any, Leaf] = {}
        self.tree = self._take(state, "")

    def _take(self, x: Any, path: str) -> Any:
        if isinstance(x, Module):
            own: dict[int, Leaf] = {}
            named = x._named_tensors(every=True, saved=True)
            if type(x).state_dict is not Module.state_dict:
                raise _refusal(x, path)
            return {k: own.setdefault(id(t), self._leaf(t)) for k, t in named}
        if isinstance(x, Optimizer):
            return self._optimizer(x, path)
        if isinstance(x, Turning) and hasattr(x, "state_dict"):
            return self._scheduler(x)
        if isinstance(x, Tensor):
            key = id(x.array.storage), x.array.layout, x.array.dtype
            if key not in self._leaves:
                self._leaves[key] = self._leaf(x)
            return self._leaves[key]
        if isinstance(x, RngState):
            return self._stream(None, *x)
        if isinstance(x, Generator):
            return self._stream(x, x.seed, x.counter)
        if isinstance(x, Mapping):
            return {k: self._take(v, f"{path}.{k}" if path else str(k)) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            items = [self._take(v, f"{path}.{i}" if path else str(i)) for i, v in enumerate(x)]
            return tuple(items) if isinstance(x, tuple) else items
        if hasattr(x, "state_dict"):
            raise _refusal(x, path)
        return taken(x, "export.web")

    def _leaf(self, x: Tensor) -> Leaf:
        array = x.array
        host = isinstance(x.device, NumpyDevice)
        data = as_numpy(array) if host else x.device.download(array)
        leaf = Leaf(np.array(data), array.dtype.name, ours=True)
        self.tensors[leaf] = x
        return leaf

    def _optimizer(self, x: Optimizer, path: str) -> Any:
        """Take what `optim.saving.saved_state` would save."""
        if type(x).state_dict is not Optimizer.state_dict:
            raise _refusal(x, path)
        state: dict[int, dict[str, Any]] = {}
        for i in range(len(x.params)):
            entry: dict[str, Any] = {}
            if x.counts_steps:
                k = self.counters.count_of(x, i)
                entry["step"] = Mark(self.counters.starts[k], "count", k)
            for name, kept in x._memory.items():
                value = kept[i]
                if value is not None:
                    leaves = [self._leaf(v) for v in tensors_of(value)]
                    entry[name] = tuple(leaves) if isinstance(value, tuple) else leaves[0]
            if entry:
                state[i] = entry
        groups = []
        for g in x.param_groups:
            values = {k: self._setting(g, k, v) for k, v in g.values_now.items()}
            groups.append({**values, "params": list(range(g.first, g.first + len(g.params)))})
        return {"state": state, "param_groups": groups}

    def _setting(self, group: Any, name: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple([self._number(group, name, i, x) for i, x in enumerate(value)])
        return self._number(group, name, None, value)

    def _number(self, group: Any, name: str, item: int | None, value: Any) -> Any:
        if type(value) is not float:
            return value
        told = self.counters.scheduled(group, name, item)
        return Mark(value, *(told or ("setting", self.counters.setting(group, name, item))))

    def _scheduler(self, x: Any) -> Any:
        k = self.counters.counter_of(x)
        return taken(x, "export.web") if k is None else self._marked(self.counters.states[x], k)

    def _marked(self, rows: list[Any], k: int) -> Any:
        """Return a nesting that has many values by turns, with marks where these differ."""
        first = rows[0]
        if isinstance(first, dict):
            return {key: self._marked([row[key] for row in rows], k) for key in first}
        if isinstance(first, (list, tuple)) and all(len(row) == len(first) for row in rows):
            items = [self._marked([row[i] for row in rows], k) for i in range(len(first))]
            return tuple(items) if isinstance(first, tuple) else items
        if all(x == first for x in rows):
            return first
        if not all(isinstance(x, (int, float, type(None))) for x in rows):
            raise ArgumentError(
                f"export.web: {first!r} in the state of a scheduler changes by turns, and a page "
                "keeps numbers only"
            )
        return Mark(first, "table", self.counters.table(rows), k)

    def _stream(self, generator: Generator | None, seed: int, counter: int) -> Any:
        g = self.streams.get(generator)
        if g is None:
            return seed, counter
        return Mark(seed, "seed", g), Mark(counter, "drawn", g)

    # What is written.
    def plain(self) -> Any:
        """Return the state as it is at first, as `wg.save` takes it apart."""
        return _unmarked(self.tree)

    def told(self) -> tuple[Any, list[Any], dict[str, Tensor]]:
        """Return the state's description as JSON, its marks, and its tensors by their names."""
        tree, leaves = described(self.tree)
        marks: list[Any] = []
        json = _jsoned(tree, ("value",), marks)
        for name, x in leaves.items():
            if x not in self.tensors:
                raise ArgumentError(
                    f"export.web: {name} of the state is a NumPy {x.kind}, and a page keeps "
                    "tensors and Python's numbers: let it be one"
                )
        return json, marks, {name: self.tensors[x] for name, x in leaves.items()}


def _unmarked(x: Any) -> Any:
    if isinstance(x, Mark):
        return x.value
    if isinstance(x, dict):
        return {k: _unmarked(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        items = [_unmarked(v) for v in x]
        return tuple(items) if isinstance(x, tuple) else items
    return x


def _jsoned(x: Any, path: tuple, marks: list[Any]) -> Any:
    if isinstance(x, Mark):
        marks.append([path, type(x.value) is float, *x.told])
        return GAP
    if isinstance(x, dict):
        return {k: _jsoned(v, (*path, k), marks) for k, v in x.items()}
    return [_jsoned(v, (*path, i), marks) for i, v in enumerate(x)] if isinstance(x, list) else x


def _refusal(x: Any, path: str) -> ArgumentError:
    return ArgumentError(
        f"export.web: {shown(type(x).__name__)} came in state{f' at {path}' if path else ''}, "
        "whose state only Python can save: leave it out, or name its tensors"
    )
