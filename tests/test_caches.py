"""Caches: each has a bound, what was used last stays, and what goes gives its memory back."""

import ast
import gc
import weakref

import numpy as np
import pytest
from test_structure import MODULES

import wgrad as wg
from wgrad.backends.webgpu import cache, memory
from wgrad.backends.webgpu.pipelines import Pipeline
from wgrad.program import compiled, signatures
from wgrad.recent import Recent, Shared

# Without a bound, for their keys are few: (module, function).
FEW = {
    ("backends.webgpu.shaders", "source"),  # the files of shaders/
    ("program.trace.names", "_names_of_package"),  # those of wgrad
}


def test_recent_keeps_what_was_used_last():
    kept, gone = Recent(6), []
    for i in range(40):
        gone += kept.keep(f"{i}", i)
        assert kept["0"] == 0
        assert kept[f"{i}"] == i  # the newest
        assert kept.count <= 6
    assert kept["20"] is None
    assert [value for _, value in gone] == list(range(1, 1 + len(gone)))
    assert len(gone) >= 34
    kept.drop("39")
    assert (kept["39"], kept["0"]) == (None, 0)
    kept.clear()
    assert (kept.count, kept["0"]) == (0, None)


def test_shared_makes_nothing_twice_that_is_used():
    class Value:
        pass

    shared = Shared(2)
    first = shared.find("a", Value)
    other = weakref.ref(shared.find("b", Value))
    assert shared.find("a", Value) is first
    assert other() is None
    assert len(shared) == 1


def test_every_memo_of_a_function_has_a_bound():
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", ()):
                text = ast.unparse(decorator)
                if text.split(".")[-1] == "cache" or "maxsize=None" in text:
                    assert (name, node.name) in FEW, f"{name}.{node.name} forgets nothing"


def _pipelines() -> int:
    gc.collect()
    return sum(type(x) is Pipeline for x in gc.get_objects())


def test_pipelines_of_shapes_that_are_gone_are_dropped(webgpu, monkeypatch):
    monkeypatch.setattr(signatures, "LIMIT", 2)
    monkeypatch.setattr(compiled, "LIMIT", 2)
    monkeypatch.setattr(webgpu.gpu, "_texts", Shared(2))
    monkeypatch.setattr(signatures, "warn", lambda text: None)
    f = wg.compile(lambda x: (x * 3 - 1).sum(0))
    f(wg.ones((2, 3)))
    before = _pipelines()
    for n in range(4, 12):
        for _ in range(2):
            found = f(wg.ones((2, n)))
        assert found.tolist() == [4.0] * n
    assert _pipelines() <= before + 4
    assert f(wg.ones((2, 4))).tolist() == [4.0] * 4  # made anew


def test_pipelines_of_eager_work_are_bounded(webgpu, monkeypatch):
    monkeypatch.setattr(webgpu, "_kernels", Recent(3))
    x = wg.tensor([1.0, 4.0])
    for _ in range(2):
        found = [f(x).tolist() for f in (wg.sqrt, wg.square, wg.negative, wg.abs, wg.sign)]
        assert found == [[1, 2], [1, 16], [-1, -4], [1, 4], [1, 1]]
    assert webgpu._kernels.count <= 3


def _keep_few_groups(gpu, monkeypatch):
    """Start without the bind groups of earlier tests: what finds them there makes none."""
    for key, (_, holders) in [*gpu._groups.items(), *gpu._groups._older.items()]:
        for holder in holders:
            holder.discard(key)
    gpu._groups.clear()
    monkeypatch.setattr(gpu._groups, "limit", 4)


def test_bind_groups_that_go_are_forgotten_by_their_buffers(webgpu, monkeypatch):
    webgpu.synchronize()
    tensors = [wg.tensor([float(i)]) for i in range(6)]
    for is_few in (False, True):  # what the first round made must not be found in the second
        if is_few:
            _keep_few_groups(webgpu.gpu, monkeypatch)
        for a in tensors:
            for b in tensors:
                assert (a + b).item() == a.item() + b.item()
    assert webgpu.gpu._groups.count <= 4
    for x in tensors:
        known = {*webgpu.gpu._groups, *webgpu.gpu._groups._older}
        assert x.array.storage.buffer.groups <= known


