"""Mixed precision: products in float16, and losses scaled so that small gradients survive it."""

from .autocast import autocast as autocast
from .scaler import GradScaler as GradScaler

__all__ = ["GradScaler", "autocast"]
