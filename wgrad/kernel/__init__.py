"""WGSL that a person wrote: read, checked, run and differentiated."""

from .compute import ComputeKernel as ComputeKernel
from .compute import compute as compute
from .elementwise import elementwise as elementwise
from .library import Library as Library
from .library import load as load
from .library import run as run