def test_a_bind_group_in_use_stays(webgpu, monkeypatch):
    _keep_few_groups(webgpu.gpu, monkeypatch)
    steady, others = wg.tensor([1.0]), [wg.tensor([2.0]) for _ in range(8)]
    out = wg.tensor([0.0])
    webgpu.write(out.array, steady.array)
    before = wg.stats()["bind_groups_created"]
    for x in others:
        webgpu.write(out.array, x.array)
        webgpu.write(out.array, steady.array)
    assert wg.stats()["bind_groups_created"] - before == len(others)


def test_the_pool_gives_back_sizes_not_asked_for_the_longest(webgpu, monkeypatch):
    pool = webgpu.pool
    pool.trim(0)
    monkeypatch.setattr(memory, "KEPT", 1 << 23)
    sizes = [1 << 20, 1 << 18, 1 << 19]
    for size in sizes:
        held = wg.zeros(size)
        del held
    wg.zeros(1 << 20)  # once more
    wg.ones(4)
    pool.trim(pool._free_bytes - 1)
    assert not pool._free[4 << 18]
    assert pool._free[4 << 20]
    assert pool._free[4 << 19]


def test_plans_of_products_are_bounded(webgpu, monkeypatch):
    monkeypatch.setattr(webgpu, "_products", Recent(4))
    monkeypatch.setattr(webgpu.products, "_chosen", Recent(4))
    for n in range(1, 9):
        assert wg.matmul(wg.ones((2, n)), wg.ones((n, 2))).tolist() == [[n, n], [n, n]]
    assert webgpu._products.count <= 4
    assert webgpu.products._chosen.count <= 4


def test_planned_memory_goes_with_its_program(device):
    f = wg.compile(lambda x: wg.matmul(wg.tanh(x) * 2, x).sum())
    for _ in range(3):
        f(wg.ones((40, 40)))
    executor = f._captured("program").executor
    gc.collect()
    gc.disable()
    try:
        if device.name == "numpy":
            block = next(v for k, v in executor._space.items() if isinstance(v, np.ndarray))
            memory = weakref.ref(block if block.base is None else block.base)
            del block
        else:
            memory = weakref.ref(executor._runner._kept["block"][0])
        gone = weakref.ref(executor)
        del executor
        f._clear()
        assert gone() is None
        assert memory() is None
    finally:
        gc.enable()


def test_signatures_left_uncompiled_are_bounded(device, monkeypatch):
    monkeypatch.setattr(signatures, "PLAIN", 2)
    monkeypatch.setattr(signatures, "warn", lambda text: None)
    kept = []

    @wg.compile
    def f(x):
        kept.append(x * 2)
        return x + 1

    for n in range(1, 5):
        for _ in range(2):
            assert f(wg.ones(n)).tolist() == [2.0] * n
    assert len(f._signatures) <= 3


def test_large_grids_are_not_kept():
    from wgrad.backends import numpy as backend

    backend._small_grid.cache_clear()
    with wg.device("numpy"):
        wg.take_along_axis(wg.ones((3, 9000)), wg.zeros((1, 9000), wg.int32), 0)
        wg.take_along_axis(wg.ones((3, 9)), wg.zeros((1, 9), wg.int32), 0)
    assert backend._small_grid.cache_info().currsize == 1


def test_measured_choices_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("WGRAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "KEPT", 3)
    results = cache.Results({"adapter": "one"})
    for i in (5, 1, 4, 2, 3):
        results.put(f"kind {i}", [i])
    again = cache.Results({"adapter": "one"})
    assert [again.get(f"kind {i}") for i in (5, 1, 4, 2, 3)] == [None, None, [4], [2], [3]]


@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_bytes_come_back_when_tensors_go(webgpu, how):
    def held() -> int:
        gc.collect()
        webgpu.pool._take_back()
        return wg.stats()["bytes_allocated"] - webgpu.pool._free_bytes

    def work(x):
        return wg.softmax(x @ x.T, 1)

    before = held()
    for n in (3, 40, 90):
        f = wg.compile(work) if how == "compiled" else work
        for _ in range(3):
            f(wg.ones((n, n))).numpy()
    del f
    assert held() == before
