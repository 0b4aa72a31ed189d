"""Optimizers: they change parameters in place, on their device, by their gradients."""

from .adam import Adam as Adam
from .adam import AdamW as AdamW
from .optimizer import Optimizer as Optimizer
from .settings import Setting as Setting
from .settings import at_least_zero as at_least_zero
from .settings import below_one as below_one
from .settings import two_below_one as two_below_one
from .sgd import SGD as SGD
