"""Mixed precision: the dtypes that autocast computes in, and steps that the scaler skips."""

from contextlib import nullcontext

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import ArgumentError, DTypeError, GradientError
from wgrad.nn import functional as F


def half(device):
    if wg.float16 not in device.dtypes:
        pytest.skip("the adapter has no float16")


def net():
    wg.manual_seed(1)
    return wg.nn.Sequential(wg.nn.Linear(8, 16), wg.nn.ReLU(), wg.nn.Linear(16, 4))


def batch(n=16):
    rng = np.random.default_rng(2)
    return wg.tensor(rng.standard_normal((n, 8))), wg.tensor(rng.integers(0, 4, n))


def test_autocast_chooses_the_dtype_of_each_operation(device):
    half(device)
    x, w, b = wg.ones((2, 4)), wg.ones((4, 4)), wg.ones(4)
    images, filters = wg.ones((1, 2, 4, 4)), wg.ones((2, 2, 3, 3))
    with wg.autocast(dtype=wg.float16):
        y = x @ w
        narrow = [y, F.linear(x, w, b), wg.relu(y), y + y, F.conv2d(images, filters, wg.ones(2))]
        wide = [
            y.sum(), y.mean(0), wg.softmax(y), F.log_softmax(y), wg.exp(y), y**2, x + y,
            F.layer_norm(y, (4,)), F.cross_entropy(y, wg.zeros(2, dtype="int32")),
            F.mse_loss(y, y), wg.norm(y), wg.cumulative_sum(y, 0),
        ]  # fmt: skip
        with wg.autocast(enabled=False):
            narrow += [y @ y.T]
            wide += [x @ w]
    assert [t.dtype.name for t in narrow] == ["float16"] * len(narrow)
    assert [t.dtype.name for t in wide] == ["float32"] * len(wide)
    assert (x @ w).dtype is wg.float32

    @wg.autocast()
    def product(x):
        "A product."
        return x @ x

    assert product(w).dtype is wg.float16 and product.__doc__ == "A product."


def test_autocast_leaves_float64_alone(numpy_device):
    x = wg.ones((2, 2), dtype="float64")
    with wg.autocast():
        assert (x @ x).dtype is wg.float64 and wg.exp(x).dtype is wg.float64


@pytest.mark.parametrize("around", [False, True])
def test_autocast_trains_a_compiled_step(device, around):
    half(device)
    x, y = batch()

    def losses(cast, compiled):
        model = net()
        optimizer = wg.optim.Adam(model.parameters(), lr=0.02)
        scaler = wg.GradScaler(init_scale=1024.0, growth_interval=4, enabled=cast)

        def step(x, y):
            optimizer.zero_grad()
            with nullcontext() if around else wg.autocast(enabled=cast):
                loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            return loss

        run = wg.compile(step) if compiled else step
        with wg.autocast(enabled=cast) if around else nullcontext():
            found = [float(run(x, y)) for _ in range(8)]
        assert all(p.grad.dtype is wg.float32 for p in model.parameters())
        assert scaler.get_scale() == (4096 if cast else 1)
        return found, run

    eager, _ = losses(True, False)
    compiled, run = losses(True, True)
    exact, _ = losses(False, False)
    assert compiled[-1] < 0.8 * compiled[0]
    np.testing.assert_allclose(compiled, eager, rtol=2e-3)
    np.testing.assert_allclose(compiled, exact, rtol=1e-2)
    assert len(run.programs) == 1


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_scaler_skips_steps_that_are_not_finite(device, compiled, kind):
    w = wg.parameter([1.0, 2.0])
    settings = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(wg.optim, kind)([w], lr=0.1, **settings)
    scaler = wg.GradScaler(init_scale=8.0, growth_interval=2)

    def step(x):
        optimizer.zero_grad()
        loss = wg.sum(w * x)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    run = wg.compile(step) if compiled else step
    scales, values = [], []
    for factor in (np.inf, 1.0, 1.0, np.nan, 1.0, 1.0, 1.0, 1.0):
        run(wg.tensor([1.0, factor]))
        scales.append(scaler.get_scale())
        values.append(w.tolist())
    assert scales == [4, 4, 8, 4, 4, 8, 8, 16]
    assert values[0] == [1, 2] and values[3] == values[2]
    assert np.all(np.isfinite(values)) and values[-1][0] < values[4][0] < values[2][0]
    if compiled:
        assert len(run.programs) == 1


