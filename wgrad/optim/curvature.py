"""What L-BFGS remembers: the last changes of place and gradient, which tell of the curvature."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, shown
from ..functional import max as max_
from ..ops.elementwise import abs_
from ..tensor import Tensor
from ..tensor.saved import prepare_value

_COUNTS, _VECTORS, _LISTS = (
    ("func_evals", "n_iter"),
    ("d", "prev_flat_grad"),
    ("old_dirs", "old_stps"),
)
_SCALARS = ("t", "prev_loss")


def largest(x: Tensor) -> float:
    """Return the largest size of an element."""
    return float(max_(abs_(x)))


class Found:
    """Directions, steps and gradients, by PyTorch's names: vectors over all parameters.

    `old_dirs` are changes of the gradient, `old_stps` those of place, the oldest first, `ro` is
    one over the product of both; `H_diag` is the scale of the inverse Hessian.
    """

    def __init__(self) -> None:
        self.func_evals = self.n_iter = 0
        self.d: Tensor | None = None
        self.t = self.prev_loss = 0.0
        self.prev_flat_grad: Tensor | None = None
        self.old_dirs: list[Tensor] = []
        self.old_stps: list[Tensor] = []
        self.ro: list[Any] = []
        self.H_diag: Any = 1.0

    def copied(self) -> Found:
        """Return one that changes apart."""
        other = copy.copy(self)
        for name in (*_LISTS, "ro"):
            setattr(other, name, list(getattr(self, name)))
        return other

    def next_direction(self, gradient: Tensor, most: int) -> Tensor:
        """Return where to go from a place with this gradient, and remember the change to it."""
        self.n_iter += 1
        if self.n_iter == 1 or self.d is None or self.prev_flat_grad is None:
            self.d = -gradient
        else:
            y, s = gradient - self.prev_flat_grad, self.d * self.t
            product = (y * s).sum()
            if float(product) > 1e-10:
                if len(self.old_dirs) >= most:
                    for kept in (self.old_dirs, self.old_stps, self.ro):
                        del kept[: len(kept) - most + 1]
                self.old_dirs.append(y)
                self.old_stps.append(s)
                self.ro.append(1.0 / product)
                self.H_diag = product / (y * y).sum()
            self.d = self._times_inverse(-gradient)
        self.prev_flat_grad = gradient
        return self.d

    def _times_inverse(self, q: Tensor) -> Tensor:
        """Return the inverse Hessian times a vector, by two loops over the changes."""
        changes = list(zip(self.old_dirs, self.old_stps, self.ro, strict=True))
        shares = []
        for y, s, r in reversed(changes):
            share = (s * q).sum() * r
            shares.append(share)
            q = q - share * y
        d = q * self.H_diag
        for (y, s, r), share in zip(changes, reversed(shares), strict=True):
            d = d + s * (share - (y * d).sum() * r)
        return d

    # Saving and loading.
    def saved(self) -> dict[str, Any]:
        """Return it as a dict, of copies."""

        def told(x: Any) -> Any:
            if isinstance(x, list):
                return [told(y) for y in x]
            return x.copy() if isinstance(x, Tensor) else x

        return {name: told(x) for name, x in vars(self).items()}

    @classmethod
    def loaded(cls, given: Any, like: Tensor, where: str) -> Found:
        """Return what was saved. Raises: ArgumentError, ShapeError, DTypeError."""
        found = cls()
        if not isinstance(given, Mapping):
            raise ArgumentError(f"{where}: {shown(given)} came as a state, and a dict is needed")
        if not given:
            return found
        missing = [name for name in vars(found) if name not in given]
        early = set(missing) <= {*vars(found)} - {*_COUNTS} and not given.get("n_iter")
        if missing and not early:
            raise ArgumentError(f"{where}: {shown(list(given))} came, without {missing}")
        scalar = like.sum()
        for name in set(vars(found)) - set(missing):
            x, at = given[name], f"{where}: {name}"
            if name in (*_LISTS, "ro") and not isinstance(x, (list, tuple)):
                raise ArgumentError(f"{at} is {shown(x)}, and a list is needed")
            if name in _COUNTS:
                if type(x) is not int or x < 0:
                    raise ArgumentError(f"{at} is {shown(x)}, and a count is needed")
            elif name in _SCALARS:
                x = float(prepare_value(x, scalar, at))
            elif name in _VECTORS:
                x = None if x is None else prepare_value(x, like, at).copy()
            elif name in _LISTS:
                x = [prepare_value(y, like, at).copy() for y in x]
            elif name == "ro":
                x = [prepare_value(y, scalar, at).copy() for y in x]
            elif x != 1:
                x = prepare_value(x, scalar, at).copy()
            setattr(found, name, x)
        if not len(found.old_dirs) == len(found.old_stps) == len(found.ro):
            raise ArgumentError(f"{where}: old_dirs, old_stps and ro differ in length")
        return found
