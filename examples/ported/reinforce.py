"""REINFORCE: a policy learns to balance a pole on a cart, whose physics is written out here."""

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.distributions import Categorical

from .common import seeded

LENGTH = 60  # steps of an episode; after a fall its rewards are 0


def pushed(state, action):
    """Return the states (n, 4) of carts after a push to the left (0) or right (1), 20 ms later."""
    x, v, angle, spin = state.T
    force = np.where(action == 1, 10.0, -10.0)
    sine, cosine = np.sin(angle), np.cos(angle)
    push = (force + 0.05 * spin**2 * sine) / 1.1
    twist = (9.8 * sine - cosine * push) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    drive = push - 0.05 * twist * cosine / 1.1
    return np.stack([x + 0.02 * v, v + 0.02 * drive, angle + 0.02 * spin, spin + 0.02 * twist], 1)


def run(steps, wrap=lambda f: f, carts=8):
    rng = np.random.default_rng(0)
    policy = seeded(nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2)))
    optimizer = optim.Adam(policy.parameters(), lr=1e-2)

    def step(states, actions, weights):
        chosen = Categorical(logits=policy(states)).log_prob(actions)
        loss = -(chosen * weights).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    lengths = []
    for _ in range(steps):
        state, up = rng.uniform(-0.05, 0.05, (carts, 4)), np.ones(carts)
        states, actions, rewards = [], [], []
        for _ in range(LENGTH):
            seen = state.astype("float32")
            with wg.no_grad():
                chance = wg.softmax(policy(wg.tensor(seen)), dim=-1)[:, 1].numpy()
            action = (rng.uniform(size=carts) < chance).astype("int64")
            states.append(seen)
            actions.append(action)
            rewards.append(up)
            state = pushed(state, action)
            up = up * ((abs(state[:, 0]) < 2.4) & (abs(state[:, 2]) < 0.21))
        rewards = np.stack(rewards)
        returns = np.zeros_like(rewards)
        later = np.zeros(carts)
        for t in reversed(range(LENGTH)):
            later = returns[t] = rewards[t] + 0.98 * later
        weights = (returns - returns.mean()) / (returns.std() + 1e-6) * rewards
        batch = (np.concatenate(a) for a in (states, actions, weights.astype("float32")))
        step(*(wg.tensor(a) for a in batch))
        lengths.append(float(rewards.sum(0).mean()))
    return lengths
