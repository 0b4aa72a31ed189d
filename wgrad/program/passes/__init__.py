"""The passes, each a function from Program to Program, by name, in the order in which they run."""

from collections.abc import Callable

from ..ir import Program
from .common import merge_common
from .dead import drop_dead
from .fuse import fuse_maps

PASSES: dict[str, Callable[[Program], Program]] = {
    "common": merge_common,
    "dead": drop_dead,
    "fuse": fuse_maps,
}


def simplify(program: Program, fuse: bool = True) -> Program:
    """Return the program after all passes; without "fuse" when it is switched off."""
    for name, run in PASSES.items():
        if fuse or name != "fuse":
            program = run(program)
    return drop_dead(program)  # constants that moved into every reader
