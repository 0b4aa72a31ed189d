"""wg.export.web: what a browser computes of an export is what Python computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim

from . import native

LOAD = 'const { load } = await import(given.url + "wgrad.js"); const m = await load(given.url);'


def mlp(kind: Any, **settings: Any) -> tuple[Any, Any, Any]:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 3))
    optimizer = kind(model.parameters(), **settings)

    def train(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    return model, optimizer, train


@pytest.fixture
def batches(rng):
    return [
        (rng.normal(size=(16, 6)).astype("f4"), rng.integers(0, 3, 16).astype("i4"))
        for _ in range(5)
    ]


TRAIN = """
const losses = [];
for (const [x, y] of given.batches) {
  m.step("train", {x, y});
  losses.push((await m.read("loss"))[0]);
}
"""


@pytest.mark.parametrize(
    ("kind", "settings"), [(optim.Adam, {"lr": 0.02}), (optim.SGD, {"lr": 0.1, "momentum": 0.9})]
)
def test_training_goes_on_from_the_page_in_python(chromium, tmp_path, batches, kind, settings):
    """Five steps in the page and five in Python are ten steps in Python."""
    with wg.device("numpy"):
        wg.manual_seed(11)
        model, optimizer, train = mlp(kind, **settings)
        state = {"model": model, "optimizer": optimizer, "rng": wg.get_rng_state()}
        example = dict(zip("xy", batches[0], strict=True))
        before = wg.get_rng_state(), optimizer.state_dict()
        folder = wg.export.web(
            {"train": train, "predict": model}, {"train": example, "predict": {"x": example["x"]}},
            tmp_path / "page", state=state,
        )  # fmt: skip
        assert (wg.get_rng_state(), optimizer.state_dict()) == before  # nothing has run
        url = chromium.serve(folder, f"roundtrip-{kind.__name__}")
        losses, saved = chromium.run(
            f"{LOAD}{TRAIN} return [losses, await m.state()];", url=url, batches=batches
        )
        expected = [train(*map(wg.tensor, batch))["loss"].item() for batch in batches]
        np.testing.assert_allclose(losses, expected, rtol=1e-5)
        wg.save({**state, "rng": wg.get_rng_state()}, tmp_path / "python.safetensors")
        (tmp_path / "page.safetensors").write_bytes(saved)
        ours = wg.load(tmp_path / "python.safetensors")
        theirs = wg.load(
            tmp_path / "page.safetensors", into={"model": model, "optimizer": optimizer}
        )
        assert ours["rng"] == theirs["rng"] == wg.get_rng_state()
        assert ours["optimizer"]["param_groups"] == theirs["optimizer"]["param_groups"]
        wg.set_rng_state(theirs["rng"])
        # The page goes on from Python's file, and both go on alike.
        after = chromium.run(
            f"{LOAD} await m.restore(given.state); {TRAIN} return [losses, await m.state()];",
            url=url, batches=batches, state=(tmp_path / "python.safetensors").read_bytes(),
        )  # fmt: skip
        expected = [train(*map(wg.tensor, batch))["loss"].item() for batch in batches]
        np.testing.assert_allclose(after[0], expected, rtol=1e-5)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 9)

    def forward(self, x):
        return self.head(self.layer(self.embedding(x)))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1])


def images(rng):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(8, 3),
    )  # fmt: skip
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, dampening=0.5)
    x = rng.normal(size=(4, 1, 6, 6)).astype("f4")
    return model, optimizer, nn.functional.cross_entropy, x, rng.integers(0, 3, 4).astype("i4")


def texts(rng):
    model = Attention()
    text = rng.integers(0, 9, (2, 6)).astype("i4")
    loss = lambda a, b: nn.functional.cross_entropy(a.reshape(-1, 9), b.reshape(-1))  # noqa: E731
    return model, optim.AdamW(model.parameters(), lr=0.01), loss, text[:, :-1], text[:, 1:]


def sequences(rng):
    model = Recurrent()
    x, y = rng.normal(size=(4, 5, 3)).astype("f4"), rng.normal(size=(4, 1)).astype("f4")
    return model, optim.RAdam(model.parameters(), lr=0.01), nn.functional.mse_loss, x, y


@pytest.mark.parametrize("made", [images, texts, sequences], ids=lambda f: f.__name__)
def test_models_train_as_numpy_does(chromium, tmp_path, rng, made):
    """Three steps of training, then predictions of what they have trained."""
    with wg.device("numpy"):
        wg.manual_seed(5)
        model, optimizer, loss_of, x, y = made(rng)

        def train(x, y):
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        programs, given = {"train": train}, {"train": (x, y)}
        if made is images:  # whose normalization evaluates otherwise
            programs["predict"], given["predict"] = model, (x,)
        folder = wg.export.web(
            programs, given, tmp_path / "page", state=[model, optimizer], schedule=20
        )
        url = chromium.serve(folder, made.__name__)
        test = chromium.run(f"{LOAD} return await m.selftest();", url=url)
        assert test["ok"] and test["worst"] < 1e-5 and len(test["rows"]) == 3 * len(programs)


def test_bits_are_those_of_the_same_adapter(chromium, tmp_path):
    """Twenty steps with dropout on SwiftShader, in Chromium and in Python: `native.py`."""
    driver = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
    if not driver.is_file():
        pytest.skip("Chromium's SwiftShader is no driver here")
    files = dict.fromkeys(("VK_DRIVER_FILES", "VK_ICD_FILENAMES"), str(driver))
    child = subprocess.Popen(
        [sys.executable, native.__file__], env={**os.environ, **files}, stdout=subprocess.PIPE
    )
    with child, wg.device("numpy"):
        model, optimizer, train = native.made()
        rows = native.batches()
        folder = wg.export.web(train, rows[0], tmp_path / "page", state=[model, optimizer])
        losses = chromium.run(
            f"""{LOAD} const losses = [];
            for (const [x, y] of given.rows) losses.push((await m.run({{x, y}})).out[0]);
            return losses;""",
            url=chromium.serve(folder, "bits"), rows=rows,
        )  # fmt: skip
        adapter, expected = json.loads(child.communicate(timeout=120)[0])
    assert adapter.startswith("SwiftShader")
    assert losses == expected
