"""wg.fit: the bits of a loop by hand, what it measures, when it stops, and what it refuses."""

from __future__ import annotations

import csv
import gc
import glob
import inspect
import json
import math
import signal
import sys
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.data import DataLoader, TensorDataset
from wgrad.errors import ArgumentError, MissingDependencyError, ShapeError
from wgrad.train import Callback
from wgrad.train.stepping import Steps


class Case:
    """A small classifier with its batches: the same numbers each time it is made."""

    def __init__(self, rule: Any = optim.SGD, batch: int = 8, **more: Any):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((20, 3)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int32)
        wg.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        self.data = TensorDataset(wg.tensor(x), wg.tensor(y))
        self.loader = DataLoader(self.data, batch, shuffle=True, generator=wg.Generator(5))
        self.optimizer = rule(self.model.parameters(), lr=0.1, **more)

    def fit(self, *args: Any, **more: Any) -> wg.train.History:
        more = {"progress": False, **more}
        return wg.fit(self.model, self.loader, wg.cross_entropy, self.optimizer, *args, **more)

    @property
    def bits(self) -> list[bytes]:
        return [x.numpy().tobytes() for x in self.model.parameters()]


def by_hand(case: Case, epochs: int, compiled: bool) -> list[float]:
    """Train as one would without fit; return the mean losses."""

    def step(x: Any, y: Any) -> Any:
        case.optimizer.zero_grad()
        loss = wg.cross_entropy(case.model(x), y)
        loss.backward()
        case.optimizer.step()
        return loss

    if compiled:
        step = wg.compile(step, state=[case.model, case.optimizer])
    found = []
    for _ in range(epochs):
        total = sum(step(x, y).item() * x.shape[0] for x, y in case.loader)
        found.append(total / 20)
    return found


@pytest.mark.parametrize("compiled", [True, False])
def test_fit_gives_the_bits_of_a_loop_by_hand(compiled, device):
    if device.name != "numpy" and not compiled:
        pytest.skip("one way is enough there")
    ours, plain = Case(optim.Adam), Case(optim.Adam)
    history = ours.fit(3, compile=compiled, read_every=2)
    losses = by_hand(plain, 3, compiled)
    assert ours.bits == plain.bits
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)
    assert history["epoch"] == [1, 2, 3] and history.stopped == "finished"
    assert history.best.epoch == 3 and history["lr"] == [0.1] * 3


def test_rows_are_taken_inside_the_compiled_step(device):
    class Other(Callback):
        """Goes over to other data in the midst of a run."""

        def on_epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
            if run.epoch == 1:
                x, y = run.loader.dataset.tensors
                run.loader.dataset = TensorDataset(x * 2, y)

    class Apart(DataLoader):
        def __iter__(self) -> Any:
            return super().__iter__()

    cases = [Case(), Case()]
    loader = Apart(cases[1].data, 8, shuffle=True, generator=wg.Generator(5))
    assert cases[0].loader.tables() and loader.tables() is None
    cases[1].loader = loader
    losses = [case.fit(3, callbacks=Other())["loss"] for case in cases]
    assert losses[0] == losses[1] and cases[0].bits == cases[1].bits


def test_labels_that_are_no_class_are_told_of(device):
    case = Case()
    case.data.tensors[1].assign(case.data.tensors[1] + 1)
    with pytest.raises(wg.errors.IndexRangeError, match="2"):
        case.fit(1)


def test_metrics_and_validation_are_means_over_samples(numpy_device):
    case = Case()
    case.model.train()
    val = DataLoader(case.data, 6)

    def half(output: Any, target: Any) -> Any:
        return output.mean() * 0 + 0.5

    history = case.fit(2, validation=val, metrics=["accuracy", half])
    logits = case.model(case.data.tensors[0]).numpy()
    labels = case.data.tensors[1].numpy()
    assert history["val_accuracy"][-1] == pytest.approx(np.mean(logits.argmax(1) == labels))
    shifted = logits.astype(float) - logits.max(1, keepdims=True)
    expected = -(shifted - np.log(np.exp(shifted).sum(1, keepdims=True)))[range(20), labels].mean()
    assert history["val_loss"][-1] == pytest.approx(expected, rel=1e-5)
    assert history["half"] == history["val_half"] == [0.5, 0.5]
    assert case.model.training and history.best.name == "val_loss"
    assert "val_loss" in repr(history)


