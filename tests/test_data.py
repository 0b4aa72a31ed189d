"""Streams of random numbers of one's own, permutations, and mini-batches."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import wgrad as wg
from wgrad.data import batches
from wgrad.errors import ArgumentError, DeviceError, ShapeError

DRAWS = {
    "rand": lambda g: wg.rand(5, generator=g),
    "randn": lambda g: wg.randn(5, generator=g),
    "uniform": lambda g: wg.uniform(-2, 2, 5, generator=g),
    "normal": lambda g: wg.normal(1, 2, 5, generator=g),
    "randint": lambda g: wg.randint(0, 1000, 5, generator=g),
    "randperm": lambda g: wg.randperm(20, generator=g),
}
each_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


@each_draw
def test_generator_is_a_stream_apart_from_the_global_one(device, draw):
    state = wg.get_rng_state()
    stream = wg.Generator(7)
    first, second = draw(stream).tolist(), draw(stream).tolist()
    assert wg.get_rng_state() == state and first != second
    wg.manual_seed(7)
    assert [draw(None).tolist(), draw(None).tolist()] == [first, second]


@each_draw
def test_generator_copies_go_on_from_where_it_is(numpy_device, draw):
    stream = wg.Generator(2**64 - 1)
    draw(stream)
    copies = [copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    expected = draw(stream).tolist()
    assert [draw(x).tolist() for x in copies] == [expected] * 2


@each_draw
def test_generator_gives_the_same_on_every_device(webgpu, draw):
    there = draw(wg.Generator(3)).tolist()
    with wg.device("numpy"):
        assert draw(wg.Generator(3)).tolist() == there


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "1", None])
def test_generator_refuses_what_is_no_seed(seed):
    with pytest.raises(ArgumentError, match="seed"):
        wg.Generator(seed)
    with pytest.raises(ArgumentError, match=r"wg\.Generator\(seed\) is needed"):
        wg.rand(2, generator=5)


def test_randperm_holds_every_number_once(device):
    for n in (0, 1, 2, 1000):
        order = wg.randperm(n)
        assert order.dtype is wg.int32 and order.device is device
        assert sorted(order.tolist()) == list(range(n))
    assert order.tolist() != list(range(n))


def test_randperm_is_uniform(numpy_device):
    """All 24 orders of 4 come equally often: chi-squared of 23 degrees, 99.9 % quantile 49.7."""
    stream, counts = wg.Generator(0), {}
    for _ in range(4800):
        key = tuple(wg.randperm(4, generator=stream).tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 24
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 49.7


@pytest.mark.parametrize("n", [-1, 1.5, "3", None])
def test_randperm_refuses_what_is_no_length(n):
    with pytest.raises(ArgumentError, match="randperm"):
        wg.randperm(n)


def test_batches_cover_every_row_once_and_keep_rows_together(device):
    x = wg.tensor(np.arange(20.0).reshape(10, 2))
    y = wg.arange(10)
    found = list(batches(x, y, size=4, generator=wg.Generator(1)))
    assert [b.shape for _, b in found] == [(4,), (4,), (2,)]
    labels = [label for _, b in found for label in b.tolist()]
    assert sorted(labels) == list(range(10)) and labels != list(range(10))
    assert [row for a, _ in found for row in a.tolist()] == [[2.0 * i, 2.0 * i + 1] for i in labels]
    again = list(batches(x, y, size=4, generator=wg.Generator(1)))
    assert [b.tolist() for _, b in again] == [b.tolist() for _, b in found]


def test_batches_without_shuffle_are_slices_in_order(device):
    state = wg.get_rng_state()
    found = [x.tolist() for (x,) in batches(wg.arange(7), size=3, shuffle=False)]
    assert found == [[0, 1, 2], [3, 4, 5], [6]]
    assert wg.get_rng_state() == state
    assert list(batches(wg.zeros((0, 2)), size=3)) == []


def test_batches_of_labels_need_no_readback(webgpu):
    x, y = wg.ones((8, 3)), wg.tensor([0, 1] * 4)
    before = wg.stats()["readbacks"]
    for a, b in batches(x, y, size=4):
        wg.cross_entropy(a, b)
    assert wg.stats()["readbacks"] == before


@pytest.mark.parametrize("tensors", [(), ([1.0, 2.0],), (None,)])
def test_batches_refuse_what_is_no_tensor(tensors):
    with pytest.raises(ArgumentError, match="nothing but tensors"):
        batches(*tensors, size=2)


def test_batches_check_before_the_first_one_is_asked_for(numpy_device):
    x = wg.ones((4, 2))
    with pytest.raises(ArgumentError, match="size is 0"):
        batches(x, size=0)
    with pytest.raises(ArgumentError, match=r"size is 1\.5"):
        batches(x, size=1.5)
    with pytest.raises(ShapeError, match="equal first axes"):
        batches(x, wg.ones(3), size=2)
    with pytest.raises(ShapeError, match="equal first axes"):
        batches(wg.tensor(1.0), size=2)


def test_batches_refuse_tensors_of_two_devices(webgpu):
    with pytest.raises(DeviceError, match="several devices"):
        batches(wg.ones(4), wg.ones(4, device="numpy"), size=2)
