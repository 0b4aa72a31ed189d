"""Optimizers: they change parameters in place, on their device, by their gradients."""

from .optimizer import Optimizer as Optimizer
from .sgd import SGD as SGD
