"""Embedding: a learned vector for each of a number of things."""

from __future__ import annotations

from typing import Any

from ..checks.arguments import checked_choice, size
from ..creation import DeviceLike
from ..creation.inputs import as_tensor
from ..errors import DTypeError, ShapeError
from ..functional.bags import embedding_bag
from ..functional.encoding import embedding, row
from ..random import Seed, randn, stream_of
from ..tensor import Tensor
from .module import Module


class Embedding(Module):
    """The rows of a learned matrix at integer indices.

    Shapes: x (...) -> (..., embedding_dim); weight (num_embeddings, embedding_dim), which starts
    from normal numbers. The row `padding_idx` starts as zeros and gets no gradient.
    Raises: ArgumentError; IndexRangeError for an index or padding_idx that is no row.

    >>> words = wg.nn.Embedding(1000, 16)
    >>> words(wg.tensor([[4, 8, 15], [16, 23, 42]])).shape
    (2, 3, 16)
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

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """Return a layer whose weight is a copy of given rows; frozen, it is not trained.

        Shapes: embeddings (num_embeddings, embedding_dim). Raises: ShapeError; DTypeError for rows
        that are no floats; IndexRangeError for a padding_idx that is no row.

        ```python
        nn.Embedding.from_pretrained(wg.randn(9, 4))(wg.tensor([1, 5])).shape  # (2, 4)
        ```
        """
        rows = as_tensor(embeddings, "from_pretrained").detach()
        if rows.ndim != 2 or not rows.size:
            raise ShapeError(
                f"from_pretrained: embeddings of shape {rows.shape} came, and (num_embeddings, "
                "embedding_dim) is needed"
            )
        if not rows.dtype.is_floating:
            raise DTypeError(f"from_pretrained: {rows.dtype.name} came, and floats are needed")
        count, dim = rows.shape
        made = cls(count, dim, padding_idx=padding_idx, seed=0, device=rows.device)
        made.weight = rows.copy().requires_grad_()
        made.weight.requires_grad_(not freeze)
        return made

    def forward(self, x: Any) -> Tensor:
        return embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class EmbeddingBag(Module):
    """The mean, "sum" or "max" of the rows of a learned matrix that each bag of indices names.

    Shapes: input (bags, n), or (n,) with offsets (bags,), where each bag begins -> (bags,
    embedding_dim); weight (num_embeddings, embedding_dim), which starts from normal numbers.
    Raises: ArgumentError; in the call, ShapeError; IndexRangeError for an index that is no row.

    >>> bags = wg.nn.EmbeddingBag(9, 4)
    >>> bags(wg.tensor([1, 2, 5, 8]), wg.tensor([0, 3])).shape  # rows 1, 2, 5, and row 8
    (2, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        mode: str = "mean",
        seed: Seed = None,
        device: DeviceLike = None,
    ):
        name = "EmbeddingBag"
        self.num_embeddings = size(num_embeddings, f"{name}: num_embeddings")
        self.embedding_dim = size(embedding_dim, f"{name}: embedding_dim")
        self.mode = checked_choice(mode, ("sum", "mean", "max"), name, "mode")
        shape = self.num_embeddings, self.embedding_dim
        values = randn(*shape, device=device, generator=stream_of(seed))
        self.weight = values.requires_grad_()

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        return embedding_bag(input, self.weight, offsets, self.mode, per_sample_weights)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}"
