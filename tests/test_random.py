"""Random numbers: the generator's published answers, one stream on every device, distributions."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import wgrad as wg
from wgrad.backends import threefry
from wgrad.backends.base import Device
from wgrad.errors import ArgumentError, DTypeError, ShapeError
from wgrad.random import drawing

# Published with Random123: kat_vectors, threefry2x32 20.
KNOWN = (
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
)


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN)
def test_threefry_known_answers(key: tuple, counter: tuple, expected: tuple, device: Device):
    """Both words of one block, whose counter is the position in the stream divided by two."""
    words = [np.array([c], np.uint32) for c in counter]
    assert tuple(int(w[0]) for w in threefry.threefry(key, *words)) == expected
    block = counter[0] | counter[1] << 32
    found = device.download(device.random("bits", key, 2 * block, (2,)))
    assert tuple(found.tolist()) == expected


def test_stream_is_defined_by_seed_and_position(device):
    """Words 2 i and 2 i + 1 are the block of counter i under the seed's two words."""
    wg.manual_seed(0x0370734413198A2E)
    found = device.download(device.random("bits", (0x13198A2E, 0x03707344), 0, (6,)))
    low, high = np.arange(3, dtype=np.uint32), np.zeros(3, np.uint32)
    x, y = threefry.threefry((0x13198A2E, 0x03707344), low, high)
    assert found.tolist() == np.stack([x, y], axis=1).reshape(-1).tolist()
    expected = (found >> 8) * 2.0**-24
    np.testing.assert_array_equal(wg.rand(6).numpy(), expected.astype(np.float32))


DRAWS: dict[str, Callable[[int], wg.Tensor]] = {
    "rand": lambda n: wg.rand(n),
    "randn": lambda n: wg.randn(n),
    "uniform": lambda n: wg.uniform(-2.0, 2.0, n),
    "normal": lambda n: wg.normal(1.0, 2.0, n),
    "randint": lambda n: wg.randint(-7, 1000, n),
    "randint_whole": lambda n: wg.randint(-(2**31), 2**31, n),
    "randint_unsigned": lambda n: wg.randint(0, 5, n, dtype="uint32"),
    "randperm": lambda n: wg.randperm(n),
    "bernoulli": lambda n: wg.bernoulli(0.3, n),
    "bernoulli_of_tensor": lambda n: wg.bernoulli(wg.tensor([0.0, 0.5, 1.0]), (n, 3)),
}
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def bits_of(x: wg.Tensor) -> list:
    return x.numpy().view(np.uint32).tolist()


@every_draw
def test_same_numbers_on_every_device(draw: Callable, webgpu):
    """Bit for bit, for seeds and stream positions of every parity and size."""
    for seed, skipped in ((0, 0), (1, 1), (2**64 - 1, 5), (12345678901234567890, 64)):
        for n in (1, 2, 127, 5000):
            found = []
            for place in (webgpu, wg.device("numpy")):
                with place:
                    wg.manual_seed(seed)
                    wg.rand(skipped)
                    x = draw(n)
                    assert x.device is place
                    found.append(bits_of(x))
            assert found[0] == found[1]


def test_same_numbers_far_along_the_stream(webgpu):
    """Where the counter of blocks passes 2**32, and a carry into its second word is needed."""
    start = 2 * 2**32 - 3
    for kind in ("bits", "uniform", "normal"):
        host = wg.device("numpy")
        found = webgpu.download(webgpu.random(kind, (7, 9), start, (10,)))
        expected = host.download(host.random(kind, (7, 9), start, (10,)))
        np.testing.assert_array_equal(found, expected)
    one = threefry.bits((7, 9), start, 10)
    parts = [threefry.bits((7, 9), start + i, 1)[0] for i in range(10)]
    assert one.tolist() == parts


def test_normals_of_every_octave_agree_on_every_device(webgpu):
    """Among a million normals are some of the far tail, where the table has few pieces."""
    wg.manual_seed(3)
    x = wg.randn(1_000_000).numpy()
    with wg.device("numpy"):
        wg.manual_seed(3)
        np.testing.assert_array_equal(x, wg.randn(1_000_000).numpy())
    assert np.abs(x).max() > 4.5


# The stream.


