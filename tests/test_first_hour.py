"""What people try first: NumPy's functions, other libraries' names, einops, scikit-learn, plots."""

from __future__ import annotations

import functools
import gc
import importlib
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pages
import pytest

import wgrad as wg
from wgrad import einops_backend, nn, optim
from wgrad.errors import CallError, DeviceError, DTypeError, UnknownNameError, WgradError

ROOT = Path(wg.__file__).parents[1]
DATA = np.array([[1.0, -2.0, 4.0], [0.5, 8.0, 2.0]], np.float32)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "std", "var", "prod", "any", "all"])
def test_reductions_of_numpy_take_tensors(name: str, device):
    x, function = wg.tensor(DATA), getattr(np, name)
    for given in ({}, {"axis": 1}, {"axis": 0, "keepdims": True}):
        out = function(x, **given)
        assert isinstance(out, wg.Tensor) and out.device is x.device
        assert np.allclose(out.numpy(), function(DATA, **given), rtol=1e-5), given
    if name in ("std", "var"):
        assert np.allclose(function(x, ddof=1).item(), function(DATA, ddof=1), rtol=1e-5)
    with pytest.raises(WgradError, match="out"):
        getattr(x, name)(out=np.zeros(()))


def test_elementwise_functions_of_numpy_take_tensors(device):
    x = wg.tensor(DATA)
    for found, expected in [
        (np.exp(x), np.exp(DATA)),
        (np.absolute(x), abs(DATA)),
        (np.arctan(x), np.arctan(DATA)),
        (np.maximum(x, 1), np.maximum(DATA, 1)),
        (np.float32(2) * x, 2 * DATA),
        (DATA + x, 2 * DATA),
        (DATA**x, DATA**DATA),
        (DATA.T @ x, DATA.T @ DATA),
        (divmod(DATA, x * 2)[1], DATA % (DATA * 2)),
    ]:
        assert isinstance(found, wg.Tensor) and found.device is x.device
        assert np.allclose(found.numpy(), expected, rtol=1e-5)
    assert np.equal(DATA, x).all()
    assert (np.arange(3, dtype=np.int32) << wg.arange(3)).tolist() == [0, 2, 8]
    for wrong, text in [
        (lambda: np.cbrt(x), r"np\.cbrt: a tensor came"),
        (lambda: np.add.reduce(x), r"np\.add\.reduce: .* give it x\.numpy\(\)"),
        (lambda: np.add(DATA, x, out=DATA), r"np\.add with out: "),
    ]:
        with pytest.raises(CallError, match=text):
            wrong()


def test_what_numpy_reduces_has_a_gradient(numpy_device):
    x = wg.tensor(DATA, requires_grad=True)
    np.mean(x).backward()
    assert np.allclose(x.grad.numpy(), 1 / 6)
    assert np.sum(wg.arange(4), dtype=wg.float32).dtype is wg.float32


def test_one_number_has_no_length_and_no_rows(numpy_device):
    number = wg.tensor(3.0)
    for ask in (len, iter, list):
        with pytest.raises(TypeError, match=r"0-d tensor came.*x\.item\(\)"):
            ask(number)
    assert np.ndim(number) == 0 and np.atleast_1d(number).tolist() == [3.0]


def test_no_tensor_is_none(device):
    x = wg.tensor(DATA)
    assert (x == None) is False and (x == None) is False  # noqa: E711  # as people write it
    assert (x != None) is True and x not in [None] and None not in [x]  # noqa: E711
    with pytest.raises(DTypeError):
        _ = x == "text"
    step = wg.compile(lambda y: y * 2 if y != None else y)  # noqa: E711
    assert [step(x).numpy()[0, 0] for _ in range(3)] == [2.0, 2.0, 2.0]


def test_devices_by_their_other_names(webgpu):
    assert wg.device("cpu") is wg.device("numpy") and wg.device("gpu") is wg.device("webgpu")
    part = webgpu.description.split()[0]
    assert wg.device(f"gpu:{part}") is wg.device(f"webgpu:{part}")
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(DeviceError, match='a GPU is "webgpu" here'):
            wg.device(name)
    with pytest.raises(DeviceError, match="is unknown") as caught:
        wg.device("cpu:0")
    assert "GPU is" not in str(caught.value)


def test_to_takes_what_pytorchs_takes(webgpu):
    x = wg.tensor(DATA, device="numpy", requires_grad=True)
    there = x.to("webgpu", wg.int32)
    assert there.device is webgpu and there.dtype is wg.int32
    assert x.to(wg.float64).to(there).dtype is wg.int32 and x.to(x) is x
    assert x.to(dtype=wg.float64).dtype is wg.float64 and x.to(wg.float32) is x
    wide = x.to(dtype=wg.float64, device="cpu")
    back = wide.to("gpu", "float32")  # of a dtype that the GPU lacks, into one that it has
    assert back.device is webgpu and back.dtype is wg.float32
    assert there.to("cpu", wg.float64).dtype is wg.float64  # and the other way
    back.sum().backward()
    assert x.grad.numpy().tolist() == np.ones_like(DATA).tolist()
    with pytest.raises(DTypeError):
        x.to("webgpu", wg.float64)
    with pytest.raises(WgradError, match=r"to\(dtype\) or to\(tensor\) is needed"):
        x.to(wg.float32, wg.int32)


