"""One neuron, number by number: 0-d tensors do what a scalar engine does, and are drawn.

    python examples/scalar.py [--device webgpu] [--output folder]

n = x1*w1 + x2*w2 + b,  out = tanh(n)

Draws the graph behind `out` with every value and gradient, scalar.svg, and makes scalar-page.html,
where a person moves the inputs, and goes through both modes of differentiation step by step. Exits
with 1 when the gradient by x1 is not -1.5.
"""

from __future__ import annotations

import sys
from typing import Any

from common import Goal, main

import wgrad as wg

INPUTS = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8813735870195432}
GOAL = Goal("gradient by x1", least=-1.50001, most=-1.49999, form=".5f")


def weighted(x1: Any, x2: Any, w1: Any, w2: Any, b: Any) -> wg.Tensor:
    """Return what goes into the neuron's tanh."""
    return wg.label(x1 * w1 + x2 * w2 + b, "n")


def output(x1: Any, x2: Any, w1: Any, w2: Any, b: Any) -> wg.Tensor:
    """Return what the neuron gives; labels are for the drawings."""
    return wg.label(weighted(x1, x2, w1, w2, b).tanh(), "out")


def neuron() -> dict[str, wg.Tensor]:
    """Return the neuron's values by name, after a reverse pass from its output."""
    values = {name: wg.label(wg.parameter(x), name) for name, x in INPUTS.items()}
    n = weighted(**values)
    n.retain_grad()  # otherwise only the leaves keep their gradients
    out = wg.label(n.tanh(), "out")
    out.retain_grad()
    out.backward()
    return {**values, "n": n, "out": out}


def run(options: Any) -> tuple[float, Any]:
    """Print every value and the gradient of the output by it; return one of them, and pictures."""
    values = neuron()
    print("name     value  gradient")
    for name, x in values.items():
        print(f"{name:4s} {x.item():9.4f} {x.grad.item():9.4f}")
    wg.gradcheck(output, list(INPUTS.values()))
    print("differences agree with the gradients")
    graph = wg.viz.graph(values["out"], engine="python")
    return values["x1"].grad.item(), {"": graph, "-page": wg.viz.interactive(output, **INPUTS)}


if __name__ == "__main__":
    sys.exit(main(run, GOAL))
