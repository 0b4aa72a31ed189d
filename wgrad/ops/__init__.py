"""The ops: `families` says how each kind works, the other modules hold one entry per op."""

from . import elementwise, indexing, linalg, movement, placing, reduction, scan
from .families import REGISTRY

__all__ = [
    "REGISTRY",
    "elementwise",
    "indexing",
    "linalg",
    "movement",
    "placing",
    "reduction",
    "scan",
]
