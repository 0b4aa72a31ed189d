"""The passes, each a function from Program to Program, by name, in the order in which they run."""

import os
from collections.abc import Callable, Collection

from ...errors import ArgumentError, shown
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


def switched_off() -> frozenset[str]:
    """Return the passes that the environment variable WGRAD_PASSES_OFF names, by commas.

    Raises: ArgumentError for a name that is no pass.
    """
    text = os.environ.get("WGRAD_PASSES_OFF", "")
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in sorted(names - PASSES.keys()):
        known = ", ".join(PASSES)
        raise ArgumentError(f"WGRAD_PASSES_OFF: {shown(name)} is no pass; there are {known}")
    return names
