"""The ops: `families` says how each kind works, the other modules hold one entry per op."""

from . import (
    convolution,
    decompositions,
    elementwise,
    fourier,
    indexing,
    linalg,
    movement,
    placing,
    reduction,
    scan,
    solving,
    windows,
)
from .families import REGISTRY

__all__ = [
    "REGISTRY",
    "convolution",
    "decompositions",
    "elementwise",
    "fourier",
    "indexing",
    "linalg",
    "movement",
    "placing",
    "reduction",
    "scan",
    "solving",
    "windows",
]
