"""Fit Gaussian splats to a photograph, and save pictures on the way.

python examples/shaders/splats.py [--device webgpu] [--steps 120] [--out pictures]
"""

from pathlib import Path

import gallery
import numpy as np

import wgrad as wg

splat = wg.kernel.elementwise(gallery.HERE / "splats.wgsl")


def paint(pixels: wg.Tensor, centre: wg.Tensor, shape: wg.Tensor, colour: wg.Tensor) -> wg.Tensor:
    """Return what splats paint at each pixel: (h, w, 2), (n, 2), (n, 3), (n, 4) -> (h, w, 3).

    Compiled, what single splats say of single pixels is never in memory.
    """
    said = splat(pixels[:, :, None], centre, shape, colour).sum(axis=2)
    return said[..., :3] / (said[..., 3:] + 1e-4)


def first(photo: np.ndarray, splats: int) -> list[wg.Tensor]:
    """Return small round splats where the photograph has detail, in its colours."""
    points, near, colours = gallery.scattered(photo, splats)
    shape = np.stack([np.log(near * 0.5), np.log(near * 0.4), 0 * near], -1)
    return [wg.parameter(x) for x in (points, shape, np.c_[colours, 0 * near])]


def run(steps: int, out: Path, size: tuple[int, int] = (72, 72), splats: int = 120) -> list[float]:
    """Fit, with a picture now and then; return the mean squared error before and after."""
    photo = gallery.photograph("china.jpg", *size, box=(130, 60, 490, 420))
    target, pixels = wg.tensor(photo), wg.tensor(gallery.plane(*size))
    parameters = first(photo, splats)

    def fit() -> tuple[wg.Tensor, wg.Tensor]:
        picture = paint(pixels, *parameters)
        return (picture - target).square().mean(), picture

    step = gallery.descent(fit, parameters, lr=0.03, over=steps)
    shown, errors = [], []
    for i in range(steps):
        loss, picture = step()
        if i in (0, steps // 8, steps - 1):
            shown.append(picture)
            errors.append(loss.item())
            print(f"step {i + 1}: mean squared error {errors[-1]:.5f}")
            gallery.save(out / f"splats-{i + 1:04d}.png", picture, scale=3)
    gallery.save(out / "splats.png", gallery.beside(*shown, photo), scale=2)
    return [errors[0], errors[-1]]


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=120))
