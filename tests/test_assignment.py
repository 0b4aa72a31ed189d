"""Assignment beside the tape and forward mode: a right gradient, or an error, never a stale one."""

import pytest

import wgrad as wg
from wgrad import optim

REFUSED = wg.errors.GradientError


def test_assignment_through_a_view_of_a_result_ends_its_history(device):
    w = wg.parameter([1.0, 2.0, 3.0])
    y = w * 2
    y[0:1].assign(0.0)
    assert y.tolist() == [0, 4, 6]
    with pytest.raises(REFUSED, match=r"multiply at .*test_assignment\.py, line \d+"):
        y.sum()
    with pytest.raises(REFUSED, match="through a view"):
        y.backward(wg.ones(3))
    assert w.grad is None
    assert y.detach().sum().item() == 10


def test_assignment_to_a_base_ends_the_history_of_its_views(device):
    w = wg.parameter([1.0, 2.0, 3.0])
    y = w * 2
    part = y[0:2]
    y.assign(wg.zeros(3))
    assert not y.requires_grad
    with pytest.raises(REFUSED, match="through a view"):
        (part * 1).sum().backward()


@pytest.mark.parametrize("view", [lambda w: w.T, lambda w: w[:1], lambda w: w.reshape(4)])
def test_cached_view_of_a_parameter_outlives_optimizer_steps(device, view):
    w, plain = (wg.parameter([[1.0, 2.0], [3.0, 4.0]]) for _ in range(2))
    cached = view(w)
    for x, get in ((w, lambda: cached), (plain, lambda: view(plain))):
        optimizer = optim.SGD([x], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            get().square().sum().backward()
            optimizer.step()
    assert w.tolist() == plain.tolist() != [[1, 2], [3, 4]]


def test_forward_mode_refuses_to_lose_a_tangent(device):
    x, d = wg.tensor([1.0, 2.0]), wg.ones(2)

    def into_a_buffer(a):
        y = wg.zeros(2)
        y.assign(a * 3)
        return y * a

    with pytest.raises(REFUSED, match="lose its"):
        wg.jvp(into_a_buffer, (x,), (d,))


def test_forward_mode_follows_a_constant_assignment_as_reverse_mode_does(device):
    def f(a):
        y = a * 2
        y.assign(wg.zeros(2))
        return y * a

    x, d = wg.tensor([1.0, 2.0]), wg.ones(2)
    assert wg.jvp(f, (x,), (d,))[1].tolist() == wg.vjp(f, x)[1](d).tolist() == [0, 0]


@pytest.mark.parametrize("mode", ["grad", "vjp", "jvp"])
def test_differentiating_by_an_input_that_is_assigned_to_is_refused(device, mode):
    def f(a):
        a[0:1].assign(0.0)
        return (a * a).sum()

    x = wg.tensor([1.0, 2.0])
    run = {
        "grad": lambda: wg.grad(f)(x),
        "vjp": lambda: wg.vjp(f, x),
        "jvp": lambda: wg.jvp(f, (x,), (wg.ones(2),)),
    }
    with pytest.raises(REFUSED, match="assigned to"):
        run[mode]()


def test_gradients_own_their_memory(device):
    a, b = wg.parameter([1.0, 2.0]), wg.parameter([3.0, 4.0])
    ct = wg.tensor([5.0, 6.0])
    for create_graph in (False, True):
        a.grad = b.grad = None
        (a + b).backward(ct, create_graph=create_graph)
        a.grad.assign([0.0, 0.0])
        assert b.grad.tolist() == [5, 6] and ct.tolist() == [5, 6]
    first, second = wg.grad(lambda a, b: (a + b).sum(), argnums=(0, 1))(a, b)
    first.assign([9.0, 9.0])
    assert second.tolist() == [1, 1]
    _, tangent = wg.jvp(lambda x: x, (a,), (ct,))
    tangent.assign([7.0, 7.0])
    assert ct.tolist() == [5, 6]
    half = wg.custom_op(lambda x: 0.5 * x * x, backward=lambda ct, out, x: x, name="half")
    a.grad = None
    half(a).sum().backward()
    a.grad.assign([0.0, 0.0])
    assert a.tolist() == [1, 2]


# x[key] = value, as an op of the tape.


def test_assigned_values_have_the_gradient_and_overwritten_ones_none(device):
    w, v = wg.parameter([1.0, 2.0, 3.0]), wg.parameter([5.0])
    y = w * 2
    y.retain_grad()
    y[1:2] = v * v
    y[0] = 7.0
    assert y.tolist() == [7, 25, 6]
    y.sum().backward()
    assert w.grad.tolist() == [0, 0, 2] and v.grad.tolist() == [10] and y.grad.tolist() == [1] * 3


def test_a_buffer_filled_step_by_step_is_the_stack_of_its_parts(device):
    w, h, state, rows = wg.parameter([0.3, -0.2, 0.5]), wg.zeros((4, 3)), 0.1, []
    for t in range(4):
        state = wg.tanh(state + w)
        h[t] = state
        rows.append(state)
    h[[0, 2], 1] = w[:2] * 3
    h[h > 0.8] = 0.5
    (h * h).sum().backward()
    filled, w.grad = w.grad.tolist(), None
    stacked = wg.stack(rows)
    entry = wg.tensor([[0.0, 1, 0], [0, 0, 0], [0, 2, 0], [0, 0, 0]])
    stacked = wg.where(entry > 0, wg.where(entry > 1, w[1], w[0]) * 3, stacked)
    stacked = wg.where(stacked > 0.8, 0.5, stacked)
    assert h.tolist() == stacked.tolist()
    (stacked * stacked).sum().backward()
    assert filled == pytest.approx(w.grad.tolist(), rel=1e-6)


def test_assignment_to_a_leaf_or_its_view_is_refused_where_it_is_recorded(device):
    w = wg.parameter([1.0, 2.0, 3.0])
    for target in (w, w[:2], w.reshape(3, 1)[1:], w[None].T):
        for value in (1.0, w[0] * 2):
            with pytest.raises(REFUSED, match="leaf"):
                target[0] = value
    with wg.no_grad():
        w[[0, -1]] = w[1] * 2
        w[:2][0] = 5.0
    assert w.tolist() == [5, 2, 4] and w.requires_grad and w.is_leaf


def test_assignment_ends_the_use_of_what_the_tape_saved(device):
    w = wg.parameter([1.0, 2.0])
    y = w * 1
    product, root = y * y, w.sqrt()
    y[0] = w[1] * 2
    with pytest.raises(REFUSED, match="of multiply"):
        product.sum().backward()
    root[0] = 0.0
    with pytest.raises(REFUSED, match="output of sqrt"):
        root.sum().backward()
    (y * y).sum().backward()
    assert w.grad.tolist() == [0, 20]


def test_views_made_before_an_assignment_are_refused_and_later_ones_follow(device):
    w = wg.parameter([[1.0, 2.0], [3.0, 4.0]])
    y = w * 2
    row = y[0]
    y[0, 1] = w[1, 1]
    with pytest.raises(REFUSED, match="through a view"):
        row.sum()
    assert row.tolist() == [2, 4]
    (y[0] * y[1]).sum().backward()
    assert w.grad.tolist() == [[12, 0], [4, 16]]


def test_untracked_tensors_that_show_tracked_memory_are_refused(device):
    """The gradient of what was assigned would be lost in them, in silence."""
    w, buffer = wg.parameter([1.0, 2.0]), wg.zeros((2, 2))
    row, whole, alias = buffer[0], buffer.reshape(4), buffer.detach()
    buffer[0] = w * 3
    for stale in (row, whole, alias):
        with pytest.raises(REFUSED, match="tracked values were assigned"):
            (w * stale.sum()).sum()
        with wg.no_grad():
            assert stale.sum().item() == 9
    apart = buffer.detach()
    for known in (apart, apart[0], apart.reshape(4)[1:], buffer.detach().T):
        assert not (known * 2).requires_grad
        (known.sum() * w.sum()).backward()
    w.grad = None
    buffer.sum().backward()
    assert w.grad.tolist() == [3, 3]
    buffer.assign(wg.zeros((2, 2)))  # whose memory holds nothing tracked any more
    assert (row.sum() * w.sum()).item() == 0


def test_a_tracked_value_for_a_view_of_an_untracked_tensor_is_refused(device):
    w, buffer = wg.parameter([1.0, 2.0]), wg.zeros((2, 2))
    with pytest.raises(REFUSED, match=r"x\[0, 1\] = value"):
        buffer[0][1] = w[0]
    assert buffer.tolist() == [[0, 0], [0, 0]] and not buffer.requires_grad
    tracked = wg.zeros((2, 2)) + w
    tracked[0][1] = w[0] * 5
    with pytest.raises(REFUSED, match="through a view"):
        tracked.sum()
    part = (wg.zeros((2, 2)) + w)[0]  # of which nobody has the rest
    part[1] = w[0] * 5
    part.sum().backward()
    assert w.grad.tolist() == [6, 0]


def test_a_leaf_whose_memory_was_given_a_history_is_refused(device):
    w, v = wg.parameter([1.0, 2.0]), wg.parameter([3.0])
    w.detach()[:1] = v * 2
    with pytest.raises(REFUSED, match="tracked values were assigned"):
        w.sum()
    with wg.no_grad():
        w.assign([1.0, 2.0])
    w.sum().backward()
    assert w.grad.tolist() == [1, 1]


@pytest.mark.parametrize("key", [0, slice(1, None), [1, 1], [True, False, True], None], ids=str)
def test_both_modes_and_second_order_follow_an_assignment(key, device):
    def f(a):
        y = a * a
        y[y > 0.3 if key is None else key] = a[2] * a[0] * a[0]
        return (y * a).sum()

    x, d = wg.tensor([0.7, -0.4, 1.3]), wg.tensor([1.0, 2.0, -1.0])
    slope = wg.grad(f)(x)
    assert wg.jvp(f, (x,), (d,))[1].item() == pytest.approx((slope * d).sum().item(), rel=1e-5)
    over_reverse = wg.grad(lambda a: (wg.grad(f)(a) * d).sum())(x)
    assert wg.hvp(f, x, d).tolist() == pytest.approx(over_reverse.tolist(), rel=1e-5)
    eps = 1e-2
    with wg.no_grad():
        near = [f(x + s * eps * d).item() for s in (1, -1)]
    assert (near[0] - near[1]) / (2 * eps) == pytest.approx((slope * d).sum().item(), rel=1e-2)


def test_values_broadcast_and_convert_as_in_assign(device):
    x = wg.zeros((2, 3))
    x[:, [0, 2]] = wg.tensor([[[1, 2]]])  # a leading axis of extent 1, and integers
    x[1, 1:2] = True
    assert x.tolist() == [[1, 0, 2], [1, 1, 2]]
    with pytest.raises(wg.errors.ShapeError, match=r"\(3,\) and \(2, 2\)"):
        x[:, [0, 2]] = [1.0, 2.0, 3.0]
    with pytest.raises(wg.errors.DTypeError, match="float32 values"):
        wg.arange(3)[[0]] = wg.ones(1)
    with pytest.raises(wg.errors.ShapeError, match=r"\(5,\) and \(2,\)"):
        x[x > 1] = [1.0, 2.0, 3.0, 4.0, 5.0]
