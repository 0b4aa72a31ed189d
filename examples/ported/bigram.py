"""makemore, the first model: a table of scores for each pair of letters."""

import wgrad as wg
from wgrad.nn import functional as F

from .common import contexts


def run(steps, wrap=lambda f: f):
    x, y = (wg.tensor(a) for a in contexts(1))
    W = wg.zeros(27, 27, requires_grad=True)

    def step():
        logits = F.one_hot(x[:, 0], 27).float() @ W
        loss = F.cross_entropy(logits, y) + 0.01 * (W**2).mean()
        W.grad = None
        loss.backward()
        with wg.no_grad():
            W.sub_(W.grad, alpha=50.0)
        return loss.detach()

    step = wrap(step)
    return [step().item() for _ in range(steps)]
