"""Find the velocities with which bodies under their own gravity fly into the letters of a word.

    python examples/shaders/nbody.py [--device webgpu] [--steps 60] [--out pictures]

The gradient passes through the whole flight. The picture has the tracks before and after.
"""

from pathlib import Path

import gallery

import wgrad as wg

pull = wg.kernel.elementwise(gallery.HERE / "nbody.wgsl")
TIME = 1.2  # of the whole flight


def advance(x: wg.Tensor, v: wg.Tensor, mass: wg.Tensor, dt: float) -> list[wg.Tensor]:
    """Return positions and velocities, (n, 3) each, one leapfrog step later.

    Compiled, the n x n accelerations are summed as they are computed, and never in memory.
    """
    x = x + v * (dt / 2)
    v = v + pull(x[:, None], x, mass).sum(axis=1) * dt
    return [x + v * (dt / 2), v]


def fly(x: wg.Tensor, v: wg.Tensor, mass: wg.Tensor, moments: int) -> list[wg.Tensor]:
    """Return the positions at each moment."""
    track = [x]
    for _ in range(moments):
        x, v = advance(x, v, mass, TIME / moments)
        track.append(x)
    return track


def run(steps: int, out: Path, bodies: int = 96, moments: int = 24) -> list[float]:
    """Find the velocities; return the mean squared distance from the letters before and after."""
    disc, spin = gallery.disc(bodies, 1.1, 0.8)
    x, v, mass = wg.tensor(disc), wg.parameter(spin), wg.full(bodies, 1 / bodies)
    with wg.no_grad():
        before = wg.stack(fly(x, v, mass, moments)).numpy()
    goal = wg.tensor(gallery.paired(before[-1], gallery.word("wg", bodies)))
    step = gallery.descent(
        lambda: (fly(x, v, mass, moments)[-1] - goal).square().sum(axis=1).mean(),
        [v],
        lr=0.1,
        over=steps,
    )
    errors = [step().item() for _ in range(steps)]
    with wg.no_grad():
        after = wg.stack(fly(x, v, mass, moments)).numpy()
    print(f"mean squared distance {errors[0]:.4f}, then {errors[-1]:.6f}")
    gallery.save(out / "nbody.png", gallery.beside(gallery.tracks(before), gallery.tracks(after)))
    return [errors[0], errors[-1]]


if __name__ == "__main__":
    raise SystemExit(gallery.start(run, __doc__, steps=60))