def test_modules_move_and_convert_at_once(webgpu):
    with wg.device("cpu"):
        model = nn.Linear(2, 2)
    weight = model.weight
    assert model.to(wg.float64).weight is weight and weight.dtype is wg.float64
    with pytest.raises(DTypeError, match=r"to: weight.*float64"):
        model.to("gpu")
    assert model.to("gpu", wg.float32) is model
    assert weight.device is webgpu and weight.dtype is wg.float32
    with pytest.raises(DTypeError, match="to: int32 came, and a floating dtype is needed"):
        model.to(dtype=wg.int32)


SLIPS = {
    "tensors are made by wg.tensor": (CallError, lambda x: wg.Tensor([1.0])),
    "Tensor: 2 came": (CallError, lambda x: wg.Tensor(2, 3)),
    'model.cuda is not here: write model.to("webgpu")': (
        UnknownNameError,
        lambda x: nn.Linear(1, 1).cuda(),
    ),
    "full((2, 3), 1.0)": (CallError, lambda x: wg.full(2, 3, 1.0)),
    "classes is its name here": (CallError, lambda x: nn.functional.one_hot(x, num_classes=3)),
    'write wg.device("auto")': (UnknownNameError, lambda x: wg.cuda.is_available()),
    "write x.max(axis) for values alone, x.argmax(axis)": (
        UnknownNameError,
        lambda x: x.max(dim=1).indices,
    ),
    "wg.histogram is not here: write np.histogram(x)": (
        UnknownNameError,
        lambda x: wg.histogram(x, 5),
    ),
    "device is its name here": (CallError, lambda x: wg.load("a.pt", map_location="cpu")),
    "wg.jit is not here: write wg.compile(f)": (UnknownNameError, lambda x: wg.jit),
    "wg.lax is not here: write wg.scan": (UnknownNameError, lambda x: wg.lax.scan),
    "y[indices] = value": (UnknownNameError, lambda x: x.at[0].set(1.0)),
    "wg.random.PRNGKey is not here: write wg.manual_seed": (
        UnknownNameError,
        lambda x: wg.random.PRNGKey(0),
    ),
    "wg.array is not here: write wg.tensor(data)": (UnknownNameError, lambda x: wg.array([1.0])),
    "wg.hstack is not here: write wg.concat": (UnknownNameError, lambda x: wg.hstack([x, x])),
    "x.fill is not here: write x.fill_(value)": (UnknownNameError, lambda x: x.fill(0)),
}


@pytest.mark.parametrize("text", SLIPS)
def test_slips_are_answered_with_what_to_write(text: str, numpy_device):
    kind, slip = SLIPS[text]
    with pytest.raises(kind) as caught:
        slip(wg.tensor(DATA))
    assert text in str(caught.value)


def test_synchronize_waits_and_is_not_compiled(webgpu):
    y = wg.tensor(DATA) * 3.0
    for name in (None, "webgpu", webgpu, "cpu"):
        assert wg.synchronize(name) is None
    assert y.numpy()[0, 0] == 3.0

    @wg.compile
    def step(x):
        wg.synchronize()
        return x

    with pytest.raises(WgradError, match=r"calls wg\.synchronize"):
        step(y)


def test_an_explanation_is_a_table_in_notebooks(numpy_device):
    step = wg.compile(lambda x: (x @ x.T).tanh().sum())
    for _ in range(3):
        step(wg.tensor(DATA))
    explanation = step.explain()
    page, text = explanation._repr_html_(), str(explanation)
    assert page.count("<tr>") == len(explanation.kernels) + 1 and page.count("<table>") == 1
    assert "&gt;" in page and "passes (steps left): " in page  # escaped
    assert all(k.name[:20] in text for k in explanation.kernels)


def test_scalars_and_rows_can_be_plotted(numpy_device):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot as plt

    x = wg.randn(50, requires_grad=True)
    figure, axes = plt.subplots(1, 4)
    counts, edges, _ = axes[0].hist(x, bins=5)
    assert counts.sum() == 50 and len(edges) == 6
    axes[1].boxplot(x)
    axes[2].plot(x, x * 2)
    axes[3].scatter(x, [float(v) for v in x])
    plt.close(figure)


