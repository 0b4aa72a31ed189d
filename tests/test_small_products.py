"""Products by short texts first, and by fast ones once they have run often: the same bits."""

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.webgpu import configs, kernels
from wgrad.backends.webgpu.configs import ROLLED, SMALL
from wgrad.backends.webgpu.facts import Facts
from wgrad.backends.webgpu.launches import Launches
from wgrad.backends.webgpu.matmul import Products
from wgrad.backends.webgpu.problem import Problem
from wgrad.errors import ArgumentError
from wgrad.layout import Layout
from wgrad.recent import Recent


@pytest.fixture
def software(webgpu):
    if not webgpu.facts.is_software:
        pytest.skip("only software adapters begin with short texts")
    return webgpu


@pytest.fixture
def exchanging(software):
    if not software.products.shuffles:
        pytest.skip("its lanes exchange no values: one kernel is short and fast")
    return software


@pytest.fixture
def soon(monkeypatch):
    """What runs a third time is hot, however small."""
    monkeypatch.setattr(configs, "MOST_SMALL", 2)
    monkeypatch.setattr(configs, "TINY", 0)


def bits(x: wg.Tensor) -> bytes:
    return x.numpy().tobytes()


def operands(rng: np.random.Generator):
    """Yield pairs that take every way through the texts; sums of them are not exact."""

    def made(*shape: int) -> wg.Tensor:
        return wg.tensor(rng.standard_normal(shape).astype(np.float32))

    yield made(17, 21), made(21, 11)
    yield made(21, 17).mT, made(5, 21).mT
    yield made(40, 64)[:, 3:60], made(70, 64)[2:59, ::2]
    yield wg.broadcast_to(made(2, 1, 1, 9, 6), (2, 3, 2, 9, 6)), made(1, 3, 1, 6, 8)
    yield made(3, 2048), made(2048, 20)  # of several parts
    yield made(3, 40, 3), made(3, 3, 80)  # turned


@pytest.fixture
def labels(software, monkeypatch):
    """The labels of what is launched eagerly."""
    found: list[str] = []
    launch = software.launch

    def noted(pipeline, *rest):
        found.append(pipeline.label)
        launch(pipeline, *rest)

    monkeypatch.setattr(software, "launch", noted)
    return found


def test_what_is_hot_writes_the_same_bits(exchanging, soon, labels, rng):
    for x, y in operands(rng):
        runs = []
        for hot in (False, False, True, True):
            labels.clear()
            runs.append(bits(x @ y))
            (product,) = [label for label in labels if "matmul" in label and "sum" not in label]
            assert (SMALL not in product) == hot
        assert len(set(runs)) == 1


def test_windows_of_convolutions_too(software, soon, monkeypatch, rng):
    x = wg.tensor(rng.standard_normal((2, 3, 9, 7)).astype(np.float32))
    k = wg.tensor(rng.standard_normal((5, 3, 3, 3)).astype(np.float32))
    runs = [bits(wg.nn.functional.conv2d(x, k, padding=1)) for _ in range(4)]
    monkeypatch.setattr(software.products, "_shuffles", False)
    monkeypatch.setattr(software, "_products", Recent(8))
    runs.append(bits(wg.nn.functional.conv2d(x, k, padding=1)))
    assert len(set(runs)) == 1


def test_where_lanes_exchange_no_values_the_bits_are_the_same(exchanging, labels, monkeypatch, rng):
    pairs = list(operands(rng))
    wanted = [bits(x @ y) for x, y in pairs]
    monkeypatch.setattr(exchanging.products, "_shuffles", False)
    monkeypatch.setattr(exchanging, "_products", Recent(8))
    monkeypatch.setattr(configs, "ROLLED_HIGH", 0)  # 16 rows, and 8 where there are no more
    labels.clear()
    assert [bits(x @ y) for x, y in pairs] == wanted
    products = [label for label in labels if "matmul" in label and "sum" not in label]
    assert len(products) == len(pairs) and all(ROLLED in label for label in products)
    assert {label.split()[2] for label in products} == {"8x32", "16x32"}


@pytest.mark.parametrize("dtype", [wg.int32, wg.float16])
def test_other_dtypes(software, soon, rng, dtype):
    if dtype not in software.dtypes:
        pytest.skip("the adapter has no float16")
    x, y = (wg.tensor(rng.integers(-9, 9, s)).astype(dtype) for s in ((18, 9), (9, 10)))
    runs = [(x @ y).numpy() for _ in range(4)]
    for run in runs:
        np.testing.assert_array_equal(run, x.numpy().astype(np.int64) @ y.numpy().astype(np.int64))


