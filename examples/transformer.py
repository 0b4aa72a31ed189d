"""Train a small transformer on the pages of docs/, letter by letter, and let it write.

    python examples/transformer.py [--device webgpu] [--steps 2500] [--letters 300] [--seed 0]

A causal mask keeps it from looking ahead. The picture has the losses, and text that was held out,
the greener, the more probable the model found it. Exits with 1 when the loss there is above 2.3.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import Goal, main, panels

import wgrad as wg
from wgrad import nn, optim

BLOCK, BATCH, WIDTH, HEADS, LAYERS = 32, 8, 32, 2, 2
GOAL = Goal("held-out loss in nats a letter", most=2.3, form=".3f")


class Transformer(nn.Module):
    """Layers of attention to the letters before, from an embedding to the scores of letters."""

    def __init__(self, letters: int):
        self.letter, self.place = nn.Embedding(letters, WIDTH), nn.Embedding(BLOCK, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 2 * WIDTH, dropout=0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH))
        self.scores = nn.Linear(WIDTH, letters)

    def forward(self, x: wg.Tensor) -> wg.Tensor:
        """Return scores (n, time, letters) of the letter after each of x (n, time)."""
        x = self.letter(x) + self.place(wg.arange(x.shape[1]))
        return self.scores(self.layers(x, is_causal=True))


def read() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the letters in use, and by their numbers the text to learn and rows held out."""
    texts = [p.read_text("utf-8") for p in sorted(Path(__file__).parents[1].glob("docs/*.md"))]
    seen = "".join(text[: len(text) * 9 // 10] for text in texts)
    held = "".join(text[len(text) * 9 // 10 :] for text in texts)
    letters, numbers = np.unique(list(seen + held), return_inverse=True)
    rows = np.lib.stride_tricks.sliding_window_view(numbers[len(seen) :], BLOCK + 1)[::BLOCK]
    return letters, numbers[: len(seen)], rows


def run(options: Any) -> tuple[float, Any]:
    """Train, write before and after, and return the loss on held-out text, and a picture."""
    letters, seen, held = read()
    text, places, model = wg.tensor(seen), wg.arange(BLOCK + 1), Transformer(len(letters))
    optimizer = optim.AdamW(model.parameters(), lr=8e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=options.steps)

    def losses(x: wg.Tensor) -> wg.Tensor:  # (n, t + 1) -> (n, t), for every letter but the first
        return nn.functional.cross_entropy(model(x[:, :-1]).mT, x[:, 1:], reduction="none")

    @wg.compile
    def step() -> wg.Tensor:
        loss = losses(text[wg.randint(0, len(text) - BLOCK, (BATCH, 1)) + places]).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    # Letters x without the first, and with a new one that is drawn by its scores.
    write = wg.compile(lambda x: wg.cat([x[:, 1:], wg.categorical(model(x)[:, -1:])], dim=1))

    def sample() -> str:
        rows = [wg.tensor(held[-1:, 1:])]
        for _ in range(options.letters):
            rows.append(write(rows[-1]))
        return "".join(letters[wg.cat(rows)[1:, -1].numpy()])

    print(f"at first it writes:\n{sample()}\n")
    curve = []
    for _ in range(options.steps):
        curve.append(step().item())
        schedule.step()
    print(f"after {options.steps} steps it writes:\n{sample()}\n")
    tested = losses(wg.tensor(held)).detach().numpy()
    figure, (left, right) = panels(1, 2, 11, 3.6)
    left.plot(curve, lw=0.5, alpha=0.5)
    left.plot(np.convolve(curve, np.ones(50) / 50, "valid"), color="C0")
    left.set(title=f"loss in nats a letter; held out: {tested.mean():.2f}", xlabel="step")
    right.imshow(np.exp(-tested[-6:]), cmap="Greens", vmin=0, vmax=1.3, aspect="auto")
    for (row, column), number in np.ndenumerate(held[-6:, 1:]):
        right.text(column, row, letters[number], ha="center", va="center", family="monospace")
    right.set(title="held-out text, by the probability it was given", xticks=[], yticks=[])
    return tested.mean().item(), figure


if __name__ == "__main__":
    sys.exit(main(run, GOAL, steps=2500, letters=300))
