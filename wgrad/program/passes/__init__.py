"""The passes by name, in the order in which they run: the modules here that have a `PASS`.

A new one is a module more, and nothing else.
"""

from collections.abc import Callable, Collection
from importlib import import_module
from pkgutil import iter_modules

from ...environment import Variable
from ...errors import shown
from ..ir import Program
from ..limits import Limits
from .base import Pass

_MODULES = {m.name: import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__)}
_FOUND: dict[str, Pass] = {k: m.PASS for k, m in _MODULES.items() if hasattr(m, "PASS")}
_NAMES = sorted(_FOUND, key=lambda name: (_FOUND[name].place, name))
PASSES = {name: _FOUND[name].run for name in _NAMES}
# Those that fuse=False leaves out: after them a step is no longer one call of the device.
FUSION = frozenset(name for name in _NAMES if _FOUND[name].fuses)


def simplify(
    program: Program,
    limits: Limits,
    without: Collection[str] = (),
    observe: Callable[[str, Program], None] = lambda name, program: None,
) -> Program:
    """Return the program after all passes but those named in `without`.

    `observe` is told the name of each pass that ran, and the program that it left.
    """
    for name, run in PASSES.items():
        if name not in without:
            program = run(program, limits)
            observe(name, program)
    return program


def _passes(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(names - PASSES.keys()):
        raise ValueError(f"{shown(name)} is no pass; there are {', '.join(PASSES)}")
    return names


# Passes to leave out, by commas.
SWITCHED_OFF: Variable[frozenset[str]] = Variable("WGRAD_PASSES_OFF", _passes, frozenset())
