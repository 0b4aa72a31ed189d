"""Taking over saved values: all that does not fit is found first, and said at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError, WgradError, shown
from ..interrupts import interrupts_wait
from ..tensor import Tensor
from ..tensor.saved import prepare_value


class LoadResult(NamedTuple):
    """Which names `load_state_dict(strict=False)` found on one side only."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class _NamesAndShapesError(ArgumentError, ShapeError):
    """Saved values whose names differ, and also their shapes."""


def load(where: str, own: Mapping[str, Tensor], state: Any, strict: bool) -> LoadResult:
    """Give the tensors of `own` the values of `state`, by name; see Module.load_state_dict."""
    if not isinstance(state, Mapping):
        raise DTypeError(f"{where}: {type(state).__name__} came, and a dict by name is needed")
    brought = {id(x) for name, x in own.items() if name in state}
    missing = [name for name, x in own.items() if id(x) not in brought]
    unexpected = [name for name in state if name not in own]
    ready: dict[int, tuple[Tensor, Tensor, str]] = {}
    misshapen: list[str] = []
    refused: list[WgradError] = []
    for name, x in own.items():
        if name not in state:
            continue
        try:
            value = prepare_value(state[name], x, name)
        except ShapeError as error:
            misshapen.append(str(error))
            continue
        except WgradError as error:
            refused.append(error)
            continue
        _, first, other = ready.setdefault(id(x), (x, value, name))
        if other != name and state[other] is not state[name] and not _same(first, value):
            refused.append(
                ArgumentError(
                    f"{other!r} and {name!r} name one tensor here, and different values came for "
                    "them: bring the same, or one of the two"
                )
            )
    found = {"missing": missing, "unexpected": unexpected} if strict else {}
    _refuse(where, found, misshapen, refused)
    with interrupts_wait():
        for x, value, _ in ready.values():
            x._write(value.array)
    return LoadResult(missing, unexpected)


def _refuse(
    where: str, names: Mapping[str, list], misshapen: list[str], refused: list[WgradError]
) -> None:
    """Raise one error that has all that does not fit."""
    parts = [f"{what} {', '.join(map(shown, some))}" for what, some in names.items() if some]
    unknown = bool(parts)
    parts += misshapen
    parts += [str(error) for error in refused]
    if unknown or misshapen:
        what = "names and shapes do" if unknown and misshapen else "names do"
        kind: Any = _NamesAndShapesError if misshapen else ArgumentError
        if not unknown:
            what, kind = "shapes do", ShapeError
        raise kind(f"{where}: the {what} not match: {'; '.join(parts)}")
    if refused:
        raise type(refused[0])(f"{where}: {'; '.join(parts)}")


def _same(a: Tensor, b: Tensor) -> bool:
    floats = a.dtype.is_floating  # whose NaN are equal here
    return np.array_equal(a.numpy(), b.numpy(), equal_nan=floats)
