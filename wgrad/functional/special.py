"""polygamma, whose first argument says which derivative it is."""

from __future__ import annotations

from typing import Any

from ..checks.arguments import count
from ..core import Tensor
from ..ops.elementwise import digamma
from ..ops.elementwise import polygamma as polygamma_

_MOST = 170


def polygamma(n: int, x: Any) -> Tensor:
    """Return the n-th derivative of digamma, the (n + 1)-th of lgamma, at x.

    At 0, -1, -2, ... it is infinite. Of even orders it has zeros between those: near one the result
    has few digits left, but its error stays within 20 steps of float32 at the larger of the result
    and x (for orders up to 8; for 1 and 3 within 8 steps everywhere).

        wg.polygamma(1, wg.tensor([1.0]))  # pi ** 2 / 6

    Raises: ArgumentError unless n is an integer from 0 to 170, beyond which n! is no float64.
    """
    order = count(n, "polygamma", "n", _MOST)
    return polygamma_(x, float(order)) if order else digamma(x)
