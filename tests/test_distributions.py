"""Distributions: against scipy.stats in float64, draws by their moments, gradients, bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import wgrad as wg
from wgrad import distributions as D
from wgrad.errors import ArgumentError, CallError, DTypeError, IndexRangeError, ShapeError

LOC, SCALE = np.array([[0.5], [-2.0]]), np.array([1.0, 0.3, 4.0])
PROBS = np.array([0.0, 0.2, 0.75, 1.0])
WEIGHTS = np.array([[1.0, 0.0, 3.0], [2.0, 2.0, 4.0]])
SHARES = WEIGHTS / WEIGHTS.sum(-1, keepdims=True)


def double(x: Any) -> wg.Tensor:
    return wg.tensor(x, dtype="float64", device="numpy")


with np.errstate(divide="ignore"):
    LOGITS = np.log(WEIGHTS) + 7  # up to a constant

CASES: dict[str, tuple[Callable[[], D.Distribution], Any, Callable[[Any], Any], Any]] = {
    # The distribution, values, the logarithms of their probabilities, the entropy.
    "normal": (
        lambda: D.Normal(double(LOC), double(SCALE)),
        np.array([0.1, -3.0, 9.0]),
        lambda x: stats.norm(LOC, SCALE).logpdf(x),
        stats.norm(LOC, SCALE).entropy(),
    ),
    "uniform": (
        lambda: D.Uniform(double(LOC), double(LOC + SCALE)),
        np.array([0.6, -1.9, 9.0]),
        lambda x: stats.uniform(LOC, SCALE).logpdf(x),
        np.broadcast_to(np.log(SCALE), (2, 3)),
    ),
    "bernoulli": (
        lambda: D.Bernoulli(double(PROBS)),
        np.array([[0.0], [1.0]]),
        lambda x: stats.bernoulli(PROBS).logpmf(x),
        stats.bernoulli(PROBS).entropy(),
    ),
    "bernoulli_logits": (
        lambda: D.Bernoulli(logits=double([-40.0, 0.3, 800.0])),
        np.array([[0.0], [1.0]]),
        lambda x: -np.logaddexp(0, np.where(x, -1, 1) * np.array([-40.0, 0.3, 800.0])),
        stats.bernoulli(1 / (1 + np.exp(-np.array([-40.0, 0.3, 800.0])))).entropy(),
    ),
    "categorical": (
        lambda: D.Categorical(double(WEIGHTS)),
        np.array([[0, 1], [2, 0], [1, 2]], np.int32),
        lambda x: np.log(np.take_along_axis(SHARES, x.T, 1).T),
        np.array([stats.entropy(row) for row in SHARES]),
    ),
    "categorical_logits": (
        lambda: D.Categorical(logits=double(LOGITS)),
        np.array([[0, 1], [2, 0], [1, 2]], np.int32),
        lambda x: np.log(np.take_along_axis(SHARES, x.T, 1).T),
        np.array([stats.entropy(row) for row in SHARES]),
    ),
    "independent": (
        lambda: D.Independent(D.Normal(double(LOC), double(SCALE)), 1),
        np.array([0.1, -3.0, 9.0]),
        lambda x: stats.norm(LOC, SCALE).logpdf(x).sum(-1),
        stats.norm(LOC, SCALE).entropy().sum(-1),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_probabilities_and_entropies(name):
    make, values, logs, entropy = CASES[name]
    d = make()
    with np.errstate(divide="ignore"):
        expected = logs(values)
    np.testing.assert_allclose(d.log_prob(values).numpy(), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(d.prob(values).numpy(), np.exp(expected), rtol=1e-12)
    np.testing.assert_allclose(d.entropy().numpy(), entropy, rtol=1e-12, atol=1e-15)
    assert d.entropy().shape == d.batch_shape
    assert d.sample((5,)).shape == (5, *d.batch_shape, *d.event_shape)
    with wg.no_grad():
        assert not d.sample().requires_grad


def test_shares_above_and_below():
    d, u = D.Normal(double(LOC), double(SCALE)), D.Uniform(double(-1.0), double(3.0))
    x = np.array([0.1, -3.0, 2.0])
    np.testing.assert_allclose(d.cdf(x).numpy(), stats.norm(LOC, SCALE).cdf(x), rtol=1e-12)
    np.testing.assert_allclose(u.cdf(x).numpy(), [0.275, 0, 0.75])
    share = np.array([0.01, 0.5, 0.9])
    expected = stats.norm(LOC, SCALE).ppf(share)
    np.testing.assert_allclose(d.icdf(share).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(u.icdf(share).numpy(), -1 + 4 * share)


DRAWN: dict[str, Callable[[], D.Distribution]] = {
    "normal": lambda: D.Normal(wg.tensor([1.0, -5.0]), wg.tensor([2.0, 0.1])),
    "uniform": lambda: D.Uniform(wg.tensor([1.0, -5.0]), wg.tensor([2.0, 7.0])),
    "bernoulli": lambda: D.Bernoulli(logits=wg.tensor([0.3, -2.0])),
    "independent": lambda: D.Independent(D.Normal(wg.tensor([1.0, -5.0]), 2.0), 1),
}


@pytest.mark.parametrize("name", DRAWN)
def test_draws_have_the_moments(name, device):
    d = DRAWN[name]()
    n = 40_000
    x = d.sample((n,)).numpy().astype(np.float64)
    std = np.sqrt(d.variance.numpy())
    assert np.all(abs(x.mean(0) - d.mean.numpy()) < 5 * std / math.sqrt(n))
    np.testing.assert_allclose(x.std(0), std, rtol=0.03)
    np.testing.assert_allclose(d.stddev.numpy(), std, rtol=1e-6)
    wg.manual_seed(3)
    first = d.sample((4,)).numpy()
    wg.manual_seed(3)
    np.testing.assert_array_equal(d.sample((4,)).numpy(), first)


def test_categories_come_by_their_probabilities(device):
    d = D.Categorical(wg.tensor([[1.0, 0.0, 3.0], [2.0, 2.0, 4.0]]))
    x = d.sample((20_000,)).numpy()
    for row in range(2):
        counts = np.bincount(x[:, row], minlength=3)
        assert counts[WEIGHTS[row] == 0].sum() == 0
        np.testing.assert_allclose(counts / 20_000, SHARES[row], atol=0.015)


def test_samples_pass_gradients_on():
    """Reparametrised: d/d loc of the mean of x**2 is 2 * mean(x), d/d scale 2 * mean(x * z)."""
    loc, scale = (double(x).requires_grad_() for x in (0.7, 1.3))
    wg.manual_seed(1)
    x = D.Normal(loc, scale).rsample((1000,))
    (x * x).mean().backward()
    values, z = x.detach().numpy(), (x.detach().numpy() - 0.7) / 1.3
    np.testing.assert_allclose(loc.grad.numpy(), 2 * values.mean(), rtol=1e-12)
    np.testing.assert_allclose(scale.grad.numpy(), 2 * (values * z).mean(), rtol=1e-10)


def test_derivatives_of_probabilities():
    x = double([0.3, 1.0, -0.2])
    loc, scale = double([0.1, 0.4, 2.0]), double([0.5, 1.5, 1.0])
    assert wg.gradcheck(lambda a, b: D.Normal(a, b).log_prob(x), [loc, scale])
    assert wg.gradcheck(lambda a: D.Bernoulli(logits=a).log_prob(double([0.0, 1.0, 1.0])), [loc])
    assert wg.gradcheck(lambda a: D.Bernoulli(a).entropy(), [double([0.2, 0.4])])
    labels = wg.tensor([2, 0], device="numpy")
    assert wg.gradcheck(lambda a: D.Categorical(a).log_prob(labels), [double(WEIGHTS + 1)])
    assert wg.gradcheck(lambda a: D.Categorical(logits=a).entropy(), [double(WEIGHTS)])
    # A category of probability 0 adds nothing, and its gradient is no NaN.
    weights = double(WEIGHTS).requires_grad_()
    D.Categorical(weights).entropy().sum().backward()
    assert np.isfinite(weights.grad.numpy()).all()


def _mean_of_difference(p: D.Distribution, q: D.Distribution, x: np.ndarray) -> np.ndarray:
    """Return the sum over x, all values that there are, of p(x) * log(p(x) / q(x))."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = p.prob(x).numpy() * (p.log_prob(x).numpy() - q.log_prob(x).numpy())
    return np.where(p.prob(x).numpy() == 0, 0, terms).sum(0)


