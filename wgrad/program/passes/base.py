"""What a pass is: a function from program to program, and when it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..ir import Program
from ..limits import Limits


@dataclass(frozen=True)
class Pass:
    """A pass: passes run in the order of their places, which leave room for others between them.

    After one that `fuses`, steps are no longer what ops are: fuse=False leaves it out.
    """

    place: int
    run: Callable[[Program, Limits], Program]
    fuses: bool = True
