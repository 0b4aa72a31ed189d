"""profile: which kernels ran in a block, for which line, how long, and how near to the limit."""

from ..backends.timing import Timing
from .profile import profile
from .roof import Roof

__all__ = ["Roof", "Timing", "profile"]
