"""Dropout as a module: noise in training, and nothing in evaluation."""

from __future__ import annotations

from typing import Any

from ..functional.regularization import check_share, dropout
from ..random import Generator
from ..tensor import Tensor
from .module import Module


class Dropout(Module):
    """Set a share `p` of the elements to 0 and divide the others by 1 - p, while training.

    The numbers come from the global stream, or from `generator`. In evaluation the input comes
    back as it is. Raises: ArgumentError for p outside 0 to 1.
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None):
        self.p = check_share(p, "Dropout")
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"
