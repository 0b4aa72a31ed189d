"""One neuron, number by number: 0-d tensors do what a scalar engine does.

python examples/scalar.py

n = x1*w1 + x2*w2 + b,  out = tanh(n)
"""

from __future__ import annotations

import wgrad as wg


def neuron() -> dict[str, wg.Tensor]:
    """Return the neuron's values by name, after a reverse pass from its output."""
    x1, x2 = wg.parameter(2.0), wg.parameter(0.0)
    w1, w2 = wg.parameter(-3.0), wg.parameter(1.0)
    b = wg.parameter(6.8813735870195432)
    n = x1 * w1 + x2 * w2 + b
    n.retain_grad()  # otherwise only the leaves keep their gradients
    out = n.tanh()
    out.retain_grad()
    out.backward()
    return {"x1": x1, "x2": x2, "w1": w1, "w2": w2, "b": b, "n": n, "out": out}


def main() -> None:
    """Print every value and the gradient of the output by it."""
    print("name     value  gradient")
    for name, x in neuron().items():
        print(f"{name:4s} {x.item():9.4f} {x.grad.item():9.4f}")

    def output(x: wg.Tensor) -> wg.Tensor:
        return (x * -3.0 + 6.8813735870195432).tanh()

    wg.gradcheck(output, [2.0])
    print("differences agree with the gradient by x1")


if __name__ == "__main__":
    main()
