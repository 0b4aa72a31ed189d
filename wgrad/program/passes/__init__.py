"""The passes by name, in the order in which they run.

A module here with a function that `runs_at` a place is one: a new pass is a new file, and no more.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

from ...environment import Variable
from ...errors import shown
from ..ir import Loop, Program
from .base import FOUND
from .limits import Limits

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
FOUND.sort()
PASSES = {one.name: one.run for one in FOUND}
# Those that fuse=False leaves out: after them a step is no longer one call of the device.
FUSION = frozenset(one.name for one in FOUND if one.fuses)


def simplify(
    program: Program,
    limits: Limits,
    without: Collection[str] = (),
    observe: Callable[[str, Program], None] = lambda name, program: None,
) -> Program:
    """Return the program, and the bodies of its loops, after all passes but those in `without`.

    `observe` is told the name of each pass that ran, and the program that it left.
    """
    for name, run in PASSES.items():
        if name not in without:
            program = run(program, limits)
            observe(name, program)
    steps = [
        replace(step, work=replace(step.work, body=simplify(step.work.body, limits, without)))
        if isinstance(step.work, Loop)
        else step
        for step in program.steps
    ]
    return program.with_steps(steps)


def _passes(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(names - PASSES.keys()):
        raise ValueError(f"{shown(name)} is no pass; there are {', '.join(PASSES)}")
    return names


# Passes to leave out, by commas.
SWITCHED_OFF: Variable[frozenset[str]] = Variable("WGRAD_PASSES_OFF", _passes, frozenset())
