"""WGSL that a person wrote: read, checked, run and differentiated."""

from .benchmarking import bench as bench
from .checking import check as check
from .elementwise import elementwise as elementwise
from .validation import validate as validate