# einops.
def test_einops_that_was_there_first_is_told_at_once(monkeypatch):
    class AbstractBackend:
        """What is found among the classes below this is asked for every unknown type."""

    parts = types.ModuleType("einops._backends")
    parts.AbstractBackend = AbstractBackend
    monkeypatch.setitem(sys.modules, "einops", types.ModuleType("einops"))
    monkeypatch.setitem(sys.modules, "einops._backends", parts)
    einops_backend.register()
    gc.collect()
    (backend,) = AbstractBackend.__subclasses__()
    assert backend.framework_name in sys.modules
    assert backend().is_appropriate_type(wg.ones(2)) and not backend().is_appropriate_type(DATA)


def test_einops_that_comes_later_is_told_when_it_comes(monkeypatch):
    pytest.importorskip("einops")
    for name in [n for n in sys.modules if n.partition(".")[0] == "einops"]:
        monkeypatch.delitem(sys.modules, name)
    before = list(sys.meta_path)
    einops_backend.register()
    einops_backend.register()
    assert "einops" not in sys.modules and len(sys.meta_path) == len(before) + 1
    einops = importlib.import_module("einops")
    assert sys.meta_path == before
    assert einops.rearrange(wg.ones((2, 3)), "a b -> b a").shape == (3, 2)
    for name in [n for n in sys.modules if n.partition(".")[0] == "einops"]:
        monkeypatch.delitem(sys.modules, name)


def test_einops_computes_and_has_gradients(device):
    einops = pytest.importorskip("einops")
    x = np.arange(144, dtype=np.float32).reshape(2, 3, 4, 6)

    def f(x):
        a = einops.rearrange(x, "b c h w -> b h w c")
        b = einops.reduce(a, "b (h k) (w l) c -> b h w c", "mean", k=2, l=2)
        c = einops.repeat(b, "b h w c -> b (h r) w c", r=3)
        d = einops.einsum(c, c, "b h w c, b h w k -> b c k")
        return einops.reduce(d, "b c k -> b", "max")

    def slope(x):
        x = x.detach().requires_grad_()
        f(x).sum().backward()
        return x.grad

    given = wg.tensor(x)
    expected = f(x)
    assert np.allclose(f(given).numpy(), expected, rtol=1e-5)
    step = wg.compile(slope)
    found = [step(given).numpy() for _ in range(3)]  # the last one is a replay
    assert step.explain() and np.allclose(found, slope(given).numpy(), rtol=1e-5)
    assert np.allclose((found[0] * x).sum(), 2 * expected.sum(), rtol=1e-4)  # of degree 2
    packed, shapes = einops.pack([given, given], "b c h *")
    parts = einops.unpack(packed, shapes, "b c h *")
    assert packed.shape == (2, 3, 4, 12) and (parts[1] == given).all()
    assert einops.reduce([given, given], "n b ... -> b", "sum").shape == (2,)
    assert einops.repeat(given, "b c h w -> b c r h w", r=2).shape == (2, 3, 2, 4, 6)
    assert isinstance(einops.asnumpy(given), np.ndarray)
    with pytest.raises(einops.EinopsError, match="expected 2 dim"):
        einops.rearrange(given, "a b -> b a")
    with pytest.raises(NotImplementedError, match="non-floating"):
        einops.reduce(given.astype("int32"), "a b c d -> a", "mean")


LEARN = """
import numpy as np, sklearn, wgrad as wg
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

x, y = load_iris(return_X_y=True)
x, y = x.astype("float32"), y.astype("int32")
uses = {
    "scaled": lambda x, y: StandardScaler().fit_transform(x),
    "components": lambda x, y: abs(PCA(2, svd_solver="full").fit(x).transform(x)),
    "line": lambda x, y: Ridge(solver="svd").fit(x, x[:, 0]).predict(x),
    "classes": lambda x, y: LinearDiscriminantAnalysis().fit(x, y).predict(x),
    "mixture": lambda x, y: GaussianMixture(2, init_params="random", random_state=0)
    .fit(x).predict(x),
}
for name, use in uses.items():
    expected = use(x, y)
    with sklearn.config_context(array_api_dispatch=True):
        found = use(wg.tensor(x), wg.tensor(y))
    assert isinstance(found, wg.Tensor), name
    assert np.allclose(found.numpy(), expected, atol=1e-4), name
"""


