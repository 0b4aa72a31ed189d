"""PyTorch's names: values and gradients are its own, and a page of its code runs as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import ArgumentError, AxisError, DTypeError, GradientError, ShapeError, WgradError
from wgrad.tensor.aliases import Aliases

RNG = np.random.default_rng(7)
X = RNG.standard_normal((3, 4)).astype("f")
Y = RNG.uniform(0.5, 2, (3, 4)).astype("f")
I = RNG.integers(0, 3, (2, 3))  # noqa: E741  # of smaller extents than X
MASK = X > 0

# By name: what is called on a tensor x, with another one y and a function that makes indices.
Call = Callable[[Any, Any, Callable], Any]
SMOOTH: dict[str, Call] = {
    "absolute": lambda x, y, k: x.absolute(),
    "add": lambda x, y, k: x.add(y),
    "sub": lambda x, y, k: x.sub(y),
    "mul": lambda x, y, k: x.mul(y),
    "div": lambda x, y, k: x.div(y),
    "true_divide": lambda x, y, k: x.true_divide(y),
    "neg": lambda x, y, k: x.neg(),
    "clamp": lambda x, y, k: x.clamp(min=-0.5, max=0.5),
    "cumsum": lambda x, y, k: x.cumsum(dim=1),
    "cumprod": lambda x, y, k: x.cumprod(0),
    "mm": lambda x, y, k: x.mm(y.t()),
    "bmm": lambda x, y, k: x.unsqueeze(0).bmm(y.t().unsqueeze(0)),
    "mv": lambda x, y, k: x.mv(y[0]),
    "swapaxes": lambda x, y, k: x.swapaxes(0, 1),
    "swapdims": lambda x, y, k: x.swapdims(dim0=0, dim1=1),
    "movedim": lambda x, y, k: x.movedim(0, 1),
    "unsqueeze": lambda x, y, k: x.unsqueeze(dim=1),
    "repeat_interleave": lambda x, y, k: x.repeat_interleave(2, dim=1),
    "unbind": lambda x, y, k: x.unbind(dim=1)[1],
    "amax": lambda x, y, k: x.amax(dim=1, keepdim=True),
    "amin": lambda x, y, k: x.amin(dim=(0, 1)),
    "chunk": lambda x, y, k: x.chunk(3, dim=1)[1],
    "gather": lambda x, y, k: x.gather(dim=0, index=k(I)),
    "index_select": lambda x, y, k: x.index_select(1, k(np.array([3, 0, 3]))),
    "masked_fill": lambda x, y, k: x.masked_fill(k(MASK), 2.0),
    "masked_select": lambda x, y, k: x.masked_select(k(MASK)),
    "narrow": lambda x, y, k: x.narrow(1, 1, 2),
    "select": lambda x, y, k: x.select(1, -1),
    "unflatten": lambda x, y, k: x.unflatten(1, (2, -1)),
    "topk": lambda x, y, k: x.topk(2, dim=1)[0],
    "clone": lambda x, y, k: x.clone(),
    "contiguous": lambda x, y, k: x.t().contiguous(),
    "cpu": lambda x, y, k: x.cpu(),
    "float": lambda x, y, k: x.float(),
    "expand": lambda x, y, k: x.unsqueeze(1).expand(2, -1, 5, 4),
    "expand_as": lambda x, y, k: x[:1].expand_as(y),
    "permute": lambda x, y, k: x.unsqueeze(0).permute(2, 0, 1),
    "ravel": lambda x, y, k: x.ravel(),
    "reshape_as": lambda x, y, k: x.reshape_as(y.t()),
    "t": lambda x, y, k: x.t(),
    "type_as": lambda x, y, k: x.type_as(y),
    "view_as": lambda x, y, k: x.view_as(y.reshape(2, 6)),
    "where": lambda x, y, k: x.where(k(MASK), y),
    "nan_to_num": lambda x, y, k: x.masked_fill(k(MASK), float("nan")).nan_to_num(1.0, 2.0, 3.0),
    "quantile": lambda x, y, k: x.quantile(0.4, dim=1, keepdim=True),
    "logcumsumexp": lambda x, y, k: x.logcumsumexp(dim=1),
    "softmax": lambda x, y, k: x.softmax(dim=-1),
    "sum": lambda x, y, k: x.sum(dim=(0, 1), keepdim=True),
}
OTHERS: dict[str, Call] = {
    "eq": lambda x, y, k: x.eq(x),
    "ne": lambda x, y, k: x.ne(y),
    "lt": lambda x, y, k: x.lt(y),
    "le": lambda x, y, k: x.le(y),
    "gt": lambda x, y, k: x.gt(0.5),
    "ge": lambda x, y, k: x.ge(y),
    "bitwise_not": lambda x, y, k: (x > 0).bitwise_not(),
    "dim": lambda x, y, k: (x.dim(), x.ndimension(), x.numel(), x.nelement()),
    "ndimension": lambda x, y, k: x.t().ndimension(),
    "numel": lambda x, y, k: x[0].numel(),
    "nelement": lambda x, y, k: x[0, 0].nelement(),
    "size": lambda x, y, k: (tuple(x.size()), x.size(0), x.size(-1)),
    "double": lambda x, y, k: str(x.cpu().double().dtype).rpartition(".")[2],
    "half": lambda x, y, k: str(x.cpu().half().dtype).rpartition(".")[2],
    "int": lambda x, y, k: x.mul(3).int(),
    "bool": lambda x, y, k: x.clamp(min=0).bool(),
    "is_floating_point": lambda x, y, k: (x.is_floating_point(), x.int().is_floating_point()),
    "is_contiguous": lambda x, y, k: (x.is_contiguous(), x.t().is_contiguous()),
    "new_zeros": lambda x, y, k: x.new_zeros(2, 3),
    "new_ones": lambda x, y, k: x.new_ones((2, 3)),
    "new_empty": lambda x, y, k: tuple(x.new_empty(2, 3).shape),
    "new_full": lambda x, y, k: x.new_full((2,), 3.0),
    "new_tensor": lambda x, y, k: x.new_tensor([1, 2]),
    "add_": lambda x, y, k: x.clone().add_(y).add_(y, alpha=-0.5),
    "sub_": lambda x, y, k: x.clone().sub_(1).sub_(y, alpha=2),
    "mul_": lambda x, y, k: x.clone().mul_(y),
    "div_": lambda x, y, k: x.clone().div_(y),
    "neg_": lambda x, y, k: x.clone().neg_(),
    "clamp_": lambda x, y, k: x.clone().clamp_(max=0.1),
    "copy_": lambda x, y, k: x.clone().copy_(y[0]),
    "fill_": lambda x, y, k: x.clone().fill_(2.5),
    "zero_": lambda x, y, k: x.clone().zero_(),
    "masked_fill_": lambda x, y, k: x.clone().masked_fill_(k(MASK), -1.0),
    "isclose": lambda x, y, k: x.isclose(x * (1 + 9e-6)),
    "allclose": lambda x, y, k: (x.allclose(x * 1.000001), x.allclose(y)),
}


def plain(x: Any) -> Any:
    return x.detach().cpu().numpy() if hasattr(x, "detach") else x


def test_every_alias_is_compared():
    names = {n for n in vars(Aliases) if not n.startswith("_")}
    assert names <= SMOOTH.keys() | OTHERS.keys()


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_gradients_are_pytorchs(device, name):
    torch = pytest.importorskip("torch")
    found = []
    for make in (wg.tensor, lambda a: torch.tensor(a)):
        x, y = (make(a).requires_grad_() for a in (X, Y))
        out = SMOOTH[name](x, y, make)
        out.cos().sum().backward()
        found.append((plain(out), *(None if a.grad is None else plain(a.grad) for a in (x, y))))
    for ours, theirs in zip(*found, strict=True):
        if ours is None or theirs is None:
            assert not np.any(ours if theirs is None else theirs)
        else:
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_no_gradient_is_pytorchs(device, name):
    torch = pytest.importorskip("torch")
    ours = OTHERS[name](wg.tensor(X), wg.tensor(Y), wg.tensor)
    theirs = OTHERS[name](torch.tensor(X), torch.tensor(Y), torch.tensor)
    if isinstance(ours, (tuple, str, int)):
        assert ours == theirs
    else:
        assert plain(ours).shape == plain(theirs).shape
        np.testing.assert_allclose(plain(ours), plain(theirs), rtol=1e-6, atol=1e-7)


def test_functions_by_pytorchs_names(device):
    torch = pytest.importorskip("torch")
    page = Path(__file__).parent.parent / "docs" / "names.md"
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", page.read_text(encoding="utf-8"), re.M)
    arguments: dict[str, Any] = {"cat": 0, "concatenate": 0, "permute": (1, 0), "unsqueeze": 1}
    arguments |= {"cumsum": 0, "cumprod": 1, "repeat_interleave": 2, "unbind": 0, "clamp": 0.1}
    for name, _ in rows:
        found = []
        for home, make in ((wg, wg.tensor), (torch, torch.tensor)):
            x, y = make(X), make(Y)
            if name in ("bmm", "mv", "mm"):
                given = {"bmm": [x[None], y[None].mT], "mv": [x, y[0]], "mm": [x, y.T]}[name]
            elif name in ("swapaxes", "swapdims", "movedim"):
                given = [x, 0, 1]
            elif name in arguments:
                given = [[x, y] if name.startswith("con") or name == "cat" else x, arguments[name]]
            else:
                alone = {"bitwise_not": [x > 0], "absolute": [x], "neg": [x]}
                given = alone.get(name, [x, y])
            out = getattr(home, name)(*given)
            found.append([plain(v) for v in (out if isinstance(out, tuple) else [out])])
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=name)


# Beside PyTorch: the functions that are new, by NumPy in float64.


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 1, 2)])
def test_quantiles_are_numpys(device, rng, axis, keepdims, shape):
    a = rng.integers(-4, 5, shape).astype("f")
    x = wg.tensor(a)
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        for q in (0.0, 0.3, [0.5, 1.0, 0.77]):
            found = wg.quantile(x, q, axis, keepdims, method=method)
            expected = np.quantile(a.astype(float), q, axis, keepdims=keepdims, method=method)
            assert found.shape == expected.shape
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)
    expected = np.median(a, axis, keepdims=keepdims)
    np.testing.assert_allclose(wg.median(x, axis, keepdims).numpy(), expected, rtol=1e-6)


def test_quantiles_of_what_is_not_finite(device):
    x = wg.tensor([[np.nan, 1.0, 2.0], [-np.inf, 3.0, np.inf], [np.inf, np.inf, np.inf]])
    np.testing.assert_array_equal(wg.median(x, axis=1).numpy(), [np.nan, 3.0, np.inf])
    np.testing.assert_array_equal(wg.quantile(x[1], 1.0).numpy(), np.inf)
    assert wg.median(wg.tensor([3, 1, 2])).item() == 2.0


def test_a_quantile_between_far_numbers_is_a_mean(device):
    """There is no distance between two infinities, and none that fits between far numbers."""
    inf, far = np.inf, 3e38
    pairs = [(inf, inf), (-inf, -inf), (1, inf), (-inf, 1), (-inf, inf), (far, -far)]
    x = wg.tensor(np.array(pairs, "f"))
    np.testing.assert_array_equal(wg.median(x, 1).numpy(), [inf, -inf, inf, -inf, np.nan, 0])
    found = wg.quantile(x, 0.3, axis=1).numpy()
    np.testing.assert_allclose(found, [inf, -inf, inf, -inf, np.nan, -0.4 * far], 1e-5)


def test_gradients_of_quantiles_agree_with_differences(numpy_device, rng):
    x = wg.tensor(rng.standard_normal((3, 4)), dtype="float64")
    wg.gradcheck(lambda v: wg.quantile(v, [0.2, 0.8], 1), [x])
    wg.gradcheck(lambda v: wg.median(v, 0).square().sum(), [x])
    wg.gradcheck(lambda v: wg.gather(v, 0, I), [x])
    wg.gradcheck(lambda v: wg.nan_to_num(v).square(), [x])


CLOSE = [
    ([1.0, 2.0, np.inf, -np.inf, np.nan, 0.0], [1.000009, 2.1, np.inf, np.inf, np.nan, 1e-9]),
    ([np.inf, 1.0, 1e-9], [1.0, np.inf, 0.0]),
    ([5, 2**30, -(2**31)], [6, 2**30 + 1, 2**31 - 1]),
]


@pytest.mark.parametrize(("a", "b"), CLOSE)
@pytest.mark.parametrize(
    "how",
    [
        *({}, {"rtol": 0.0, "atol": 0.0}, {"equal_nan": True}, {"rtol": 0.2}),
        *({"atol": np.inf}, {"rtol": np.inf}),
    ],
)
def test_isclose_is_numpys(device, a, b, how):
    with np.errstate(invalid="ignore"):  # else NumPy warns of infinite tolerances
        expected = np.isclose(np.asarray(a, float), np.asarray(b, float), **how)
    np.testing.assert_array_equal(wg.isclose(wg.tensor(a), wg.tensor(b), **how).numpy(), expected)
    assert wg.allclose(wg.tensor(a), b, **how) is bool(expected.all())


def test_nan_to_num_takes_the_greatest_numbers_of_the_dtype(device):
    x = wg.tensor([np.nan, np.inf, -np.inf, 1.0], requires_grad=True)
    out = wg.nan_to_num(x)
    np.testing.assert_array_equal(out.numpy(), np.nan_to_num(x.numpy()))
    out.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert wg.nan_to_num(wg.tensor([1, 2])).dtype is wg.int32


BAD: list[tuple[Callable[[Any], Any], type[WgradError], str]] = [
    (lambda x: x.quantile(1.5), ArgumentError, "numbers from 0 to 1"),
    (lambda x: x.quantile("a"), ArgumentError, "numbers from 0 to 1"),
    (lambda x: x.quantile(0.5, method="cubic"), ArgumentError, '"midpoint"'),
    (lambda x: wg.median(x[:0]), ShapeError, "nothing"),
    (lambda x: x.gather(0, [[0, 0, 0, 0, 0]]), ShapeError, "as many axes"),
    (lambda x: x.gather(0, [[9]]), WgradError, "9"),
    (lambda x: x.expand(-1, 3, 4), ShapeError, "-1 came"),
    (lambda x: x.narrow(0, 2, 5), ArgumentError, "start=2"),
    (lambda x: x.chunk(0), ArgumentError, "chunks=0"),
    (lambda x: x.masked_fill(x, 1.0), DTypeError, "bool is needed"),
    (lambda x: x.requires_grad_().add_(1), GradientError, "leaf that requires grad"),
    (lambda x: (x.requires_grad_() * 2).mul_(2), GradientError, r"x = x\.mul\("),
    (lambda x: x.sum(dim=0, axis=0), ArgumentError, "two names of one argument"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_input_is_refused_in_one_sentence(numpy_device, call, error, words):
    with pytest.raises(error, match=words) as caught:
        call(wg.tensor(X))
    assert "\n" not in str(caught.value)


def test_the_number_of_elements_computes_as_any_number(device):
    x = wg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert wg.zeros(2, 3).shape == wg.ones((2, 3)).shape == wg.empty(2, 3).shape == (2, 3)
    for make in (wg.zeros, wg.ones, wg.empty):
        assert make(2, 3, 1, 2).shape == (2, 3, 1, 2)
        assert make(1, 1, 2, 1, 1, 1).shape == (1, 1, 2, 1, 1, 1)
        for wrong in (
            lambda make=make: make(2, None, None, 1),
            lambda make=make: make(2, requires_grad=1),
        ):
            with pytest.raises(ArgumentError, match=r"^\w+: requires_grad=1 came"):
                wrong()
    assert x.size == 4 and x.size + 1 == 5 and f"{x.size}" == "4" and [0] * x.size == [0] * 4
    assert (x / x.size).dtype is wg.float32 and (x.size * x).tolist() == [[4, 8], [12, 16]]
    mean = wg.compile(lambda v: v.sum() / v.size)
    assert mean(x).item() == mean(x).item() == 2.5 and wg.arange(x.size).shape == (4,)


def test_identity_is_a_module_that_takes_anything(numpy_device):
    x = wg.tensor(X)
    assert wg.nn.Identity(54, unused=True)(x) is x and not wg.nn.Identity().parameters()


# A page of PyTorch's code, of which the imports alone differ.

THEIRS = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
OURS = "import wgrad as torch\nimport wgrad.nn as nn\nimport wgrad.nn.functional as F\n"
PAGE = """
import math


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.skip = nn.Identity()

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        mask = torch.tril(torch.ones(t, t)).view(1, 1, t, t)
        scores = scores.masked_fill(mask.expand(b, 1, t, t) == 0, float("-inf"))
        y = (F.softmax(scores, dim=-1) @ v).permute(0, 2, 1, 3).contiguous().view(b, t, c)
        x = self.skip(x) + self.out(y)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, tokens, width, length):
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.place = nn.Parameter(torch.zeros(1, length, width))
        self.block = Block(width, 2)
        self.head = nn.Linear(width, tokens, bias=False)

    def forward(self, x):
        h = self.embed(x) + self.place[:, : x.size(1)]
        return self.head(self.block(h))


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.Conv2d(4, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(16, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = torch.flatten(F.pad(self.conv2(x), (0, 0, 0, 0)), start_dim=1)
        return F.log_softmax(self.last(x), dim=1)


def language(model, x, y):
    logits = model(x)
    return F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1))


