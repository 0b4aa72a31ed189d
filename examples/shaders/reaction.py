"""Grow a pattern of reaction and diffusion: a compute kernel, many steps in one replay.

python examples/shaders/reaction.py [--device webgpu] [--steps 4000] [--out pictures]
"""

from pathlib import Path

import gallery
import numpy as np

import wgrad as wg

TOGETHER = 20  # steps in one replay


def seeded(height: int, width: int) -> np.ndarray:
    """Return food everywhere, (height, width, 2), and some spots of what eats it."""
    state = np.tile([1.0, 0.0], (height, width, 1))
    places = np.random.default_rng(3).uniform(0.1, 0.9, (12, 2)) * [height, width]
    for y, x in places.astype(int):
        state[y - 3 : y + 3, x - 3 : x + 3] = [0.5, 0.35]
    return state


def run(steps: int, out: Path, height: int = 128, width: int = 192) -> np.ndarray:
    """Run for at least `steps` steps of time; return the share of v in each cell."""
    react = wg.kernel.compute(
        gallery.HERE / "reaction.wgsl", outputs={"after": "before"}, threads=(width, height)
    )
    settings = dict(feed=0.037, kill=0.06, spread=(0.6, 0.3), dt=1.0, size=(width, height))

    @wg.compile
    def later(state: wg.Tensor) -> wg.Tensor:
        for _ in range(TOGETHER):
            state = react(state, **settings)
        return state

    state = wg.tensor(seeded(height, width))
    for _ in range(0, steps, TOGETHER):
        state = later(state)
    v = state.numpy()[..., 1]
    print(f"v fills {(v > 0.15).mean():.0%} of the plane")
    share = np.clip(v / 0.34, 0, 1)[..., None]
    stops = np.array([[0.03, 0.05, 0.16], [0.1, 0.35, 0.5], [0.95, 0.75, 0.35], [1, 0.97, 0.9]])
    colours = [np.interp(share[..., 0], [0, 0.35, 0.75, 1], stops[:, i]) for i in range(3)]
    gallery.save(out / "reaction.png", np.stack(colours, -1), scale=2)
    return v


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=4000))
