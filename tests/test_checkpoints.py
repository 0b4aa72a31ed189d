"""Checkpoints of wg.fit: what is in them, how runs go on from them, and files that are none."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest
from test_fit import Case

import wgrad as wg
from wgrad import nn, optim
from wgrad.data import DataLoader
from wgrad.errors import ArgumentError, DTypeError
from wgrad.train import Callback
from wgrad.train import checkpoint as files


def test_nested_state_comes_back_as_it_was(device, tmp_path):
    shared = wg.arange(3)
    state = {
        "t": [wg.ones((2, 2)), shared, (shared, None)],
        "numbers": {"a": 2**64 - 1, "b": 0.1, "c": float("nan"), "d": True, 3: -1},
        "$odd": [],
        "s": "text",
        "np": np.float32(0.5),
    }
    files.write(tmp_path / "x", state)
    found = files.read(tmp_path / "x")
    assert found["t"][0].tolist() == [[1, 1], [1, 1]] and found["t"][1] is found["t"][2][0]
    assert found["t"][1].dtype is wg.int32 and found["t"][2][1] is None
    numbers = found["numbers"]
    assert numbers.pop("c") != 0 and numbers == {"a": 2**64 - 1, "b": 0.1, "d": True, 3: -1}
    assert found["$odd"] == [] and found["s"] == "text" and found["np"] == 0.5
    with pytest.raises(DTypeError, match=r"at 'a\.1', .*object"):
        files.write(tmp_path / "x", {"a": [1, object()]})
    assert files.read(tmp_path / "x")["s"] == "text"
    assert os.listdir(tmp_path) == ["x"]


class Counting(Callback):
    """Has state of its own."""

    def __init__(self) -> None:
        self.count = 0

    def on_epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
        self.count += 1

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count = state["count"]


def run(epochs: int, path: Any) -> tuple[Case, Counting, Any]:
    case, counting, dice = Case(optim.Adam), Counting(), wg.Generator(8)
    flip = wg.data.transforms.RandomHorizontalFlip(generator=dice)

    def turned(x: Any) -> Any:
        return flip(x.reshape((-1, 1, 1, 3))).flatten(1)

    case.loader = DataLoader(case.data, 8, shuffle=True)  # by the global stream
    history = case.fit(
        epochs, augment=turned, state=[dice], callbacks=counting, checkpoint=path,
        scheduler=optim.lr_scheduler.StepLR(case.optimizer, 2, gamma=0.5), patience=50,
    )  # fmt: skip
    return case, counting, history


def test_a_run_goes_on_to_the_same_bits(device, tmp_path):
    whole, _, first = run(5, None)
    run(2, tmp_path / "run")
    wg.manual_seed(99)
    case, counting, history = run(5, tmp_path / "run")
    assert dict(history) == dict(first) and history.best == first.best
    assert case.bits == whole.bits and counting.count == 5
    assert wg.get_rng_state()[0] == 1
    _, _, again = run(5, tmp_path / "run")
    assert dict(again) == dict(first) and again.stopped == "finished"


class Press(Callback):
    """Presses Ctrl-C after a step."""

    def __init__(self, epoch: int, step: int):
        self.at = epoch, step

    def on_step_end(self, run: Any) -> None:
        if (run.epoch, run.step) == self.at:
            signal.raise_signal(signal.SIGINT)


def interrupted(kind: str, at: tuple[int, int], path: Any, device: Any) -> tuple[Any, Any]:
    """Return the bits and the history of a run, which Ctrl-C may end once or twice."""
    case = Case(optim.Adam, 4)  # five batches
    case.model.append(nn.Dropout(0.1))
    more: dict[str, Any] = {"read_every": 2, "accumulate": 2 if kind == "waiting" else 1}
    if kind == "list":
        case.loader = list(DataLoader(case.data, 4))
    elif kind == "global":
        case.loader = DataLoader(case.data, 4, shuffle=True)
    history = case.fit(3, checkpoint=path, callbacks=Press(*at), **more)
    return case.bits, history


@pytest.mark.parametrize("kind", ["own", "waiting", "list", "global"])
def test_a_run_goes_on_from_where_it_was_interrupted(device, tmp_path, kind):
    if device.name != "numpy" and kind != "own":
        pytest.skip("one is enough there")
    bits, whole = interrupted(kind, (9, 9), None, device)
    for step in (3, 5) if kind != "waiting" else (1, 3):
        path = tmp_path / f"{step}"
        _, first = interrupted(kind, (2, step), path, device)
        assert first.stopped == f"interrupted: in epoch 2, step {step}" and first.epochs == 1
        _, second = interrupted(kind, (3, 1), path, device)
        assert second.stopped == "interrupted: in epoch 3, step 1" and second.epochs == 2
        wg.manual_seed(7)
        found, third = interrupted(kind, (9, 9), path, device)
        assert found == bits and dict(third) == dict(whole) and third.stopped == "finished"


def test_what_a_killed_run_left_behind_goes(numpy_device, tmp_path):
    path, case = tmp_path / "run", Case()
    case.fit(1, checkpoint=path)
    litter, other = tmp_path / ".run.0123456789ab.part", tmp_path / ".run.other.part"
    litter.write_bytes(b"half")
    other.write_bytes(b"of somebody else")
    case.fit(2, checkpoint=path)
    assert not litter.exists() and other.exists()


def test_checkpoints_of_another_model_list_all_that_differs(numpy_device, tmp_path):
    path = tmp_path / "run"
    case = Case()
    case.fit(1, checkpoint=path)
    other = Case()
    other.model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2, bias=False), nn.PReLU())
    other.optimizer = optim.SGD(other.model.parameters(), lr=0.1)
    before = other.bits
    with pytest.raises(ArgumentError, match="is of another model: ") as caught:
        other.fit(1, checkpoint=path)
    for told in ("4, 3), and (5, 3)", "4,), and (5,)", "2, 4), and (2, 5)", "bias (2,) is not in"):
        assert told in str(caught.value)
    assert str(caught.value).count("is missing") == 1 and "\n" not in str(caught.value)
    rule = Case(optim.Adam)
    with pytest.raises(ArgumentError, match="of a run with SGD, and Adam came"):
        rule.fit(1, checkpoint=path)
    with pytest.raises(ArgumentError, match="has no state of a validation, and one came"):
        case.fit(2, checkpoint=path, validation=DataLoader(case.data, 4))
    with pytest.raises(ArgumentError, match="of 0 other objects, and 1 came"):
        case.fit(2, checkpoint=path, state=[wg.Generator(1)])
    with pytest.raises(ArgumentError, match="0 callbacks, and 1 that have one came"):
        case.fit(2, checkpoint=path, callbacks=Counting())
    assert other.bits == before
    history = Case(optim.Adam).fit(1, checkpoint=path, resume=False)  # begins anew
    assert history.epochs == 1


def test_files_that_are_broken_or_foreign_say_so(numpy_device, tmp_path):
    path = tmp_path / "run"
    case = Case()
    case.fit(1, checkpoint=path)
    data = path.read_bytes()
    for wrong in (data[:-40], data[: len(data) // 2], b"", b"text", data[:200] + b"x" * 40):
        path.write_bytes(wrong)
        with pytest.raises(ArgumentError, match="no checkpoint, or broken"):
            case.fit(2, checkpoint=path)
        assert path.read_bytes() == wrong
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    with pytest.raises(ArgumentError, match="no checkpoint"):
        case.fit(2, checkpoint=tmp_path / "arrays.npz")
    for other in ([1], {"format": 1}, {"w": wg.ones(2)}):
        files.write(path, other)
        with pytest.raises(ArgumentError, match="no checkpoint of fit"):
            case.fit(2, checkpoint=path)


def test_a_disk_that_is_full_costs_nothing_but_the_file(numpy_device, tmp_path, monkeypatch):
    path, case = tmp_path / "run", Case()
    case.fit(1, checkpoint=path)
    kept = path.read_bytes()

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.warns(UserWarning, match=r"could not be written after epoch 2 .*No space left"):
        history = case.fit(2, checkpoint=path)
    assert history.epochs == 2 and path.read_bytes() == kept and os.listdir(tmp_path) == ["run"]


def test_callbacks_without_a_state_may_come_and_go(numpy_device, tmp_path):
    class Watch(wg.train.Callback):
        pass

    for epochs, callbacks in ((1, [Watch()]), (2, ()), (3, [Watch(), Watch()])):
        model = wg.nn.Linear(2, 1, seed=0)
        batches = [(wg.ones((4, 2)), wg.zeros((4, 1)))]
        history = wg.fit(
            model, batches, wg.mse_loss, wg.optim.SGD(model.parameters()), epochs,
            callbacks=callbacks, checkpoint=tmp_path / "run", progress=False,
        )  # fmt: skip
        assert history["epoch"] == list(range(1, epochs + 1))
