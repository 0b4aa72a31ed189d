# ruff: noqa: F403  # an op is one entry, and no list of names beside it
"""The elementwise ops, one entry each in the modules here; all their names, in one place."""

from .activation import *
from .arithmetic import *
from .bits import *
from .gamma import *
from .hyperbolic import *
from .logic import *
from .losses import *
from .rounding import *
from .special import *
from .transcendental import *
from .trigonometric import *