@pytest.mark.parametrize(
    "draw", [lambda n: wg.rand(n), lambda n: wg.randn(n), lambda n: wg.randint(0, 99, n)]
)
def test_stream_split_over_calls_equals_one_call(draw: Callable, device):
    wg.manual_seed(5)
    whole = draw(100).numpy()
    for sizes in ((1, 99), (2, 98), (33, 33, 34), (0, 100), (7, 1, 92)):
        wg.manual_seed(5)
        parts = np.concatenate([draw(n).numpy() for n in sizes])
        np.testing.assert_array_equal(parts, whole)


def test_shape_does_not_change_the_numbers(device):
    wg.manual_seed(1)
    flat = wg.randn(24).numpy()
    wg.manual_seed(1)
    np.testing.assert_array_equal(wg.randn(2, 3, 4).numpy().reshape(-1), flat)
    wg.manual_seed(1)
    np.testing.assert_array_equal(wg.randn((24,)).numpy(), flat)


def test_seeds_give_streams_and_streams_go_on(device):
    wg.manual_seed(1)
    first, second = wg.rand(50).tolist(), wg.rand(50).tolist()
    assert first != second
    wg.manual_seed(1)
    assert wg.rand(50).tolist() == first
    wg.manual_seed(2)
    assert wg.rand(50).tolist() != first
    wg.manual_seed(1 << 32)  # the second key word counts
    assert wg.rand(50).tolist() not in (first, second)
    wg.manual_seed(np.uint64(1))
    assert wg.rand(50).tolist() == first


def test_state_can_be_kept_and_restored(device):
    wg.manual_seed(9)
    wg.rand(7)
    state = wg.get_rng_state()
    assert state == (9, 7)
    expected = wg.randn(5).tolist()
    wg.manual_seed(123)
    wg.set_rng_state(state)
    assert wg.randn(5).tolist() == expected


def test_drawing_nothing_takes_nothing(device):
    state = wg.get_rng_state()
    for x in (wg.rand(0), wg.randn(2, 0), wg.randint(0, 5, (0, 3))):
        assert x.size == 0 and x.numpy().size == 0
    assert wg.get_rng_state() == state