def test_scaler_is_pytorchs():
    torch = pytest.importorskip("torch")
    with wg.device("numpy"):
        ours = wg.GradScaler(init_scale=16.0, growth_interval=3, growth_factor=1.5)
        theirs = torch.amp.GradScaler("cpu", init_scale=16.0, growth_interval=3, growth_factor=1.5)
        w = wg.parameter([0.5, -1.5])
        v = torch.nn.Parameter(torch.tensor([0.5, -1.5]))
        mine = wg.optim.SGD([w], lr=0.1, momentum=0.5)
        other = torch.optim.SGD([v], lr=0.1, momentum=0.5)
        for factor in (1.0, np.inf, 2.0, 1.0, 3.0, np.nan, 1.0, 1.0, 1.0, 2.0):
            mine.zero_grad()
            other.zero_grad()
            ours.scale(wg.sum(w * w * factor)).backward()
            theirs.scale(torch.sum(v * v * factor)).backward()
            ours.unscale_(mine)
            theirs.unscale_(other)
            ours.step(mine)
            theirs.step(other)
            ours.update()
            theirs.update()
            np.testing.assert_allclose(w.numpy(), v.detach().numpy(), rtol=1e-6)
            mine_now, other_now = ours.state_dict(), theirs.state_dict()
            assert mine_now == other_now


@pytest.mark.parametrize("kind", ["Adam", "NAdam", "SGD"])
@pytest.mark.parametrize("compiled", [False, True])
def test_skipped_steps_do_not_count(compiled, kind, numpy_device):
    torch = pytest.importorskip("torch")
    settings = {"momentum": 0.9, "dampening": 0.5} if kind == "SGD" else {}
    w, bias = wg.parameter([0.5, -1.5]), wg.parameter([0.5])
    theirs = [torch.nn.Parameter(torch.tensor([0.5, -1.5])), torch.nn.Parameter(torch.tensor(0.5))]
    mine = getattr(wg.optim, kind)([w, bias], lr=0.1, **settings)
    other = getattr(torch.optim, kind)(theirs, lr=0.1, **settings)
    ours, torchs = wg.GradScaler(16.0), torch.amp.GradScaler("cpu", 16.0)

    def step(x):
        mine.zero_grad()
        ours.scale(wg.sum(w * w * x + bias)).backward()
        ours.step(mine)
        ours.update()

    run = wg.compile(step) if compiled else step
    for factor in (np.inf, 1.0, 2.0, np.nan, np.nan, 1.0, 3.0, np.inf):
        run(wg.tensor([factor, 1.0]))
        other.zero_grad()
        torchs.scale(torch.sum(theirs[0] ** 2 * torch.tensor([factor, 1.0]) + theirs[1])).backward()
        torchs.step(other)
        torchs.update()
        np.testing.assert_allclose(w.numpy(), theirs[0].detach().numpy(), rtol=1e-5)
        kept = {i: s["step"] for i, s in mine.state_dict()["state"].items() if "step" in s}
        if kind != "SGD":
            known = {i: int(s["step"]) for i, s in other.state_dict()["state"].items()}
            assert kept == known
    if compiled:
        assert len(run.programs) == 1
        again = wg.compile(step, state=[mine, ours])
        for factor in (np.inf, 1.0, 1.0):
            again(wg.tensor([factor, 1.0]))
        after = mine.state_dict()["state"][0].get("step")
        assert after is None or after == kept[0] + 2


def test_scaler_goes_on_from_its_state(device):
    scaler = wg.GradScaler(init_scale=3.0, growth_interval=7)
    other = wg.GradScaler()
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict() and other.get_scale() == 3
    assert wg.GradScaler(enabled=False).state_dict() == {}
    with pytest.raises(ArgumentError, match="a dict of scale, growth_factor"):
        other.load_state_dict({"scale": 1.0})


def test_amp_says_what_is_wrong(numpy_device):
    for call, error, text in (
        (lambda: wg.autocast(dtype=wg.float32), DTypeError, "float16 is what it computes in"),
        (lambda: wg.autocast(enabled=1), ArgumentError, "enabled=1"),
        (lambda: wg.autocast()(5), ArgumentError, "a function is needed"),
        (lambda: wg.GradScaler(growth_factor=1.0), ArgumentError, "growth_factor"),
        (lambda: wg.GradScaler(backoff_factor=1.0), ArgumentError, "below 1"),
        (lambda: wg.GradScaler(growth_interval=0), ArgumentError, "growth_interval=0"),
        (lambda: wg.GradScaler().update(), GradientError, "before step"),
        (lambda: wg.GradScaler().scale("loss"), ArgumentError, "a loss is needed"),
        (
            lambda: wg.GradScaler().step(wg.optim.SGD([wg.parameter([1.0])], lr=0.1)),
            GradientError,
            "no parameter of the optimizer has a gradient",
        ),
    ):
        with pytest.raises(error, match=text):
            call()
    w = wg.parameter([1.0])
    optimizer, scaler = wg.optim.SGD([w], lr=0.1), wg.GradScaler()
    scaler.scale(wg.sum(w)).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(GradientError, match="came twice"):
        scaler.unscale_(optimizer)
