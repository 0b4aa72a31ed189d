"""Draw the Mandelbrot set: a loop that ends when the point says so, and no gradient.

python examples/shaders/mandelbrot.py [--device numpy] [--steps 600] [--out pictures]
"""

from pathlib import Path

import gallery

import wgrad as wg

mandelbrot = wg.kernel.elementwise(gallery.HERE / "mandelbrot.wgsl", "mandelbrot")
CENTRE, HEIGHT = (-0.7453, 0.1127), 0.0065


def run(steps: int, out: Path, height: int = 160, width: int = 240) -> wg.Tensor:
    """Draw with at most `steps` iterations a point; return the pixels."""
    fine = wg.tensor(gallery.plane(2 * height, 2 * width)) * (HEIGHT / 2) + wg.tensor(CENTRE)
    colours = mandelbrot(fine, steps)
    pixels = colours.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))  # four points a pixel
    gallery.save(out / "mandelbrot.png", pixels)
    return pixels


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=600))