def test_threads_never_get_the_same_numbers(device):
    wg.manual_seed(0)
    found: list[float] = []

    def work() -> None:
        for _ in range(20):
            found.extend(wg.randint(0, 2**31, 5).tolist())

    threads = [threading.Thread(target=lambda: _in(device, work)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wg.manual_seed(0)
    assert sorted(found) == sorted(wg.randint(0, 2**31, 400).tolist())


def _in(device: Device, work: Callable[[], None]) -> None:
    with device:
        work()


def test_unseeded_processes_differ():
    """Without manual_seed the seed comes from the operating system."""
    from wgrad.random import Generator

    assert wg.get_rng_state()[0] == 0  # the fixture seeded it
    assert Generator(5).take(3) == ((5, 0), 0)


# Results.


def test_results_have_dtype_device_and_flags(device):
    assert wg.rand(2, 3).shape == (2, 3) and wg.rand((2, 3)).shape == (2, 3)
    assert wg.rand().shape == () and wg.uniform().shape == ()
    assert wg.randn(3, requires_grad=True).requires_grad
    assert wg.rand(3).dtype is wg.float32 and wg.randint(5, shape=3).dtype is wg.int32
    assert wg.randint(5, shape=3, dtype="uint32").dtype is wg.uint32
    assert wg.rand(3, device="numpy").device.name == "numpy"
    with wg.device("numpy"):
        x = wg.randn(3, dtype="float64")
        assert x.dtype is wg.float64


def test_float64_draws_are_the_float32_ones(numpy_device):
    wg.manual_seed(4)
    narrow = wg.randn(10).numpy()
    wg.manual_seed(4)
    np.testing.assert_array_equal(wg.randn(10, dtype="float64").numpy(), narrow.astype(float))


def test_uniforms_stay_inside_their_range(device):
    x = wg.rand(100_000).numpy()
    assert x.min() >= 0 and x.max() < 1
    assert ((x * 2**24) % 1 == 0).all()
    y = wg.uniform(-3.0, 5.0, 100_000).numpy()
    assert y.min() >= -3 and y.max() <= 5


def test_integers_reach_both_ends_and_no_further(device):
    x = wg.randint(-2, 3, 10_000).numpy()
    assert sorted(set(x.tolist())) == [-2, -1, 0, 1, 2]
    assert set(wg.randint(1, shape=100).tolist()) == {0}
    whole = wg.randint(-(2**31), 2**31, 10_000).numpy().astype(np.int64)
    assert whole.min() < -(2**30) and whole.max() > 2**30
    assert wg.randint(2**31 - 1, 2**31, 3).tolist() == [2**31 - 1] * 3


def test_permutations_hold_every_number_once(device):
    for n in (0, 1, 2, 1000):
        assert sorted(wg.randperm(n).tolist()) == list(range(n))


# Distributions, each with a fixed seed: the statistics are numbers, not chances.

N = 200_000


def kolmogorov(sample: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return sqrt(n) times the largest distance from the exact distribution function.

    Below 1.63 for 99 of 100 samples of the distribution.
    """
    x = np.sort(sample.astype(np.float64))
    exact = cdf(x)
    n = len(x)
    steps = np.arange(n + 1) / n
    return math.sqrt(n) * max((steps[1:] - exact).max(), (exact - steps[:-1]).max())


def normal_cdf(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


def test_equal_keys_of_a_permutation_keep_their_order(rng):
    for keys in (rng.integers(0, 5, (3, 100)), rng.permutation(100)):
        right = np.argsort(keys, axis=-1, kind="stable")
        np.testing.assert_array_equal(drawing._ordered(keys.astype(np.uint64)), right)


def test_uniform_distribution(device):
    x = wg.rand(N).numpy().astype(np.float64)
    assert kolmogorov(x, lambda v: v) < 1.63
    assert abs(x.mean() - 0.5) < 4 * math.sqrt(1 / 12 / N)
    assert abs(x.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / N)


def test_normal_distribution(device):
    x = wg.randn(N).numpy().astype(np.float64)
    assert kolmogorov(x, normal_cdf) < 1.63
    for power, expected, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - expected) < 4 * math.sqrt(spread / N), power
    tail = (np.abs(x) > 3).mean()
    assert tail == pytest.approx(math.erfc(3 / math.sqrt(2)), rel=0.15)


def test_scaled_distributions(device):
    x = wg.normal(5.0, 0.5, 20_000).numpy()
    assert x.mean() == pytest.approx(5, abs=0.02) and x.std() == pytest.approx(0.5, abs=0.01)
    y = wg.uniform(2.0, 4.0, 20_000).numpy()
    assert y.mean() == pytest.approx(3, abs=0.02)
    assert (wg.normal(3.0, 0.0, 5).numpy() == 3).all()


def test_integer_distribution(device):
    counts = np.bincount(wg.randint(0, 10, N).numpy(), minlength=10)
    chi2 = ((counts - N / 10) ** 2 / (N / 10)).sum()
    assert chi2 < 21.7  # 99 of 100 samples, 9 degrees of freedom


def test_neighbours_are_not_correlated(device):
    for x in (wg.randn(N).numpy(), wg.rand(N).numpy() - 0.5):
        for lag in (1, 2, 64):
            correlation = np.corrcoef(x[:-lag], x[lag:])[0, 1]
            assert abs(correlation) < 4 / math.sqrt(N)


def test_normal_table_is_the_exact_quantile():
    """Ends of pieces are within half a unit of 2**-21, and the pieces between them near it."""
    from statistics import NormalDist

    words = np.array([1 << 31, 3 << 30, 5 << 29, 1 << 10, 99999 << 1, 2**32 - 2], np.uint32)
    found = threefry.normal(words)
    for word, z in zip(words.tolist(), found.tolist(), strict=True):
        tail = ((word >> 1) | 1) / 2**32
        exact = -NormalDist().inv_cdf(tail)
        assert abs(z) == pytest.approx(exact, abs=2e-5)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: wg.manual_seed(-1), wg.errors.ArgumentError),
        (lambda: wg.manual_seed(2**64), wg.errors.ArgumentError),
        (lambda: wg.manual_seed(1.0), wg.errors.ArgumentError),
        (lambda: wg.manual_seed(True), wg.errors.ArgumentError),
        (lambda: wg.rand(-1), wg.errors.ShapeError),
        (lambda: wg.rand(2.5), wg.errors.ShapeError),
        (lambda: wg.rand("2"), wg.errors.ShapeError),
        (lambda: wg.rand(2, dtype="int32"), wg.errors.DTypeError),
        (lambda: wg.randn(2, dtype="bool"), wg.errors.DTypeError),
        (lambda: wg.randint(5, 5, 2), wg.errors.ArgumentError),
        (lambda: wg.randint(0, 2**31 + 1, 2), wg.errors.ArgumentError),
        (lambda: wg.randint(-1, 5, 2, dtype="uint32"), wg.errors.ArgumentError),
        (lambda: wg.randint(0, 5, 2, dtype="float32"), wg.errors.DTypeError),
        (lambda: wg.randint(2.5, shape=2), wg.errors.WgradError),
        (lambda: wg.randint("a", shape=2), wg.errors.WgradError),
        (lambda: wg.normal(0.0, -1.0, 2), wg.errors.ArgumentError),
        (lambda: wg.normal(0.0, float("nan"), 2), wg.errors.ArgumentError),
        (lambda: wg.normal("a", 1.0, 2), wg.errors.WgradError),
        (lambda: wg.uniform("a", 1.0, 2), wg.errors.WgradError),
        (lambda: wg.set_rng_state((1,)), wg.errors.ArgumentError),
        (lambda: wg.set_rng_state((1, -5)), wg.errors.ArgumentError),
        (lambda: wg.set_rng_state("state"), wg.errors.ArgumentError),
        (lambda: wg.randperm(-1), wg.errors.ArgumentError),
        (lambda: wg.rand(2, generator=5), wg.errors.ArgumentError),
    ],
)
def test_bad_arguments_take_nothing_from_the_stream(call: Any, error: type, device):
    state = wg.get_rng_state()
    device.synchronize()
    before = wg.stats()["dispatches"]
    with pytest.raises(error):
        call()
    device.synchronize()
    assert wg.get_rng_state() == state
    assert wg.stats()["dispatches"] == before


# Distributions made of uniform numbers.
SHAPED: dict[str, tuple[Callable[[int], wg.Tensor], Any]] = {
    "exponential": (lambda n: wg.exponential(2.5, n), stats.expon(scale=1 / 2.5)),
    "trunc_normal": (
        lambda n: wg.trunc_normal(1.0, 2.0, -1.0, 2.0, n),
        stats.truncnorm(-1.0, 0.5, 1.0, 2.0),
    ),
    "trunc_normal_above": (
        lambda n: wg.trunc_normal(0.0, 1.0, 2.5, 9.0, n),
        stats.truncnorm(2.5, 9.0),
    ),
}


@pytest.mark.parametrize("name", SHAPED)
def test_shaped_numbers_are_distributed_as_said(name: str, device: Device):
    """Kolmogorov and Smirnov's test; a fixed seed, so it passes always or never."""
    draw, law = SHAPED[name]
    wg.manual_seed(11)
    x = draw(20_000)
    values = x.numpy().astype(np.float64)
    assert stats.kstest(values, law.cdf).pvalue > 0.01
    low, high = law.support()
    assert values.min() >= low and values.max() <= high
    with wg.device("numpy"):
        wg.manual_seed(11)
        np.testing.assert_allclose(draw(20_000).numpy(), values, rtol=1e-5, atol=1e-6)


def test_small_waits_are_resolved(device: Device):
    """Where uniform numbers have steps of 6e-8: of a million waits the least is about 1e-6."""
    values = np.sort(wg.exponential(shape=200_000).numpy())
    assert values[0] > 0 and len(np.unique(values[:1000])) > 990


def test_a_chance_for_each(device: Device):
    p = wg.tensor([[0.0, 0.25, 1.0, wg.nan]])
    x = wg.bernoulli(p, (4000, 4)).numpy()
    assert (x[:, 0] == 0).all() and (x[:, 2] == 1).all() and np.isnan(x[:, 3]).all()
    assert abs(x[:, 1].mean() - 0.25) < 0.04
    assert p.bernoulli().shape == (1, 4) and wg.bernoulli(1, dtype=bool).item() is True
    assert not wg.bernoulli(wg.tensor(0.5, requires_grad=True)).requires_grad


def test_samples_without_replacement_differ(device: Device):
    """The first is drawn by its share, the second by its share of what is left."""
    weights = wg.tensor([1.0, 0.0, 3.0, 4.0])
    rows = wg.multinomial(wg.broadcast_to(weights, (8000, 4)), 3).numpy()
    assert (np.sort(rows, axis=1) == [0, 2, 3]).all()
    np.testing.assert_allclose(np.bincount(rows[:, 0]) / 8000, [1 / 8, 0, 3 / 8, 1 / 2], atol=0.03)
    second = rows[rows[:, 0] == 3, 1]
    np.testing.assert_allclose(np.bincount(second) / len(second), [1 / 4, 0, 3 / 4], atol=0.03)


def test_samples_with_replacement(device: Device):
    x = wg.tensor([0.0, 10.0, 3.0]).multinomial(9000, replacement=True).numpy()
    np.testing.assert_allclose(np.bincount(x) / 9000, [0, 10 / 13, 3 / 13], atol=0.02)
    assert wg.categorical(wg.tensor([[0.0, -wg.inf], [-wg.inf, 5.0]])).tolist() == [0, 1]
    assert wg.categorical(wg.zeros((3, 2)), axis=0, shape=(5, 2)).shape == (5, 2)


REFUSED: dict[str, tuple[Callable[[], Any], type, str]] = {
    "rate": (lambda: wg.exponential(0.0), ArgumentError, "rate=0.0 came, and more than 0"),
    "integers": (lambda: wg.exponential(dtype=int), DTypeError, "floating dtype"),
    "p": (lambda: wg.bernoulli(1.5), ArgumentError, "p=1.5 came"),
    "p_nan": (lambda: wg.bernoulli(math.nan), ArgumentError, "p=nan came"),
    "p_shape": (lambda: wg.bernoulli(wg.zeros(3), (2, 2)), ShapeError, "bernoulli"),
    "bounds": (lambda: wg.trunc_normal(low=1.0, high=1.0), ArgumentError, "low < high"),
    "far": (lambda: wg.trunc_normal(low=6.0, high=7.0), ArgumentError, "at least 1e-5"),
    "negative": (lambda: wg.multinomial(wg.tensor([1.0, -1.0]), 1), ArgumentError, "negative"),
    "too_many": (lambda: wg.multinomial(wg.ones(3), 4), ArgumentError, "num_samples"),
    "too_few": (lambda: wg.multinomial(wg.tensor([1.0, 0.0]), 2), ArgumentError, "1 weights above"),
    "zeros": (lambda: wg.multinomial(wg.zeros(2), 1, True), ArgumentError, "0 weights above"),
    "cube": (lambda: wg.multinomial(wg.ones((2, 2, 2)), 1), ShapeError, r"\(n,\) or \(m, n\)"),
    "scalar": (lambda: wg.categorical(wg.tensor(1.0)), ShapeError, "axis of categories"),
    "none": (lambda: wg.categorical(wg.zeros((2, 0))), ShapeError, "without a category"),
    "shape": (lambda: wg.categorical(wg.zeros((3, 2)), shape=(2,)), ShapeError, "categorical"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_draws_take_no_numbers(name: str, numpy_device: Device):
    function, error, text = REFUSED[name]
    before = wg.get_rng_state()
    with pytest.raises(error, match=text):
        function()
    assert wg.get_rng_state() == before


def test_shaped_numbers_in_compiled_functions(device: Device):
    @wg.compile
    def draw(p: wg.Tensor) -> tuple[wg.Tensor, ...]:
        return (
            *(wg.bernoulli(p), wg.exponential(2.0, (5,)), wg.trunc_normal(shape=(5,))),
            *(wg.multinomial(p, 2), wg.categorical(p, shape=(7,))),
        )

    p, results = wg.tensor([0.1, 0.5, 0.9]), []
    for _ in range(2):
        wg.manual_seed(5)
        results.append([[y.tolist() for y in draw(p)] for _ in range(4)])
    assert results[0] == results[1]
    assert results[0][2] != results[0][3]