def test_batches_of_numpy_arrays_are_those_of_tensors(numpy_device):
    arrays, tensors = Case(), Case()
    rows = tensors.data[np.arange(20)]
    tensors.loader = [rows]
    arrays.loader = [tuple(x.numpy().astype(kind) for x, kind in zip(rows, "dl", strict=True))]
    assert arrays.fit(2, validation=arrays.loader)["loss"] == tensors.fit(2)["loss"]
    assert arrays.bits == tensors.bits


def test_losses_by_name_clipping_and_forward(numpy_device):
    case = Case()

    def losses(output: Any, target: Any) -> dict[str, Any]:
        main = wg.cross_entropy(output, target)
        penalty = output.square().mean()
        return {"loss": main + 0.1 * penalty, "penalty": penalty}

    def forward(model: Any, batch: Any) -> Any:
        return model(batch["x"]), batch["y"]

    batches = [{"x": x, "y": y} for x, y in DataLoader(case.data, 10)]
    before = [p.numpy() for p in case.model.parameters()]
    kind: dict[str, Any] = {"forward": forward, "progress": False}
    history = wg.fit(case.model, batches, losses, case.optimizer, 1, clip_norm=1e-3, **kind)
    moved = [p.numpy() - b for p, b in zip(case.model.parameters(), before, strict=True)]
    length = math.sqrt(sum(float((m * m).sum()) for m in moved))
    assert 1e-4 < length <= 2 * 0.1 * 1e-3 * 1.001  # two steps at rate 0.1
    assert list(history) == ["epoch", "loss", "penalty", "lr"]
    before = [p.numpy() for p in case.model.parameters()]
    wg.fit(case.model, batches, losses, case.optimizer, 1, clip_value=1e-4, **kind)
    for p, b in zip(case.model.parameters(), before, strict=True):
        assert np.abs(p.numpy() - b).max() <= 2 * 0.1 * 1e-4 * 1.01


