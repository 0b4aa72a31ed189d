"""Modules, layers and losses: what models are made of. Knows tensors, and no optimizer."""

from . import functional
from .convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .functional import cross_entropy, mse_loss
from .layers import MLP, Linear, Sequential
from .module import Module
from .pooling import AdaptiveAvgPool2d, AvgPool2d, Flatten, MaxPool2d, Upsample
