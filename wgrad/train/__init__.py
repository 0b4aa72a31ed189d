"""Training: fit, a loop over the public pieces, with what it measures, keeps and can be told.

Knows models, optimizers and loaders by what they offer. Nothing below needs it: a loop of one's own
does the same.
"""

from .callbacks import Callback
from .fitting import fit
from .history import Best, History
from .metrics import accuracy, mean_absolute_error, mean_squared_error
from .run import Run

__all__ = [
    *("Best", "Callback", "History", "Run", "accuracy", "fit", "mean_absolute_error"),
    "mean_squared_error",
]
