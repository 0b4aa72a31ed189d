"""Recognise digits with a softmax of one's own: workgroup memory, and its gradient, in WGSL.

    python examples/shaders/softmax.py [--device webgpu] [--steps 150] [--out pictures]

The picture has the ten patterns that a digit is compared with, learned from their images.
"""

from pathlib import Path

import gallery
import numpy as np

import wgrad as wg

softmax = wg.kernel.compute(
    gallery.HERE / "softmax.wgsl", outputs={"y": "x"}, groups=lambda x: x[0]
)
softmax.backward(gallery.HERE / "softmax_backward.wgsl", groups=lambda y: y[0])


def run(steps: int, out: Path, size: tuple[int, int] = (300, 1000)) -> dict[str, float]:
    """Learn; return the share of held-out digits that are recognised, and the largest errors."""
    images, labels = gallery.digits()
    x, wanted = wg.tensor(images[::2]), wg.one_hot(wg.tensor(labels[::2]), 10).astype("float32")
    weights, bias = wg.parameter(np.zeros((64, 10))), wg.parameter(np.zeros(10))

    def fit() -> tuple[wg.Tensor, wg.Tensor]:
        chances = softmax(x @ weights + bias, columns=10)
        loss = -(wanted * wg.log(chances + 1e-7)).sum(axis=1).mean()
        return loss + 0.3 * weights.square().mean(), loss

    step = gallery.descent(fit, [weights, bias], lr=0.02)
    for _ in range(steps):
        _, loss = step()
    found = np.argmax(images[1::2] @ weights.numpy() + bias.numpy(), axis=1)
    share = float((found == labels[1::2]).mean())
    print(f"loss {loss.item():.3f}; {share:.1%} of held-out digits are recognised")

    rows = wg.randn(*size, generator=wg.Generator(0), requires_grad=True)
    weigh = wg.randn(*size, generator=wg.Generator(1))
    errors = {"recognised": share}
    both = (lambda x: softmax(x, columns=x.shape[1]), lambda x: wg.softmax(x, axis=1))
    slopes = [wg.grad(lambda x, f=f: (f(3 * x) * weigh).sum())(rows) for f in both]
    values = [f(3 * rows) for f in both]
    errors["value"] = wg.max(wg.abs(values[0] - values[1])).item()
    errors["slope"] = wg.max(wg.abs(slopes[0] - slopes[1])).item()
    off = f"by {errors['value']:.1e}, and by {errors['slope']:.1e} in slopes"
    print(f"{size[0]} x {size[1]}: off wg.softmax {off}")

    tiles = weights.numpy().T.reshape(10, 8, 8)
    gallery.save(out / "softmax.png", gallery.tiled(tiles, 5), 8)
    return errors


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=150))
