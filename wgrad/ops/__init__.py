"""The ops: `families` says how each kind works, the other modules hold one entry per op."""

from . import (
    convolution,
    elementwise,
    indexing,
    linalg,
    movement,
    placing,
    reduction,
    scan,
    windows,
)
from .families import REGISTRY

__all__ = [
    "REGISTRY",
    "convolution",
    "elementwise",
    "indexing",
    "linalg",
    "movement",
    "placing",
    "reduction",
    "scan",
    "windows",
]
