"""A page in which a character transformer learns, and writes as it learns.

    python examples/web/writer.py --serve

The text is what docs/ has to say. It lies on the GPU with the model: a step draws its own batch
there, by the random numbers that Python would draw, and takes nothing from the page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from demo import main

import wgrad as wg
from wgrad import nn, optim

BLOCK, BATCH, WIDTH, HEADS = 32, 8, 32, 2
DOCS = Path(__file__).parents[2] / "docs"


class Transformer(nn.Module):
    """Layers of attention to the letters before, from an embedding to the scores of letters."""

    def __init__(self, letters: int, layers: int):
        self.letter, self.place = nn.Embedding(letters, WIDTH), nn.Embedding(BLOCK, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(WIDTH))
        self.scores = nn.Linear(WIDTH, letters)

    def forward(self, x: wg.Tensor) -> wg.Tensor:
        """Return scores (n, time, letters) of the letter after each of x (n, time)."""
        x = self.letter(x) + self.place(wg.arange(x.shape[1]))
        return self.scores(self.layers(x, is_causal=True))


def build(folder: Path, options: Any) -> None:
    """Export a step, a test and the writing of a letter."""
    pages = "".join(p.read_text("utf-8") for p in sorted(DOCS.glob("*.md")))
    letters, numbers = np.unique(list(pages), return_inverse=True)
    last = len(numbers) * 9 // 10
    held = np.lib.stride_tricks.sliding_window_view(numbers[last:], BLOCK + 1)[:: BLOCK * 16][:16]
    text, tested = wg.tensor(numbers[:last], dtype="int32"), wg.tensor(held, dtype="int32")
    window = wg.full((1, BLOCK), int(np.flatnonzero(letters == "\n")[0]), dtype="int32")
    places, model = wg.arange(BLOCK + 1), Transformer(len(letters), options.layers)
    optimizer = optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)

    def loss_of(x: wg.Tensor) -> wg.Tensor:
        return nn.functional.cross_entropy(model(x[:, :-1]).mT, x[:, 1:])

    def train() -> dict[str, wg.Tensor]:
        loss = loss_of(text[wg.randint(0, len(text) - BLOCK, (BATCH, 1)) + places])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return {"loss": loss}

    @wg.no_grad()
    def test() -> dict[str, wg.Tensor]:
        return {"held": loss_of(tested)}

    @wg.no_grad()
    def write(temperature: float) -> None:
        drawn = wg.categorical(model(window)[:, -1:] / temperature)
        window.assign(wg.cat([window[:, 1:], drawn.astype("int32")], dim=1))

    state = {"model": model, "optimizer": optimizer, "text": text, "tested": tested}
    wg.export.web(
        {"train": train, "test": test, "write": write},
        {"train": (), "test": (), "write": (wg.tensor(0.8),)},
        folder / "model",
        state=state | {"window": window, "places": places, "rng": wg.get_rng_state()},
        title="A transformer that writes as it learns",
    )
    (folder / "letters.json").write_text(json.dumps("".join(letters)), "utf-8")
    size = sum(p.size for p in model.parameters())
    print(f"{len(numbers):,} letters, {len(letters)} of them different; {size:,} parameters")


if __name__ == "__main__":
    sys.exit(main(build, layers=2))
