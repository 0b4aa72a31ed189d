"""A physics-informed network: u'' = -u on 0 to pi with u(0) = 0, u'(0) = 1, whose answer is sin."""

import math

import wgrad as wg
from wgrad import nn, optim

from .common import seeded


def run(steps, wrap=lambda f: f):
    x = wg.linspace(0, math.pi, 40).unsqueeze(1)
    net = seeded(
        nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    )
    optimizer = optim.Adam(net.parameters(), lr=1e-2)

    def slope(u, x):
        return wg.autograd.grad(u, x, wg.ones_like(u), create_graph=True)[0]

    def step():
        at, start = x.clone().requires_grad_(True), wg.zeros(1, 1, requires_grad=True)
        u, u0 = net(at), net(start)
        residual = (slope(slope(u, at), at) + u).square().mean()
        loss = residual + u0.square().sum() + (slope(u0, start) - 1).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    return [step().item() for _ in range(steps)]
