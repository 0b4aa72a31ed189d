"""Modules, layers and losses: what models are made of. Knows tensors, and no optimizer."""

from . import functional
from .functional import cross_entropy, mse_loss
from .layers import MLP, Linear, Sequential
from .module import Module
