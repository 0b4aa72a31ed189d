"""Memory shared with other libraries: asarray, from_dlpack, __dlpack__, and what they refuse."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.errors import ArgumentError, DTypeError, IndexRangeError, InterchangeError, TraceError

BASE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "dense": lambda a: a,
    "transposed": lambda a: a.T,
    "stepped": lambda a: a[:, ::2, 1::2],
    "flipped": lambda a: a[::-1, :, ::-1],
    "mixed": lambda a: a.transpose(2, 0, 1)[1:, ::-1, ::2],
    "offset": lambda a: a[1, 1:],
    "column": lambda a: a[:, 1:2, 3],
    "0-d": lambda a: a[1, 2, 3, ...],
    "empty": lambda a: a[:, :0],
}


class Lender:
    """Another library's array, which is known by its __dlpack__ alone."""

    def __init__(self, data: np.ndarray):
        self.data = data

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.data.__dlpack_device__()


class Converter:
    """Another library's array, which is known by its __array__ alone."""

    def __init__(self, data: np.ndarray):
        self.data = data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.data


class Elsewhere:
    """An array on a GPU, which its library does not hand over."""

    def __dlpack__(self, **kwargs: Any) -> Any:
        raise BufferError("it is on\na GPU")

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


MAKERS: dict[str, Callable[[Any], wg.Tensor]] = {
    "asarray": wg.asarray,
    "asarray_never_copying": lambda a: wg.asarray(a, copy=False),
    "asarray_lender": lambda a: wg.asarray(Lender(a), copy=False),
    "asarray_converter": lambda a: wg.asarray(Converter(a), copy=False),
    "from_dlpack": wg.from_dlpack,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("maker", MAKERS)
def test_memory_of_an_array_is_shared_in_any_layout(maker: str, layout: str, numpy_device):
    whole = BASE.copy()
    array = LAYOUTS[layout](whole)
    x = MAKERS[maker](array)
    assert x.shape == array.shape and x.dtype is wg.float32
    np.testing.assert_array_equal(x.numpy(), array)
    array[...] = -array
    np.testing.assert_array_equal(x.numpy(), array)
    outside = whole.copy()
    LAYOUTS[layout](outside)[...] += 100
    x.assign(x + 100)
    np.testing.assert_array_equal(whole, outside)
    np.testing.assert_array_equal(
        (x.T * 2 if x.ndim == 2 else x * 2).sum().numpy(), x.numpy().sum() * 2
    )


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint32", "float32", "float64"])
def test_arrays_of_every_dtype_are_shared_when_it_is_kept(dtype: str, numpy_device):
    array = np.array([[1, 0], [0, 1]], dtype)
    for x in (wg.asarray(array, dtype=dtype, copy=False), wg.from_dlpack(array, copy=False)):
        assert x.dtype.name == dtype
        array[0, 0] = 0
        np.testing.assert_array_equal(x.numpy(), array)
    assert wg.from_dlpack(wg.from_dlpack(array)).dtype.name == dtype


COPIES: list[tuple[str, Any, dict, str]] = [
    ("number", 1.5, {}, "numbers and lists"),
    ("numpy_number", np.float32(1.5), {}, "numbers and lists"),
    ("list", [1.0, 2.0], {}, "numbers and lists"),
    ("float64", np.ones(2), {}, "float64 data is converted to float32"),
    ("int64", np.ones(2, np.int64), {}, "int64 data is converted to int32"),
    ("asked_dtype", np.ones(2, np.float32), {"dtype": "int32"}, "float32 data is converted"),
    ("byte_order", np.ones(2, ">f4"), {}, ">f4 data"),
    ("read_only", np.broadcast_to(np.float32(1), (2,)), {}, "may not be written to"),
    ("unaligned", np.zeros(9, "u1")[1:].view("f4"), {}, "alignment"),
    ("record", np.zeros(2, "f4, u1")["f0"], {}, "alignment"),
]


@pytest.mark.parametrize(
    ("data", "kwargs", "why"), [c[1:] for c in COPIES], ids=[c[0] for c in COPIES]
)
def test_asarray_copies_where_it_must_and_says_why(data, kwargs, why, numpy_device):
    x = wg.asarray(data, **kwargs)
    np.testing.assert_array_equal(x.numpy(), np.asarray(data))
    with pytest.raises(ArgumentError, match=why) as caught:
        wg.asarray(data, copy=False, **kwargs)
    assert "copy=False" in str(caught.value) and "\n" not in str(caught.value)


def test_asarray_copies_when_asked(numpy_device):
    array = BASE.copy()
    for x in (wg.asarray(array, copy=True), wg.from_dlpack(array, copy=True), wg.tensor(array)):
        array += 1
        assert not np.array_equal(x.numpy(), array)


def test_asarray_of_a_tensor_is_that_tensor_with_its_history(device):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    assert wg.asarray(x) is x and wg.asarray(x, dtype="float32", copy=False) is x
    copied = wg.asarray(x, copy=True)
    moved = wg.asarray(x, dtype="float64", device="numpy")
    assert moved.dtype is wg.float64 and moved.device.name == "numpy"
    (copied * 3).sum().backward()
    (moved * 4).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [7.0, 7.0]
    with pytest.raises(ArgumentError, match="copy=False"):
        wg.asarray(x, dtype="int32", copy=False)


def test_host_memory_is_copied_to_a_gpu(webgpu):
    array = np.ones(2, np.float32)
    x = wg.asarray(array)
    array[0] = 5
    assert x.device is webgpu and x.tolist() == [1.0, 1.0]
    assert wg.from_dlpack(array).device.name == "numpy"  # where the memory is
    assert wg.from_dlpack(array, device=webgpu).device is webgpu
    for make in (wg.asarray, wg.from_dlpack):
        with pytest.raises(ArgumentError, match="webgpu"):
            make(array, device=webgpu, copy=False)


REFUSALS: list[tuple[str, Callable[[], Any], type, str]] = [
    ("none", lambda: wg.asarray(None), DTypeError, "asarray: None"),
    ("text", lambda: wg.asarray("a"), DTypeError, "asarray: 'a'"),
    ("complex", lambda: wg.asarray(np.ones(2, complex)), DTypeError, "complex128"),
    ("ragged", lambda: wg.asarray([[1], [1, 2]]), ValueError, "asarray: the nested lists"),
    ("overflow", lambda: wg.asarray(np.array([2**40])), ArgumentError, "int32 holds"),
    ("copy", lambda: wg.asarray([1], copy="no"), ArgumentError, "copy='no'"),
    ("elsewhere", lambda: wg.asarray(Elsewhere()), InterchangeError, r"Elsewhere.*it is on a GPU"),
    ("import_elsewhere", lambda: wg.from_dlpack(Elsewhere()), InterchangeError, "from_dlpack"),
    ("list", lambda: wg.from_dlpack([1]), DTypeError, "__dlpack__"),
    ("int64", lambda: wg.from_dlpack(np.ones(2, int)), DTypeError, "int64.*wg.asarray converts"),
    ("grad", lambda: wg.from_dlpack(wg.parameter([1.0])), InterchangeError, "detach"),
    ("result_type", lambda: wg.result_type(), ArgumentError, "at least one"),
    ("result_numbers", lambda: wg.result_type(1, 2.0), ArgumentError, "at least one"),
    ("result_mixed", lambda: wg.result_type(wg.int32, wg.uint32), DTypeError, "int32 and uint32"),
    ("isdtype", lambda: wg.isdtype(wg.int32, "integer"), ArgumentError, "'integer'"),
    ("isdtype_tuple", lambda: wg.isdtype(wg.int32, ("integral", 5)), ArgumentError, "5 came"),
    ("finfo", lambda: wg.finfo(wg.int32), DTypeError, "iinfo"),
    ("iinfo", lambda: wg.iinfo(wg.float32), DTypeError, "finfo"),
    ("can_cast", lambda: wg.can_cast("text", wg.int32), DTypeError, "'text'"),
    ("astype", lambda: wg.astype([1.0], "complex64"), DTypeError, "complex64"),
    ("eye", lambda: wg.eye(2, k=1.5), ArgumentError, "k=1.5"),
    ("stream", lambda: wg.ones(2).to_device("numpy", stream=1), ArgumentError, "stream=1"),
    ("version", lambda: wg.ones(2).__array_namespace__(api_version=3), ArgumentError, "2024.12"),
]


@pytest.mark.parametrize(
    ("call", "error", "text"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_bad_input_is_refused_in_one_sentence(call, error, text, numpy_device):
    with pytest.raises(error, match=text) as caught:
        call()
    assert isinstance(caught.value, wg.errors.WgradError) and "\n" not in str(caught.value)


# Out.


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.permute_dims(2, 0, 1),
        lambda x: x[:, 1:, ::2],
        lambda x: x[1, 2, 3],
        lambda x: x[:, :0],
        lambda x: x.broadcast_to(2, 2, 3, 4),
    ],
    ids=["dense", "permuted", "stepped", "0-d", "empty", "expanded"],
)
def test_dlpack_hands_out_the_memory_of_any_view(view, numpy_device):
    x = view(wg.tensor(BASE))
    array = np.from_dlpack(x)
    np.testing.assert_array_equal(array, x.numpy())
    array[...] = 7
    assert (x.numpy() == 7).all()
    assert np.from_dlpack(x, copy=True).shape == x.shape
    assert not np.shares_memory(np.from_dlpack(x, copy=True), array) or array.size == 0


def test_dlpack_copies_views_that_run_backwards(numpy_device):
    x = wg.tensor(BASE)
    array = np.from_dlpack(wg.flip(x))
    np.testing.assert_array_equal(array, BASE[::-1, ::-1, ::-1])
    array[...] = 0
    np.testing.assert_array_equal(x.numpy(), BASE)
    with pytest.raises(InterchangeError, match="backwards"):
        wg.flip(x).__dlpack__(copy=False)


def test_dlpack_refuses_what_another_library_could_not_keep_true(numpy_device):
    x = wg.tensor([1.0, 2.0], requires_grad=True)
    for refused in (x, x * 2):
        with pytest.raises(BufferError, match="detach"):
            np.from_dlpack(refused)
    assert np.from_dlpack((x * 2).detach()).tolist() == [2.0, 4.0]
    plain = x.detach()
    for kwargs in ({"stream": 1}, {"dl_device": (2, 0)}, {"dl_device": "gpu"}):
        with pytest.raises(InterchangeError):
            plain.__dlpack__(**kwargs)
    with pytest.raises(ArgumentError):
        plain.__dlpack__(copy="maybe")
    assert plain.__dlpack_device__() == (1, 0)
    with pytest.raises(TraceError, match="another library"):
        wg.compile(lambda t: wg.tensor(np.from_dlpack(t * 2)))(plain)


def test_dlpack_of_a_gpu_tensor_names_the_way_out(webgpu):
    x = wg.tensor([1.0, 2.0])
    assert x.__dlpack_device__() == (15, 0)
    with pytest.raises(BufferError, match=r'\.to\("numpy"\)'):
        np.from_dlpack(x)
    assert np.from_dlpack(x, device="cpu").tolist() == [1.0, 2.0]
    with pytest.raises(BufferError):
        np.from_dlpack(x, device="cpu", copy=False)


def test_torch_tensors_share_memory_both_ways(numpy_device):
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    for make in (wg.asarray, wg.from_dlpack):
        x = make(theirs.T)
        theirs += 1
        np.testing.assert_array_equal(x.numpy(), theirs.T.numpy())
    ours = wg.tensor([[True, False], [False, True]])
    back = torch.from_dlpack(ours[:, ::2])
    back[0, 0] = False
    assert ours.tolist() == [[False, False], [False, True]]
    assert torch.from_dlpack(wg.flip(wg.arange(3))).tolist() == [2, 1, 0]  # aborted, if shared
    assert wg.asarray(torch.arange(3)).dtype is wg.int32
    with pytest.raises(InterchangeError, match="requires grad"):
        wg.asarray(torch.ones(2, requires_grad=True))
    with pytest.raises(InterchangeError, match="BFloat16"):
        wg.asarray(torch.ones(2, dtype=torch.bfloat16))


def test_array_api_compat_finds_the_namespace(numpy_device):
    compat = pytest.importorskip("array_api_compat")
    x = wg.tensor([1.0])
    assert compat.array_namespace(x) is wg and compat.device(x) is x.device
    assert compat.to_device(x, "numpy") is x


# What sharing must not break.


def test_shared_memory_stays_in_place_when_a_program_updates_it(numpy_device):
    arrays = {how: np.ones(4, np.float32) for how in ("eager", "compiled")}
    for how, array in arrays.items():
        x = wg.asarray(array).requires_grad_()
        assert x.array.storage.shared
        optimizer = wg.optim.SGD([x], lr=0.25, momentum=0.5)

        def step(x: wg.Tensor = x, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad()
            (x * x).sum().backward()
            optimizer.step()

        run = step if how == "eager" else wg.compile(step)
        for _ in range(3):
            run()
            np.testing.assert_array_equal(x.numpy(), array)
    np.testing.assert_allclose(arrays["compiled"], arrays["eager"], rtol=1e-6)
    assert arrays["eager"][0] != 1


def test_programs_that_exchange_memory_leave_shared_memory_alone(numpy_device):
    def turn(x: wg.Tensor) -> wg.Tensor:
        x.assign(wg.flip(x) + 1)  # which cannot be computed in place
        return x * 2

    run = wg.compile(turn)
    array = np.arange(3, dtype=np.float32)
    mine, x = wg.arange(3.0), wg.asarray(array)
    for _ in range(4):
        ours, theirs = run(mine), run(x)
        assert theirs.tolist() == ours.tolist() == (mine * 2).tolist()
        assert array.tolist() == x.tolist() == mine.tolist()
    exported = np.from_dlpack(mine)
    run(mine)
    assert exported.tolist() == mine.tolist()


def test_indices_in_shared_memory_are_checked_anew(numpy_device):
    index = np.array([0, 1], np.int32)
    i, x = wg.asarray(index), wg.tensor([1.0, 2.0])
    picked = wg.compile(lambda x, i: wg.take(x, i))
    assert wg.take(x, i).tolist() == picked(x, i).tolist() == [1.0, 2.0]
    index[1] = 9
    for take in (lambda: wg.take(x, i), lambda: picked(x, i)):
        with pytest.raises(IndexRangeError, match="9"):
            take()
    lent = wg.tensor([0, 1])
    np.from_dlpack(lent)[0] = -3
    with pytest.raises(IndexRangeError, match="-3"):
        wg.take(x, lent)


def test_memory_outlives_its_first_owner(numpy_device):
    array = np.arange(1000, dtype=np.float32)
    x = wg.asarray(array[::2])
    del array
    assert float(x.sum()) == 500 * 499
    back = np.from_dlpack(x)
    del x
    assert back.sum() == 500 * 499
    assert pickle.loads(pickle.dumps(wg.asarray(back))).tolist() == back.tolist()


def test_host_data_is_copied_into_a_program(numpy_device):
    array = np.ones(2, np.float32)

    def add(x: wg.Tensor) -> wg.Tensor:
        return x + wg.asarray(array)

    run = wg.compile(add)
    assert run(wg.ones(2)).tolist() == run(wg.ones(2)).tolist() == [2.0, 2.0]
    array += 1
    assert run(wg.ones(2)).tolist() == [3.0, 3.0]
