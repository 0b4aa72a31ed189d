"""What makes a function from program to program a pass: the place at which it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..ir import Program
from .limits import Limits

Run = Callable[[Program, Limits], Program]


class Pass(NamedTuple):
    """A pass. After one that `fuses` steps are no longer what ops are: fuse=False leaves it out."""

    place: int
    name: str
    run: Run
    fuses: bool


FOUND: list[Pass] = []


def runs_at(place: int, fuses: bool = True) -> Callable[[Run], Run]:
    """Make a pass of a function, under the name of its module.

    Passes run in the order of their places, which leave room for others between them.
    """

    def noted(run: Run) -> Run:
        FOUND.append(Pass(place, run.__module__.rpartition(".")[2], run, fuses))
        return run

    return noted
