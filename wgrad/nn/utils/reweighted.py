"""The older weight_norm and spectral_norm, whose tensors the module holds itself.

PyTorch's state dicts of models made with them have weight_g, weight_v or weight_orig, weight_u.
The functions of nn.utils.parametrizations compute the same.
"""

from __future__ import annotations

from typing import Any

from ...checks.arguments import size
from ...errors import ArgumentError, shown
from ...functional.similarity import normalize
from ...layout import normalize_axis
from ...random import randn
from ...shaping import matrix_transpose
from ...tensor import Tensor
from ..convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from ..parameter import Parameter
from .computed import compute, give_back, plain, source_of
from .norms import as_matrix, checked_eps, follow, size_along, spectral_normed, weight_normed


class _WeightNorm:
    def __init__(self, name: str, dim: int | None):
        self.name = name
        self.dim = dim

    def value(self, module: Any) -> Tensor:
        g, v = (vars(module)[f"{self.name}_{part}"] for part in "gv")
        return weight_normed(g, v, self.dim, "weight_norm")

    def take(self, module: Any, value: Tensor) -> None:
        vars(module)[f"{self.name}_g"].assign(size_along(value.detach(), self.dim, "weight_norm"))
        vars(module)[f"{self.name}_v"].assign(value.detach())

    def remove(self, module: Module) -> None:
        value = self.value(module)
        give_back(module, self.name, _plain(value, vars(module)[f"{self.name}_v"]))
        for part in "gv":
            delattr(module, f"{self.name}_{part}")


class _SpectralNorm:
    def __init__(self, name: str, times: int, eps: float, dim: int):
        self.name = name
        self.times = times
        self.eps = eps
        self.dim = dim

    def value(self, module: Any, training: bool | None = None) -> Tensor:
        weight, u, v = (vars(module)[f"{self.name}_{part}"] for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        if module.training if training is None else training:
            # PyTorch's older function renews v first.
            follow(matrix_transpose(matrix), v, u, self.times, self.eps)
        return spectral_normed(weight, matrix, u, v)

    def take(self, module: Any, value: Tensor) -> None:
        vars(module)[f"{self.name}_orig"].assign(value.detach())

    def remove(self, module: Module) -> None:
        value = self.value(module, training=False)
        give_back(module, self.name, _plain(value, vars(module)[f"{self.name}_orig"]))
        for part in ("orig", "u", "v"):
            delattr(module, f"{self.name}_{part}")


def _plain(value: Tensor, original: Tensor) -> Tensor:
    return Parameter(value.detach()) if original.is_parameter else value.detach().copy()


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a weight be g * v / |v|, and return the module, which holds <name>_g and <name>_v.

    The rest is as in nn.utils.parametrizations.weight_norm; remove_weight_norm undoes it.
    """
    x = plain(module, name, "weight_norm")
    g = size_along(x.detach(), dim, "weight_norm")
    compute(module, name, _WeightNorm(name, dim))
    setattr(module, f"{name}_g", Parameter(g))
    setattr(module, f"{name}_v", x)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight plain again. Raises: ArgumentError where weight_norm did not come first."""
    return _removed(module, name, _WeightNorm, "remove_weight_norm")


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Let a weight be w over its largest singular value, and return the module.

    It holds <name>_orig, and the buffers <name>_u and <name>_v. The rest is as in
    nn.utils.parametrizations.spectral_norm; remove_spectral_norm undoes it.
    """
    where = "spectral_norm"
    x = plain(module, name, where)
    if dim is None:
        transposed = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
        dim = 1 if isinstance(module, transposed) else 0
    at = normalize_axis(dim, len(x.shape), where)
    times, least = size(n_power_iterations, f"{where}: n_power_iterations"), checked_eps(eps, where)
    rows, columns = as_matrix(x.detach(), at).shape
    kind: Any = {"dtype": x.dtype, "device": x.device}
    u, v = (normalize(randn(n, **kind), axis=0, eps=least) for n in (rows, columns))
    compute(module, name, _SpectralNorm(name, times, least, at))
    for part, value in (("orig", x), ("u", u), ("v", v)):
        setattr(module, f"{name}_{part}", value)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight plain again. Raises: ArgumentError where spectral_norm did not come first."""
    return _removed(module, name, _SpectralNorm, "remove_spectral_norm")


def _removed(module: Module, name: str, kind: Any, where: str) -> Module:
    source = source_of(module, name)
    if not isinstance(source, kind):
        raise ArgumentError(f"{where}: {type(module).__name__} has no such {shown(name)}")
    source.remove(module)
    return module
