"""Small functions over all of WGSL, each with the same in plain Python, for one point at a time."""

from __future__ import annotations

import twin_control
import twin_floats
import twin_integers
import twin_memory
from twin_rows import ROWS, Row

__all__ = ["ROWS", "Row", "twin_control", "twin_floats", "twin_integers", "twin_memory"]
