"""WGSL that a person wrote: read, checked, run and differentiated."""

from .benchmarking import bench as bench
from .checking import check as check
from .compute import ComputeKernel as ComputeKernel
from .compute import compute as compute
from .debugging import debug as debug
from .elementwise import elementwise as elementwise
from .guarding import guard as guard
from .library import Library as Library
from .library import load as load
from .library import run as run
from .validation import validate as validate
