"""The numerics contract, and what the elementwise ops promise beyond a row of the table."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad import cli, numerics
from wgrad.contracts import contracts
from wgrad.core import REGISTRY
from wgrad.numerics import CONTRACTS, Contract, measure
from wgrad.ops.families import Elementwise

INF, NAN = math.inf, math.nan


def test_every_op_keeps_its_contract(device):
    broken = [r for r in measure(device, fine=6) if not r.ok]
    assert not broken, broken


def strict(name: str, ulp: float) -> Contract:
    """Return what an op promises, with another error."""
    (found,) = contracts(REGISTRY[name])
    return replace(found, accuracy=replace(found.accuracy, ulp=ulp))


def test_every_op_that_computes_in_floats_states_its_error():
    ops = [op for op in REGISTRY.values() if isinstance(op, Elementwise)]
    silent = {op.name for op in ops if op.accuracy is None}
    exact = {
        op.name for op in ops if op.kind in ("compare", "logical", "select", "bits", "integer")
    }
    assert silent == exact
    assert {c.function for c in CONTRACTS} == {op for op in ops if op.name not in exact}


def test_contract_is_broken_by_an_error_or_a_special_value(numpy_device, monkeypatch):
    (measured,) = measure(numpy_device, [strict("exp", 0.3)], fine=4)
    assert not measured.ok
    assert 0.3 < measured.ulp < 4
    monkeypatch.setattr(numerics, "_wanted", lambda contract, xs: np.tanh(xs[0]) + 0.0)
    (loose,) = measure(numpy_device, [*contracts(REGISTRY["tanh"])], fine=4)
    assert loose.wrong == ("tanh(-0) = -0",)


def test_command_measures_and_keeps_a_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(numerics, "CONTRACTS", CONTRACTS[:2])
    monkeypatch.setattr(numerics.measure, "__defaults__", (CONTRACTS[:2], 4))
    path = tmp_path / "table.md"
    for _ in range(2):
        assert cli.main(["numerics", "--device", "numpy", "--write", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Numerics")
    assert text.count("## NumPy") == 1
    assert "| add | 0.5 |" in text
    assert "| add | 0.5 |" in capsys.readouterr().out


def test_erf_in_float64_is_the_standard_librarys(numpy_device):
    x = np.concatenate([np.linspace(-7, 7, 2001), np.geomspace(1e-300, 1, 500)])
    exact = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(wg.erf(wg.tensor(x, dtype="float64")).numpy(), exact, rtol=1e-15)


def test_gelu_in_float64_keeps_the_digits_of_its_tail(numpy_device):
    x = np.concatenate([np.linspace(-37, 8, 2001), -np.geomspace(1e-300, 1, 500)])
    exact = np.array([v * 0.5 * math.erfc(-v * math.sqrt(0.5)) for v in x])
    found = wg.nn.functional.gelu(wg.tensor(x, dtype="float64")).numpy()
    np.testing.assert_allclose(found, exact, rtol=1e-13)  # the square of x rounded once costs that


F = wg.nn.functional


@pytest.mark.parametrize(
    "call",
    [F.silu, F.mish, F.gelu, lambda x: F.gelu(x, "tanh"), F.hardswish, F.softplus, F.elu],
    ids=["silu", "mish", "gelu", "gelu_tanh", "hardswish", "softplus", "elu"],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_slopes_of_activations_reach_their_limits(call: Any, compiled: bool, device):
    slope = wg.grad(lambda x: call(x).sum())
    curvature = wg.grad(lambda x: slope(x).sum())
    x = wg.tensor([-INF, -3e38, -1e19, -1e4, 1e4, 1e19, 3e38, INF])
    first, second = (wg.compile(f) if compiled else f for f in (slope, curvature))
    assert first(x).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert second(x).tolist() == [0] * 8


@pytest.mark.parametrize(
    ("contract", "at"),
    [
        (strict("tan", 3.5), (-18523.8984375, -18184.602, 29099.002, 12688.107)),
        (strict("sin", 3), (27652.047,)),
        (strict("cos", 3), (17810.758, -27628.484)),
        (strict("gelu_tanh", 6), (-0.33939728140830994, -1.8301737)),
        (strict("gelu", 7), (-0.13520372, -0.14062107, -0.13947643, -13.09417)),
        (strict("mish", 5), (-5.939986, -4.2020288, -1e-30)),
        (strict("silu", 4), (-0.7967988, -5.0877714, -1e-30)),
    ],
    ids=lambda x: x.name if isinstance(x, Contract) else "",
)
def test_errors_are_small_where_a_dense_search_found_the_largest(contract, at, device, monkeypatch):
    monkeypatch.setattr(numerics, "inputs", lambda contract, fine: [np.array(at, np.float32)])
    (found,) = measure(device, [contract])
    assert found.ok, found


def test_lerp_neither_overflows_inside_nor_misses_its_ends(device):
    a = wg.tensor([3e38, 3e38, -3e38, 1e-38, 2.0, 1e31, 3e38])
    b = wg.tensor([-3e38, 1e38, 1e38, 1e31, 2.0, -0.0, NAN])
    assert wg.lerp(a, b, 0.0).tolist() == pytest.approx([*a.tolist()[:6], NAN], abs=0, nan_ok=True)
    assert wg.lerp(a, b, 1.0).tolist() == pytest.approx(b.tolist(), rel=0, abs=0, nan_ok=True)
    np.testing.assert_allclose(wg.lerp(a, b, 0.5).numpy()[:3], [0, 2e38, -1e38], rtol=1e-6)
    np.testing.assert_allclose(wg.lerp(a, b, 3.0).numpy()[1], -3e38, rtol=1e-6)
    tiny = wg.lerp(wg.tensor([1.4e-38]), wg.tensor([1.9e-38]), 0.4)
    np.testing.assert_allclose(tiny.numpy(), 1.6e-38, rtol=1e-6)


def test_slope_of_a_power_0_is_0_whatever_the_base(device):
    x = wg.tensor([NAN, 1e-40, -1e-40, 0.0, -0.0, INF, 2.0])
    slope = wg.grad(lambda x: wg.pow(x, wg.tensor([0.0])).sum())
    assert slope(x).tolist() == [0] * 7
    assert wg.grad(lambda x: slope(x).sum())(x).tolist() == [0] * 7


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_nan_survives_a_choice_of_two(name: str, device):
    f = getattr(wg, name)
    assert np.isnan(f(wg.tensor([NAN, 1.0]), wg.tensor([1.0, NAN])).numpy()).all()
    for x in (
        wg.clip(wg.tensor([NAN]), 0, 1),
        wg.relu(wg.tensor([NAN])),
        wg.sign(wg.tensor([NAN])),
    ):
        assert np.isnan(x.numpy()).all()


INTEGERS = [-(2**31), -(2**31) + 1, -7, -2, -1, 0, 1, 2, 7, 2**31 - 1]


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_integers_divide_and_shift_as_numpys_do(dtype: str, device):
    values = np.array(INTEGERS, np.int64).astype(dtype)
    a, b = (x.ravel() for x in np.meshgrid(values, values))
    ours = wg.tensor(a), wg.tensor(b)
    with np.errstate(all="ignore"):
        for name in ("floor_divide", "remainder"):
            found = getattr(wg, name)(*ours).numpy()
            np.testing.assert_array_equal(found, getattr(np, name)(a, b), err_msg=name)
    for count in (-1, 0, 1, 31, 32, 33, 100):
        if count < 0 and dtype == "uint32":
            continue
        outside = not 0 <= count < 32
        wide = a.astype(np.int64)
        left = np.zeros_like(a) if outside else (wide << count).astype(dtype)
        right = (wide >> (40 if outside else count)).astype(dtype)
        np.testing.assert_array_equal((ours[0] << count).numpy(), left)
        np.testing.assert_array_equal((ours[0] >> count).numpy(), right)


def test_operators_have_reflected_forms(device):
    x = wg.tensor([3, -4, 5])
    assert (x // 2).tolist() == [1, -2, 2]
    assert (x % 3).tolist() == [0, 2, 2]
    assert (17 // x).tolist() == [5, -5, 3]
    assert (17 % x).tolist() == [2, -3, 2]
    assert [part.tolist() for part in divmod(x, 2)] == [[1, -2, 2], [1, 0, 1]]
    assert [part.tolist() for part in divmod(17, x)] == [[5, -5, 3], [2, -3, 2]]
    assert (x & 6).tolist() == (6 & x).tolist() == [2, 4, 4]
    assert (x | 8).tolist() == (8 | x).tolist() == [11, -4, 13]
    assert (x ^ 1).tolist() == (1 ^ x).tolist() == [2, -3, 4]
    assert (~x).tolist() == [-4, 3, -6]
    assert (1 << wg.tensor([0, 3, 40])).tolist() == [1, 8, 0]
    assert (-256 >> wg.tensor([1, 4, 40])).tolist() == [-128, -16, -1]
    assert (wg.tensor([5.5, -5.5]) // 2).tolist() == [2, -3]
    assert (wg.tensor([5.5, -5.5]) % 2).tolist() == [1.5, 0.5]
    bits = wg.tensor([True, False])
    assert (bits & True).tolist() == [True, False]
    assert (~bits).tolist() == [False, True]


def test_rounding_takes_the_even_neighbour_and_keeps_signs_of_zeros(device):
    x = wg.tensor([0.5, 1.5, 2.5, -0.5, -1.5, -0.2])
    assert wg.round(x).tolist() == [0, 2, 2, 0, -2, 0]
    for f in (wg.round, wg.ceil, wg.trunc):
        assert np.signbit(f(wg.tensor([-0.2, -0.0])).numpy()).all()
    assert wg.floor(wg.tensor([7, -7])).dtype is wg.int32


@pytest.mark.parametrize(
    ("call", "at", "slopes"),
    [
        (wg.hypot, (0.0, 0.0), (0, 0)),
        (wg.hypot, (3e30, 4e30), (0.6, 0.8)),
        (wg.atan2, (0.0, 0.0), (0, 0)),
        (wg.atan2, (3e30, 0.0), (0, -3.3333333e-31)),
        (wg.logaddexp, (-INF, -INF), (0.5, 0.5)),
        (wg.logaddexp, (-INF, 1.0), (0, 1)),
        (wg.logaddexp, (1e4, 1e4), (0.5, 0.5)),
        (wg.remainder, (7.5, 2.0), (1, -3)),
        (wg.floor_divide, (7.5, 2.0), (0, 0)),
        (wg.copysign, (-3.0, 2.0), (-1, 0)),
        (wg.copysign, (0.0, 2.0), (0, 0)),
    ],
)
def test_gradients_at_kinks(call: Any, at: tuple, slopes: tuple, device):
    x, y = (wg.tensor(v, requires_grad=True) for v in at)
    call(x, y).backward()
    found = [0.0 if t.grad is None else t.grad.item() for t in (x, y)]
    np.testing.assert_allclose(found, slopes, rtol=1e-6)


def test_fused_functions_give_the_same_bits(device):
    """The functions are inlined into another kernel there: nothing may be rearranged."""

    def f(x: Any) -> Any:
        y = wg.log1p(wg.exp(wg.sin(x)))
        return wg.tanh(y), wg.erf(x), wg.atan2(x, y), y**1.7, wg.expm1(x), x % 0.7

    x = wg.tensor(np.linspace(-20, 20, 4001).astype(np.float32))
    for eager, fused in zip(f(x), wg.compile(f)(x), strict=True):
        np.testing.assert_array_equal(eager.numpy().view(np.int32), fused.numpy().view(np.int32))


@pytest.mark.parametrize("wrong", [["--device", "abacus"], ["--device", "numpy", "--write", "."]])
def test_command_says_in_a_sentence_what_is_wrong(wrong, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["numerics", *wrong])
    assert end.value.code == 2
    assert "numerics: error:" in capsys.readouterr().err
