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
