"""Random scans: compiled, where one turn is traced, they give what the loop gives turn by turn.

Steps are drawn from a few operations over carries, slices and weights; what is handed on, what is
given as y, and what a loss looks at is drawn, too. Values and gradients are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wgrad as wg
from wgrad.backends.base import Device

SHARE = 2
OPERATIONS = (
    lambda u, v, w: u * v,
    lambda u, v, w: wg.tanh(u),
    lambda u, v, w: u @ w,
    lambda u, v, w: wg.sin(u) + v,
    lambda u, v, w: wg.flip(u, 0) * v,
    lambda u, v, w: wg.sum(u, 0, keepdims=True) * v,
    lambda u, v, w: wg.sigmoid(u @ w.T) - v,
    lambda u, v, w: wg.where(u > 0, u, v * 0.1),
    lambda u, v, w: wg.softmax(u, 1) * v,
    lambda u, v, w: u[:, ::-1] * v,
)


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    """Return what a random scan does otherwise when it is compiled, if anything."""

    def pick(most: int, least: int = 0) -> int:
        return int(rng.integers(least, most))

    rows, columns = ((2, 3), (4, 16), (1, 1))[pick(3)]
    length, carries, sliced, count = pick(6, 2), pick(4, 1), pick(3), pick(3, 1)
    shapes = [(rows, columns)] * carries + [(length, rows, columns)] * sliced
    shapes += [(columns, columns)] * count
    given = [(0.4 * rng.standard_normal(shape)).astype(np.float32) for shape in shapes]
    how = {"reverse": bool(pick(2)), "checkpoint": bool(pick(3) == 0)}
    pool = carries + sliced + 1
    made = [(pick(len(OPERATIONS)), pick(pool + i), pick(pool + i), pick(count)) for i in range(5)]
    new = [(pick(pool + 5), pick(5) > 0) for _ in range(carries)]
    ys = [(pick(pool + 5), pick(3) == 0) for _ in range(pick(4))]
    seen = [pick(3) > 0 for _ in range(carries + len(ys))]

    def step(tensors: Any) -> Any:
        weights = tensors[carries + sliced :]

        def turn(carry: Any, x: Any) -> Any:
            values = [*carry, *(x or ()), wg.ones((rows, columns))]
            for operation, u, v, w in made:
                values.append(OPERATIONS[operation](values[u], values[v], weights[w]))
            carry = tuple([wg.tanh(values[i]) if bent else values[i] for i, bent in new])
            return carry, [wg.sum(values[i]) if whole else values[i] for i, whole in ys]

        xs = tensors[carries : carries + sliced] or None
        last, all_of_them = wg.scan(turn, tensors[:carries], xs, length, **how)
        pairs = zip((*last, *all_of_them), seen, strict=True)
        losses = [wg.sum(wg.sin(t)) for t, wanted in pairs if wanted]
        loss = sum(losses[1:], losses[0]) if losses else wg.sum(last[0])
        if loss.requires_grad:
            loss.backward()
        return loss

    def run(*tensors: Any) -> Any:
        for x in tensors:
            x.grad = None
        return step(tensors)

    plain, others = ([wg.tensor(x, requires_grad=True) for x in given] for _ in range(2))
    loss, compiled = run(*plain), wg.compile(run)
    for _ in range(3):
        found = compiled(*others)
    pairs = [(found, loss)]
    for x, y in zip(others, plain, strict=True):
        zeros = wg.zeros(x.shape)  # what only unread results lead to has zeros, or None
        pairs.append((zeros if x.grad is None else x.grad, zeros if y.grad is None else y.grad))
    for i, (a, b) in enumerate(pairs):
        if not np.allclose(a.numpy(), b.numpy(), rtol=5e-3, atol=5e-4):
            return (
                f"result {i} is {a.numpy()}, and {b.numpy()} turn by turn: {made} {new} {ys} {how}"
            )
    return None if len(compiled.programs) == 1 else "it was not captured"
