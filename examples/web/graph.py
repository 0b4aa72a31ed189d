"""A page with the neuron of the first lessons: move an input, and see every value and gradient move.

    python examples/web/graph.py --serve

The numbers are no imitation in JavaScript: one exported program computes all values, and by
backward() all gradients, and the page draws what came back.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from common import main

import wgrad as wg

# What is moved, and from where; and each node: its name, its operation, and of what.
INPUTS = {"x1": 2.0, "w1": -3.0, "x2": 0.0, "w2": 1.0, "b": 6 + math.asinh(1)}
NODES = [
    ("x1w1", "times", "x1", "w1"),
    ("x2w2", "times", "x2", "w2"),
    ("x1w1 + x2w2", "plus", "x1w1", "x2w2"),
    ("n", "plus", "x1w1 + x2w2", "b"),
    ("o", "tanh", "n"),
]
OPERATIONS = {"times": wg.mul, "plus": wg.add, "tanh": wg.tanh}
SIGNS = {"times": "×", "plus": "+", "tanh": "tanh"}


def neuron(
    x1: wg.Tensor, w1: wg.Tensor, x2: wg.Tensor, w2: wg.Tensor, b: wg.Tensor
) -> dict[str, wg.Tensor]:
    """Return the values and the gradients of all nodes: two tensors (n,), inputs first."""
    leaves = [x.detach().requires_grad_() for x in (x1, w1, x2, w2, b)]
    at = dict(zip(INPUTS, leaves, strict=True))
    for name, operation, *places in NODES:
        at[name] = OPERATIONS[operation](*(at[place] for place in places))
        at[name].retain_grad()
    at["o"].backward()
    nodes = list(at.values())
    return {
        "values": wg.stack([x.detach() for x in nodes]),
        "gradients": wg.stack([x.grad for x in nodes]),
    }


def build(folder: Path, options: Any) -> None:
    """Export the neuron, and what the page draws of it."""
    given = {name: wg.tensor(value) for name, value in INPUTS.items()}
    wg.export.web({"neuron": neuron}, {"neuron": given}, folder / "model", state={}, title="A neuron")
    inputs = [{"name": name, "value": value} for name, value in INPUTS.items()]
    rows = [{"name": n, "sign": SIGNS[op], "of": places} for n, op, *places in NODES]
    (folder / "graph.json").write_text(json.dumps(inputs + rows), "utf-8")
    print(f"{len(inputs)} inputs, {len(rows)} operations")


if __name__ == "__main__":
    sys.exit(main(build))
