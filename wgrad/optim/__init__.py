"""Optimizers: they change parameters in place, on their device, by their gradients."""

from .adam import Adam as Adam
from .adam import AdamW as AdamW
from .optimizer import Optimizer as Optimizer
from .sgd import SGD as SGD

# What it offers, for `import *` and for type checkers.
# fmt: off
__all__ = [
    "Adam", "AdamW", "Optimizer", "SGD",
]
# fmt: on
