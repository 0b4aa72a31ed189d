"""Balance a pole on a cart by REINFORCE: what went better than usual is done more often.

    python examples/cartpole.py [--device webgpu] [--updates 100] [--seed 0] [--output folder]

A policy pushes the cart to the left or to the right, 50 times a second, for 4 seconds or until the
pole leans by more than 12 degrees or the cart has gone 2.4 m. All of an update is one compiled step
on the device: 16 episodes (`wg.scan`), their returns, the gradient and the step of Adam.
Exits with 1 when the last 10 updates' episodes are shorter than 150 pushes on average.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from common import Goal, main, panels

import wgrad as wg
from wgrad import nn, optim
from wgrad.distributions import Categorical

CARTS, PUSHES, KEPT = 16, 200, 0.99
GOAL = Goal("pushes until the end, of 200", least=150, form=".0f")


def pushed(state: wg.Tensor, action: wg.Tensor) -> wg.Tensor:
    """Return where carts (n, 4) are 20 ms after a push to the left (0) or to the right (1).

    A cart of 1 kg, a pole of 0.1 kg and 1 m, 10 N: Barto, Sutton and Anderson (1983).
    """
    _, v, angle, spin = state.unbind(1)
    force = 20.0 * action - 10.0
    sine, cosine = angle.sin(), angle.cos()
    push = (force + 0.05 * spin**2 * sine) / 1.1
    twist = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    drive = push - 0.05 * twist * cosine / 1.1
    return state + 0.02 * wg.stack([v, drive, spin, twist], dim=1)


def play(policy: nn.Module, carry: Any) -> tuple[Any, Any]:
    """Push every cart that stands once; return (states, stand), and what was seen, done and won."""
    state, stands = carry
    action = Categorical(logits=policy(state)).sample()
    after = pushed(state, action)
    inside = (after[:, 0].abs() < 2.4) & (after[:, 2].abs() < np.radians(12))
    return (wg.where(stands[:, None], after, state), stands & inside), (state, action, stands)


def later(total: wg.Tensor, reward: wg.Tensor) -> tuple[wg.Tensor, wg.Tensor]:
    """Return what comes of a push, twice: its reward, and nearly all that comes of the next."""
    total = reward + KEPT * total
    return total, total


def run(options: Any) -> tuple[float, Any]:
    """Train, and return how long the last episodes were, and a picture."""
    policy = nn.MLP(4, [32, 2], hidden="relu")
    optimizer = optim.Adam(policy.parameters(), lr=0.02)

    @wg.compile
    def update() -> tuple[wg.Tensor, wg.Tensor]:
        with wg.no_grad():
            start = wg.uniform(-0.05, 0.05, (CARTS, 4)), wg.ones(CARTS, dtype=bool)
            _, played = wg.scan(lambda carry, _: play(policy, carry), start, length=PUSHES)
            states, actions, stands = played
            _, returns = wg.scan(later, wg.zeros(CARTS), stands.float(), reverse=True)
            better = (returns - returns.mean()) / (returns.std() + 1e-6)
        chosen = Categorical(logits=policy(states)).log_prob(actions)
        loss = -(chosen * better * stands).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return stands.sum(0), states[..., 2]

    lengths, angles = [], []
    for i in range(options.updates):
        length, angle = (x.numpy() for x in update())
        lengths.append(length)
        angles.append(np.degrees(angle))
        if (i + 1) % 20 == 0:
            print(f"update {i + 1:4d}: {np.mean(lengths[-20:]):.0f} pushes")
    found = np.mean(lengths[-10:]).item()

    figure, (left, right) = panels(1, 2, 11, 3.4)
    left.fill_between(range(len(lengths)), np.min(lengths, 1), np.max(lengths, 1), alpha=0.25, lw=0)
    left.plot(np.mean(lengths, 1))
    left.set(
        title=f"pushes until the end: {found:.0f} at last", xlabel="update", ylim=(0, PUSHES + 5)
    )
    right.plot(np.arange(PUSHES) / 50, angles[0], color="0.75", lw=0.8)
    right.plot(np.arange(PUSHES) / 50, angles[-1], color="C0", lw=0.8)
    right.set(title="angle of the poles in degrees, first (gray) and last", xlabel="seconds")
    return found, figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, updates=100))