def test_divergences_against_sums():
    kl = D.kl_divergence
    p, q = D.Bernoulli(double([0.0, 0.3, 1.0])), D.Bernoulli(logits=double([1.0, 0.1, 2.0]))
    both = np.array([[0.0], [1.0]])
    np.testing.assert_allclose(kl(p, q).numpy(), _mean_of_difference(p, q, both), rtol=1e-12)
    c, d = D.Categorical(double(WEIGHTS)), D.Categorical(logits=double(WEIGHTS[::-1].copy()))
    each = np.arange(3, dtype=np.int32)[:, None] * np.ones(2, np.int32)
    np.testing.assert_allclose(kl(c, d).numpy(), _mean_of_difference(c, d, each), rtol=1e-12)
    n, m = D.Normal(double(0.5), double(0.7)), D.Normal(double(-0.2), double(1.1))
    x = np.linspace(-8, 9, 200_001)
    integral = _mean_of_difference(n, m, x) * (x[1] - x[0])
    np.testing.assert_allclose(kl(n, m).numpy(), integral, rtol=1e-8)
    u, v = D.Uniform(double([0.0, 0.0]), double([1.0, 3.0])), D.Uniform(double(-1.0), double(2.0))
    np.testing.assert_allclose(kl(u, v).numpy(), [math.log(3), math.inf])
    both_n = D.Independent(D.Normal(double(LOC), double(SCALE)), 2)
    both_m = D.Independent(D.Normal(double(0.0), double(SCALE + 0 * LOC)), 2)
    apart = kl(both_n.base_dist, both_m.base_dist).numpy().sum()
    np.testing.assert_allclose(kl(both_n, both_m).numpy(), apart, rtol=1e-12)


