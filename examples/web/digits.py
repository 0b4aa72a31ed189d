"""A page that recognises the digits you draw, and learns from your strokes in the browser.

    python examples/web/digits.py --serve

An MLP is trained here on the handwritten digits that scikit-learn ships, moved about as strokes on
a screen are. The step that trained it is exported beside the prediction, over one state: the page
goes on where Python stopped, and what it saves is read by wg.load.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from demo import main

import wgrad as wg
from wgrad import nn, optim

BATCH, SIDE = 32, 8  # half of a batch is drawn in the page


def moved(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images (n, 8, 8), every second of them shifted by a pixel, and fainter or stronger."""
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (SIDE, SIDE), axis=(1, 2))
    down, right = rng.choice(3, (2, len(images)), p=[0.15, 0.7, 0.15])
    chosen = windows[np.arange(len(images)), down, right]
    return np.clip(chosen * rng.uniform(0.8, 1.3, (len(images), 1, 1)), 0, 1)


def build(folder: Path, options: Any) -> None:
    """Train, and export the step and the prediction."""
    images, labels = (x.numpy() for x in wg.data.load("digits").tensors)
    images = images.reshape(-1, SIDE, SIDE)
    seen = np.arange(len(images)) % 5 > 0
    model = nn.MLP(SIDE * SIDE, [128, 10], hidden="relu", seed=options.seed)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)

    def train(x: wg.Tensor, y: wg.Tensor) -> dict[str, wg.Tensor]:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    def predict(x: wg.Tensor) -> dict[str, wg.Tensor]:
        return {"probabilities": wg.softmax(model(x), -1)}

    rng = np.random.default_rng(options.seed)
    step = wg.compile(train)
    for _ in range(options.steps):
        rows = rng.choice(np.flatnonzero(seen), BATCH)
        x = moved(images[rows], rng).reshape(BATCH, -1)
        step(wg.tensor(x, dtype="float32"), wg.tensor(labels[rows]))
    tested = wg.tensor(images[~seen].reshape(-1, SIDE * SIDE), dtype="float32")
    right = predict(tested)["probabilities"].numpy().argmax(-1) == labels[~seen]
    print(f"held out: {right.size} images, {right.mean():.2%} recognised")

    x, y = wg.zeros((BATCH, SIDE * SIDE)), wg.zeros(BATCH, dtype="int32")
    wg.export.web(
        {"train": train, "predict": predict},
        {"train": (x, y), "predict": (x[:1],)},
        folder / "model",
        state={"model": model, "optimizer": optimizer},
        title="Digits that you draw",
    )
    # Examples for the page: 64 bytes from 0 to 16, and the label.
    shades = np.rint(images[seen].reshape(-1, SIDE * SIDE) * 16)
    rows = np.concatenate([shades, labels[seen, None]], 1).astype(np.uint8)
    (folder / "digits.bin").write_bytes(rows.tobytes())


if __name__ == "__main__":
    sys.exit(main(build, steps=3000))
