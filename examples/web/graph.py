"""A page with the graphs of the first lessons: all values and gradients follow the inputs.

    python examples/web/graph.py --serve

The numbers are no imitation in JavaScript: exported programs compute all values, and by
backward() all gradients, and the page draws what came back.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo import main

import wgrad as wg

OPERATIONS = {"×": wg.mul, "+": wg.add, "tanh": wg.tanh}
# What is moved, and from where; and each node: its name, its operation, and of what.
GRAPHS: dict[str, tuple[dict[str, float], list[tuple[str, ...]]]] = {
    "A neuron": (
        {"x1": 2.0, "w1": -3.0, "x2": 0.0, "w2": 1.0, "b": 6 + math.asinh(1)},
        [
            ("x1w1", "×", "x1", "w1"),
            ("x2w2", "×", "x2", "w2"),
            ("x1w1 + x2w2", "+", "x1w1", "x2w2"),
            ("n", "+", "x1w1 + x2w2", "b"),
            ("o", "tanh", "n"),
        ],
    ),
    "(a + b)a, where a counts twice": (
        {"b": 1.0, "a": 2.0},
        [("a + b", "+", "a", "b"), ("(a + b)a", "×", "a + b", "a")],
    ),
}


def program(names: list[str], nodes: list[tuple[str, ...]]) -> Callable[..., Any]:
    """Return a function of the inputs (n,): values and gradients of all nodes, inputs first."""

    def compute(inputs: wg.Tensor) -> dict[str, wg.Tensor]:
        at = {name: inputs[i].detach().requires_grad_() for i, name in enumerate(names)}
        for name, operation, *places in nodes:
            at[name] = OPERATIONS[operation](*(at[place] for place in places))
            at[name].retain_grad()
        at[nodes[-1][0]].backward()
        return {
            "values": wg.stack([x.detach() for x in at.values()]),
            "gradients": wg.stack([x.grad for x in at.values()]),
        }

    return compute


def build(folder: Path, options: Any) -> None:
    """Export the graphs, and what the page draws of them."""
    programs, examples, drawn = {}, {}, {}
    for title, (inputs, nodes) in GRAPHS.items():
        programs[title] = program(list(inputs), nodes)
        examples[title] = {"inputs": wg.tensor(list(inputs.values()))}
        rows = [{"name": n, "sign": sign, "of": of} for n, sign, *of in nodes]
        drawn[title] = [{"name": n, "value": v} for n, v in inputs.items()] + rows
        print(f"{title}: {len(inputs)} inputs, {len(nodes)} operations")
    wg.export.web(programs, examples, folder / "model", state={}, title="First graphs")
    (folder / "graph.json").write_text(json.dumps(drawn), "utf-8")


if __name__ == "__main__":
    sys.exit(main(build))
