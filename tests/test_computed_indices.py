"""Indices that a program computes: their range by interval arithmetic, or checked in the run."""

import gc
import itertools

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.errors import ArgumentError, IndexRangeError
from wgrad.ops import intervals

F = wg.nn.functional
TABLE = np.arange(20, dtype=np.float32).reshape(10, 2)


def checks(compiled) -> int:
    """Return how many range checks the program traced last makes itself."""
    return sum(slot.shape[0] for slot in compiled.program.inputs if slot.index in records(compiled))


def records(compiled) -> set[int]:
    shapes = {s.index: s for s in compiled.program.inputs}
    return {i for i in compiled.program.updates if shapes[i].dtype is wg.int32}


def wait(device: Device) -> None:
    device.synchronize()


# Known beforehand.
@pytest.mark.parametrize(
    ("compute", "right"),
    [
        (lambda i, x: i % 10, lambda i, x: i % 10),
        (lambda i, x: (i * 3 - 7) % 10, lambda i, x: (i * 3 - 7) % 10),
        (lambda i, x: wg.clip(i, 0, 9), lambda i, x: np.clip(i, 0, 9)),
        (lambda i, x: wg.where(i < 0, 0, i) % 10, lambda i, x: np.where(i < 0, 0, i) % 10),
        (lambda i, x: wg.roll(wg.arange(10), 3), lambda i, x: np.roll(np.arange(10), 3)),
        (lambda i, x: wg.argsort(x), lambda i, x: np.argsort(x)),
        (lambda i, x: wg.argsort(x)[::-1][1:4] + 0, lambda i, x: np.argsort(x)[::-1][1:4]),
        (lambda i, x: wg.topk(x, 3).indices, lambda i, x: np.argsort(-x)[:3]),
        (lambda i, x: wg.argmax(x) + wg.arange(2), lambda i, x: np.argmax(x) + np.arange(2)),
        (lambda i, x: (x > 0).astype(wg.int32) * 9, lambda i, x: (x > 0) * 9),
        (lambda i, x: wg.sum(x > 0), lambda i, x: np.sum(x > 0)),
        (lambda i, x: wg.cumulative_sum(x > 0), lambda i, x: np.cumsum(x > 0)),
        (lambda i, x: wg.abs(i % -9), lambda i, x: np.abs(i % -9)),
        (lambda i, x: (i & 7) | 1, lambda i, x: (i & 7) | 1),
        (lambda i, x: (i % 64) >> 3, lambda i, x: (i % 64) >> 3),
        (lambda i, x: wg.max(i % 5, 0), lambda i, x: np.max(i % 5, 0)),
        (lambda i, x: wg.take(wg.arange(9), i % 9), lambda i, x: np.arange(9)[i % 9]),
        (lambda i, x: wg.concat([i % 3, 9 - i % 3]), lambda i, x: np.r_[i % 3, 9 - i % 3]),
    ],
)  # fmt: skip
def test_computed_indices_of_a_known_range_need_no_check(device, compute, right):
    i, x = np.array([4, -3, 250, 0, 19], np.int32), np.array([2, -1, 0.5, 1, -7], np.float32)
    f = wg.compile(lambda i, x, w: F.embedding(compute(i, x), w))
    for shift in range(3):
        found = f(wg.tensor(i + shift), wg.tensor(x), wg.tensor(TABLE))
        np.testing.assert_array_equal(found.numpy(), TABLE[right(i + shift, x)])
    assert checks(f) == 0


def test_computed_indices_that_are_moved_are_checked_where_they_came_from(device):
    f = wg.compile(lambda i, w: F.embedding(wg.roll(i, 1), w))
    for i in ([0, 9, 3], [1, 2, 3], [9, 9, 9]):
        found = f(wg.tensor(i), wg.tensor(TABLE)).numpy()
        np.testing.assert_array_equal(found, TABLE[np.roll(i, 1)])
    assert checks(f) == 0
    with pytest.raises(IndexRangeError, match="embedding: index 10 is out of range: 10 positions"):
        f(wg.tensor([0, 10, 3]), wg.tensor(TABLE))


def test_computed_indices_of_which_some_are_used_may_be_wrong_elsewhere(device):
    f = wg.compile(lambda i, at, w: F.embedding(wg.take(i, at), w))
    at = wg.tensor([0, 2])
    for i in ([1, 2, 3], [4, 5, 6], [7, 99, 8], [6, -1, 5], [4, 5, 7]):
        found = f(wg.tensor(i), at, wg.tensor(TABLE)).numpy()
        np.testing.assert_array_equal(found, TABLE[np.array(i)[[0, 2]]])


