"""PyTorch as a judge of modules: outputs, gradients and state dicts of both, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import nn


def flat(x: Any) -> list[Any]:
    """Return the tensors of nested tuples in one list."""
    return [y for part in x for y in flat(part)] if isinstance(x, (tuple, list)) else [x]


def agree(
    torch: Any,
    make: Callable[[Any], Any],
    inputs: Sequence[np.ndarray],
    call: Callable[[Any, list], Any] = lambda model, xs: model(*xs),
    tol: float = 1e-10,
    modes: Sequence[bool] = (True, False),
    differentiated: int | None = None,
) -> None:
    """Check that make(nn) is make(torch.nn): names, values and gradients with the same weights."""
    ours, theirs = make(nn).double(), make(torch.nn).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(1)
    state = {n: x.numpy().copy() for n, x in theirs.state_dict().items()}
    for name, x in theirs.named_parameters():  # biases and scales start plain, and show nothing
        state[name] = rng.uniform(-0.6, 0.6, tuple(x.shape))
    ours.load_state_dict(state)
    theirs.load_state_dict({n: torch.tensor(x) for n, x in state.items()})
    count = len(inputs) if differentiated is None else differentiated
    for mode in modes:
        ours.train(mode).zero_grad()
        theirs.train(mode).zero_grad(set_to_none=False)
        xs, ys = [], []
        for i, x in enumerate(inputs):
            followed = x.dtype.kind == "f" and i < count
            kind = "float64" if x.dtype.kind == "f" else None
            xs.append(wg.tensor(x, kind, requires_grad=followed))
            ys.append(torch.tensor(x, requires_grad=followed))
        sums: list[Any] = [0, 0]
        for x, y in zip(flat(call(ours, xs)), flat(call(theirs, ys)), strict=True):
            assert (x is None) == (y is None)
            if x is None:
                continue
            np.testing.assert_allclose(x.numpy(), y.detach().numpy(), rtol=tol, atol=tol)
            factor = rng.standard_normal(x.shape)
            sums[0] = sums[0] + (x * wg.tensor(factor, "float64")).sum()
            sums[1] = sums[1] + (y * torch.tensor(factor)).sum()
        if sums[0].requires_grad:
            sums[0].backward()
            sums[1].backward()
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        for x, y in (*pairs, *zip(xs, ys, strict=True)):
            if y.grad is not None:
                np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=tol, atol=tol)
        for name, y in theirs.state_dict().items():
            x = ours.state_dict()[name].numpy()
            np.testing.assert_allclose(x, y.numpy(), rtol=tol, atol=tol)


def starts_alike(torch: Any, make: Callable[[Any], Any]) -> None:
    """Check that what PyTorch starts at random starts here with the same spread, about 0."""
    wg.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = make(nn), make(torch.nn)
    for (name, x), y in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        a, b = x.numpy(), y.detach().numpy()
        assert a.shape == b.shape, name
        if b.std() == 0:
            np.testing.assert_array_equal(a, b, err_msg=name)
            continue
        few = 7 / np.sqrt(a.size)
        assert abs(a.std() / b.std() - 1) < few, name
        assert abs(a.mean() - b.mean()) < few * b.std(), name
        assert abs(np.abs(a).max() / np.abs(b).max() - 1) < max(few, 0.2), name
