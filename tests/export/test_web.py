"""wg.export.web: what a browser computes of an export is what Python computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim

from .browser import Browser, PageError

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
for (const [x, y] of given.batches) { m.step("train", {x, y}); losses.push((await m.read("loss"))[0]); }
"""


@pytest.mark.parametrize(("kind", "settings"), [(optim.Adam, {"lr": 0.02}), (optim.SGD, {"lr": 0.1, "momentum": 0.9})])
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
        theirs = wg.load(tmp_path / "page.safetensors", into={"model": model, "optimizer": optimizer})
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