def test_computed_indices_of_a_known_range_are_not_read_back(device):
    if device.name == "numpy":
        pytest.skip("nothing is read back there")
    labels = wg.tensor([3, 14, -5])
    wg.manual_seed(1)
    before = wg.stats()["readbacks"]
    F.embedding((labels * 7 + 1) % 10, wg.tensor(TABLE))
    wg.tensor(TABLE)[wg.clip(labels - 4, -10, 9)]
    wg.one_hot(wg.randint(0, 5, (4,)) + 1, 6)
    assert wg.stats()["readbacks"] == before


def test_computed_integers_below_minlength_are_counted_in_a_program(device):
    f = wg.compile(lambda i: wg.bincount(i % 4, minlength=6))
    for i in ([1, 2, 9], [5, 5, 5], [0, 3, -1]):
        assert f(wg.tensor(i)).tolist() == np.bincount(np.array(i) % 4, minlength=6).tolist()


def test_computed_indices_of_an_unknown_range_are_read_back_once(device):
    if device.name == "numpy":
        pytest.skip("nothing is read back there")
    scores = wg.tensor([[2.0, -1.5], [7.25, 0.0]])
    labels = wg.floor(scores).astype(wg.int32)
    before = wg.stats()["readbacks"]
    found = wg.tensor(TABLE)[labels + 2]
    assert wg.stats()["readbacks"] - before == 1
    np.testing.assert_array_equal(found.numpy(), TABLE[[[4, 0], [9, 2]]])
    with pytest.raises(IndexRangeError, match="index 10 is out of range"):
        wg.tensor(TABLE)[labels + 3]


# Checked in the run.
def _assigned(x, i):
    y = x.copy()
    y[i] = 7.0
    return y


FAMILIES = {
    "embedding": lambda x, i: F.embedding(i, x),
    "take": lambda x, i: wg.take(x, i, 0),
    "take_along_axis": lambda x, i: wg.take_along_axis(x, wg.reshape(i, (-1, 1)), 0),
    "scatter_add": lambda x, i: wg.scatter_add(x[:, 0], i, wg.ones(3)),
    "one_hot": lambda x, i: wg.one_hot(i, 10),
    "cross_entropy": lambda x, i: F.cross_entropy(wg.broadcast_to(x.T[:1], (3, 10)), i),
    "nll_loss": lambda x, i: F.nll_loss(wg.broadcast_to(x.T[:1], (3, 10)), i),
    "multi_margin_loss": lambda x, i: F.multi_margin_loss(wg.broadcast_to(x.T[:1], (3, 10)), i),
    "indexing": lambda x, i: x[i],
    "indexing ": lambda x, i: x[i, i % 2],
    " indexing": _assigned,
    "searchsorted": lambda x, i: wg.searchsorted(
        x[:3, 0], x[:, 1], sorter=wg.where(i == 3, 0, wg.where(i == 5, 1, wg.where(i == 7, 2, i)))
    ),
}


def _computed(name):
    family = FAMILIES[name]

    def f(x, i):
        j = i * 2 + 1
        return family(x, j)

    return f


@pytest.mark.parametrize("name", FAMILIES)
def test_computed_indices_are_checked_in_the_run(device, name):
    """The same values as uncompiled; the error at once on NumPy, on a GPU at the next wait."""
    f, plain = wg.compile(_computed(name)), _computed(name)
    x = wg.tensor(TABLE)
    for i in ([1, 2, 3], [1, 3, 2], [2, 1, 3]):
        expected = plain(x, wg.tensor(i)).numpy()
        np.testing.assert_allclose(f(x, wg.tensor(i)).numpy(), expected, rtol=1e-6)
    assert checks(f) >= 1
    match = rf"{name.strip()}: (index|label) 41 is out.*{_computed.__code__.co_filename}, line \d+"
    if device.name == "numpy":
        with pytest.raises(IndexRangeError, match=match):
            f(x, wg.tensor([1, 20, 3]))
    else:
        result = f(x, wg.tensor([1, 20, 3]))
        with pytest.raises(IndexRangeError, match=match):
            wait(device)
        assert np.isfinite(result.numpy()).all()  # told once
    np.testing.assert_allclose(f(x, wg.tensor([2, 1, 3])).numpy(), expected, rtol=1e-6)


