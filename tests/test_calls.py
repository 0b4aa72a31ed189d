"""Functions of several results: called eagerly and in programs, they give what NumPy does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from campaigns.windows import tiny
from programs import traced
from wgsl_functions import (
    COUNT,
    HALF,
    LINE,
    POWERS,
    RGB,
    SIGNS,
    call,
    components,
    expected,
    line,
    made,
    rgb,
    total,
)

import wgrad as wg
from wgrad.backends.base import Device
from wgrad.backends.functions import Function
from wgrad.backends.webgpu.facts import Facts
from wgrad.backends.webgpu.planner import Planner
from wgrad.dtypes import float32
from wgrad.program.ir import Program
from wgrad.program.lower.numpy import LIMITS, WITHOUT, NumpyExecutor
from wgrad.program.lower.webgpu import limits_for, lower
from wgrad.program.passes import PASSES, simplify
from wgrad.program.run.plain import PlainExecutor

RNG = np.random.default_rng(0)


def values(shape: Sequence[int], dtype: str) -> np.ndarray:
    if dtype == "bool":
        return RNG.random(shape) < 0.5
    if "int" in dtype:
        return RNG.integers(0 if dtype == "uint32" else -9, 10, shape).astype(dtype)
    return RNG.standard_normal(shape).astype(dtype)


def agree(found: wg.Tensor, right: np.ndarray) -> None:
    x = found.numpy()
    assert x.dtype == right.dtype and x.shape == right.shape
    tolerance = 2e-3 if x.dtype == np.float16 else 1e-5
    if x.dtype.kind == "f":
        np.testing.assert_allclose(x, right, rtol=tolerance, atol=tolerance)
    else:
        assert np.array_equal(x, right)


FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "one result": (LINE, ()),
    "a vector": (RGB, (3,)),
    "integers": (COUNT, (2,)),
    "truth values": (SIGNS, (2,)),
    "a matrix of halves": (HALF, (2, 2)),
    "an array": (POWERS, (6,)),
}
VIEWS: dict[str, Callable[[Any], Any]] = {
    "dense": lambda x: x,
    "transposed": lambda x: x.T,
    "steps": lambda x: x[::2, ::-1],
    "broadcast": lambda x: x[:1] + 0 * x if x.dtype == bool else wg.broadcast_to(x[:1], x.shape),
}


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_call_gives_what_numpy_does(device, name, planes):
    f, inner = FUNCTIONS[name]
    if HALF is f and wg.float16 not in device.dtypes:
        pytest.skip("the adapter holds no float16")
    for shape in ((), (1,), (5,), (8,), (4, 6), (0, 3), (70_001,)):
        operands = [values(shape, x.name) for x in f.ins]
        tensors = [wg.tensor(x, dtype=d) for x, d in zip(operands, f.ins, strict=True)]
        right = expected(f, operands, inner)
        if planes:
            right = np.moveaxis(right.reshape(*shape, len(f.parts)), -1, 0)
        agree(call(f, tensors, inner, planes), right)
        agree(wg.compile(lambda *t: call(f, t, inner, planes))(*tensors), right)


@pytest.mark.parametrize("name", ["a vector", "integers"])
def test_operands_may_be_any_views_and_numbers(device, name):
    f, inner = FUNCTIONS[name]
    whole = [values((8, 8), x.name) for x in f.ins]
    tensors = [wg.tensor(x) for x in whole]

    def views(*t: Any) -> list[Any]:
        return [t[0][::2, ::-1], t[1].T[::2], wg.broadcast_to(t[2][:1, :], (4, 8))]

    right = expected(f, [whole[0][::2, ::-1], whole[1].T[::2], whole[2][:1, :]], inner)
    for run in (lambda *t: call(f, views(*t), inner), lambda *t: call(f, views(*t), inner, True)):
        made = run(*tensors)
        turned = right if made.shape == right.shape else np.moveaxis(right, -1, 0)
        agree(made, turned)
        agree(wg.compile(run)(*tensors), turned)
    number: Any = True if f is COUNT else 0.25
    right = expected(f, [whole[0], number, whole[2]], inner)
    agree(call(f, [tensors[0], number, tensors[2]], inner), right)
    agree(wg.compile(lambda a, c: call(f, [a, number, c], inner))(tensors[0], tensors[2]), right)


def test_components_of_one_tensor_are_one_binding(device):
    x = values((6, 4, 3), "float32")
    right = expected(RGB, np.moveaxis(x, -1, 0), (3,))
    for y, turned in ((wg.tensor(x), x), (wg.tensor(np.moveaxis(x, -1, 0)), None)):
        axis = -1 if turned is not None else 0
        agree(call(RGB, components(y, axis), (3,)), right)
        agree(wg.compile(lambda y: call(RGB, components(y, axis), (3,)))(y), right)  # noqa: B023
    part = wg.tensor(values((6, 8, 5), "float32"))[:, 1:5, 1:4]
    agree(rgb(part), expected(RGB, np.moveaxis(part.numpy(), -1, 0), (3,)))


def test_nine_axes_that_do_not_merge(device):
    x = wg.tensor(values((2,) * 9 + (3,), "float32"))
    y = x.permute_dims((8, 0, 7, 1, 6, 2, 5, 3, 4, 9))
    agree(rgb(y), expected(RGB, np.moveaxis(y.numpy(), -1, 0), (3,)))


def test_many_operands(device):
    f = total(40)
    operands = [values((12,), "float32") for _ in range(40)]
    tensors = [wg.tensor(x) for x in operands]
    agree(call(f, tensors), expected(f, operands))
    agree(wg.compile(lambda *t: call(f, t))(*tensors), expected(f, operands))
    numbers = [0.125 * i for i in range(39)]
    right = expected(f, [operands[0], *numbers])
    agree(call(f, [tensors[0], *numbers]), right)
    agree(wg.compile(lambda x: call(f, [x, *numbers]) * 2)(tensors[0]), right * 2)
    x = wg.tensor(values((12, 40), "float32"))
    agree(wg.compile(lambda x: call(f, components(x)))(x), expected(f, x.numpy().T))


def test_a_number_that_differs_from_run_to_run_is_read_anew(device):
    f = wg.compile(lambda x, c: call(LINE, [x, c]))
    x = wg.tensor([1.0, 2.0])
    for c in (0.5, 1.5, 2.5, 4.0):
        agree(f(x, c), expected(LINE, [x.numpy(), c]))


def test_helpers_of_one_name_do_not_clash(device):
    twice, thrice = (
        made(
            "scaled",
            "fn NAME(a: f32) -> f32 { return HELPER(a) + 1.0; }\n",
            lambda a, n=n: [a * np.float32(n) + 1],
            "float32",
            helper=f"fn HELPER(a: f32) -> f32 {{ return a * {n}.0; }}\n",
        )
        for n in (2, 3)
    )
    x = wg.tensor([1.0, -2.0, 3.0])

    def both(x: Any) -> Any:
        return call(twice, [call(thrice, [x])]) - call(twice, [x])

    agree(both(x), np.array([6, -6, 14], np.float32))
    agree(wg.compile(both)(x), np.array([6, -6, 14], np.float32))


@pytest.mark.parametrize(("size", "count"), [(5, 1), (8, 4)])
def test_functions_are_called_for_points_alone(webgpu, size, count):
    """Not for what lies behind the last one, for which a loop may have no end."""
    x = wg.tensor(values((size,), "float32"))
    compiled = wg.compile(lambda x: line(x, x * 2) + 1)
    compiled(x)
    assert compiled.wgsl().count(f"= {LINE.entry}(") == count


def test_a_long_function_is_called_once_for_every_thread(device):
    f = made(
        "long",
        "fn NAME(a: f32) -> vec2<f32> {\n    var x = a;\n"
        + "".join(f"    x = x * 0.5 + {i}.0;\n" for i in range(100))
        + "    return vec2<f32>(x, -a);\n}\n",
        _halved,
        "float32",
        (".x", ".y"),
    )
    assert not f.is_small and RGB.is_small
    x = values((16,), "float32")
    agree(call(f, [wg.tensor(x)], (2,)), expected(f, [x], (2,)))
    compiled = wg.compile(lambda x: call(f, [x], (2,)) * 2)
    agree(compiled(wg.tensor(x)), 2 * expected(f, [x], (2,)))
    if device.name == "webgpu":
        assert compiled.wgsl().count(f"= {f.entry}(") == 1


def _halved(a: Any) -> list[Any]:
    x = a
    for i in range(100):
        x = x * np.float32(0.5) + i
    return [x, -a]


def test_compilers_do_not_find_operands_equal(device):
    """As in ops of several kernels: x - x of an infinite x is NaN, also where both are one view."""
    less = made(
        "less", "fn NAME(a: f32, b: f32) -> f32 { return a - b; }\n", _less, "float32 float32"
    )
    for n in (3, 4):
        x = wg.tensor([float("inf")] * n)
        assert np.isnan(call(less, [x, x]).numpy()).all()
        assert np.isnan(wg.compile(lambda x: call(less, [x, x]) + 1)(x).numpy()).all()
        assert np.isnan(wg.compile(lambda x: call(less, [x * 2, 2 * x]))(x).numpy()).all()


def _less(a: Any, b: Any) -> list[Any]:
    return [a - b]


def test_functions_may_call_the_library(device):
    f = made(
        "steep",
        "fn NAME(a: f32) -> vec2<f32> { return vec2<f32>(real_tanh(a), nan_max(a, 0.5)); }\n",
        lambda a: [np.tanh(a), np.maximum(a, np.float32(0.5))],
        "float32",
        (".x", ".y"),
    )
    x = values((6,), "float32")
    agree(call(f, [wg.tensor(x)], (2,)), expected(f, [x], (2,)))
    agree(wg.compile(lambda x: call(f, [x], (2,)))(wg.tensor(x)), expected(f, [x], (2,)))


def test_doubles_on_the_host(numpy_device):
    f = replace(RGB, ins=(wg.float64,) * 3, out=wg.float64)
    x = RNG.random((5, 3))
    tensor = wg.tensor(x, dtype=wg.float64)
    for run in (rgb_of, wg.compile(rgb_of)):
        made = run(f, tensor)
        assert made.dtype is wg.float64
        np.testing.assert_allclose(made.numpy(), expected(f, x.T, (3,)), rtol=1e-14)


def rgb_of(f: Function, x: Any) -> wg.Tensor:
    return call(f, components(x), (3,))


def test_observers_are_told_of_calls(device):
    events: list[Any] = []
    x = wg.tensor(values((5, 3), "float32"))
    with wg.observe(events.append):
        rgb(x)
    kernels = [e for e in events if e.kind == "kernel"]
    assert len(kernels) == 1 and kernels[0].op == "call" and kernels[0].nbytes >= 60


def test_functions_are_equal_if_they_do_the_same():
    again = replace(RGB, numpy=lambda *x: list(x))
    assert again == RGB and hash(again) == hash(RGB)
    assert replace(RGB, key=2) != RGB != replace(RGB, out=wg.float64) and RGB != LINE


# Fused.
COUNTS: dict[str, tuple[Callable, int]] = {
    "before and after": (lambda x: rgb(x * 0.5 + 0.25) * 2 + 1, 1),
    "planes": (lambda x: rgb(x, planes=True) * 2, 1),
    "each plane": (lambda x: (lambda y: y[0] * y[1] - y[2])(rgb(x, planes=True)), 1),
    "each component": (lambda x: (lambda y: y[..., 0] * y[..., 1] - y[..., 2])(rgb(x)), 1),
    "some components": (lambda x: rgb(x)[..., 2] + 1, 1),
    "one call in another": (lambda x: rgb(rgb(x) * 0.5), 1),
    "calls of one component": (lambda x: line(rgb(x)[..., 1], 2.0) + x[..., 0], 1),
    "sum of the vector": (lambda x: rgb(x).sum(-1), 1),
    "norm of the vector": (lambda x: (rgb(x) ** 2).sum(-1, keepdims=True).sqrt(), 1),
    "softmax of the vector": (lambda x: rgb(x).softmax(-1), 1),
    "sum of all": (lambda x: (rgb(x) * 3).sum(), 1),
    "greatest of rows": (lambda x: rgb(x)[..., 0].max(1), 1),
    "beside its use": (lambda x: (lambda y: (y, y[..., 0] * 2))(rgb(x)), 1),
    "vector by scalar": (lambda x: rgb(x) * (x[..., :1] + 1), 1),
    "constants": (lambda x: call(RGB, (x[..., 0], wg.ones(x.shape[:2]), x[..., 1]), (3,)), 1),
    "after a lookup": (lambda x: rgb(wg.take(x, wg.tensor([2, 0, 0, 1]), 0)), 1),
    "after a pad": (lambda x: rgb(wg.pad(x, [(1, 0), (0, 2), (0, 0)])), 1),
    "a number": (lambda x: rgb(x)[0, 0, 1] * 2, 2),
    "after a product": (lambda x: line(x[..., 0] @ x[0, :, :1], 1.0).tanh(), 1),
    "several results of a product": (lambda x: call(POWERS, [x[..., 0] @ x[0] * 0.1], (6,)), 1),
    "planes of a product": (lambda x: call(POWERS, [x[..., 0] @ x[0] * 0.1], (6,), True), 1),
    "the same call twice": (lambda x: rgb(x) + rgb(x), 1),
    "read through another view": (lambda x: rgb(x)[::-1] * 2, 2),
}


@pytest.mark.parametrize("name", COUNTS)
def test_neighbours_of_a_call_are_one_kernel(device, name):
    f, count = COUNTS[name]
    count += device.name == "numpy" and name == "after a pad"  # there it is not elementwise work
    x = wg.tensor(values((6, 4, 3), "float32"))
    compiled = wg.compile(f)
    made, right = compiled(x), f(x)
    pairs = zip(made, right, strict=True) if isinstance(made, tuple) else [(made, right)]
    for a, b in pairs:
        agree(a, b.numpy())
    assert len(compiled.program.steps) == count, str(compiled.program)
    if device.name == "webgpu":
        before = wg.stats()["dispatches"]
        compiled(x)
        assert wg.stats()["dispatches"] - before == count


def test_nothing_is_stored_that_only_its_own_kernel_reads(device):
    compiled = wg.compile(lambda x: (lambda y: y[0] * y[1] + y[2])(rgb(x, planes=True)))
    compiled(wg.tensor(values((5, 3), "float32")))
    (step,) = compiled.program.steps
    assert [out.shape for out in step.outs] == [(5,)]


def test_a_training_step_is_a_kernel_for_the_loss_and_one_for_the_update(device):
    """The gradient comes in planes, and is read across them where the parameter is updated."""
    pull = made(
        "pull",
        """fn NAME(a: f32, b: f32, c: f32, x: f32, y: f32, z: f32) -> array<f32, 3> {
    return array<f32, 3>(a * x + y, b * y + z, c * z);
}
""",
        lambda a, b, c, x, y, z: [a * x + y, b * y + z, c * z],
        " ".join(["float32"] * 6),
        ("[0]", "[1]", "[2]"),
    )

    def step(p: Any, w: Any) -> Any:
        y = rgb(p)
        weights = wg.broadcast_to(w, y.shape)
        planes = call(pull, [*components(p), *components(weights)], planes=True)
        p[...] = p - wg.moveaxis(planes, 0, -1) * 0.1
        return (y * w).sum()

    data, w = RNG.random((100, 3), "float32"), wg.tensor([0.5, 0.2, 0.1])
    compiled, p, q = wg.compile(step), wg.tensor(data), wg.tensor(data)
    for _ in range(4):
        loss, right = compiled(p, w), step(q, w)
        np.testing.assert_allclose(loss.item(), right.item(), rtol=1e-5)
        agree(p, q.numpy())
    kernels = compiled.explain().kernels
    if device.name == "numpy":
        assert [k.in_place for k in kernels] == [False, True], str(compiled.program)
        assert [k.bytes_read for k in kernels] == [1212, 1212]
    else:  # where small steps share a dispatch
        assert len(kernels) == 1, str(compiled.program)


def test_a_call_is_not_computed_again_for_every_pass_over_a_row(device):
    x = wg.tensor(values((80, 64, 3), "float32"))
    f = wg.compile(lambda x: line(x[..., 0], x[..., 1]).softmax(-1))
    agree(f(x), line(x[..., 0], x[..., 1]).softmax(-1).numpy())
    assert len(f.program.steps) == 2


def test_long_sums_of_calls(device):
    x = wg.tensor(RNG.random((40_000, 3), "float32"))
    f = wg.compile(lambda x: (rgb(x).sum(), rgb(x).mean(0), rgb(x)[..., 0].max()))
    right = expected(RGB, x.numpy().T, (3,)).astype(np.float64)
    total_, mean, greatest = f(x)
    np.testing.assert_allclose(total_.item(), right.sum(), rtol=1e-5)
    np.testing.assert_allclose(mean.numpy(), right.mean(0), rtol=1e-5)
    np.testing.assert_allclose(greatest.item(), right[:, 0].max(), rtol=1e-6)


def test_results_take_the_memory_of_what_was_read_in_their_places(device):
    @wg.compile
    def step(x: wg.Tensor) -> None:
        x[...] = rgb(x)

    data = RNG.random((9, 3), "float32")
    for shape in ((9, 3), (8, 3)):
        x = wg.tensor(data[: shape[0]])
        right = x.numpy()
        for _ in range(4):
            step(x)
            right = expected(RGB, right.T, (3,))
            agree(x, right)


def test_results_do_not_take_the_memory_of_what_others_read(device):
    @wg.compile
    def step(x: wg.Tensor) -> None:
        x[...] = rgb(wg.flip(x, 0) + 0)
        x[...] = call(RGB, components(wg.flip(x, -1)), (3,))

    data = RNG.random((8, 3), "float32")
    x, right = wg.tensor(data), data
    for _ in range(4):
        step(x)
        right = expected(RGB, expected(RGB, right[::-1].T, (3,))[:, ::-1].T, (3,))
        agree(x, right)


# Windows.
@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("shape", [(12_001, 3), (12_288, 3), (111, 107, 3)])
def test_memory_above_one_binding(webgpu, shape, planes):
    with tiny(webgpu):  # type: ignore[arg-type]
        x = wg.tensor(RNG.random(shape, "float32"))
        right = expected(RGB, np.moveaxis(x.numpy(), -1, 0), (3,))
        turned = np.moveaxis(right, -1, 0) if planes else right
        agree(rgb(x, planes), turned)
        for f in (lambda x: rgb(x, planes), lambda x: rgb(x, planes) * 2 - rgb(x, planes)):
            agree(wg.compile(f)(x), turned)


@pytest.mark.parametrize("buffers", [8, 16])
def test_a_kernel_binds_as_many_buffers_as_an_adapter_has(numpy_device, buffers):
    f = total(20)
    tensors = [wg.tensor(values((6,), "float32")) for _ in range(20)]
    program = traced(lambda *t: call(f, t) * 2, *tensors).program
    facts = Facts(buffers=buffers)
    launches = lower(simplify(program, limits_for(facts)), facts)
    assert all(len(k.access) <= buffers for k in launches.kernels)
    few = traced(lambda *t: call(total(7), t[:7]) * 2, *tensors).program
    assert len(lower(simplify(few, limits_for(facts)), facts).launches) == 1
    planner = Planner(Facts(buffers=8))
    memory = [planner.full((6,), 1, float32) for _ in range(20)]
    planner.planned.clear()
    planner.call(f, memory, (6,), (), False)
    assert max(len(x.buffers) for x in planner.planned) <= 8


# Random programs.
def random_program(seed: int) -> tuple[Callable[..., Any], list[wg.Tensor]]:
    """Return a function of calls among elementwise work, folds and writes, and its arguments."""
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.choice([1, 4, 5])), int(rng.choice([1, 3, 8]))
    shape = (rows, columns, 3)
    choices = rng.integers(0, 1 << 30, (int(rng.integers(3, 9)), 4))

    def f(x: Any, y: Any) -> Any:
        made, points = [x, y], [x[..., 0]]
        for kind, i, j, k in choices.tolist():
            a, b = made[i % len(made)], made[j % len(made)]
            p, q = points[i % len(points)], points[j % len(points)]
            match kind % 15:
                case 0:
                    made.append(rgb(a))
                case 1:
                    made.append(wg.moveaxis(rgb(a, planes=True), 0, -1))
                case 2:
                    made.append((a * 0.5 - b).tanh())
                case 3:
                    points.append(line(p, q))
                case 4:
                    points.append(a.sum(-1).tanh())
                case 5:
                    points.append(rgb(a, planes=True)[k % 3] - p)
                case 6:
                    made.append(wg.stack([p, q, a[..., k % 3]], -1))
                case 7:
                    made.append((a * p[..., None] + q.max()).sin())
                case 8:
                    made.append(wg.flip(a, k % 3).copy())
                case 9:
                    made.append(a.softmax(k % 3) + rgb(b))
                case 10:
                    y[..., k % 3] = p.tanh()
                    made.append(y * 1)
                case 12:
                    made.append(wg.take(a, y[:, 0, k % 3].argsort(), 0))
                case 13:
                    made.append(wg.concat([a[:, :1], b], 1)[:, :columns])
                case 14:
                    made.append(wg.where(a > p[..., None], a, 0.5))
                case 11:
                    points.append(line(p, 0.5 * (k % 3)) * rgb(a)[..., k % 3])
        return made[-1], points[-1], rgb(made[-1]).sum(), made[-2]

    return f, [wg.tensor(rng.random(shape, "float32")) for _ in range(2)]


def run(program: Program, executor: Any, found: Any) -> list[np.ndarray]:
    inputs = found.copies()
    return [x.buffer.copy() for x in (*executor.run(inputs, found.draw), *inputs)]


@pytest.mark.parametrize("seed", range(16))
def test_fuzz_passes_change_nothing(numpy_device, seed):
    f, args = random_program(seed)
    found = traced(f, *args)
    right = run(found.program, PlainExecutor(found.program, numpy_device), found)
    portable = limits_for(Facts())
    for limits in (LIMITS, portable, replace(portable, buffers=3), replace(portable, statements=9)):
        for without in ((), WITHOUT, *([name] for name in list(PASSES)[seed % 4 :: 4])):
            program = simplify(found.program, limits, without)
            for executor in (NumpyExecutor, PlainExecutor):
                for a, b in zip(
                    run(program, executor(program, numpy_device), found), right, strict=True
                ):
                    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=str(program))


@pytest.mark.parametrize("seed", range(12))
def test_fuzz_kernels_give_what_calls_do(webgpu: Device, seed):
    f, args = random_program(seed)
    again = [x.copy() for x in args]
    right = f(*again)
    made = wg.compile(f)(*args)
    for a, b in zip((*made, *args), (*right, *again), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)
