"""Embedding: a learned vector for each of a number of things."""

from __future__ import annotations

from typing import Any

from ..checks.arguments import size
from ..creation import DeviceLike
from ..functional.encoding import embedding, row
from ..random import Seed, randn, stream_of
from ..tensor import Tensor
from .module import Module


class Embedding(Module):
    """The rows of a learned matrix at integer indices.

    Shapes: x (...) -> (..., embedding_dim); weight (num_embeddings, embedding_dim), which starts
    from normal numbers. The row `padding_idx` starts as zeros and gets no gradient.
    Raises: ArgumentError; IndexRangeError for an index or padding_idx that is no row.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        seed: Seed = None,
        device: DeviceLike = None,
    ):
        self.num_embeddings = size(num_embeddings, "Embedding: num_embeddings")
        self.embedding_dim = size(embedding_dim, "Embedding: embedding_dim")
        self.padding_idx = None
        values = randn(
            self.num_embeddings, self.embedding_dim, device=device, generator=stream_of(seed)
        )
        if padding_idx is not None:
            self.padding_idx = row(padding_idx, self.num_embeddings, "Embedding")
            values[self.padding_idx].assign(0.0)
        self.weight = values.requires_grad_()

    def forward(self, x: Any) -> Tensor:
        return embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
