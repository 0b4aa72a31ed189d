"""Rprop: steps of a size of its own for each element, which goes by signs of gradients alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import full_like, zeros_like
from ..errors import ArgumentError
from ..ops.elementwise import maximum, minimum, sign, where
from ..tensor import Tensor
from .optimizer import Optimizer
from .remembered import Kept
from .settings import Setting, flag, two_at_least_zero


class Rprop(Optimizer):
    """Resilient backpropagation, as PyTorch defines it: for gradients of all the data.

    Each element has a step size s, at first lr, and remembers its last gradient h, at first 0. With
    the gradient g (its negative with maximize), in this order:

        s = s * etas[1] where g * h > 0, s * etas[0] where g * h < 0; kept within step_sizes
        g = 0 where g * h < 0
        p = p - sign(g) * s
        h = g

    Raises: what Optimizer raises; ArgumentError unless etas[0] < 1 < etas[1].
    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning:
    the RPROP algorithm" (IEEE ICNN, 1993).

    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = wg.optim.Rprop([w], lr=0.25)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> w  # only the signs of the gradient count
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    etas = Setting("What sizes shrink and grow by: below 1, above 1.", two_at_least_zero)
    step_sizes = Setting("The smallest and the largest step size.", two_at_least_zero)
    maximize = Setting("Whether steps go up the gradient.", flag)
    state = dict.fromkeys(("prev", "step_size"), zeros_like)
    counts_steps = True  # for PyTorch, which wants them

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Mapping[str, Any]],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize)

    @classmethod
    def check(cls, settings: dict[str, Any]) -> None:
        if not 0 < settings["etas"][0] < 1 < settings["etas"][1]:
            raise ArgumentError(
                f"{cls.__name__}: etas is {settings['etas']}, and a number between 0 and 1 and one "
                "above 1 are needed"
            )
        if settings["step_sizes"][0] > settings["step_sizes"][1]:
            raise ArgumentError(
                f"{cls.__name__}: step_sizes is {settings['step_sizes']}, and the smallest comes "
                "first"
            )

    def begin(self, name: str, p: Tensor, settings: Mapping[str, Any]) -> Kept:
        return full_like(p, settings["lr"]) if name == "step_size" else zeros_like(p)

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        g = -g if now["maximize"] else g
        (shrink, grow), (least, most) = now["etas"], now["step_sizes"]
        same = sign(g) * sign(state["prev"])  # of the product, which could be rounded to 0
        size = state["step_size"]
        size = where(same > 0, size * grow, where(same < 0, size * shrink, size))
        size = state["step_size"] = minimum(maximum(size, least), most)
        g = state["prev"] = where(same < 0, 0.0, g)
        return p - sign(g) * size
