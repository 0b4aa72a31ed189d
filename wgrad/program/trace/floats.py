"""The float arguments of a compiled function: fixed at first, and inputs once they vary.

A float that comes with a second value is traced as `Varying`, and its value enters each run. A
function that asks for the value itself gets traces for each value, as for all other arguments that
are no tensors; so do 0, 1, -1 and what is not finite, which change what is computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ...backends.varying import Numbers, Varying
from ...recent import Recent

KINDS = 64  # of calls whose floats are remembered
Place = int | str  # of an argument: its position, or its name


@dataclass
class _Kind:
    """What is known of the floats in calls that are alike otherwise."""

    first: dict[Place, float]
    varying: set[Place] = field(default_factory=set)
    asked: set[Place] = field(default_factory=set)


@dataclass
class Floats:
    """The floats of one call: which are inputs (`places`), and the key of what is fixed."""

    _numbers: Numbers
    _kind: _Kind
    _values: dict[Place, float]
    places: list[Place]
    key: Any

    def enter(self) -> None:
        """Let these be what a run reads, and a trace has not asked for."""
        self._numbers.given, self._numbers.asked = self._values, set()

    def fail(self) -> bool:
        """Whether arithmetic of these is the function's to do: to divide by 0, for one."""
        return bool(self.places) and self._numbers.fail()

    def stand_ins(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Return the arguments of a trace."""
        made = {p: Varying(self._numbers, ("argument", p)) for p in self.places}
        named = {k: made.get(k, x) for k, x in kwargs.items()}
        return tuple([made.get(i, x) for i, x in enumerate(args)]), named

    def fix(self) -> None:
        """Let all of them be fixed: the trace has had their values."""
        self._numbers.asked |= set(self.places)

    def end(self) -> None:
        """End a trace: what the function has kept of its stand-ins are numbers like others."""
        self._numbers.end()

    def are_fixed(self) -> bool:
        """Whether the trace asked for values; those are fixed from the next call on."""
        self._kind.asked |= self._numbers.asked
        return bool(self._numbers.asked)


class FloatArguments:
    """The floats in all calls of one function."""

    def __init__(self) -> None:
        self._numbers = Numbers()
        self._kinds: Recent[Any] = Recent(KINDS)

    def of(self, args: tuple, kwargs: dict, key: Any) -> Floats | None:
        """Return the floats of a call whose key `take_apart` gave; None where there are none."""
        values: dict[Place, float] = {i: x for i, x in enumerate(args) if _may_vary(x)}
        values |= {k: x for k, x in kwargs.items() if _may_vary(x)}
        if not values:
            return None
        kind, ((of_args, tokens), (of_kwargs, names, named)) = key
        left = tuple([None if i in values else t for i, t in enumerate(tokens)])
        left_named = tuple([None if k in values else t for k, t in zip(kwargs, named, strict=True)])
        like = self._kinds[left, names, left_named]
        if like is None:
            like = _Kind(values)
            self._kinds.keep((left, names, left_named), like)
        like.varying |= {p for p, x in values.items() if x != like.first[p]}
        places = [p for p in values if p in like.varying and p not in like.asked]
        tokens = tuple([Varying if i in places else t for i, t in enumerate(tokens)])
        named = tuple([Varying if k in places else t for k, t in zip(kwargs, named, strict=True)])
        fixed = kind, ((of_args, tokens), (of_kwargs, names, named))
        return Floats(self._numbers, like, values, places, fixed)


def _may_vary(x: Any) -> bool:
    return type(x) is float and math.isfinite(x) and x not in (0.0, 1.0, -1.0)
