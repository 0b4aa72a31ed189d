"""State dicts of optimizers: what is in one, and what of one fits an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DTypeError, shown
from ..tensor import Tensor
from ..tensor.saved import prepare_value
from .remembered import Kept, alike, tensors_of

if TYPE_CHECKING:
    from .optimizer import Optimizer

# What PyTorch's groups say of how it computes, which changes no result.
_HOW = frozenset({"foreach", "fused", "capturable", "differentiable", "param_names"})
Loaded = tuple[list[dict[str, Any]], list[int], dict[str, list[Kept | None]]]


def saved_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return the state dict of an optimizer."""
    state: dict[int, dict[str, Any]] = {}
    optimizer._undone.settle(optimizer._steps)
    for i, steps in enumerate(optimizer._steps):
        entry: dict[str, Any] = {"step": steps} if steps else {}
        for name, kept in optimizer._memory.items():
            x = kept[i]
            if x is not None:
                entry[name] = alike(x, [v.copy() for v in tensors_of(x)])
        if entry:
            state[i] = entry
    groups = [
        {**g.values_now, "params": list(range(g.first, g.first + len(g.params)))}
        for g in optimizer.param_groups
    ]
    return {"state": state, "param_groups": groups}


def loaded_state(optimizer: Optimizer, given: Any) -> Loaded:
    """Return the settings of each group, counts of steps, and what is remembered, as saved.

    Raises: ArgumentError, ShapeError, DTypeError.
    """
    where = f"{optimizer._name}.load_state_dict"
    given = _of_today(optimizer, given)
    if not isinstance(given, Mapping) or set(given) != {"state", "param_groups"}:
        came = shown(list(given)) if isinstance(given, Mapping) else type(given).__name__
        raise ArgumentError(
            f'{where}: {came} came, and a dict of "state" and "param_groups" is needed'
        )
    values = loaded_groups(optimizer, given["param_groups"], where)
    count = len(optimizer.params)
    steps: list[int] = [0] * count
    memory: dict[str, list[Kept | None]] = {name: [None] * count for name in optimizer.state}
    state = given["state"]
    if not isinstance(state, Mapping):
        raise DTypeError(f"{where}: state is {type(state).__name__}, and a dict is needed")
    for key, entry in state.items():
        if isinstance(key, str) and key.isdecimal():  # as JSON and names in a file have it
            key = int(key)
        if type(key) is not int or not 0 <= key < count:
            raise ArgumentError(f"{where}: state has an entry {shown(key)} for {count} parameters")
        if not isinstance(entry, Mapping):
            raise DTypeError(
                f"{where}: state {key} is {type(entry).__name__}, and a dict is needed"
            )
        unknown = [name for name in entry if name not in (*memory, "step")]
        if unknown:
            raise ArgumentError(
                f"{where}: state {key} has {shown(unknown)}, and of {list(memory)} is remembered"
            )
        kept = [name for name in memory if entry.get(name) is not None]
        for name in kept:
            memory[name][key] = _prepared(optimizer, entry[name], name, key, where)
        if optimizer.counts_steps:
            steps[key] = _count(entry.get("step", int(bool(kept))), f"{where}: step {key}")
    return values, steps, memory


def loaded_groups(optimizer: Optimizer, given: Any, where: str) -> list[dict[str, Any]]:
    """Return the settings of each group as saved. Raises: ArgumentError."""
    groups = optimizer.param_groups
    if not isinstance(given, (list, tuple)) or len(given) != len(groups):
        raise ArgumentError(f"{where}: {shown(given)} came for {len(groups)} groups")
    values = []
    for i, (group, came) in enumerate(zip(groups, given, strict=True)):
        known = optimizer.settings()
        if not isinstance(came, Mapping) or not set(known) <= set(came):
            raise ArgumentError(f"{where}: {shown(came)} came for {list(known)}")
        places = came.get("params")
        if not isinstance(places, (list, tuple)) or len(places) != len(group.params):
            raise ArgumentError(
                f"{where}: group {i} has {shown(places)} as params, and places of "
                f"{len(group.params)} parameters are needed"
            )
        decoupled = came.get("decoupled_weight_decay", optimizer._decoupled)
        if "decoupled_weight_decay" not in known and bool(decoupled) != optimizer._decoupled:
            raise ArgumentError(
                f"{where}: decoupled_weight_decay={decoupled} came, which is that of "
                f"{'Adam' if optimizer._decoupled else 'AdamW'}"
            )
        names = {"params", "decoupled_weight_decay", *_HOW} - set(known)
        values.append(group.checked({k: x for k, x in came.items() if k not in names}))
    return values


def _count(value: Any, where: str) -> int:
    """Return a number of steps; PyTorch keeps it as a float in a tensor."""
    try:
        number = -1.0 if isinstance(value, (str, bool)) else float(np.asarray(value))
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not (number >= 0 and number == int(number)):
        raise ArgumentError(f"{where} is {shown(value)}, and a count is needed")
    return int(number)


def _prepared(optimizer: Optimizer, value: Any, name: str, i: int, where: str) -> Kept:
    """Return what was saved of a parameter, as copies where the parameter is."""
    like, where = optimizer._fresh(name, i), f"{where}: {name} {i}"
    several = isinstance(like, tuple)
    if several and not (isinstance(value, (list, tuple)) and len(value) == len(like)):
        raise ArgumentError(f"{where} is {shown(value)}, and {len(like)} tensors are needed")
    pairs = zip(value if several else (value,), tensors_of(like), strict=True)
    return alike(like, [prepare_value(_plain(x), y, where).copy() for x, y in pairs])


def _plain(x: Any) -> Any:
    """Return what NumPy reads: a tensor of PyTorch's that is not on the host or still tracked."""
    if not isinstance(x, Tensor) and hasattr(x, "detach") and hasattr(x, "cpu"):
        return x.detach().cpu()
    return x


def _of_today(optimizer: Optimizer, given: Any) -> Any:
    """Return a state dict of version 0.1, lists by name beside the settings, as one of today."""
    if not isinstance(given, Mapping) or "state" in given:
        return given
    lists = {name: (name,) for name in optimizer.state} | dict(optimizer._former)
    count = len(optimizer.params)
    kept = {k: given[k] for k in lists if k in given}
    kept |= {"steps": given["steps"]} if optimizer.counts_steps and "steps" in given else {}
    if not kept or any(not isinstance(x, (list, tuple)) or len(x) != count for x in kept.values()):
        return given
    state: dict[int, dict[str, Any]] = {i: {} for i in range(count)}
    for name, entries in kept.items():
        for i, x in enumerate(entries):
            names = lists.get(name, ("step",))
            several = x if len(names) > 1 and isinstance(x, (list, tuple)) else (x,)
            if x is not None:
                state[i] |= dict(zip(names, several, strict=False))
    groups = given.get("param_groups")
    if groups is None:
        others = {k: x for k, x in given.items() if k not in kept}
        groups = [{**others, "params": list(range(count))}]
    return {"state": state, "param_groups": groups}
