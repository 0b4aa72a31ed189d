"""Recover a scene of signed distances from its silhouette.

    python examples/shaders/silhouette.py [--device webgpu] [--steps 150] [--out pictures]

The picture has the start, two moments on the way, the end and the target.
"""

from pathlib import Path

import gallery
import numpy as np

import wgrad as wg

coverage = wg.kernel.elementwise(gallery.HERE / "silhouette.wgsl", "coverage")
THREE = "a", "b", "c"  # discs, each by its middle and its radius; the rest belongs to a box
TRUE = dict(zip(THREE, ([-0.62, -0.35, 0.24], [0.12, -0.5, 0.2], [0.6, 0.42, 0.3]), strict=True))
TRUE |= {"box": [-0.05, 0.05, 0.62, 0.14], "angle": 0.55, "melt": -1.2}
START = dict(zip(THREE, ([-0.4, 0.0, 0.3], [0.0, -0.3, 0.3], [0.4, 0.0, 0.3]), strict=True))
START |= {"box": [0.0, 0.2, 0.3, 0.3], "angle": 0.1, "melt": -1.6}
SHARP = 0.01  # the softness of what is compared in the end


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the area in both silhouettes over the area in any (1 where they are the same)."""
    return float(((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum())


def run(steps: int, out: Path, size: int = 96) -> list[float]:
    """Fit, with an edge that sharpens; return the overlap before and after."""
    p = wg.tensor(gallery.plane(size, size))
    target = coverage(p, **TRUE, soft=SHARP)
    scene = {name: wg.parameter(np.array(x)) for name, x in START.items()}
    step = gallery.descent(
        lambda soft: (coverage(p, **scene, soft=soft) - target).square().mean(),
        scene.values(),
        lr=0.02,
    )
    shown = []
    for i in range(steps + 1):
        if i in (0, steps // 8, steps // 3, steps):
            with wg.no_grad():
                shown.append(coverage(p, **scene, soft=SHARP).numpy())
            print(f"step {i}: overlap {overlap(shown[-1], target.numpy()):.3f}")
        step(0.15 * (SHARP / 0.15) ** (i / steps))
    for name, x in scene.items():
        print(f"{name:>6}: {np.round(x.numpy().astype(float), 2)}, and it was {TRUE[name]}")
    colours = (0.97, 0.9, 0.75), (0.1, 0.2, 0.42)
    pictures = [gallery.blended(x, *colours) for x in (*shown, target)]
    gallery.save(out / "silhouette.png", gallery.beside(*pictures), scale=2)
    return [overlap(x, target.numpy()) for x in (shown[0], shown[-1])]


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=150))
