"""What cannot be exported is refused in Python, with the operation and the line, and no file."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.errors import (
    ArgumentError,
    CallError,
    DTypeError,
    FileError,
    IndexRangeError,
    MissingFileError,
    TraceError,
)

X = np.ones((3, 3), "f4")
MODEL = nn.Linear(3, 3).to("numpy")
OPTIMIZER = optim.SGD(MODEL.parameters(), lr=0.1)
SCHEDULE = optim.lr_scheduler.StepLR(OPTIMIZER, 1)
OTHER = wg.ones((3,), device="numpy")


@wg.custom_op(backward=lambda ct, out, x: ct * 2)
def doubled(x):
    return wg.tensor(x.numpy() * 2)


def reads(x):
    if float(MODEL(x).sum()) > 0:
        return x
    return x * 2


def reads_item(x):
    return x * x.sum().item()


def decomposes(x):
    return wg.linalg.svd(x)[1]


def solves(x):
    return wg.linalg.solve(x, x)


def transforms(x):
    return wg.fft.rfft(x)


def counts(x):
    return wg.nonzero(x)


def masks(x):
    return x[x > 0]


def custom(x):
    return doubled(x)


def widens(x):
    return x.astype("float64").sum()


def strays(x):
    return x * OTHER


def throws_dice(x):
    return x * float(np.random.rand())


def accumulates(x):
    loss = MODEL(x).sum()
    loss.backward()
    OPTIMIZER.step()
    return loss


def schedules(x):
    OPTIMIZER.zero_grad()
    loss = MODEL(x).sum()
    loss.backward()
    OPTIMIZER.step()
    SCHEDULE.step()
    return loss


def refused(path, function, inputs=None, state=(MODEL, OPTIMIZER), **options):
    before = wg.get_rng_state(), OPTIMIZER.state_dict(), [p.grad for p in MODEL.parameters()]
    with pytest.raises(wg.errors.WgradError) as caught, wg.device("numpy"):
        wg.export.web(function, {"x": X} if inputs is None else inputs, path, state=list(state),
                      **options)  # fmt: skip
    assert not list(path.parent.iterdir())  # nothing is left, half-written or whole
    assert before == (wg.get_rng_state(), OPTIMIZER.state_dict(),
                      [p.grad for p in MODEL.parameters()])  # fmt: skip
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("function", "said", "offset"),
    [
        (reads, "float reads a value", 1),
        (reads_item, "item reads a value", 1),
        (decomposes, "svd", 1),
        (solves, "solve", 1),
        (transforms, "real_dft", 1),
        (counts, "nonzero reads a value", 1),
        (masks, "getitem reads a value", 1),
        (custom, "numpy reads a value", 2),
        (widens, "float64", 1),
        (strays, "OTHER", 1),
        (throws_dice, "random numbers that are not wgrad's", None),
        (accumulates, "zero_grad()", None),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)  # fmt: skip
def test_functions_that_need_python_are_refused(tmp_path, function, said, offset):
    error = refused(tmp_path / "page", function)
    assert isinstance(error, (TraceError, DTypeError))
    assert str(error).startswith("export.web: step cannot be exported: ") and said in str(error)
    if offset is not None:
        source = doubled.forward if function is custom else function
        line = inspect.getsourcelines(source)[1] + offset
        assert f"{Path(__file__).name}, line {line}" in str(error)


@pytest.mark.parametrize(
    ("kind", "function", "options", "said"),
    [
        (CallError, 3, {}, "names of functions are needed"),
        (CallError, lambda x: x, {"inputs": {"y": X}}, "do not fit step"),
        (CallError, lambda x: x, {"inputs": (X, X)}, "2 example inputs came for step, which takes"),
        (CallError, {"a": lambda x: x}, {"inputs": {"b": (X,)}}, "one entry for each of a"),
        (DTypeError, lambda x: 3.0, {}, "3.0 was returned"),
        (DTypeError, lambda x: x, {"inputs": (wg.ones(2, dtype="float64", device="numpy"),)},
         "float64 came for x"),
        (ArgumentError, lambda x: x * 2, {"outputs": ["a", "b"]}, "which returns 1 tensors"),
        (ArgumentError, lambda x: x * 2, {"outputs": 5}, "outputs=5"),
        (ArgumentError, lambda x: x * 2, {"outputs": [5]}, "outputs=[5]"),
        (ArgumentError, lambda x: {"a.b": x, "a": {"b": x}}, {}, "would be called 'a.b'"),
        (ArgumentError, {"a": lambda x: x}, {"inputs": {"a": X}, "outputs": "y"}, "outputs='y'"),
        (ArgumentError, {"a": lambda x: x}, {"inputs": {"a": X}, "outputs": {"b": "y"}},
         "outputs={'b': 'y'} came for a"),
        (ArgumentError, lambda x: x * 2, {"title": 5}, "title=5"),
        (CallError, {}, {"inputs": {}}, "an empty dict came"),
        (CallError, lambda x: x[0] * x[1], {"inputs": {"x": (X, X)}}, "x of step is a tuple that"),
        (ArgumentError, lambda x: x * 2, {"limits": {"maxBufferSize": "all"}}, "maxBufferSize='"),
        (ArgumentError, lambda x: x * 2, {"limits": {"maxStorageBuffersPerShaderStage": 4}},
         "maxStorageBuffersPerShaderStage=4, and an integer from 8"),
        (ArgumentError, lambda x: x * 2, {"limits": "all"}, '"portable" or a dict'),
        (ArgumentError, lambda x: x * 2, {"limits": {"maxSpeed": 3}}, "maxSpeed"),
        (ArgumentError, lambda x: x * 2, {"schedule": 0}, "schedule=0"),
        (ArgumentError, schedules, {}, "StepLR, which is not in state="),
        (IndexRangeError, lambda x: MODEL.weight[x], {"inputs": (np.array([7], "i4"),)}, "index 7"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(tmp_path, kind, function, options, said):
    error = refused(tmp_path / "page", function, **options)
    assert isinstance(error, kind) and said in str(error)


def test_only_exports_and_empty_folders_are_replaced(tmp_path):
    def double(x):
        return x * 2

    page = tmp_path / "page"
    page.mkdir()
    with wg.device("numpy"):
        assert wg.export.web(double, (X,), page) == page
        first = {x.name for x in page.iterdir()}
        (page / "old.txt").write_text("gone")
        wg.export.web(double, (X,), page)
        assert {x.name for x in page.iterdir()} == first
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "thesis.txt").write_text("precious")
        for _ in range(2):
            with pytest.raises(FileError, match="is no export"):
                wg.export.web(double, (X,), mine)
            (mine / "program.json").write_text('{"name": "somebody else\'s"}')
        (mine / "program.json").unlink()
        with pytest.raises(MissingFileError, match="no folder"):
            wg.export.web(double, (X,), tmp_path / "nowhere" / "page")
        with pytest.raises(MissingFileError, match="no folder"):
            wg.export.html(double, (X,), tmp_path / "nowhere" / "page.html")
    assert sorted(x.name for x in tmp_path.iterdir()) == ["mine", "page"]
    assert [x.name for x in mine.iterdir()] == ["thesis.txt"]


def test_an_export_that_is_interrupted_leaves_the_one_before(tmp_path, monkeypatch):
    def double(x, /):
        return x * 2

    with wg.device("numpy"):
        page = wg.export.web(double, (X,), tmp_path / "page")
        names = {x.name for x in page.iterdir()}
        rename, calls = os.rename, []

        def interrupted(a, b):
            calls.append(a)
            if len(calls) == 2:
                raise KeyboardInterrupt
            rename(a, b)

        monkeypatch.setattr(os, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            wg.export.web(double, (X,), page)
    assert list(tmp_path.iterdir()) == [page] and {x.name for x in page.iterdir()} == names


def test_states_that_no_page_holds_are_refused(tmp_path):
    wide = wg.zeros(2, dtype="float64", device="numpy")
    view = wg.zeros((2, 3), device="numpy").T
    said_of = {
        "wide of the state is float64": {"wide": wide},
        "of shape (3, 2), is a view": [view],
        "mean of the state is a NumPy array": {"mean": np.ones(2)},
    }
    for said, state in said_of.items():
        with pytest.raises(wg.errors.WgradError, match=re.escape(said)):
            wg.export.web(lambda x: x * 2, (X,), tmp_path / "page", state=state)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("set_to_none", [False, True])
def test_gradients_may_be_removed_or_cleared_before_or_after(tmp_path, set_to_none):
    def before(x):
        OPTIMIZER.zero_grad(set_to_none=set_to_none)
        loss = MODEL(x).square().sum()
        loss.backward()
        OPTIMIZER.step()
        return loss

    def after(x):
        loss = MODEL(x).square().sum()
        loss.backward()
        OPTIMIZER.step()
        OPTIMIZER.zero_grad(set_to_none=set_to_none)
        return loss

    for function in (before, after):
        with wg.device("numpy"):
            folder = wg.export.web(function, (X,), tmp_path / "page", state=[MODEL, OPTIMIZER])
        assert (folder / "program.json").is_file()
    assert all(p.grad is None for p in MODEL.parameters())
