"""Find how a photograph was blurred: a compute kernel with its gradient in WGSL too.

    python examples/shaders/blur.py [--device webgpu] [--steps 200] [--out pictures]

The picture has the photograph, what is known of it blurred, the true kernel and the one found.
"""

from pathlib import Path

import gallery
import numpy as np

import wgrad as wg

blur = wg.kernel.compute(
    gallery.HERE / "blur.wgsl", outputs={"blurred": "image"}, threads="blurred"
)
blur.backward(gallery.HERE / "blur_backward.wgsl", groups=49)


def shaken() -> np.ndarray:
    """Return the kernel (7, 7) of a camera that moved in a hook: it sums to 1."""
    path = np.array([[0, 5], [1, 4], [2, 3], [3, 2], [4, 1], [5, 2], [5, 3], [4, 4]])
    kernel = np.zeros((7, 7))
    kernel[path[:, 0], path[:, 1]] = np.linspace(2, 1, len(path))
    return kernel / kernel.sum()


def edges(x: wg.Tensor) -> wg.Tensor:
    """Return how each inner pixel differs from those beside it.

    Pixels of a photograph resemble their neighbours, so that blurred ones say little; edges do not.
    """
    return 4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]


def run(steps: int, out: Path, height: int = 96, width: int = 96) -> float:
    """Find the kernel; return the largest error of its weights."""
    photo = gallery.photograph("china.jpg", height, width, box=(130, 60, 490, 420)).mean(-1)
    image, true = wg.tensor(photo), shaken()
    known = blur(image, true, size=(width, height))
    found = wg.parameter(np.full((7, 7), 1 / 49))
    step = gallery.descent(
        lambda: edges(blur(image, found, size=(width, height)) - known).square().mean(),
        [found],
        lr=0.02,
        over=steps,
    )
    for _ in range(steps):
        step()
    error = float(np.abs(found.numpy() - true).max())
    print(f"the weights, up to {true.max():.3f}, are found but for {error:.4f}")
    kernels = [gallery.enlarged(gallery.signed(x), height) for x in (true, found.numpy())]
    gallery.save(out / "blur.png", gallery.beside(photo, known, *kernels), scale=2)
    return error


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=200))