def test_a_rule_of_ones_own():
    class Point(D.Distribution):
        def __init__(self, at):
            self.at = at
            super().__init__(())

    with pytest.raises(CallError, match="no rule for Point and Normal: add one with register_kl"):
        D.kl_divergence(Point(2.0), D.Normal(0.0, 1.0))

    @D.register_kl(Point, D.Normal)
    def _(p: Point, q: D.Normal) -> wg.Tensor:
        return -q.log_prob(p.at)

    d = D.Normal(0.0, 1.0)
    assert D.kl_divergence(Point(2.0), d).item() == -d.log_prob(2.0).item()
    for what in ("entropy", "log_prob", "rsample"):
        with pytest.raises(ArgumentError, match=f"Point has no {what}"):
            getattr(Point(0.0), what)(*([0.0] if what == "log_prob" else []))


def test_a_policy_is_compiled(device):
    """REINFORCE's step: a sample and the gradient of its log_prob, the same as op by op."""

    def step(logits: wg.Tensor) -> tuple[wg.Tensor, wg.Tensor]:
        action = D.Categorical(logits=logits.detach()).sample()
        return action, wg.grad(lambda x: D.Categorical(logits=x).log_prob(action).sum())(logits)

    logits, compiled = wg.randn(6, 3), wg.compile(step)
    for seed in (1, 2, 3, 4):
        wg.manual_seed(seed)
        expected = step(logits)
        wg.manual_seed(seed)
        for x, y in zip(compiled(logits), expected, strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), atol=1e-6)


BAD: dict[str, tuple[Callable[[], Any], type, str]] = {
    "scale": (lambda: D.Normal(0.0, [1.0, 0.0]), ArgumentError, "Normal: a scale is not above 0"),
    "scale_nan": (lambda: D.Normal(0.0, math.nan), ArgumentError, "Normal: a scale"),
    "low": (lambda: D.Uniform(1.0, 1.0), ArgumentError, "Uniform: low < high"),
    "neither": (lambda: D.Bernoulli(), ArgumentError, "one of probs and logits"),
    "both": (lambda: D.Categorical([1.0], [1.0]), ArgumentError, "one of probs and logits"),
    "probs": (lambda: D.Bernoulli(1.5), ArgumentError, "Bernoulli: a probability is outside"),
    "weights": (lambda: D.Categorical([1.0, -1.0]), ArgumentError, "a weight is below 0"),
    "zeros": (lambda: D.Categorical([0.0, 0.0]), ArgumentError, "weights of a row are all 0"),
    "scalar": (lambda: D.Categorical(1.0), ShapeError, "last axis of categories"),
    "float": (lambda: D.Categorical([1.0, 2.0]).log_prob(0.5), DTypeError, "integers are needed"),
    "label": (lambda: D.Categorical([1.0, 2.0]).log_prob(2), IndexRangeError, "2"),
    "shapes": (lambda: D.Normal(wg.zeros(2), wg.ones(3)), ShapeError, "Normal"),
    "axes": (lambda: D.Independent(D.Normal(0.0, 1.0), 1), ArgumentError, "reinterpreted"),
    "base": (lambda: D.Independent(3, 0), DTypeError, "a distribution is needed"),  # type: ignore
    "kinds": (
        lambda: D.kl_divergence(D.Categorical([1.0]), D.Categorical([1.0, 2.0])),
        ArgumentError,
        "1 and 2 categories",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name, numpy_device):
    function, error, text = BAD[name]
    with pytest.raises(error, match=text):
        function()


def test_unchecked_where_it_is_asked_for(numpy_device):
    assert np.isnan(D.Normal(0.0, -1.0, validate_args=False).log_prob(0.0).item())


def test_as_pytorch_says():
    torch = pytest.importorskip("torch")
    T = torch.distributions
    for ours, theirs, x in (
        (CASES["normal"][0](), T.Normal(torch.tensor(LOC), torch.tensor(SCALE)), 0.3),
        (CASES["categorical"][0](), T.Categorical(torch.tensor(WEIGHTS)), [2, 0]),
        (D.Bernoulli(double([0.2, 0.6])), T.Bernoulli(torch.tensor([0.2, 0.6])), 1.0),
    ):
        value = torch.tensor(x, dtype=torch.int64 if isinstance(x, list) else torch.float64)
        for a, b in (
            (ours.log_prob(x), theirs.log_prob(value)),
            (ours.entropy(), theirs.entropy()),
        ):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
        assert ours.batch_shape == tuple(theirs.batch_shape)
