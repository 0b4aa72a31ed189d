"""Scans in compiled functions: one turn is traced, and every other does the same."""

import gc
import json
import weakref

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.families import Matmul
from wgrad.backends.webgpu.launches import Launches
from wgrad.errors import ArgumentError, IndexRangeError, ShapeError, TraceError
from wgrad.nn import functional as F
from wgrad.program.ir import Loop

N, B, H = 6, 3, 4


def numbers(rng, *shape):
    return (0.5 * rng.standard_normal(shape)).astype(np.float32)


def loops(compiled):
    return [s.work for s in compiled.program.steps if isinstance(s.work, Loop)]


def agree(f, *given, rtol=2e-4, runs=3):
    """Compare a function and its gradients with those of its compiled self, which is returned."""

    def step(*tensors):
        for x in tensors:
            x.grad = None
        loss = f(*tensors)
        loss.backward()
        return loss

    plain = [wg.tensor(x, requires_grad=True) for x in given]
    loss = step(*plain)
    run = wg.compile(step)
    tensors = [wg.tensor(x, requires_grad=True) for x in given]
    for _ in range(runs):
        found = run(*tensors)
        np.testing.assert_allclose(found.numpy(), loss.numpy(), rtol=rtol)
        for x, y in zip(tensors, plain, strict=True):
            assert (x.grad is None) == (y.grad is None)
            if y.grad is None:
                continue
            np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=rtol, atol=1e-5)
    assert len(run.programs) == 1
    return run


def cell(xs, h, c, w, u, b, **how):
    """An LSTM, whose carry is a pair, over what its gates need of the inputs."""

    def step(carry, x):
        h, c = carry
        i, f, g, o = wg.split(x @ w + h @ u + b, 4, axis=1)
        c = wg.sigmoid(f) * c + wg.sigmoid(i) * wg.tanh(g)
        h = wg.sigmoid(o) * wg.tanh(c)
        return (h, c), h

    (h, c), hs = wg.scan(step, (h, c), xs, **how)
    return wg.mean((hs - 1) ** 2) + wg.sum(h * c)


def lstm(rng, n=N):
    shapes = (n, B, H), (B, H), (B, H), (H, 4 * H), (H, 4 * H), (4 * H,)
    return [numbers(rng, *shape) for shape in shapes]


def test_an_lstm_is_two_loops_of_any_length(device, rng):
    short = agree(cell, *lstm(rng))
    long = agree(cell, *lstm(rng, 12), runs=2)
    assert [w.length for w in loops(short)] == [N, N]
    assert [w.length for w in loops(long)] == [12, 12]
    steps = [[len(w.body.steps) for w in loops(run)] for run in (short, long)]
    assert steps[0] == steps[1] and len(short.program.steps) == len(long.program.steps)
    if device.name == "webgpu":
        kernels = [{k.code for k in run.launches().kernels} for run in (short, long)]
        # Their slices lie elsewhere, and all else is the same.
        assert len(kernels[1]) <= len(kernels[0]) + 2
        assert wg.stats()["submits"] > 0
        before = wg.stats()["submits"]
        long(*[wg.tensor(x, requires_grad=True) for x in lstm(rng, 12)])
        assert wg.stats()["submits"] <= before + 2
        text = short.launches().to_json()
        assert json.loads(text)["launches"] and Launches.from_json(text) == short.launches()


@pytest.mark.parametrize("reverse", [False, True])
def test_checkpoint_keeps_the_carries_alone(numpy_device, rng, reverse):
    given = lstm(rng, 40)
    whole = agree(lambda *x: cell(*x, reverse=reverse), *given)
    small = agree(lambda *x: cell(*x, reverse=reverse, checkpoint=True), *given)
    peaks = [run.explain().peak_bytes for run in (whole, small)]
    assert peaks[1] < 0.5 * peaks[0], peaks
    assert [w.length for w in loops(small)] == [40, 40]


def test_checkpoint_of_a_loop_runs_on_a_gpu(webgpu, rng):
    agree(lambda *x: cell(*x, checkpoint=True), *lstm(rng), runs=2)


def test_loops_run_step_by_step_too(device, rng):
    given = [wg.tensor(x) for x in lstm(rng)]
    plain, fused = wg.compile(cell, fuse=False), wg.compile(cell)
    for _ in range(3):
        right = cell(*given).item()
        assert plain(*given).item() == pytest.approx(right, rel=1e-5)
        assert fused(*given).item() == pytest.approx(right, rel=1e-5)
    assert len(loops(plain)) == 1


