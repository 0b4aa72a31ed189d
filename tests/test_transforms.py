"""Derivatives of functions: grad, vjp, jvp and what is made of them, nested in every order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg


def t(data: Any) -> wg.Tensor:
    return wg.tensor(data, dtype="float32")


def cube(x: wg.Tensor) -> wg.Tensor:
    return x * x * x


# One level.


def test_grad_differentiates_the_first_argument(device):
    g = wg.grad(lambda x, y: wg.sum(x * y * y))(t([1.0, 2.0]), t([3.0, 4.0]))
    assert g.tolist() == [9, 16]
    assert g.device is device and not g.requires_grad


def test_grad_by_chosen_arguments(device):
    def f(x: wg.Tensor, y: wg.Tensor, factor: float = 1.0) -> wg.Tensor:
        return wg.sum(x * y) * factor

    x, y = t([1.0, 2.0]), t([3.0, 4.0])
    assert wg.grad(f, 1)(x, y).tolist() == [1, 2]
    gx, gy = wg.grad(f, (0, 1))(x, y, factor=10)
    assert gx.tolist() == [30, 40] and gy.tolist() == [10, 20]
    (only,) = wg.grad(f, [1])(x, y)
    assert only.tolist() == [1, 2]
    with pytest.raises(wg.errors.ArgumentError, match="argument 2 is asked for, and 2 came"):
        wg.grad(f, 2)(x, y)


def test_grad_takes_numbers_lists_and_arrays(device):
    assert wg.grad(cube)(2.0).item() == 12
    assert wg.grad(cube)(2).item() == 12
    assert wg.grad(lambda x: wg.sum(x * x))([1, 2]).tolist() == [2, 4]
    assert wg.grad(lambda x: wg.sum(x * x))(np.array([1.0, 2.0])).tolist() == [2, 4]
    with pytest.raises(wg.errors.DTypeError, match="argument 0 is int32"):
        wg.grad(cube)(wg.tensor(2))


def test_grad_needs_a_0d_result(device):
    with pytest.raises(wg.errors.GradientError, match=r"shape \(2,\)"):
        wg.grad(lambda x: x * 2)(t([1.0, 2.0]))
    with pytest.raises(wg.errors.GradientError, match="returned int32"):
        wg.grad(wg.argmax)(t([1.0, 2.0]))
    with pytest.raises(wg.errors.GradientError, match="float, not a tensor"):
        wg.grad(lambda x: 3.0)(t(1.0))


def test_grad_of_what_does_not_depend_is_zero(device):
    assert wg.grad(lambda x: t(3.0))(t([1.0, 2.0])).tolist() == [0, 0]
    assert wg.grad(lambda x: wg.sum(wg.sign(x)))(t([1.0, 2.0])).tolist() == [0, 0]
    out, tangent = wg.jvp(lambda x: t([3.0]), (t([1.0, 2.0]),), (t([1.0, 1.0]),))
    assert out.tolist() == [3] and tangent.tolist() == [0]


def test_value_and_grad(device):
    value, g = wg.value_and_grad(lambda x: wg.sum(x * x))(t([1.0, 2.0]))
    assert value.item() == 5 and g.tolist() == [2, 4]
    assert not value.requires_grad and not g.requires_grad


def test_transforms_leave_leaves_alone(device):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    wg.grad(lambda x: wg.sum(x * x))(x)
    wg.vjp(wg.exp, x)[1](t([1.0, 1.0]))
    wg.hessian(lambda x: wg.sum(x * x))(x)
    assert x.grad is None


def test_vjp_can_pull_again_and_again(device):
    out, pull = wg.vjp(lambda x, y: x * y, t([2.0, 3.0]), t([5.0, 7.0]))
    assert out.tolist() == [10, 21]
    for scale in (1.0, 2.0, 0.0):
        gx, gy = pull(t([scale, scale]))
        assert gx.tolist() == [5 * scale, 7 * scale]
        assert gy.tolist() == [2 * scale, 3 * scale]
    (_, single) = wg.vjp(wg.exp, t(0.0))
    assert single(1.0).item() == 1


def test_vjp_refuses_a_cotangent_of_another_shape(device):
    _, pull = wg.vjp(wg.exp, t([1.0, 2.0]))
    with pytest.raises(wg.errors.GradientError, match=r"\(3,\).*\(2,\)"):
        pull(t([1.0, 1.0, 1.0]))


def test_jvp_is_the_directional_derivative(device):
    out, tangent = wg.jvp(
        lambda x, y: wg.sin(x) * y, (t([1.0, 2.0]), t(3.0)), (t([1.0, 0.0]), t(10.0))
    )
    expected = [3 * math.cos(1) + 10 * math.sin(1), 10 * math.sin(2)]
    np.testing.assert_allclose(tangent.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(out.numpy(), 3 * np.sin([1.0, 2.0]), rtol=1e-5)


def test_jvp_runs_forward_once_and_keeps_no_graph(device):
    calls = []

    def f(x: wg.Tensor) -> wg.Tensor:
        calls.append(x)
        return wg.exp(x)

    out, tangent = wg.jvp(f, (t(1.0),), (t(1.0),))
    assert len(calls) == 1
    assert not out.requires_grad and not tangent.requires_grad


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_in_every_mode(mode: str, device):
    def f(x: wg.Tensor) -> wg.Tensor:
        return wg.stack([x[0] * x[1], wg.sin(x[2]), x[0] + x[2]])

    x = [2.0, 3.0, 0.5]
    expected = [[3, 2, 0], [0, 0, math.cos(0.5)], [1, 0, 1]]
    np.testing.assert_allclose(wg.jacobian(f, mode=mode)(t(x)).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian_of_boxes_scalars_and_nothing(mode: str, device):
    jacobian = wg.jacobian(lambda x: x.T * 2, mode=mode)(t([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert jacobian.shape == (3, 2, 2, 3)
    expected = 2 * np.einsum("il,jk->ijkl", np.eye(3), np.eye(2))
    np.testing.assert_array_equal(jacobian.numpy(), expected)
    assert wg.jacobian(cube, mode=mode)(t(2.0)).item() == 12
    assert wg.jacobian(wg.exp, mode=mode)(wg.zeros(0)).shape == (0, 0)
    assert wg.jacobian(wg.sum, mode=mode)(wg.zeros(0)).shape == (0,)
    assert wg.jacobian(lambda x: x * wg.zeros(0), mode=mode)(t(1.0)).shape == (0,)


def test_jacobian_takes_one_pass_or_one_for_each_chunk(device):
    count = {"calls": 0}

    def f(x: wg.Tensor) -> wg.Tensor:
        count["calls"] += 1
        return x[:2] * 2

    for mode, size, expected in (
        ("forward", None, 1),
        ("forward", 2, 3),
        ("forward", 1, 5),
        ("reverse", 1, 1),
        ("auto", None, 1),
    ):
        count["calls"] = 0
        out = wg.jacobian(f, mode, size)(wg.ones(5))
        assert count["calls"] == expected
        np.testing.assert_array_equal(out.numpy(), 2 * np.eye(2, 5))


def test_hessian_and_hvp_of_a_quadratic(device):
    A = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 4.0]], np.float32)

    def f(x: wg.Tensor) -> wg.Tensor:
        return 0.5 * (x @ (t(A) @ x))

    x, v = t([1.0, -2.0, 0.5]), t([1.0, 0.0, 2.0])
    np.testing.assert_allclose(wg.hessian(f)(x).numpy(), A, rtol=1e-5)
    np.testing.assert_allclose(wg.hvp(f, x, v).numpy(), A @ v.numpy(), rtol=1e-5)


def test_hessian_of_a_box_has_the_shape_twice(device):
    x = t([[1.0, 2.0], [3.0, 4.0]])
    hessian = wg.hessian(lambda x: wg.sum(cube(x)))(x)
    assert hessian.shape == (2, 2, 2, 2)
    np.testing.assert_allclose(hessian.numpy().reshape(4, 4), np.diag([6.0, 12, 18, 24]))


# Levels inside levels.


def test_derivatives_of_orders_one_to_five(device):
    f: Callable[..., wg.Tensor] = lambda x: x**5  # noqa: E731
    for expected in (5 * 16, 20 * 8, 60 * 4, 120 * 2, 120):
        f = wg.grad(f)
        assert f(t(2.0)).item() == pytest.approx(expected, rel=1e-5)
    assert wg.grad(f)(t(2.0)).item() == 0


def test_third_derivatives_of_transcendental_functions(device):
    x = 0.7
    for f, expected in (
        (wg.sin, -math.cos(x)),
        (wg.exp, math.exp(x)),
        (wg.log, 2 / x**3),
        (wg.tanh, None),
    ):
        third = wg.grad(wg.grad(wg.grad(f)))(t(x)).item()
        if expected is None:
            th = math.tanh(x)
            expected = -2 * (1 - th * th) * (1 - 3 * th * th)
        assert third == pytest.approx(expected, rel=1e-4)


def _forward(f: Callable) -> Callable:
    """Return f' by forward mode."""
    return lambda x: wg.jvp(f, (x,), (wg.ones_like(x),))[1]