def test_compiled_functions_replay_to_the_same_bits(exchanging, soon, rng):
    x, y, z = (
        wg.tensor(rng.standard_normal(s).astype(np.float32)) for s in ((30, 70), (70, 24), (30, 24))
    )
    f = wg.compile(lambda x, y, z: (x @ y).tanh() * z)
    f(x, y, z)
    runs = [bits(f(x, y, z))]
    before, groups = wg.stats()["pipelines_compiled"], f.explain().kernels[0].workgroups
    runs += [bits(f(x, y, z)) for _ in range(3)]
    assert wg.stats()["pipelines_compiled"] == before + 1
    assert f.explain().kernels[0].workgroups < groups
    assert len(set(runs)) == 1


def test_lowering_names_both_kernels_and_opens_no_adapter(rng):
    facts = Facts(is_software=True)
    problem = Problem.of(Layout.dense((64, 32)), Layout.dense((32, 48)), wg.float32)
    (launch,) = Products(facts, shuffles=True).plan(problem)
    assert SMALL in launch.kernel.label and launch.groups == (8, 3, 1)
    assert launch.hot is not None and launch.hot.after == configs.MOST_SMALL
    assert len(launch.kernel.code) < len(launch.hot.kernel.code)
    (alone,) = Products(facts).plan(problem)
    assert ROLLED in alone.kernel.label and alone.groups == (2, 6, 1) and alone.hot is None
    hardware = Facts()
    (launch,) = Products(hardware).plan(problem)
    assert launch.hot is None and SMALL not in launch.kernel.label


@pytest.mark.parametrize(
    ("m", "k", "n", "after"),
    [(8, 8, 8, None), (64, 784, 128, 41), (256, 512, 512, 4), (1 << 10, 1 << 10, 1 << 10, 0)],
)
def test_the_more_work_the_sooner_it_is_hot(m, k, n, after):
    problem = Problem.of(Layout.dense((m, k)), Layout.dense((k, n)), wg.float32)
    if after == 0:
        assert configs.small_groups(problem, 1, k) is None
    else:
        assert configs.small_runs(problem) == after


def test_one_text_serves_all_strides(software, rng):
    x = wg.tensor(rng.standard_normal((20, 20)).astype(np.float32))
    bits(x @ x)
    before = wg.stats()["pipelines_compiled"]
    for pair in ((x, x.mT), (x.mT, x), (x[1:, 1:], x[1:, 2:]), (x[::2, 3:], x[3:])):
        bits(pair[0] @ pair[1])
    assert wg.stats()["pipelines_compiled"] == before


def test_json_has_what_is_hot(exchanging, rng):
    f = wg.compile(lambda x, y: x @ y)
    x = wg.tensor(rng.standard_normal((64, 64)).astype(np.float32))
    for _ in range(2):
        f(x, x)
    made = f.launches()
    read = Launches.from_json(made.to_json())
    (launch,) = read.launches
    assert launch.hot is not None and launch.hot.groups == 4
    assert read.kernels == made.kernels and len(made.kernels) == 2
    wrong = made.to_json().replace(f'"hot": [{launch.hot.kernel}, ', '"hot": [7, ')
    with pytest.raises(ArgumentError, match="is of kernel 7, and there are 2"):
        Launches.from_json(wrong)


def test_seconds_of_compiling_are_counted(software, rng):
    before = wg.stats()["compile_seconds"]
    f = wg.compile(lambda x: (x * 1.25 + x.sin()).exp())
    for _ in range(2):
        f(wg.ones((3, 5)))
    (kernel,) = f.explain().kernels
    assert 0 < kernel.compile_seconds <= wg.stats()["compile_seconds"] - before
    assert "CPU seconds of compiling" in str(f.explain())


@pytest.mark.parametrize("fold", ["sum", "max", "prod"])
def test_short_reductions_fold_to_the_same_bits(software, monkeypatch, rng, fold):
    x = wg.tensor((1 + rng.standard_normal((9, 11, 40)) / 8).astype(np.float32))
    for axes in ((0, 2), 1, 2):
        short = bits(getattr(wg, fold)(x, axis=axes))
        monkeypatch.setattr(kernels, "SHORT_BELOW", 0)
        assert bits(getattr(wg, fold)(x, axis=axes)) == short
        monkeypatch.undo()