def test_the_time_of_a_loop_is_told_once(numpy_device, rng):
    given = [wg.tensor(x) for x in lstm(rng)]
    run = wg.compile(cell)
    for _ in range(3):
        run(*given)
    with wg.profile() as told:
        run(*given)
    assert str(told).count("turns of") == 1 and "sigmoid sigmoid" not in str(told)


def test_scans_nest(numpy_device, rng):
    def f(xs, h, w):
        def outer(h, rows):
            def inner(h, x):
                return wg.tanh(h @ w + x), wg.sin(h)

            h, parts = wg.scan(inner, h, rows)
            return h, wg.sum(parts * parts, 0)

        h, all_of_them = wg.scan(outer, h, xs)
        return wg.sum(h * h) + wg.sum(all_of_them * h)

    run = agree(f, numbers(rng, 4, 5, B, H), numbers(rng, B, H), numbers(rng, H, H))
    assert [w.length for w in loops(run)] == [4, 4]
    assert sum(isinstance(s.work, Loop) for w in loops(run) for s in w.body.steps) == 2


KINDS = ("passed on", "swapped", "unread", "constant", "twice", "outside")


@pytest.mark.parametrize(
    ("where", "kind"), [*(("numpy_device", k) for k in KINDS), ("webgpu", "swapped")]
)
def test_carries_and_results_of_every_kind(where, request, rng, kind):
    request.getfixturevalue(where)

    def f(xs, a, b, w):
        steps = {
            "passed on": lambda c, x: ((c[0], wg.tanh(c[1] + x * c[0])), None),
            "swapped": lambda c, x: ((c[1], c[0] * x), c[0]),
            "unread": lambda c, x: ((c[0] + x, c[1] * w), x * x),
            "constant": lambda c, x: ((wg.ones(H), c[1] + x), c[0]),
            "twice": lambda c, x: ((y := wg.sin(c[0] + x), y), (y, y)),
            "outside": lambda c, x: ((c[0] + w, c[1] * x), w),
        }
        (a, b), ys = wg.scan(steps[kind], (a, b), xs)
        loss = wg.sum(a * b * b)
        if kind in ("swapped", "constant"):
            loss = loss + wg.sum(ys**3)
        if kind == "twice":
            loss = loss + wg.sum(ys[0] * ys[1])
        if kind == "outside":
            loss = loss + wg.sum(ys * ys)
        return loss

    agree(f, numbers(rng, 5, H), numbers(rng, H), numbers(rng, H), numbers(rng, H), runs=2)