def _reverse(f: Callable) -> Callable:
    return wg.grad(f)


MODES = {"forward": _forward, "reverse": _reverse}


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("middle", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_modes_nest_in_every_order(outer: str, middle: str, inner: str, device):
    """The third derivative of x**4 sin x, by all eight ways."""
    x = 1.3
    expected = (
        24 * x * math.sin(x)
        + 36 * x**2 * math.cos(x)
        - 12 * x**3 * math.sin(x)
        - x**4 * math.cos(x)
    )
    f = MODES[outer](MODES[middle](MODES[inner](lambda x: x**4 * wg.sin(x))))
    assert f(t(x)).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_perturbations_are_not_confused(outer: str, inner: str, device):
    """d/dx [x * d/dy (x + y)] = d/dx x = 1, not 2."""

    def f(x: wg.Tensor) -> wg.Tensor:
        return x * MODES[inner](lambda y: x + y)(t(5.0))

    assert MODES[outer](f)(t(3.0)).item() == 1


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_perturbations_of_one_tensor_at_two_levels_are_not_confused(outer: str, inner: str, device):
    """d/dx [x * d/dy (x * y * y) at y = x] = d/dx 2 x^3 = 6 x^2; the inner x is held."""

    def f(x: wg.Tensor) -> wg.Tensor:
        return x * MODES[inner](lambda y: x * y * y)(x)

    assert MODES[outer](f)(t(2.0)).item() == 24

    def g(x: wg.Tensor) -> wg.Tensor:  # the same tensor, captured and as the argument
        return MODES[inner](lambda y: x * y)(x)

    assert MODES[outer](g)(t(2.0)).item() == 1


@pytest.mark.parametrize("outer", MODES)
def test_inner_derivative_that_does_not_depend_on_the_outer_input(outer: str, device):
    def f(x: wg.Tensor) -> wg.Tensor:
        return x * wg.grad(lambda y: y * y)(t(3.0))

    assert MODES[outer](f)(t(2.0)).item() == 6


def test_tangent_that_depends_on_the_outer_input(device):
    """d/dx of the derivative of y^2 at 3 in the direction x: 6 x, so 6."""

    def f(x: wg.Tensor) -> wg.Tensor:
        return wg.jvp(lambda y: y * y, (t(3.0),), (x,))[1]

    assert wg.grad(f)(t(2.0)).item() == 6
    assert wg.jvp(f, (t(2.0),), (t(1.0),))[1].item() == 6


def test_cotangent_that_depends_on_the_outer_input(device):
    def f(x: wg.Tensor) -> wg.Tensor:
        _, pull = wg.vjp(lambda y: y * y, t(3.0))
        return pull(x)

    assert wg.grad(f)(t(2.0)).item() == 6
    assert wg.jvp(f, (t(2.0),), (t(1.0),))[1].item() == 6


def test_pull_made_inside_and_used_outside(device):
    kept: list[Callable] = []

    def f(x: wg.Tensor) -> wg.Tensor:
        out, pull = wg.vjp(cube, x)
        kept.append(pull)
        return out

    assert wg.grad(f)(t(2.0)).item() == 12
    assert kept[0](1.0).item() == 12


def test_mixed_second_derivatives(device):
    def f(x: wg.Tensor, y: wg.Tensor) -> wg.Tensor:
        return x * x * y * y * y

    x, y = t(2.0), t(3.0)
    assert wg.grad(wg.grad(f, 0), 1)(x, y).item() == 2 * 2 * 3 * 9
    assert wg.grad(wg.grad(f, 1), 0)(x, y).item() == 2 * 2 * 3 * 9


def test_jacobian_of_grad_is_the_hessian(device):
    def f(x: wg.Tensor) -> wg.Tensor:
        return wg.logsumexp(x * x)

    x = t([0.3, -0.2, 0.9])
    hessian = wg.hessian(f)(x).numpy()
    for mode in ("forward", "reverse"):
        found = wg.jacobian(wg.grad(f), mode=mode)(x).numpy()
        np.testing.assert_allclose(found, hessian, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-4, atol=1e-6)


def test_backward_through_grad_of_captured_parameters(device):
    """A gradient penalty: the gradient by the input is differentiated by the parameters."""
    w = wg.tensor([2.0, -1.0], requires_grad=True)
    x = t([3.0, 4.0])
    g = wg.grad(lambda x: wg.sum(w * x * x))(x)  # 2 w x
    assert g.requires_grad
    wg.sum(g * g).backward()  # sum 4 w^2 x^2: 8 w x^2
    assert w.grad.tolist() == [8 * 2 * 9, 8 * -1 * 16]


def test_value_of_value_and_grad_keeps_the_history_of_captured_parameters(device):
    w = wg.tensor(2.0, requires_grad=True)
    value, g = wg.value_and_grad(lambda x: w * x * x)(t(3.0))
    value.backward()
    assert w.grad.item() == 9
    w.set_grad(None)
    g.backward()
    assert w.grad.item() == 6


def test_grad_of_a_tracked_input_stays_differentiable(device):
    x = wg.tensor(2.0, requires_grad=True)
    g = wg.grad(cube)(x)
    assert g.requires_grad
    g.backward()
    assert x.grad.item() == 12


def test_grad_stays_within_its_own_level(device):
    """What the function captured is not walked: no work there, and no hooks run."""
    seen: list[wg.Tensor] = []
    w = wg.tensor(2.0, requires_grad=True)
    y = w * 3
    y.register_hook(seen.append)
    assert wg.grad(lambda x: y * x)(t(5.0)).item() == 6
    assert seen == [] and w.grad is None


def test_grad_inside_no_grad_works_and_is_not_tracked(device):
    w = wg.tensor(2.0, requires_grad=True)
    with wg.no_grad():
        g = wg.grad(lambda x: w * x * x)(t(3.0))
        second = wg.grad(wg.grad(cube))(t(2.0))
        _, tangent = wg.jvp(lambda x: w * x, (t(3.0),), (t(1.0),))
    assert g.item() == 12 and not g.requires_grad
    assert second.item() == 12
    assert tangent.item() == 2 and not tangent.requires_grad


def test_no_grad_inside_a_differentiated_function_stops_reverse_mode(device):
    def f(x: wg.Tensor) -> wg.Tensor:
        with wg.no_grad():
            held = x * x
        return x * held

    assert wg.grad(f)(t(3.0)).item() == 9
    assert wg.grad(lambda x: x * x.detach())(t(3.0)).item() == 3


def test_results_at_top_level_are_not_tracked(device):
    x = t([1.0, 2.0])
    for result in (
        wg.grad(lambda x: wg.sum(cube(x)))(x),
        wg.vjp(cube, x)[0],
        wg.vjp(cube, x)[1](t([1.0, 1.0])),
        *wg.jvp(cube, (x,), (x,)),
        wg.hessian(lambda x: wg.sum(cube(x)))(x),
        wg.jacobian(cube)(x),
    ):
        assert not result.requires_grad


def test_transforms_on_a_device_that_is_not_the_default(webgpu):
    x = t([1.0, 2.0])
    with wg.device("numpy"):
        assert wg.grad(lambda x: wg.sum(x * x))(x).device is webgpu
        assert wg.jvp(wg.exp, (x,), (x,))[1].device is webgpu
        assert wg.jacobian(wg.exp)(x).device is webgpu
        assert wg.hessian(lambda x: wg.sum(x * x))(x).device is webgpu
        assert wg.gradcheck(wg.tanh, [x])


def test_gradients_cross_devices(webgpu):
    def f(x: wg.Tensor) -> wg.Tensor:
        return wg.sum(wg.exp(x.to("numpy")).to(webgpu) * x)

    x = t([0.5, -0.3])
    expected = np.exp(x.numpy()) * (1 + x.numpy())
    np.testing.assert_allclose(wg.grad(f)(x).numpy(), expected, rtol=1e-5)
    assert wg.grad(f)(x).device is webgpu
    v = t([1.0, 0.0])
    assert wg.jvp(f, (x,), (v,))[1].item() == pytest.approx(expected[0], rel=1e-5)
    hessian = wg.hessian(f)(x).numpy()
    second = np.diag(np.exp(x.numpy()) * (2 + x.numpy()))
    np.testing.assert_allclose(hessian, second, rtol=1e-4, atol=1e-6)


# gradcheck.


def test_gradcheck_accepts_right_gradients(device):
    assert wg.gradcheck(lambda x, y: wg.tanh(x @ y), [t([[0.1, 0.2]]), t([[0.3], [0.4]])]) is True
    assert wg.gradcheck(wg.sin, [0.3])
    assert wg.gradcheck(lambda x, i: wg.take(x, i), [t([1.0, 2.0]), wg.tensor([1, 1, 0])])


def _wrong(entry: int | None) -> Callable:
    """Return a product whose rule for the second input is wrong, at one entry or everywhere."""

    def backward(ct: wg.Tensor, out: wg.Tensor, a: wg.Tensor, b: wg.Tensor) -> tuple:
        off = np.zeros(b.shape, np.float32)
        off.reshape(-1)[entry] = 0.5
        return ct * b, ct * a + wg.tensor(off, b.dtype)

    return wg.custom_op(lambda a, b: a * b, backward=backward, name="wrong")


def test_gradcheck_names_the_input_and_the_entry(device):
    a, b = t([[1.0, 2.0], [3.0, 4.0]]), t([[5.0, 6.0], [7.0, 8.0]])
    with pytest.raises(wg.errors.GradientError) as caught:
        wg.gradcheck(_wrong(2), [a, b])
    text = str(caught.value)
    assert "input 1[1, 0]" in text
    assert "gradient of output 0 is 0.5" in text  # off for every output: the first one is named
    with pytest.raises(wg.errors.GradientError, match="input 0: "):
        wg.gradcheck(wg.custom_op(lambda x: x * x, backward=lambda ct, out, x: ct * x), [t(3.0)])


def test_gradcheck_finds_a_rule_that_ignores_its_cotangent(device):
    ignores = wg.custom_op(lambda x: x * 2, backward=lambda ct, out, x: wg.full_like(x, 2.0))
    with pytest.raises(
        wg.errors.GradientError, match=r"input 0\[0\]: the gradient of output 1 is 2"
    ):
        wg.gradcheck(ignores, [t([1.0, 2.0])])


def test_gradcheck_needs_floats(device):
    with pytest.raises(wg.errors.GradientError, match="no floating input"):
        wg.gradcheck(lambda x: x, [wg.tensor([1, 2])])
    with pytest.raises(wg.errors.GradientError, match="returned int32"):
        wg.gradcheck(lambda x: x.astype("int32"), [t([1.0])])


def test_gradcheck_leaves_its_inputs_alone(device):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    wg.gradcheck(lambda x: x * x, [x])
    assert x.grad is None and x.tolist() == [1, 2] and x.requires_grad


def test_gradcheck_refuses_a_gradient_that_is_nan(device):
    bad = wg.custom_op(lambda x: x * 2, backward=lambda ct, out, x: ct * float("nan"))
    with pytest.raises(wg.errors.GradientError, match="nan"):
        wg.gradcheck(bad, [t([1.0])])


# Operations of the user's own.


def test_custom_op_as_a_decorator_with_parameters(device):
    @wg.custom_op(backward=lambda ct, out, x, power=1: ct * power * x ** (power - 1))
    def raised(x: wg.Tensor, power: int = 1) -> wg.Tensor:
        """x to an integer power."""
        return x**power

    x = wg.tensor([2.0, 3.0], requires_grad=True)
    wg.sum(raised(x, power=3)).backward()
    assert x.grad.tolist() == [12, 27]
    assert raised.__doc__ == "x to an integer power."
    assert raised.name == "raised"


def test_custom_op_hides_its_inside_from_the_tape(device):
    """A straight-through rounding: the inside has slope 0, the rule says 1."""
    through = wg.custom_op(
        lambda x: x.astype("int32").astype("float32"), backward=lambda ct, out, x: ct
    )
    x = wg.tensor([1.7, 2.2], requires_grad=True)
    y = through(x)
    wg.sum(y * 3).backward()
    assert y.tolist() == [1, 2] and x.grad.tolist() == [3, 3]


def test_custom_op_can_be_differentiated_again(device):
    square = wg.custom_op(lambda x: x * x, backward=lambda ct, out, x: ct * 2 * x)
    assert wg.grad(wg.grad(lambda x: square(x) * x))(t(2.0)).item() == 12


def test_custom_op_with_inputs_that_have_no_gradient(device):
    chosen = wg.custom_op(
        lambda x, i: wg.take(x, i),
        backward=lambda ct, out, x, i: (wg.scatter_add(wg.zeros_like(x), i, ct), None),
    )
    x = wg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    wg.sum(chosen(x, wg.tensor([2, 2, 0]))).backward()
    assert x.grad.tolist() == [1, 0, 2]


def test_custom_op_runs_its_rule_once_for_all_inputs(device):
    calls = []

    def backward(ct: wg.Tensor, out: wg.Tensor, a: wg.Tensor, b: wg.Tensor) -> tuple:
        calls.append(1)
        return ct * b, ct * a

    op = wg.custom_op(lambda a, b: a * b, backward=backward)
    a, b = (wg.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    op(a, b).backward()
    assert calls == [1] and a.grad.item() == 3 and b.grad.item() == 2


def test_custom_op_refuses_wrong_gradients(device):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    few = wg.custom_op(lambda a, b: a * b, backward=lambda ct, out, a, b: (ct,), name="few")
    with pytest.raises(wg.errors.GradientError, match="few: backward returned 1 gradients for 2"):
        wg.sum(few(x, x)).backward()
    shape = wg.custom_op(lambda a: a * 2, backward=lambda ct, out, a: ct[:1], name="shape")
    with pytest.raises(wg.errors.GradientError, match=r"shape: .* tensor of shape \(2,\)"):
        wg.sum(shape(x)).backward()
    number = wg.custom_op(lambda a: a * 2, backward=lambda ct, out, a: 2.0, name="number")
    with pytest.raises(wg.errors.GradientError, match=r"number: backward returned 2\.0"):
        wg.sum(number(x)).backward()
    with pytest.raises(wg.errors.DTypeError, match="forward returned 3"):
        wg.custom_op(lambda a: 3, backward=lambda ct, out, a: ct)(x)
    assert x.grad is None


def test_custom_op_assigned_input_raises(device):
    x, w = wg.tensor(2.0, requires_grad=True), t(3.0)
    product = wg.custom_op(lambda a, b: a * b, backward=lambda ct, out, a, b: (ct * b, ct * a))
    y = product(x, w)
    w.assign(0.0)
    with pytest.raises(wg.errors.GradientError, match="assigned"):
        y.backward()


def test_custom_op_says_that_it_has_no_forward_mode(device):
    op = wg.custom_op(lambda x: x * x, backward=lambda ct, out, x: ct * 2 * x, name="mine")
    with pytest.raises(wg.errors.GradientError, match="mine: forward mode"):
        wg.jvp(op, (t(1.0),), (t(1.0),))


def test_argnums_are_integers(device):
    def f(a, b):
        return (a * b).sum()

    x, y = wg.tensor([1.0, 2.0]), wg.tensor([3.0, 4.0])
    assert wg.grad(f, np.int64(1))(x, y).tolist() == [1, 2]
    assert [g.tolist() for g in wg.grad(f, [1, 0])(x, y)] == [[1, 2], [3, 4]]
    for bad in ("a", None, 1.5, (0, "b")):
        with pytest.raises(wg.errors.ArgumentError, match="argnums"):
            wg.grad(f, bad)


def test_vjp_jvp_and_hvp_take_trees_as_grad_does(device):
    layer = {"w": wg.tensor([[1.0, 2.0], [3.0, 4.0]]), "more": [wg.tensor([0.5, -0.5])]}
    x = wg.tensor([1.0, -1.0])

    def f(layer, x):
        return (layer["w"] @ x).sin() + layer["more"][0]

    def loss(layer):
        return f(layer, x).square().sum()

    slopes = wg.grad(loss)(layer)
    out, pull = wg.vjp(f, layer, x)
    pulled, of_x = pull(2 * out)
    np.testing.assert_allclose(pulled["w"].numpy(), slopes["w"].numpy(), rtol=1e-6)
    np.testing.assert_allclose(pulled["more"][0].numpy(), slopes["more"][0].numpy(), rtol=1e-6)
    assert of_x.shape == (2,) and wg.vjp(loss, layer)[1](1.0).keys() == layer.keys()

    along = {"w": wg.ones((2, 2)), "more": [wg.ones(2)]}
    _, slope = wg.jvp(loss, (layer,), (along,))
    total = sum(float((g * 1.0).sum().item()) for g in (slopes["w"], slopes["more"][0]))
    np.testing.assert_allclose(slope.item(), total, rtol=1e-5)
    step = {"w": layer["w"] + 1e-2, "more": [layer["more"][0] + 1e-2]}
    curved = wg.hvp(loss, layer, along)
    near = (wg.grad(loss)(step)["w"] - slopes["w"]) / 1e-2
    np.testing.assert_allclose(curved["w"].numpy(), near.numpy(), atol=0.1)
    pair, tangents = wg.jvp(lambda p: (p["w"], x), (layer,), (along,))
    assert len(pair) == 2 and tangents[0].tolist() == [[1, 1], [1, 1]]
    assert tangents[1].tolist() == [0, 0]
    with pytest.raises(wg.errors.ArgumentError, match=r"tangents\[0\] came as .* the keys"):
        wg.jvp(loss, (layer,), ({"w": x},))
    with pytest.raises(wg.errors.ArgumentError, match=r"tangents\[0\]\['more'\] .* 1 parts"):
        wg.jvp(loss, (layer,), ({"w": x, "more": x},))