def images(model, x, y):
    found = model(x)
    best = found.argmax(dim=1, keepdim=True)
    assert best.eq(y.view_as(best)).sum().item() <= y.numel()
    return F.nll_loss(found, y)


def train(model, loss_of, x, y, steps=3):
    x, y = torch.tensor(x), torch.tensor(y)
    decay = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (step + 1) / steps
        optimizer.zero_grad()
        loss = loss_of(model, x, y)
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p.grad.clamp_(-1.0, 1.0)
        optimizer.step()
        losses.append(loss.detach().cpu().item())
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0.5).add_(torch.ones_like(p), alpha=0.01)
    return losses, sum(p.numel() for p in model.parameters())
"""


@pytest.mark.parametrize("kind", ["language", "images"])
def test_a_page_of_pytorch_runs_with_other_imports(device, rng, kind):
    pytest.importorskip("torch")
    ours: dict[str, Any] = {"__name__": "ours"}
    theirs: dict[str, Any] = {"__name__": "theirs"}
    exec(OURS + PAGE, ours)
    exec(THEIRS + PAGE, theirs)
    if kind == "language":
        x, y = rng.integers(0, 11, (2, 3, 6))
        mine, other = (home["Transformer"](11, 8, 8) for home in (ours, theirs))
    else:
        x, y = rng.standard_normal((4, 1, 8, 8)).astype("f"), rng.integers(0, 5, 4)
        mine, other = (home["Convolutions"]() for home in (ours, theirs))
    start = {k: v.detach().numpy().copy() for k, v in other.state_dict().items()}
    assert mine.load_state_dict(start, strict=False).missing_keys == []
    found = ours["train"](mine, ours[kind], x, y)
    expected = theirs["train"](other, theirs[kind], x, y)
    np.testing.assert_allclose(found[0], expected[0], rtol=2e-4)
    assert found[1] == expected[1]
    end = other.state_dict()
    for name, value in mine.state_dict().items():
        np.testing.assert_allclose(value.numpy(), end[name].numpy(), rtol=5e-3, atol=2e-4)


def test_refusals_in_place_speak_of_what_was_written(numpy_device):
    x, leaf = wg.tensor([1, 2]), wg.parameter([1.0, 2.0])
    calls = [
        (lambda: x.add_(0.5), r"add_: float32 results .* write x = x\.add\(\.\.\.\)$"),
        (lambda: x.mul_(wg.ones((3, 2), dtype=int)), r"mul_: results of shape \(3, 2\) do not fit"),
        (lambda: x.expand(2, 2).add_(1), "add_: the tensor of shape .* expanded view"),
        (lambda: leaf.zero_grad() or leaf.sub_(1), r"sub_: a leaf .*`x = x\.sub\(\.\.\.\)`"),
        (lambda: x.add_(x, alpha="a"), "add_: alpha='a' came, and a number is needed"),
        (lambda: x.sub_(x, alpha=wg.tensor([1, 2])), "sub_: alpha=.* and a number is needed"),
        (lambda: wg.tensor([True]).neg_(), "negative: a bool tensor"),
    ]
    for call, words in calls:
        with pytest.raises(WgradError, match=words):
            call()
    assert wg.tensor([1, 2], dtype="uint32").neg_().tolist() == [2**32 - 1, 2**32 - 2]


def test_places_are_integers(numpy_device):
    x = wg.tensor(X)
    for start in (1.0, None, "1"):  # 1.0 was a view whose values nobody could read
        with pytest.raises(ArgumentError, match=r"narrow: start=.* an integer is needed"):
            x.narrow(0, start, 1)
    for axis in (2, -3, "a", 1.0):
        with pytest.raises(AxisError, match="size: axis"):
            x.size(axis)
    with pytest.raises(ShapeError, match="unflatten: shape 'ab' is not made of integers"):
        x.unflatten(1, "ab")
    assert x.unflatten(1, 4).shape == (3, 4)
