"""The parametrizations that PyTorch has: weight_norm and spectral_norm."""

from __future__ import annotations

from typing import Any

from ...checks.arguments import size
from ...functional.similarity import normalize
from ...layout import normalize_axis
from ...random import randn
from ...tensor import Tensor
from ..convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from .computed import plain
from .norms import as_matrix, checked_eps, follow, size_along, spectral_normed, weight_normed
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


class WeightNorm(Module):
    """weight = g * v / |v|: parametrizations.weight.original0 is g, and original1 is v."""

    def __init__(self, dim: int | None):
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return weight_normed(g, v, self.dim, "weight_norm")

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return g and v of a weight."""
        return size_along(weight, self.dim, "weight_norm"), weight

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class SpectralNorm(Module):
    """weight = w / sigma(w), where sigma is the largest singular value, as u and v know it."""

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float):
        name = "spectral_norm"
        self.n_power_iterations = size(n_power_iterations, f"{name}: n_power_iterations")
        self.dim = normalize_axis(dim, len(weight.shape), name)
        self.eps = checked_eps(eps, name)
        if len(weight.shape) > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            kind: Any = {"dtype": weight.dtype, "device": weight.device}
            self._u = normalize(randn(matrix.shape[0], **kind), axis=0, eps=self.eps)
            self._v = normalize(randn(matrix.shape[1], **kind), axis=0, eps=self.eps)
            follow(matrix, self._u, self._v, 15, self.eps)

    def forward(self, weight: Tensor) -> Tensor:
        if len(weight.shape) == 1:
            return normalize(weight, axis=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            follow(matrix, self._u, self._v, self.n_power_iterations, self.eps)
        return spectral_normed(weight, matrix, self._u, self._v)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return a weight: what it was before is not known, and it may be that itself."""
        return weight

    def extra_repr(self) -> str:
        return f"n_power_iterations={self.n_power_iterations}, dim={self.dim}, eps={self.eps}"


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a weight be g * v / |v|, its size and its direction apart, and return the module.

    The norm is of every slice along `dim`, or of the whole with None. State dicts have
    parametrizations.<name>.original0 (g) and original1 (v) in the weight's place. At the start the
    weight is what it was. `nn.utils.parametrize.remove_parametrizations` makes it plain again.
    Raises: ArgumentError for what is no tensor of the module; AxisError.
    Source: Salimans and Kingma, "Weight normalization" (NeurIPS 2016).

    ```python
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
    layer.parametrizations.weight.original0.shape  # (40, 1)
    ```

    >>> layer = wg.nn.utils.parametrizations.weight_norm(wg.nn.Linear(3, 2))
    >>> sorted(name for name, _ in layer.named_parameters())
    ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    size_along(plain(module, name, "weight_norm").detach(), dim, "weight_norm")
    return register_parametrization(module, name, WeightNorm(dim))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Let a weight be w over its largest singular value, and return the module.

    The singular value comes from vectors u and v, buffers which each call in training brings
    nearer by `n_power_iterations`. `dim` counts the rows of w as a matrix: 0, or 1 for transposed
    convolutions. State dicts have parametrizations.<name>.original and .0._u and .0._v.
    Raises: ArgumentError for what is no tensor of the module; AxisError.
    Source: Miyato et al., "Spectral normalization for GANs" (ICLR 2018).

    >>> layer = wg.nn.utils.parametrizations.spectral_norm(wg.nn.Linear(3, 2))
    >>> layer.weight.shape, layer.parametrizations.weight.original.shape
    ((2, 3), (2, 3))
    """
    weight = plain(module, name, "spectral_norm")
    if dim is None:
        transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    made = SpectralNorm(weight, n_power_iterations, dim, eps)
    made.training = module.training
    return register_parametrization(module, name, made)