def test_what_is_outside_may_be_a_view_or_a_result(numpy_device, rng):
    def f(xs, h, w, b):
        wide, some = wg.exp(w), w[1:, ::2]

        def step(h, x):
            return wg.tanh(h @ wide.T + x[::-1] @ some.T @ w[1:] + b[1, 0]), h[0]

        h, firsts = wg.scan(step, h, xs[1:, :, : H // 2])
        return wg.sum(h) + wg.sum(firsts**2)

    agree(f, numbers(rng, N, B, H), numbers(rng, B, H), numbers(rng, H, H), numbers(rng, 3, H))


def test_slices_are_read_where_they_lie(webgpu, rng):
    """Slices of 256 bytes are bound in their places; the two others are copied."""
    given = numbers(rng, 4, 16, H), numbers(rng, 16, H), numbers(rng, H, H)

    def f(xs, h, w):
        def step(h, x):
            return wg.tanh(h @ w + x), h

        h, hs = wg.scan(step, h, xs)
        return wg.sum(h * h) + wg.sum(hs**3)

    run = agree(f, *given, runs=2)
    launches = run.launches()
    starts = {b.start for x in launches.launches for b in x.bindings}
    assert {0, 256, 512, 768} <= starts
    assert "4 turns" in str(run.program) and "matmul" in str(run.program)


def test_integers_are_carried_and_looked_up(numpy_device, rng):
    tokens = wg.tensor(rng.integers(0, 7, (N, B)))

    def f(table, w):
        def step(carry, token):
            h, count = carry
            return (wg.tanh(h @ w + F.embedding(token, table)), count + 1), count

        (h, count), counts = wg.scan(step, (wg.zeros((B, H)), wg.tensor(0)), tokens)
        return wg.sum(h * h) + wg.sum(counts) * count * 0

    run = agree(f, numbers(rng, 7, H), numbers(rng, H, H))
    assert len(loops(run)) == 2


@pytest.mark.parametrize(
    ("where", "checkpoint"),
    [*(("numpy_device", k) for k in (False, True, "around")), ("webgpu", True)],
)
def test_random_numbers_are_those_of_the_loop_turn_by_turn(where, request, rng, checkpoint):
    request.getfixturevalue(where)
    xs, w = wg.tensor(numbers(rng, N, B, H)), wg.parameter(numbers(rng, H, H))

    def scan(xs):
        def step(h, x):
            h = wg.tanh(F.dropout(h @ w, 0.5) + x + 0.1 * wg.randn(B, H))
            return h, h

        start = wg.rand(B, H)
        return wg.scan(step, start, xs, checkpoint=checkpoint is True)

    def f(xs):
        w.grad = None
        h, hs = wg.checkpoint(scan, xs) if checkpoint == "around" else scan(xs)
        loss = wg.sum(h) + wg.sum(hs * hs) + wg.sum(wg.rand(3))
        loss.backward()
        return loss

    def results(f):
        wg.manual_seed(5)
        return [[f(xs).item(), *w.grad.numpy().ravel()] for _ in range(4)]

    run = wg.compile(f)
    np.testing.assert_allclose(results(run), results(f), rtol=2e-4, atol=1e-5)
    assert [x.length for x in loops(run)] == [N] * (3 if checkpoint == "around" else 2)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_pass_that_is_recorded_draws_the_numbers_of_the_loop(numpy_device, rng, reverse):
    held = wg.parameter(numbers(rng, H, H))  # for which the pass by xs is recorded

    def total(xs):
        def step(h, x):
            h = h + F.dropout(x @ held, 0.5) * wg.rand(B, H)
            return h, h.detach()

        return wg.scan(step, wg.zeros((B, H)), xs, reverse=reverse)[0].sum()

    def f(xs):
        return wg.value_and_grad(total)(xs)

    xs = wg.tensor(numbers(rng, 4, B, H))
    run = wg.compile(f)
    values = []
    for make in (f, run):
        wg.manual_seed(4)
        made = [make(xs) for _ in range(3)]
        for value, slope in made:  # total is linear in xs
            np.testing.assert_allclose((slope * xs).sum().item(), value.item(), rtol=1e-4)
        values.append([value.item() for value, _ in made])
    np.testing.assert_allclose(*values, rtol=1e-5)
    assert len(set(values[0])) == 3 and len(loops(run)) == 1


def test_random_numbers_of_nested_scans(numpy_device):
    def f(x):
        def outer(c, _):
            c, ys = wg.scan(lambda c, _: (c + wg.rand(2), wg.randn(2)), c, None, 3)
            return c, ys * wg.rand()

        return wg.scan(outer, x, None, 4)

    def results(f):
        wg.manual_seed(2)
        return np.concatenate([y.numpy().ravel() for _ in range(3) for y in f(wg.zeros(2))])

    run = wg.compile(f)
    np.testing.assert_allclose(results(run), results(f), rtol=1e-6)
    assert [x.length for x in loops(run)] == [4]


def test_statistics_that_a_turn_writes_are_those_of_all_turns(numpy_device, rng):
    xs = wg.tensor(numbers(rng, N, 8, H))

    def states(compiled):
        norm = wg.nn.BatchNorm1d(H)

        def f(xs):
            return wg.scan(lambda h, x: (wg.tanh(norm(h + x)), None), wg.zeros((8, H)), xs)[0]

        run = wg.compile(f) if compiled else f
        for _ in range(3):
            h = run(xs)
        return [h.numpy(), norm.running_mean.numpy(), norm.running_var.numpy()]

    for a, b in zip(states(False), states(True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_an_index_that_is_checked_in_the_run_is_checked_in_every_turn(numpy_device):
    table = wg.arange(5.0)

    @wg.compile
    def f(i):
        return wg.scan(lambda i, _: (i + 1, table[i]), i, None, 4)[1]

    for _ in range(3):
        assert f(wg.tensor(1)).tolist() == [1, 2, 3, 4]
    with pytest.raises(IndexRangeError):
        f(wg.tensor(3)).tolist()
        table.device.synchronize()


def test_mistakes_of_a_step_are_told_as_they_are(numpy_device):
    xs = wg.ones((3, 2))
    for step, error in (
        (lambda c, x: (c[:1], x), ShapeError),
        (lambda c, x: c, ArgumentError),
        (lambda c, x: ({}[0], x), KeyError),
    ):
        with pytest.raises(error):
            wg.compile(lambda xs, step=step: wg.scan(step, wg.zeros(2), xs))(xs)


def test_gradients_of_higher_order_go_turn_by_turn(numpy_device, rng):
    def f(xs, w):
        def loss(w):
            h, _ = wg.scan(lambda h, x: (wg.tanh(h @ w + x), None), wg.zeros((B, H)), xs)
            return wg.sum(h * h)

        return wg.sum(wg.grad(loss)(w) ** 2)

    agree(f, numbers(rng, 3, B, H), numbers(rng, H, H))


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_by_all_that_a_loop_is_given_where_others_follow(numpy_device, rng, order):
    held = wg.parameter(numbers(rng, H, H))  # which the tape follows, so that a pass is recorded

    def loss(h, xs):
        h, ys = wg.scan(lambda h, x: (wg.tanh(h @ held + x), h * x), h, xs)
        return wg.sum(h * h) + wg.sum(ys * ys * ys)

    def slopes(h, xs):
        return wg.grad(loss, (0, 1))(h, xs)

    def bends(h, xs):
        return wg.grad(lambda *given: sum(wg.sum(g) for g in slopes(*given)), (0, 1))(h, xs)

    f = [slopes, bends][order - 1]
    given = wg.tensor(numbers(rng, B, H)), wg.tensor(numbers(rng, 3, B, H))
    for x, y in zip(f(*given), wg.compile(f)(*given), strict=True):
        assert np.abs(x.numpy()).max() > 0.1
        np.testing.assert_allclose(y.numpy(), x.numpy(), rtol=1e-4, atol=1e-5)


def test_transforms_of_a_scan_are_compiled(numpy_device, rng):
    xs, w = wg.tensor(numbers(rng, 3, B, H)), wg.tensor(numbers(rng, H, H))

    def last(xs, w):
        return wg.scan(lambda h, x: (wg.tanh(h @ w + x), None), wg.zeros((B, H)), xs)[0]

    for f in (
        lambda xs, w: wg.grad(lambda w: wg.sum(last(xs, w)))(w),
        lambda xs, w: wg.jvp(lambda w: last(xs, w), (w,), (w,))[1],
        lambda xs, w: wg.vmap(lambda w: last(xs, w))(wg.stack([w, w + 1])),
    ):
        run = wg.compile(f)
        for _ in range(3):
            np.testing.assert_allclose(run(xs, w).numpy(), f(xs, w).numpy(), rtol=1e-5, atol=1e-6)


def test_hooks_are_called_once_for_all_turns(numpy_device, rng):
    def f(xs, w):
        told = w * 1
        told.register_hook(lambda g: g * 3)
        h, _ = wg.scan(lambda h, x: (wg.tanh(h * told + x), None), wg.zeros(H), xs)
        return wg.sum(h)

    agree(f, numbers(rng, N, H), numbers(rng, H))


def test_a_tensor_of_a_turn_stays_in_it(numpy_device):
    @wg.compile
    def f(xs):
        kept = []

        def step(h, x):
            kept.append(h * x)
            return h + x, None

        wg.scan(step, wg.zeros(3), xs)
        return kept[0] + 1

    with pytest.raises(TraceError, match="a tensor that a turn of a scan made"):
        f(wg.ones((4, 3)))


def test_a_scan_in_half_precision(device, rng):
    if wg.float16 not in device.dtypes:
        pytest.skip("the adapter has no float16")
    given = [wg.tensor(x) for x in lstm(rng)]

    def f(*given):
        with wg.autocast():
            return cell(*given)

    run = wg.compile(f)
    for _ in range(3):
        assert run(*given).item() == pytest.approx(cell(*given).item(), rel=2e-2)
    assert len(loops(run)) == 1


def body_of(run, which):
    return loops(run)[which].body


def test_gradients_of_weights_are_one_product_after_the_loop(device, rng):
    run = agree(cell, *lstm(rng))
    assert loops(run)[1].carries == 2  # of h and c alone
    sizes = {out.size for step in body_of(run, 1).steps for out in step.outs}
    assert H * 4 * H not in sizes and 4 * H not in sizes


def test_products_of_slices_are_made_before_the_loop_and_those_of_outputs_after(device, rng):
    def f(xs, h, w, u):
        def step(h, x):
            h = wg.tanh(x @ w + h @ u)
            return h, wg.sin(h @ w)

        h, ys = wg.scan(step, h, xs)
        return wg.sum(h * h) + wg.sum(ys**3)

    shapes = (N, B, H), (B, H), (H, H), (H, H)
    run = agree(f, *[numbers(rng, *shape) for shape in shapes])
    for body in (body_of(run, 0), body_of(run, 1)):
        assert sum(isinstance(step.work, Matmul) for step in body.steps) == 1


@pytest.mark.parametrize("reverse", [False, True])
def test_turns_on_numpy_copy_no_carry_that_is_an_output(numpy_device, rng, reverse):
    run = agree(lambda *x: cell(*x, reverse=reverse), *lstm(rng))
    assert len(loops(run)[0].tied) == 2
    forward = run.source().split(f"\n# {N} turns")[1]
    turn = [line for line in forward.split("\n") if line.startswith("        ")]
    copied = [line.partition(", ")[2] for line in turn if "copyto" in line]
    assert turn and all(x.startswith("s") for x in copied), copied  # parts of what is scratch


def test_turns_on_numpy_make_what_takes_the_place_of_another_value_last(numpy_device, rng):
    run = agree(cell, *lstm(rng))
    backward = run.source().split(f"\n# {N} turns")[2]
    lines = [line.strip() for line in backward.split("\n") if line.startswith("        ")]
    assert lines and not any(line.startswith("copyto(b") for line in lines), lines


def test_slopes_that_no_carry_brings_are_one_factor_of_a_turn(numpy_device, rng):
    run = agree(cell, *lstm(rng))
    backward = run.source().split(f"\n# {N} turns")[2]
    lines = [line.strip() for line in backward.split("\n") if line.startswith("        ")]
    # Four gates, and the two ways to the cell before.
    assert sum(line.startswith("multiply(") for line in lines) == 6, lines
    # The gates are made side by side, and one copy puts them into rows.
    assert sum("copyto(" in line for line in lines) == 1, lines


def test_slopes_whose_product_is_too_large_stay_apart(numpy_device):
    ways = wg.tensor([[1e-30], [1e30]])

    def f(c):
        return wg.scan(lambda c, x: (c * x * x, None), c, ways)[0].sum() * 1e-30

    agree(f, np.array([1e30], np.float32))


def test_turns_see_what_is_there_in_each_run(numpy_device, rng):
    """Parts of stacks are kept from run to run, where the stacks are the same."""

    def f(xs, h):
        return wg.scan(lambda h, x: (wg.tanh(h @ h.T + x), h.sum() + x[0]), h, xs)[1]

    run, h = wg.compile(f), wg.tensor(numbers(rng, 2, 2))
    first, second = (wg.tensor(numbers(rng, 5, 2, 2)) for _ in range(2))
    for xs in (first, first, first, first, second, second, second):
        np.testing.assert_allclose(run(xs, h).numpy(), f(xs, h).numpy(), rtol=1e-6)
    gone = weakref.ref(first.array.storage.buffer)
    del first, xs
    gc.collect()
    assert gone() is None  # nothing of the loop holds what it has seen


def test_slopes_that_are_infinite_count_nothing_under_a_cotangent_of_0(numpy_device, rng):
    """What turns are given is looked at once, and mended turn by turn if it is not all finite."""
    xs = numbers(rng, N, B, H) ** 2
    xs[2, 1], xs[4] = 0, 0

    def f(xs, h, w):
        def step(h, x):
            h = wg.tanh(h @ w) + wg.where(x > 0, wg.sqrt(x), 0.0) * h
            return h, h

        h, hs = wg.scan(step, h, xs)
        return wg.sum(h * h) + wg.sum(hs)

    run = agree(f, xs, numbers(rng, B, H), numbers(rng, H, H))
    assert "mend(" in run.source()


def test_carries_and_slices_without_axes(numpy_device, rng):
    def f(xs, a):
        def step(a, x):
            return a * x + wg.sin(a), a * a

        a, squares = wg.scan(step, a, xs, reverse=True)
        return a + wg.sum(squares * xs)

    agree(f, numbers(rng, 7), numbers(rng))