def test_computed_exponents_are_checked_in_the_run(device):
    f = wg.compile(lambda x, n: x ** (n - 1))
    for n in ([1, 3], [2, 2], [4, 1]):
        assert f(wg.tensor([2, 3]), wg.tensor(n)).tolist() == [2 ** (n[0] - 1), 3 ** (n[1] - 1)]
    with pytest.raises(ArgumentError, match=r"power -2 is no integer.*test_computed_indices\.py"):
        f(wg.tensor([2, 3]), wg.tensor([-1, 1])).numpy()


@pytest.mark.parametrize("fuse", [True, False])
def test_computed_indices_out_of_range_leave_what_is_outside(device, fuse):
    """Parameters, state and buffers stay; the call after it is right."""
    w, count = wg.parameter(TABLE), wg.tensor([0, 0])
    optimizer = wg.optim.SGD([w], lr=0.1, momentum=0.5)

    def step(i):
        optimizer.zero_grad()
        (F.embedding(i + 1, w) ** 2).mean().backward()
        optimizer.step()
        count.assign(count + 1)

    f = wg.compile(step, fuse=fuse)
    for i in ([0, 1], [2, 3], [4, 5]):
        f(wg.tensor(i))
    state = optimizer.state_dict()
    before = w.numpy(), count.tolist(), w.grad.numpy()
    with pytest.raises(IndexRangeError, match="index 12 is out of range"):
        f(wg.tensor([1, 11]))
        wait(device)
    assert count.tolist() == before[1] == [3, 3]
    np.testing.assert_array_equal(w.numpy(), before[0])
    if device.name == "numpy":
        np.testing.assert_array_equal(w.grad.numpy(), before[2])
    after = optimizer.state_dict()
    for a, b in zip(_tensors(state), _tensors(after), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    f(wg.tensor([6, 7]))
    twin = wg.parameter(TABLE)
    plain = wg.optim.SGD([twin], lr=0.1, momentum=0.5)
    for i in ([0, 1], [2, 3], [4, 5], [6, 7]):
        plain.zero_grad()
        (F.embedding(wg.tensor(i) + 1, twin) ** 2).mean().backward()
        plain.step()
    np.testing.assert_allclose(w.numpy(), twin.numpy(), rtol=1e-6)


def _tensors(x):
    if isinstance(x, wg.Tensor):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [y for item in x for y in _tensors(item)] if isinstance(x, (list, tuple)) else []


def test_computed_indices_out_of_range_leave_every_kind_of_state(device):
    """Whole tensors, views of them, arguments, halves, bools, and what has no elements."""
    kinds = [wg.float32, wg.int32, wg.uint32, wg.bool]
    kinds += [wg.float16] if wg.float16 in device.dtypes else []
    states = [wg.zeros((4, 2), kind) for kind in kinds]
    none, column = wg.zeros((0, 2)), wg.zeros((3, 3))

    @wg.compile
    def f(argument, i):
        with wg.no_grad():
            for state in states:
                state[i + 1] = (state.astype(wg.int32)[0, 0] + 1).astype(state.dtype)
            none.assign(none + 1)
            column[:, 1].assign(column[:, 1] + 1)
            argument[i * 2] = 9.0

    argument = wg.zeros(8)
    right = np.zeros((4, 2)), np.zeros((3, 3)), np.zeros(8)
    for i in ([0, 1], [2, 0], [1, 7], [2, 2], [3, -4], [-1, 3], [0, 2]):
        if min(i) >= -4 and max(i) < 3:
            right[0][np.array(i) + 1] = right[0][0, 0] + 1
            right[1][:, 1] += 1
            right[2][np.array(i) * 2] = 9
            f(argument, wg.tensor(i))
        else:
            with pytest.raises(IndexRangeError, match="indexing: index"):
                f(argument, wg.tensor(i))
                wait(device)
        for state in states:
            expected = right[0] != 0 if state.dtype is wg.bool else right[0]
            np.testing.assert_array_equal(state.numpy(), expected, str(state.dtype))
        np.testing.assert_array_equal(column.numpy(), right[1])
        np.testing.assert_array_equal(argument.numpy(), right[2])


def test_computed_indices_out_of_range_in_the_first_call(device):
    w = wg.parameter(TABLE)

    @wg.compile
    def step(i):
        loss = F.embedding(i - 5, w).sum()
        loss.backward()
        with wg.no_grad():
            w.assign(w - w.grad)
        return loss

    with pytest.raises(IndexRangeError, match="index -5 is out of range"):
        step(wg.tensor([0, 7])).item()
    np.testing.assert_array_equal(w.numpy(), TABLE)
    if device.name == "numpy":
        assert w.grad is None
    w.grad = None
    for _ in range(3):
        step(wg.tensor([6, 7]))
        w.grad = None
    right = TABLE.copy()
    right[[1, 2]] -= 3
    np.testing.assert_array_equal(w.numpy(), right)


def test_computed_indices_are_counted_and_the_first_fault_is_told(device):
    f = wg.compile(lambda x, i: wg.take(x, i + 1) + wg.take(x, 2 * i))
    x = wg.tensor(np.arange(9.0))
    for i in ([0, 1, 2], [3, 2, 1]):
        assert f(x, wg.tensor(i)).tolist() == [float(3 * k + 1) for k in i]
    assert checks(f) == 2
    if device.name == "numpy":
        with pytest.raises(IndexRangeError, match=r"index 12 is .* it and another one at"):
            f(x, wg.tensor([5, 6, 2]))
        return
    for i in ([5, 6, 2], [20, 20, 20], [0, 1, 2]):
        f(x, wg.tensor(i))
    with pytest.raises(IndexRangeError, match=r"index 12 is .* it and another one at"):
        wait(device)
    wait(device)
    f(x, wg.tensor([8, 8, 8]))
    del f
    gc.collect()
    with pytest.raises(IndexRangeError, match=r"index 9 is out of range.* 2 others"):
        wg.ones(1).item()


def test_computed_labels_may_be_ignored(device):
    logits = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    f = wg.compile(lambda x, t: F.cross_entropy(x, t - 1))
    for t in ([1, 2, -99, 5], [-99, 4, -99, 1], [1, 1, 1, -99]):
        kept = [k for k in range(4) if t[k] > 0]
        rows = logits.astype(np.float64)[kept]
        picked = rows[range(len(kept)), np.array(t)[kept] - 1]
        right = np.mean(np.log(np.exp(rows).sum(1)) - picked)
        np.testing.assert_allclose(f(wg.tensor(logits), wg.tensor(t)).item(), right, rtol=1e-5)
    with pytest.raises(IndexRangeError, match="label -99 is out of range"):
        f(wg.tensor(logits), wg.tensor([1, 2, -98, 5])).item()


def test_computed_unsigned_indices_say_what_came(device):
    f = wg.compile(lambda x, i: wg.take(x, i - wg.tensor([1], wg.uint32)))
    for i in ([1, 2], [2, 3]):
        found = f(wg.tensor([1.0, 2.0, 3.0]), wg.tensor(i, wg.uint32))
        assert found.tolist() == [float(k) for k in i]
    with pytest.raises(IndexRangeError, match="index 4294967295 is out"):
        f(wg.tensor([1.0, 2.0, 3.0]), wg.tensor([0, 1], wg.uint32)).numpy()


def test_computed_indices_count_from_the_end(device):
    f = wg.compile(lambda x, i: x[i - 3])
    for i in ([0, 5], [1, 4], [3, 2]):
        right = np.arange(4.0)[np.array(i) - 3]
        assert f(wg.tensor(np.arange(4.0)), wg.tensor(i)).tolist() == right.tolist()
    with pytest.raises(IndexRangeError, match="index -5 is out of range: 4 positions, -4 to 3"):
        f(wg.tensor(np.arange(4.0)), wg.tensor([-2, 1])).numpy()


def test_computed_indices_of_no_positions(device):
    f = wg.compile(lambda x, i: wg.take(x, i + 1))
    with pytest.raises(IndexRangeError, match="take: index is out of range: no position exists"):
        f(wg.zeros((0,)), wg.tensor([0, 1]))
    assert f(wg.zeros((0,)), wg.zeros((0,), wg.int32)).shape == (0,)


@pytest.mark.parametrize(
    "index",
    [
        lambda i: wg.tensor([0, 12]),
        lambda i: wg.tensor([[0, 12], [1, 2]])[0, 1:],
        lambda i: wg.full((2,), 12),
        lambda i: i % 3 + 12,
        lambda i: wg.arange(3) - 15,
    ],
)
def test_computed_indices_that_are_wrong_in_every_run_raise_at_once(device, index):
    f = wg.compile(lambda x, i: wg.take(x, index(i)))
    for _ in range(3):
        with pytest.raises(IndexRangeError, match="is out of range: 10 positions"):
            f(wg.ones(10), wg.tensor([1, 2]))
    device.synchronize()


def test_computed_indices_that_are_ignored_in_every_run(device):
    f = wg.compile(lambda x: F.cross_entropy(x, wg.full((2,), -100), "sum"))
    for _ in range(3):
        assert f(wg.ones((2, 3))).item() == 0


def test_computed_indices_have_gradients(device):
    table = wg.parameter(TABLE)
    f = wg.compile(lambda i: wg.grad(lambda w: (F.embedding(i * i - 1, w) ** 3).sum())(table))
    for i in ([1, 2, 3], [3, 3, 2], [1, 1, 1]):
        at = np.array(i) ** 2 - 1
        right = np.zeros((10, 2))
        np.add.at(right, at, 3.0 * TABLE.astype(np.float64)[at] ** 2)
        np.testing.assert_allclose(f(wg.tensor(i)).numpy(), right, rtol=1e-5)


# Interval arithmetic.
@pytest.mark.parametrize(
    ("rule", "function"),
    [
        (intervals.add, lambda a, b: a + b),
        (intervals.subtract, lambda a, b: a - b),
        (intervals.multiply, lambda a, b: a * b),
        (intervals.floor_divide, lambda a, b: a // b if b else 0),
        (intervals.remainder, lambda a, b: a % b if b else 0),
        (intervals.maximum, max),
        (intervals.minimum, min),
        (intervals.bitwise_and, lambda a, b: a & b),
        (intervals.bitwise_or, lambda a, b: a | b),
        (intervals.bitwise_or, lambda a, b: a ^ b),
        (intervals.shift_right, lambda a, b: (a >> b) if 0 <= b < 32 else -(a < 0)),
        (intervals.shift_left, lambda a, b: (a << b) if 0 <= b < 32 else 0),
        (lambda a, b: intervals.square(a), lambda a, b: a * a),
        (lambda a, b: intervals.absolute(a), lambda a, b: abs(a)),
        (lambda a, b: intervals.negative(a), lambda a, b: -a),
        (lambda a, b: intervals.sign(a), lambda a, b: (a > 0) - (a < 0)),
        (lambda a, b: intervals.bitwise_invert(a), lambda a, b: ~a),
    ],
)
def test_intervals_hold_every_result(rule, function):
    ends = [-7, -4, -1, 0, 1, 2, 6]
    pairs = [(a, b) for a, b in itertools.product(ends, ends) if a <= b]
    for a, b in itertools.product(pairs, pairs):
        low, high = rule(a, b)
        values = [function(x, y) for x in range(a[0], a[1] + 1) for y in range(b[0], b[1] + 1)]
        assert low <= min(values) and max(values) <= high, (a, b)


# Programs of others.
def test_a_rolled_index_tensor_is_looked_up(device, rng):
    """makemore's MLP: embeddings of the last letters, each a roll of the index tensor further."""
    idx, table = rng.integers(0, 27, (4, 6)), numbers_of(rng, 28, 5)
    context = rng.integers(0, 27, (4, 3))

    def look(idx, context, table, ix):
        tokens = []
        for _ in range(3):
            tokens.append(F.embedding(idx, table))
            idx = wg.roll(idx, 1, 1)
            idx[:, 0] = 27
        context = wg.cat([context[:, 1:], ix], axis=1)
        return wg.cat(tokens, axis=-1), table[context]

    f = wg.compile(look)
    for _ in range(3):
        ix = rng.integers(0, 27, (4, 1))
        found = f(*map(wg.tensor, (idx, context, table, ix)))
        rolled, want = idx, []
        for _ in range(3):
            want.append(table[rolled])
            rolled = np.roll(rolled, 1, 1)
            rolled[:, 0] = 27
        np.testing.assert_array_equal(found[0].numpy(), np.concatenate(want, -1))
        context_now = np.concatenate([context[:, 1:], ix], 1)
        np.testing.assert_array_equal(found[1].numpy(), table[context_now])
    assert len(f.programs) == 1


def numbers_of(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)
