"""L-BFGS: steps by what the last changes of the gradient tell of the curvature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..checks.arguments import checked_choice
from ..core.tracing import tracing
from ..creation import zeros_like
from ..errors import ArgumentError, shown
from ..interrupts import whole
from ..ops.elementwise import abs_
from ..shaping import concat
from ..tensor import Tensor
from .closures import loss_of
from .curvature import Found, largest
from .optimizer import Optimizer
from .settings import Setting, at_least_zero, count
from .wolfe import Point, strong_wolfe


def _search(value: Any, where: str) -> str | None:
    options = ("strong_wolfe",)
    return None if value is None else checked_choice(value, options, *where.split(": "))


class LBFGS(Optimizer):
    """Limited-memory BFGS, as PyTorch defines it, for losses without noise and few parameters.

    A step calls the closure several times: max_iter directions are tried, each a product of the
    gradient with what the last history_size changes of place and gradient say of the inverse
    Hessian. Along each it goes lr, or with line_search_fn="strong_wolfe" as far as a line search
    says that fulfils the strong Wolfe conditions. It ends when the largest slope is at most
    tolerance_grad, when a step or the loss changes by less than tolerance_change, or after max_eval
    calls (None: max_iter * 5 // 4).

    Each decision needs a number on the host, so a step runs uncompiled, around a closure that may
    call a compiled function.

    Raises: what Optimizer raises; ArgumentError for several groups, for parameters of several
    devices or dtypes, and for a step without a closure; TraceError in a compiled function.
    Source: Nocedal and Wright, "Numerical Optimization" (2006), chapters 3 and 7.

    >>> w = wg.parameter([3.0, -2.0])
    >>> optimizer = wg.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def loss_and_gradient():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 4).sum()
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(5):
    ...     loss = optimizer.step(loss_and_gradient)
    >>> wg.allclose(w, wg.ones(2), atol=0.1)
    True
    """

    max_iter = Setting("How many directions a step tries: at least 1.", count)
    max_eval = Setting("How often a step calls the closure at most: at least 1.", count)
    tolerance_grad = Setting("The largest slope at which a step ends: at least 0.", at_least_zero)
    tolerance_change = Setting("The change at which a step ends: at least 0.", at_least_zero)
    history_size = Setting("How many changes are remembered: at least 1.", count)
    line_search_fn = Setting('How far a step goes: "strong_wolfe", or None for lr.', _search)
    read_each_run = Optimizer.read_each_run | {"_found"}

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        if max_eval is None:
            max_eval = count(max_iter, f"{self._name}: max_iter") * 5 // 4
        super().__init__(
            params,
            lr=lr,
            max_iter=max_iter,
            max_eval=max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )
        self._found = Found()

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters, once: there is one group."""
        if self.param_groups:
            raise ArgumentError(f"{self._name}: a second group came, and one is possible")
        super().add_param_group(group)

    def _parameters(self, came: Any) -> list[Tensor]:
        params = super()._parameters(came)
        kinds = {(x.device.name, x.dtype.name) for x in params}
        if len(kinds) > 1:
            raise ArgumentError(
                f"{self._name}: parameters are {shown(sorted(kinds))}, and all of one device and "
                "dtype are needed"
            )
        return params

    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        raise NotImplementedError("LBFGS changes all parameters at once")

    # Parameters and gradients as one vector.
    def _gradient(self) -> Tensor:
        parts = []
        for p in self.params:
            known = p.requires_grad and p.grad is not None
            parts.append((p.grad if known else zeros_like(p)).detach().reshape(-1))  # type: ignore[union-attr]
        return concat(parts).copy()

    @whole
    def _go(self, origin: list[Tensor], length: float = 0.0, by: Tensor | None = None) -> None:
        """Bring the parameters to an origin, or away from it by `length` times a direction."""
        start = 0
        for p, x in zip(self.params, origin, strict=True):
            if by is not None:
                part = by[start : start + p.size].reshape(p.shape)
                start += p.size
                x = x + length * part
            if p.requires_grad:
                p.detach().assign(x)

    # A step.
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Try max_iter directions, and return the loss from before the first.

        `closure` sets gradients to zero, computes the loss, calls backward() and returns the loss.
        When it raises, the parameters and what is remembered are as before the step.
        """
        if (tracer := tracing()) is not None:
            tracer.refuse(
                f"{self._name}.step reads numbers on the host: call it outside, with a closure "
                "that calls the compiled function"
            )
        if closure is None:
            raise ArgumentError(
                f"{self._name}.step: no closure came, and a function that computes the loss and "
                "its gradients is needed"
            )
        self._has_stepped = True
        found, origin = self._found.copied(), [p.detach().copy() for p in self.params]
        try:
            first = loss_of(closure, self._name)
            self._descend(found, float(first), closure)
        except BaseException:
            self._go(origin)
            raise
        self._found = found
        return first

    def _descend(self, found: Found, loss: float, closure: Callable[[], Any]) -> None:
        """Go down, from where the loss has been computed."""
        now = self.param_groups[0].values_now
        gradient, calls = self._gradient(), 1
        found.func_evals += 1
        if largest(gradient) <= now["tolerance_grad"]:
            return
        for left in reversed(range(now["max_iter"])):
            direction = found.next_direction(gradient, now["history_size"])
            found.prev_loss, found.t = loss, now["lr"]
            if found.n_iter == 1:
                found.t *= min(1.0, 1.0 / float(abs_(gradient).sum()))
            here = Point(0.0, loss, gradient, float((gradient * direction).sum()))
            if here.slope > -now["tolerance_change"]:
                return
            origin = [p.detach().copy() for p in self.params]

            def there(length: float, origin: Any = origin, by: Tensor = direction) -> Point:
                self._go(origin, length, by)
                value, g = float(loss_of(closure, self._name)), self._gradient()
                return Point(length, value, g, float((g * by).sum()))

            more = 0
            if now["line_search_fn"] is not None:
                size, tolerance = largest(direction), now["tolerance_change"]
                best, more = strong_wolfe(
                    there, here, found.t, size, now["max_eval"] - calls, tolerance
                )
                self._go(origin, best.length, direction)
            elif left:
                best, more = there(found.t), 1
            else:  # where a loss is noisy, another would be of no use
                best = here._replace(length=found.t)
                self._go(origin, found.t, direction)
            found.t, loss, gradient = best.length, best.loss, best.gradient
            calls += more
            found.func_evals += more
            if (
                calls >= now["max_eval"]
                or largest(gradient) <= now["tolerance_grad"]
                or largest(direction) * abs(found.t) <= now["tolerance_change"]
                or abs(loss - found.prev_loss) < now["tolerance_change"]
            ):
                return

    # Saving and loading.
    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot in PyTorch's layout: what is remembered is that of parameter 0."""
        saved = super().state_dict()
        if self._found.func_evals:
            saved["state"][0] = self._found.saved()
        return saved

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot of such an optimizer, PyTorch's too.

        When this raises, nothing has changed. Raises: ArgumentError, ShapeError, DTypeError.
        """
        where = f"{self._name}.load_state_dict"
        given = state.get("state") if isinstance(state, Mapping) else None
        if not isinstance(given, Mapping) or not {*given} <= {0, "0"}:
            came = given if isinstance(given, Mapping) else state
            raise ArgumentError(
                f"{where}: {shown(came)} came, and the state of parameter 0 is needed"
            )
        found = Found.loaded(given.get(0, given.get("0", {})), self._gradient(), where)
        super().load_state_dict({**state, "state": {}})
        self._found = found