def test_scikit_learn_computes_with_tensors():
    pytest.importorskip("sklearn", "1.9")
    # SciPy reads its variable when it is imported, which this process may have done.
    variables = {"SCIPY_ARRAY_API": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    env = {**os.environ, "PYTHONPATH": str(ROOT), "WGRAD_DEVICE": "numpy", **variables}
    command = [sys.executable, "-W", "ignore", "-c", LEARN]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr


def test_libraries_get_int32_where_they_ask_for_int64(numpy_device):
    xp = wg.ones(2).__array_namespace__()
    assert xp.int64 is wg.int32 and xp.uint64 is wg.uint32 and xp.sum is wg.sum
    assert {"int64", "tensor", "linalg"} < set(dir(xp)) and xp.__name__ == "wgrad"
    with pytest.raises(UnknownNameError, match=r"wg\.int32"):
        wg.int64


@pytest.mark.parametrize("page", ["from-numpy.md", "from-jax.md"])
def test_pages_for_those_who_come_from_elsewhere(page: str, device):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    pages.run(f"docs/{page}")
    ours = "\n".join(re.findall(r"^\|.* \| (.*) \|$", text, re.M))
    named = re.findall(r"\b(wg(?:\.\w+)*)\.(\w+)", ours)
    assert len(named) > 15
    for home, name in named:
        found = functools.reduce(getattr, home.split(".")[1:], wg)
        assert hasattr(found, name), f"{home}.{name}"


# An evening with the library, as somebody who knows PyTorch spends it.
def test_a_session_of_somebody_who_knows_pytorch(device):
    wg.manual_seed(0)
    rng = np.random.default_rng(0)

    # Linear regression by hand, with what is written first.
    x = wg.tensor(rng.normal(size=(64, 3)))
    y = x @ wg.tensor([[1.0], [-2.0], [0.5]]) + 3.0
    w, b = wg.randn(3, 1, requires_grad=True), wg.zeros(1, requires_grad=True)
    for _ in range(60):
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with wg.no_grad():
            w -= 0.2 * w.grad
            b -= 0.2 * b.grad
        w.grad.zero_()
        b.grad.zero_()
    assert f"{loss:.3f}" == "0.000" and abs(b.item() - 3) < 0.01
    with pytest.raises(wg.errors.GradientError, match="no_grad"):
        w -= 0.2  # forgotten: no_grad

    # An MLP with early stopping.
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).to(device)
    labels = (x[:, 0] > 0).int()
    loss_fn, opt = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05)
    best, kept, patience = float("inf"), None, 0
    for _ in range(12):
        model.train()
        opt.zero_grad()
        loss = loss_fn(model(x[:48]), labels[:48])
        loss.backward()
        opt.step()
        model.eval()
        with wg.no_grad():
            held_out = loss_fn(model(x[48:]), labels[48:]).item()
        if held_out < best:
            best, kept, patience = held_out, model.state_dict(), 0
        else:
            patience += 1
            if patience == 3:
                break
    model.load_state_dict(kept)
    assert best < 0.6 and loss_fn(model(x[48:]), labels[48:]).item() == pytest.approx(best)
    accuracy = (model(x).argmax(dim=1) == labels).float().mean().item()
    assert accuracy > 0.7

    # Slips on the way, each answered with what is wrong or what to write.
    slips = [
        (lambda: model(x[:, :2]), r"Linear: an input of shape \(64, 2\).* 3 features"),
        (lambda: loss_fn(labels, model(x)), r"cross_entropy: an input \(64,\)"),
        (lambda: loss_fn(model(x), labels.float()), r"cross_entropy: .* \.astype\(wg\.int32\)"),
        (lambda: x.view(7, -1), r"view: \(7, -1\)"),
        (lambda: model(x).backward(), r"backward: .*\(64, 2\) needs gradient="),
        (lambda: optim.Adam(model), "Adam: parameter 0 is Linear"),
        (lambda: optim.Adam(model.parameters(), learning_rate=1.0), "lr is its name here"),
        (lambda: model.load_state_dict({"0.weight": w}), "missing '0.bias'"),
        (lambda: x.to("cuda"), 'a GPU is "webgpu" here'),
        (lambda: w.data.sub_(1.0), r"x\.data is not here: write x\.detach\(\)"),
        (lambda: loss_fn(model(x), labels + 5), "label [56] is out of range"),
    ]
    for slip, text in slips:
        with pytest.raises(WgradError, match=text):
            slip()

    # Freezing and transfer.
    for p in model[0].parameters():
        p.requires_grad = False
    before = model[0].weight.numpy()
    model[2] = nn.Linear(8, 3)
    opt = optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    loss_fn(model(x), labels).backward()
    opt.step()
    assert (model[0].weight.numpy() == before).all()
    assert np.std(model[2].weight.detach()).item() > 0

    # Looking at it: a histogram of weights, and rows made of batches.
    counts, _ = np.histogram(model[2].weight.detach().cpu(), bins=4)
    assert counts.sum() == 24
    einops, plots = (pytest.importorskip(x) for x in ("einops", "matplotlib.figure"))
    axes = plots.Figure().subplots()
    assert axes.hist(model[2].weight.flatten(), bins=4)[0].tolist() == counts.tolist()
    assert axes.plot([loss_fn(model(x), labels) for _ in range(2)])
    assert einops.rearrange(x, "(b t) c -> b (t c)", t=4).shape == (16, 12)
