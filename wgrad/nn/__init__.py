"""Modules, layers and losses: what models are made of. Knows tensors, and no optimizer."""

from ..functional import cross_entropy as cross_entropy
from ..functional import mse_loss as mse_loss
from .layers import MLP as MLP
from .layers import Linear as Linear
from .layers import Sequential as Sequential
from .module import Module as Module
