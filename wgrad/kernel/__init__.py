"""WGSL that a person wrote: read, checked and run."""

from .compute import ComputeKernel, compute
from .library import Library, load, run

__all__ = ["ComputeKernel", "Library", "compute", "load", "run"]
