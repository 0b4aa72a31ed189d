"""The passes, each a function from Program to Program, by name, in the order in which they run."""

from collections.abc import Callable, Collection

from ...environment import Variable
from ...errors import shown
from ..ir import Program
from ..limits import Limits
from .batches import batch_small
from .common import merge_common
from .constants import fold_constants
from .dead import drop_dead
from .folds import split_long_folds
from .lift import lift_to_graphs
from .maps import fuse_maps
from .order import updates_last
from .products import fuse_into_products
from .rows import fuse_rows
from .siblings import merge_siblings
from .unread import drop_unread
from .views import read_through_copies

Pass = Callable[[Program, Limits], Program]

PASSES: dict[str, Pass] = {
    "constants": fold_constants,
    "common": merge_common,
    "dead": drop_dead,
    "views": read_through_copies,
    "lift": lift_to_graphs,
    "maps": fuse_maps,
    "products": fuse_into_products,
    "rows": fuse_rows,
    "siblings": merge_siblings,
    "unread": drop_unread,
    "folds": split_long_folds,
    "batches": batch_small,
    "order": updates_last,
}
# Those that fuse=False leaves out: after them a step is no longer one call of the device.
FUSION = frozenset(PASSES) - {"constants", "common", "dead", "views"}


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