def test_accumulated_batches_make_one_step(numpy_device):
    ours, plain = Case(batch=5), Case(batch=10)
    for case in (ours, plain):
        case.loader = DataLoader(case.data, case.loader.batch_size)
        case.fit(2, accumulate=2 if case is ours else 1)
    for a, b in zip(ours.model.parameters(), plain.model.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


class InARow(wg.data.IterableDataset):
    """Samples of another dataset, whose number nobody knows."""

    def __init__(self, samples: Any):
        self.samples = samples

    def __iter__(self) -> Any:
        return iter(self.samples)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
def test_the_last_batches_of_an_epoch_step_by_their_own_mean(numpy_device, compiled, known):
    ours, plain = Case(batch=5), Case(batch=5)
    batches = list(DataLoader(ours.data, 5))[:3]
    samples = InARow([ours.data[i] for i in range(15)])
    ours.loader = batches if known else DataLoader(samples, 5)
    ours.fit(1, accumulate=2, compile=compiled)
    for part in (batches[:2], batches[2:]):
        plain.optimizer.zero_grad()
        for x, y in part:
            (wg.cross_entropy(plain.model(x), y) / len(part)).backward()
        plain.optimizer.step()
    for a, b in zip(ours.model.parameters(), plain.model.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


def test_images_are_augmented_in_the_compiled_step(device):
    transforms = wg.data.transforms
    flip = transforms.RandomHorizontalFlip(generator=wg.Generator(2))
    x = wg.arange(16.0).reshape((4, 1, 2, 2))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    seen = []

    class Look(Callback):
        def on_step_end(self, run: Any) -> None:
            seen.append(flip.generator.counter)

    optimizer = optim.SGD(model.parameters(), lr=0.0)
    kind: dict[str, Any] = {"augment": flip, "callbacks": [Look()], "progress": False}
    loss = lambda output, target: (output - target.flatten(1)).square().mean()  # noqa: E731
    history = wg.fit(model, DataLoader(TensorDataset(x), 2), loss, optimizer, 4, **kind)
    assert seen == [2 * k for k in range(1, 9)]  # numbers drawn, at every step
    assert len(set(history["loss"])) > 1


# Stopping.


class Wander(Callback):
    """Puts the weights where the loss is known: best in the second epoch."""

    def on_epoch_begin(self, run: Any) -> None:
        run.model.weight.assign([[[3.0, 1.0, 2.0, 2.5, 0.0][run.epoch - 1]]])


def wandering(**more: Any) -> tuple[Any, wg.train.History]:
    model = nn.Linear(1, 1, bias=False)
    optimizer = optim.SGD(model.parameters(), lr=1e-9)
    batches = [(wg.ones((2, 1)), wg.zeros((2, 1)))]
    kind: dict[str, Any] = {"callbacks": Wander(), "progress": False, **more}
    return model, wg.fit(model, batches, wg.mse_loss, optimizer, 5, **kind)


def test_patience_stops_and_the_best_comes_back(numpy_device):
    model, history = wandering(patience=2)
    assert history["epoch"] == [1, 2, 3, 4] and history.best[:2] == (2, "loss")
    assert history.stopped == "early, after 4 epochs: epoch 2 was the best"
    assert model.weight.item() == 1.0 == history.best_state["weight"].item()
    model, history = wandering(patience=1, min_delta=100.0)
    assert history.best.epoch == 1 and history.epochs == 2 and model.weight.item() == 3.0
    model, history = wandering(mode="max", monitor="mae", metrics="mae")
    assert history.best[:2] == (1, "mae") and model.weight.item() == 0.0
    with pytest.raises(ArgumentError, match=r"monitor='val_loss' came, and epoch, loss, lr are"):
        wandering(monitor="val_loss")


def test_a_loss_that_is_not_finite_stops_and_says_where(device):
    case, value = Case(optim.Adam), math.nan if device.name == "numpy" else math.inf
    good = case.bits
    x, y = case.data.tensors
    batches = [(x, y), (x, y), (x * value, y), (x, y)]
    best = r"those from before the run: wg.detect_anomaly\(\) names"
    with pytest.warns(UserWarning, match=f"not finite in epoch 1, step 3, .*{best}"):
        history = wg.fit(
            case.model, batches, wg.cross_entropy, case.optimizer, 3, progress=False, read_every=2
        )
    assert history.stopped == "not finite: the loss in epoch 1, step 3"
    assert history.epochs == 0 and case.bits == good


def test_an_interrupt_ends_the_run_after_its_step(numpy_device):
    case = Case()

    class Press(Callback):
        def on_step_end(self, run: Any) -> None:
            if (run.epoch, run.step) == (2, 2):
                signal.raise_signal(signal.SIGINT)

    history = case.fit(9, callbacks=[Press()])
    assert history.stopped == "interrupted: in epoch 2, step 2" and history.epochs == 1
    assert history.best_state is not None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    class Twice(Press):
        def on_step_end(self, run: Any) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        case.fit(1, callbacks=[Twice()])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_callbacks_hear_everything_and_stop(numpy_device):
    case, heard = Case(), []

    class Hear(Callback):
        def on_fit_begin(self, run: Any) -> None:
            heard.append("begin")

        def on_epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
            heard.append((run.epoch, run.step, logs["loss"] == run.history["loss"][-1]))
            if run.epoch == 2:
                run.stop("enough")

        def on_fit_end(self, run: Any) -> None:
            heard.append(run.history.stopped)

    case.fit(5, callbacks=[Hear()])
    assert heard == ["begin", (1, 3, True), (2, 3, True), "callback: enough"]

    class Broken(Callback):
        def on_step_end(self, run: Any) -> None:
            raise OSError("a callback's own")

    with pytest.raises(OSError, match="own") as caught:
        case.fit(1, callbacks=Broken())
    assert caught.value.__notes__ == ["fit: Broken.on_step_end raised this in epoch 1, step 1"]
    with pytest.raises(ArgumentError, match=r"a wg\.train\.Callback is needed"):
        case.fit(1, callbacks=[print])


class Halving:
    """A scheduler: rates halve; `metrics` is what it was told."""

    def __init__(self, optimizer: Any):
        self.optimizer = optimizer

    def step(self) -> None:
        self.optimizer.lr = self.optimizer.lr / 2


class Plateau(Halving):
    def __init__(self, optimizer: Any):
        super().__init__(optimizer)
        self.told: list[float] = []

    def step(self, metrics: float) -> None:  # type: ignore[override]
        self.told.append(metrics)


def test_methods_that_nothing_calls_are_told_of(numpy_device):
    class Foreign(Callback):
        def on_batch_end(self, run: Any) -> None:
            raise AssertionError

    with pytest.warns(UserWarning, match=r"calls Foreign.on_batch_end; .* on_step_end") as caught:
        Case().fit(1, callbacks=[Foreign()], compile=False)
    assert caught[0].filename == __file__


def test_schedulers_step_by_epoch_or_by_step(numpy_device):
    case = Case()
    history = case.fit(3, scheduler=Halving(case.optimizer))
    assert history["lr"] == [0.1, 0.05, 0.025]
    case = Case()
    history = case.fit(2, scheduler=Halving(case.optimizer), scheduler_every="step")
    assert history["lr"] == [0.1, 0.1 / 8]
    plateau = Plateau(case.optimizer)
    history = case.fit(2, scheduler=plateau, metrics="accuracy", monitor="accuracy")
    assert plateau.told == history["accuracy"]
    with pytest.raises(ArgumentError, match="Plateau needs a metric"):
        case.fit(1, scheduler=plateau, scheduler_every="step")


def test_schedulers_of_ours_follow_what_is_watched(numpy_device):
    case = Case()
    schedule = optim.lr_scheduler.StepLR(case.optimizer, 2, gamma=0.5)
    assert case.fit(4, scheduler=schedule)["lr"] == [0.1, 0.1, 0.05, 0.05]
    case = Case()
    plateau = optim.lr_scheduler.ReduceLROnPlateau(case.optimizer, patience=1, threshold=1e9)
    history = case.fit(4, scheduler=plateau)
    assert history["lr"] == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_memory_is_flat_and_no_step_waits(webgpu):
    case, seen = Case(batch=4), []

    class Look(Callback):
        def on_epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
            stats = wg.stats()
            seen.append([stats["buffers_created"], stats["readbacks"], len(gc.get_objects())])

    case.fit(24, callbacks=Look(), read_every=10**6)
    early, late = seen[11], seen[-1]
    assert early[0] == late[0]  # no buffer that was not there before
    assert late[1] - early[1] == 12  # one look at the losses in an epoch
    assert late[2] - early[2] < 200


# Several short steps at once, where nobody looks in between.


def several(monkeypatch: Any, count: int, then: Any = None) -> list[int]:
    """Have fit take so many steps at once, whatever they take; return how many it took each time.

    `then` is called with that list after each time.
    """
    taken: list[int] = []
    train = Steps.train_several

    def noted(self: Any, batches: Any) -> Any:
        taken.append(len(batches))
        loss = train(self, batches)
        if then is not None:
            then(taken)
        return loss

    monkeypatch.setattr(Steps, "several", count)
    monkeypatch.setattr(Steps, "train_several", noted)
    return taken


def test_several_steps_at_once_do_what_they_do_one_by_one(device, monkeypatch):
    class Look(Callback):
        def on_step_end(self, run: Any) -> None:
            self.last = run

    class Watch(Look):
        on_step_end = Callback.on_step_end

        def on_epoch_end(self, run: Any, logs: dict[str, Any]) -> None:
            self.last = run

    found = []
    taken = several(monkeypatch, 4)
    for look in (Look(), Watch()):
        case = Case(optim.Adam, batch=3)  # the last one has 2
        case.model.append(nn.Dropout(0.1))
        history = case.fit(3, callbacks=look, read_every=5, metrics="accuracy")
        grads = [x.grad.numpy().tobytes() for x in case.model.parameters()]
        state = case.optimizer.state_dict()["state"]
        counts = [int(entry["step"]) for entry in state.values()]
        versions = [x.array.storage.version for x in case.model.parameters()]
        found.append([case.bits, dict(history), grads, counts, versions, look.last.loss.item()])
        assert taken == ([] if len(found) == 1 else [4, 1, 2] * 3)
    assert found[0] == found[1]


def test_an_interrupt_of_several_steps_loses_none(numpy_device, monkeypatch, tmp_path):
    whole = Case(optim.Adam, batch=2)
    whole.fit(3)
    for at, step in ((4, 4), (6, 10)):  # in the midst of the second epoch, and with its last step
        path = tmp_path / str(step)

        def press(taken: list[int], at: int = at) -> None:
            if len(taken) == at:
                signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patched:
            assert not several(patched, 4, press)
            history = Case(optim.Adam, batch=2).fit(3, checkpoint=path)
        assert history.stopped == f"interrupted: in epoch 2, step {step}"
        case = Case(optim.Adam, batch=2)
        assert case.fit(3, checkpoint=path).epochs == 3 and case.bits == whole.bits


# What is written.


def test_logs_have_every_epoch_once(numpy_device, tmp_path):
    case = Case()
    for name in ("log.csv", "log.jsonl"):
        history = case.fit(2, log=tmp_path / name)
    with open(tmp_path / "log.csv", encoding="utf-8") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history.rows()
    with pytest.raises(ArgumentError, match=r"csv or \.jsonl"):
        case.fit(1, log=tmp_path / "log.txt")


@pytest.mark.parametrize("missing", ["tensorboard.compat.proto.event_pb2", "tqdm", "safetensors"])
def test_nothing_is_made_where_a_package_is_missing(numpy_device, tmp_path, missing, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.setitem(sys.modules, missing, None)
    places = {"checkpoint": "a/c.safetensors", "log": "b/log.csv", "tensorboard": "c"}
    with pytest.raises(MissingDependencyError, match=missing.partition(".")[0]):
        Case().fit(1, progress=True, **{name: tmp_path / x for name, x in places.items()})
    assert not list(tmp_path.iterdir())


def test_tensorboard_without_a_folder_is_refused(numpy_device):
    with pytest.raises(ArgumentError, match="fit: tensorboard='' came"):
        Case().fit(1, tensorboard="")


def test_tensorboard_reads_the_events(numpy_device, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    history = Case().fit(2, tensorboard=tmp_path)
    (path,) = glob.glob(str(tmp_path / "events.out.tfevents.*"))
    found = [
        (event.step, value.tag)
        for event in EventFileLoader(path).Load()
        for value in event.summary.value
    ]
    assert found == [(epoch, tag) for epoch in (1, 2) for tag in ("loss", "lr")]
    assert history.epochs == 2


def test_the_bar_shows_rate_and_device_on_a_terminal_alone(numpy_device, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    Case().fit(1, progress=None)
    assert capsys.readouterr().err == ""
    Case().fit(2, progress=True, metrics="accuracy")
    shown = capsys.readouterr().err
    assert "epoch 2/2: 100%" in shown and "step/s" in shown
    assert "accuracy" in shown and "numpy]" in shown


@pytest.mark.parametrize("name", ["default_collate", "load"])
def test_examples_of_data_run(numpy_device, name):
    text = inspect.getdoc(getattr(wg.data, name)) or ""
    code = [line for line in text.splitlines() if line.startswith("    ") or not line]
    assert "".join(code).strip()
    exec(inspect.cleandoc("\n".join(code)), {"wg": wg})


# What is refused, and leaves nothing changed.


def test_what_cannot_be_trained_is_refused(numpy_device, tmp_path):
    case = Case()
    before = case.bits
    frozen = nn.Linear(2, 2).requires_grad_(False)
    other = nn.Linear(3, 2)
    loose = optim.SGD(other.parameters(), lr=0.1)
    stray = optim.lr_scheduler.StepLR(loose, 1)
    loader, loss, rule = case.loader, wg.cross_entropy, case.optimizer
    empty = DataLoader(TensorDataset(wg.zeros((0, 3)), wg.zeros((0,), "int32")), 4, shuffle=True)
    (tmp_path / "file").write_text("")
    for args, more, told in (
        ((frozen, loader, loss, rule), {}, "no parameters to train: all are frozen"),
        ((nn.ReLU(), loader, loss, rule), {}, "no parameters to train: it has none"),
        ((case.model, loader, loss, loose), {}, "holds none of the parameters"),
        ((wg.relu, loader, loss, rule), {}, "an nn.Module is needed"),
        ((case.model, loader, loss, "SGD"), {}, "one of wg.optim is needed"),
        ((case.model, 5, loss, rule), {}, "a DataLoader or batches are needed"),
        ((case.model, iter([1]), loss, rule), {}, "used up after one epoch"),
        ((case.model, empty, loss, rule), {}, "no batches came"),
        ((case.model, [], loss, rule), {}, "no batches came"),
        ((case.model, ["ab"], loss, rule), {}, "(inputs, target) or a tensor is needed"),
        ((case.model, loader, loss, rule, -1), {}, "epochs"),
        ((case.model, loader, 5, rule), {}, "a function is needed"),
        ((case.model, loader, loss, rule), {"checkpoint": tmp_path / "file" / "x"}, "checkpoint="),
        ((case.model, loader, loss, rule), {"checkpoint": tmp_path}, "is a folder|cannot be"),
        ((case.model, loader, loss, rule), {"metrics": ["f1"]}, "metric 'f1' came"),
        ((case.model, loader, loss, rule), {"metrics": {"loss": loss}}, "named 'loss'"),
        ((case.model, loader, loss, rule), {"patience": 0}, "patience"),
        ((case.model, loader, loss, rule), {"mode": "least"}, "mode="),
        ((case.model, loader, loss, rule), {"clip_norm": 0.0}, "clip_norm"),
        ((case.model, loader, loss, rule), {"scheduler": 3}, "step()"),
        ((case.model, loader, loss, rule), {"scheduler": stray}, "rates of another optimizer"),
        ((case.model, loader, lambda o, t: {"l": o.mean()}, rule), {}, 'named "loss"'),
    ):
        with pytest.raises(ArgumentError) as caught:
            wg.fit(*args, progress=False, **more)
        assert told in str(caught.value) or told.split("|")[0] in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ShapeError, match=r"loss is \(8,\), and a tensor of shape \(\)"):
        wg.fit(case.model, loader, lambda o, t: o.sum(1), rule, progress=False)
    assert case.bits == before
