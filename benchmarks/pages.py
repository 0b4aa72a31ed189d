"""Exported steps in headless Chromium beside the same steps in Python, on the same adapter.

Four models train for 200 steps of their own batches: in a page on SwiftShader, with wgrad on the
SwiftShader that comes with Debian's Chromium, and on NumPy. Losses are compared bit by bit, and
drawn over each other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import wgrad as wg
from wgrad import nn, optim

STEPS = 200
PLOT = Path(__file__).parents[1] / "docs" / "pictures" / "pages.png"
DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json"
F = nn.functional


class Transformer(nn.Module):
    """Two layers that read characters, and say the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, 32)
        self.layers = nn.Sequential(
            *[nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True) for _ in "12"]
        )
        self.head = nn.Linear(32, 27)

    def forward(self, x: Any) -> Any:
        return self.head(self.layers(self.embedding(x)))


class Recurrent(nn.Module):
    """A GRU that adds up what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 24, batch_first=True)
        self.head = nn.Linear(24, 1)

    def forward(self, x: Any) -> Any:
        return self.head(self.gru(x)[0][:, -1])


def models() -> dict[str, tuple[Any, Any, Any]]:
    """Return by name a model, an optimizer, and a loss of predictions and targets."""
    wg.manual_seed(1)
    mlp = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))
    cnn = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    transformer, recurrent = Transformer(), Recurrent()
    return {
        "MLP": (mlp, optim.Adam(mlp.parameters(), lr=0.003), F.cross_entropy),
        "CNN": (cnn, optim.SGD(cnn.parameters(), lr=0.05, momentum=0.9), F.cross_entropy),
        "transformer": (
            transformer,
            optim.AdamW(transformer.parameters(), lr=0.003),
            lambda a, b: F.cross_entropy(a.reshape(-1, 27), b.reshape(-1)),
        ),
        "GRU": (recurrent, optim.Adam(recurrent.parameters(), lr=0.01), F.mse_loss),
    }


def batches(name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield a batch of inputs and targets for each step."""
    rng = np.random.default_rng(5)
    templates = rng.normal(size=(10, 8, 8))
    for _ in range(STEPS):
        y = rng.integers(0, 10, 32)
        x = templates[y] + rng.normal(size=(32, 8, 8))
        if name == "MLP":
            yield x.reshape(32, 64).astype("f4"), y.astype("i4")
        elif name == "CNN":
            yield x[:, None].astype("f4"), y.astype("i4")
        elif name == "transformer":
            starts = rng.integers(0, 27, (16, 1))
            text = (starts + 3 * np.arange(17) + (np.arange(17) % 4 == 0)) % 27
            yield text[:, :-1].astype("i4"), text[:, 1:].astype("i4")
        else:
            x = rng.normal(size=(32, 12, 4))
            yield x.astype("f4"), x[:, :, :1].mean(1).astype("f4")


def step_of(model: Any, optimizer: Any, loss_of: Any) -> Any:
    """Return a step of training."""

    def step(x: Any, y: Any) -> dict[str, Any]:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    return step


def in_python(device: str) -> dict[str, list[float]]:
    """Return the losses of compiled steps on a device."""
    losses: dict[str, list[float]] = {}
    with wg.device(device):
        for name, (model, optimizer, loss_of) in models().items():
            wg.manual_seed(2)
            step = wg.compile(step_of(model, optimizer, loss_of), state=[model, optimizer])
            losses[name] = [
                step(wg.tensor(x), wg.tensor(y))["loss"].item() for x, y in batches(name)
            ]
    return losses


def tell() -> None:
    """Print the adapter of the WebGPU device, and the losses there, as JSON."""
    (adapter,) = [x.adapter for x in wg.devices() if x.name == "webgpu"]
    print(json.dumps({"adapter": adapter, "losses": in_python("webgpu")}))


def in_a_page(folder: Path) -> dict[str, list[float]]:
    """Return the losses of exported steps in Chromium."""
    from tests.export.browser import Browser
    from wgrad.kernel.validation.chromium import program

    browser = Browser(program() or "chromium")
    losses = {}
    try:
        with wg.device("numpy"):
            for name, (model, optimizer, loss_of) in models().items():
                wg.manual_seed(2)
                rows = list(batches(name))
                path = wg.export.web(
                    step_of(model, optimizer, loss_of), rows[0], folder / name,
                    state=[model, optimizer],
                )  # fmt: skip
                losses[name] = browser.run(
                    'const { load } = await import(given.url + "wgrad.js"), losses = [];'
                    "const m = await load(given.url);"
                    "for (const [x, y] of given.rows) losses.push((await m.run({x, y})).loss[0]);"
                    "return losses;",
                    url=browser.serve(path, name), rows=rows, seconds=600,
                )  # fmt: skip
    finally:
        browser.close()
    return losses


def compared() -> tuple[str, dict[str, dict[str, list[float]]]]:
    """Return a table in Markdown, and the losses by place and model."""
    code = "from benchmarks import pages; pages.tell()"
    drivers = {"VK_DRIVER_FILES": DRIVER, "VK_ICD_FILENAMES": DRIVER}
    child = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **drivers}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    told = json.loads(child.stdout.splitlines()[-1])
    with tempfile.TemporaryDirectory() as folder:
        places = {
            "page": in_a_page(Path(folder)),
            f"Python, {told['adapter'].partition(' (')[0]}": told["losses"],
            "Python, NumPy": in_python("numpy"),
        }
    rows = [
        "| model | first loss | last | against | equal bits | first that differs | at most |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, page in places["page"].items():
        for place in list(places)[1:]:
            a, b = (np.array(x, np.float32) for x in (page, places[place][name]))
            ulp = np.abs(a.view(np.int32).astype(np.int64) - b.view(np.int32))
            first = next((str(i) for i, x in enumerate(ulp) if x), "none")
            rows.append(
                f"| {name} | {a[0]:.4f} | {a[-1]:.4f} | {place} | {np.mean(ulp == 0):.0%} "
                f"| {first} | {ulp.max()} ulp, {np.max(np.abs(a - b) / np.abs(b)):.1e} |"
            )
    return "\n".join(rows), places


def draw(places: dict[str, dict[str, list[float]]], path: Path = PLOT) -> None:
    """Draw the losses over each other. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(places["page"])
    figure, axes = pyplot.subplots(1, len(names), figsize=(3.2 * len(names), 2.8))
    for axis, name in zip(axes, names, strict=True):
        for (place, losses), (color, width) in zip(
            places.items(), (("#bbbbbb", 5.0), ("#1f77b4", 1.8), ("#d62728", 0.7)), strict=True
        ):
            axis.plot(losses[name], color=color, linewidth=width, label=place)
        axis.set_title(name)
        axis.set_xlabel("step")
    axes[0].set_ylabel("loss")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
