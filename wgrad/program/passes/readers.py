"""Readers: an elementwise step whose readers have become one is computed inside that one.

What guards the new values of an optimizer's state reads them beside the step that uses them: three
readers, until they are joined to one another.
"""

from __future__ import annotations

from ..ir import Program
from .base import runs_at
from .limits import Limits
from .maps import fuse_maps


@runs_at(95)
def fuse_into_readers(program: Program, limits: Limits) -> Program:
    """Return the program with chains of elementwise steps as one step each, as far as is left."""
    return fuse_maps(program, limits)
