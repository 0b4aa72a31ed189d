"""The passes, each a function from Program to Program, by name, in the order in which they run."""

from collections.abc import Callable

from ..ir import Program
from .common import merge_common
from .dead import drop_dead

Pass = Callable[[Program], Program]

PASSES: dict[str, Pass] = {
    "common": merge_common,
    "dead": drop_dead,
}
FUSION: frozenset[str] = frozenset()  # those that fuse=False leaves out


def simplify(program: Program, fuse: bool = True) -> Program:
    """Return the program after all passes; without those of FUSION when that is switched off."""
    for name, run in PASSES.items():
        if fuse or name not in FUSION:
            program = run(program)
    return program
