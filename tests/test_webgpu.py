"""The WebGPU device itself: memory, hazards, processes, faults. Its numbers: test_ops_*.py."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import wgrad as wg
from wgrad.backends.webgpu import device as device_module
from wgrad.backends.webgpu import implementation, shaders
from wgrad.backends.webgpu.memory import size_class
from wgrad.backends.webgpu.planner import Planner


@pytest.fixture
def gpu(webgpu):
    return webgpu.gpu


def run(script: str, **env: str) -> subprocess.CompletedProcess:
    """Run a script in a process of its own: what is tested may end it."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **env}
    )


SHADERS = sorted(p.stem for p in shaders.folder().glob("*.wgsl"))
BINDINGS = {"subgroup_probe": 0, "map_flat": 1, "map_strided": 1, "copy": 1, "reduce": 1}
BINDINGS |= {"sort_rank": 1, "sort_count": 1, "sort_scan": 0, "sort_place": "rrrww"}
BINDINGS |= {"scatter_sorted": 3, "scatter": 3, "searchsorted": 2, "scan": 2}
BINDINGS |= {"fused": 1, "call": 1, "random": 0, "gather": 2, "scatter_add": 2}
BINDINGS |= {"roof_copy": 1, "roof_fma": 0}
BINDINGS |= {"matmul": 2, "matmul_small": 2, "matmul_tiled": 2, "matvec": 2, "matmul_sum": 2}
BINDINGS |= {"matmul_rolled": 2}


@pytest.mark.parametrize("name", SHADERS)
def test_shader_file_compiles_as_it_is(gpu, name):
    gpu.compile(shaders.source(name), BINDINGS[name], name)


def test_c_types_of_a_first_kernel_are_read_at_once_and_are_those_read_alone(webgpu):
    done = run(
        """
        from cffi.cparser import Parser
        import wgrad as wg
        from wgrad.backends.webgpu.native_types import ARRAYS, POINTERS
        parse, read = Parser.parse_type, []
        Parser.parse_type = lambda self, name: read.append(name) or parse(self, name)
        assert (wg.ones(3, device="webgpu") + 1).tolist() == [2, 2, 2]
        from wgpu.backends.wgpu_native import ffi
        names = [f"WGPU{x} *" for x in POINTERS.split()] + [f"WGPU{x}[]" for x in ARRAYS.split()]
        assert not set(names) & set(read) and len(read) < 20, read
        for name in names[::3]:  # to read one alone takes long
            assert ffi.typeof(name) == ffi.typeof(" " + name), name
        """
    )
    assert done.returncode == 0, done.stderr


def test_shader_library_compiles_whole(gpu):
    body = "@compute @workgroup_size(1) fn main() {}"
    gpu.compile(shaders.functions() + body, 0, "library")


def test_shader_variants_take_what_they_call_and_no_more():
    text = shaders.library("nan_max(a, b)")
    assert "fn nan_max" in text and "fn is_nan" in text
    assert "real_tanh" not in text


def test_shader_fill_refuses_an_unknown_block_or_line():
    with pytest.raises(KeyError, match="nothing"):
        shaders.fill("map_flat", {"nothing": ""})
    with pytest.raises(KeyError, match="no single line"):
        shaders.fill("matmul", lines={"const NOTHING = 1;": ""})


def test_shader_error_is_an_exception_with_the_compilers_words(gpu):
    with pytest.raises(wg.errors.ShaderError, match="broken"):
        gpu.compile("@compute @workgroup_size(1) fn main() { nonsense(); }", 0, "broken")
    assert (wg.ones(3, device="webgpu") + 1).tolist() == [2, 2, 2]


def test_kernels_bind_the_same_buffers_to_read_and_to_write(gpu):
    form = """
    @group(0) @binding(1) var<storage, read> x: array<u32>;
    @group(0) @binding(2) var<storage, {}> y: array<u32>;
    @group(0) @binding(3) var<storage, read_write> z: array<u32>;
    @compute @workgroup_size(1) fn main() {{ {} }}
    """
    writes = gpu.compile(form.format("read_write", "y[0] = x[0]; z[0] = 2u;"), "rww", "writes")
    reads = gpu.compile(form.format("read", "z[1] = x[0] + y[0];"), "rrw", "reads")
    buffers = tuple(gpu.create_buffer(256) for _ in range(3))
    gpu.write(buffers[0], np.full(64, 20, np.uint32), 256)
    for pipeline in (writes, reads, writes):
        gpu.launch(pipeline, buffers, b"", 1)
    assert np.frombuffer(gpu.read(buffers[2], 0, 8), np.uint32).tolist() == [2, 40]
    for buffer in buffers:
        gpu.drop_buffer(buffer)


def test_timed_work_comes_after_what_is_recorded(webgpu):
    x = wg.zeros(4) + 1
    y = wg.zeros(4)
    planner = Planner(webgpu.facts)
    planner.write(*[planner._empty((4,), wg.float32) for _ in range(2)])
    (copy,) = planner.planned
    x = x * 3
    buffers = (x.array.storage.buffer, y.array.storage.buffer)
    launch = webgpu._made(copy.kernel), buffers, copy.params, copy.groups
    assert webgpu.gpu.timed([launch]) > 0
    assert y.tolist() == [3] * 4


@pytest.mark.parametrize("nbytes", [1, 256, 257, 1000, 4096, 4097, 10**6, 2**27 - 4])
def test_pool_size_class_wastes_at_most_a_quarter(nbytes):
    size = size_class(nbytes, 2**27)
    assert size >= nbytes and size % 16 == 0 and size <= 2**27
    assert size <= max(256, 1.25 * nbytes + 16)


def test_pool_steady_work_allocates_nothing(webgpu):
    x = wg.rand(100, 30)

    def work():
        y = (x * 2 + 1).tanh() @ x.T
        return y.sum().item()

    first = work()
    work()
    before = wg.stats()
    for _ in range(20):
        assert work() == first
    after = wg.stats()
    assert after["buffers_created"] == before["buffers_created"]
    assert after["bind_groups_created"] - before["bind_groups_created"] < 20
    assert after["pipelines_compiled"] == before["pipelines_compiled"]
    assert after["buffers_reused"] > before["buffers_reused"]


def test_pool_survives_tensors_in_garbage_cycles(webgpu):
    # The collector finalizes everything in a cycle, the buffers included: see Gpu._alive.
    for i in range(5):
        cycle: list = [wg.ones(1000) + i, wg.rand(7, 9) * i]
        cycle.append(cycle)
        del cycle
        gc.collect()
        x = wg.rand(1000) + 1
        np.testing.assert_array_equal((x * 2 - x).numpy(), x.numpy())
        assert (wg.zeros((7, 9)) + i).sum().item() == 63 * i


def test_pool_gives_memory_back_when_asked(webgpu):
    for _ in range(3):
        wg.ones(50_000) + 1
    held = wg.stats()["bytes_allocated"]
    wg.ones(1)  # takes back what destructors returned
    webgpu.pool.trim(0)
    assert wg.stats()["bytes_allocated"] < held
    assert (wg.ones(50_000) + 1).sum().item() == 100_000


def test_upload_into_a_reused_buffer_waits_for_recorded_work(webgpu):
    # The buffer of x returns to the pool while y = x + 1 is recorded but not submitted; the next
    # upload of that size gets it, and writing at once would change what y reads.
    for i in range(50):
        x = wg.tensor(np.full(1000, i, np.float32))
        y = x + 1
        del x
        z = wg.tensor(np.full(1000, -7, np.float32))
        assert y.numpy().tolist() == [i + 1] * 1000
        assert z.numpy().tolist() == [-7] * 1000


def test_more_dispatches_than_a_batch_or_the_ring_hold(webgpu):
    x = wg.zeros(5)
    webgpu.synchronize()
    before = wg.stats()
    for _ in range(3000):
        x = x + 1
    assert x.tolist() == [3000] * 5
    after = wg.stats()
    assert after["dispatches"] - before["dispatches"] == 3000
    assert after["submits"] - before["submits"] < 100


def test_stats_count_what_ran(webgpu):
    x = wg.tensor([1.0, 2.0])
    wg.stats(reset=True)
    y = x * 3
    assert wg.stats()["dispatches"] == wg.stats()["submits"] == 0  # recorded, and not run yet
    assert y.tolist() == [3, 6]
    seen = wg.stats()
    assert seen["dispatches"] == 1
    assert seen["readbacks"] == 1 and seen["bytes_read"] == 8 and seen["submits"] == 2


def test_tensor_over_the_largest_buffer_is_an_error_and_nothing_is_lost(webgpu):
    x = wg.tensor([1.0, 2.0])
    count = webgpu.facts.largest_buffer // 4 + 1
    with pytest.raises(MemoryError, match=r"\d bytes came, and a buffer of .* has at most \d"):
        wg.zeros(count)
    with pytest.raises(wg.errors.OutOfMemoryError):
        wg.broadcast_to(x[:1], (count,)) + 1
    assert (x + 1).tolist() == [2, 3]


def test_float64_is_refused_in_words(webgpu):
    with pytest.raises(TypeError, match=r"float64.*numpy"):
        wg.tensor([1.0], dtype=wg.float64)
    with pytest.raises(TypeError, match="float64"):
        wg.tensor([1.0]).astype(wg.float64)


def test_threads_share_a_device(webgpu):
    results = {}

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((40, 40), dtype=np.float32)
        with webgpu:
            t = wg.tensor(x)
            for _ in range(20):
                t = (t @ t).tanh() + 0.5
            results[seed] = (t.numpy(), x)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(results) == [0, 1, 2, 3]
    for got, x in results.values():
        with wg.device("numpy"):
            t = wg.tensor(x)
            for _ in range(20):
                t = (t @ t).tanh() + 0.5
        np.testing.assert_allclose(got, t.numpy(), atol=2e-3)


def test_same_bits_in_every_run(webgpu):
    x, y = wg.rand(300, 200), wg.rand(200, 100)
    index = wg.randint(0, 300, (500,))

    def work():
        w = x.copy().requires_grad_()
        loss = ((w @ y).softmax() ** 2).sum() + wg.take(w, index, 0).sum()
        loss.backward()
        return w.grad.numpy()

    first = work()
    for _ in range(3):
        assert np.array_equal(first.view(np.uint32), work().view(np.uint32))


def test_forked_child_gets_an_exception(webgpu):
    done = run("""
        import os, sys, wgrad as wg
        x = wg.tensor([1.0], device="webgpu")
        x.numpy()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                (x + 1).numpy()
            except wg.errors.DeviceError as error:
                code = 0 if "spawn" in str(error) else 2
            os._exit(code)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", ["encode", "submit"])
def test_interrupt_loses_no_recorded_work(webgpu, monkeypatch, where):
    x = wg.tensor([1.0, 2.0])
    y = x * 2 + 1
    gpu, raised = webgpu.gpu, []
    if where == "encode":
        encode = gpu._encode

        def interrupted(work, moves):
            if not raised:
                raised.append(True)
                signal.raise_signal(signal.SIGINT)  # held back until the submit is done
            return encode(work, moves)

        monkeypatch.setattr(gpu, "_encode", interrupted)
    else:
        queue = gpu.raw.queue
        submit = queue.submit

        def interrupted(commands):
            if not raised:
                raised.append(True)
                os.kill(os.getpid(), signal.SIGINT)  # held back until the submit is done
            submit(commands)

        monkeypatch.setattr(type(queue), "submit", lambda self, commands: interrupted(commands))
    with pytest.raises(KeyboardInterrupt):
        y.numpy()
    assert raised
    assert y.tolist() == [3, 5]
    assert (x * 5).tolist() == [5, 10]


def test_fork_of_a_process_that_used_the_device_ends(webgpu):
    done = run("""
        import os, sys, wgrad as wg
        x = wg.tensor([1.0], device="webgpu") + 1
        if os.fork() == 0:
            sys.exit(3)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
        assert x.item() == 2
        """)
    assert done.returncode == 0, done.stderr


def test_broken_wgpu_library_leaves_numpy_working():
    done = run(
        """
        import wgrad as wg
        assert wg.ones(3).sum().item() == 3
        assert [d.name for d in wg.devices()] == ["numpy"]
        try:
            wg.device("webgpu")
        except wg.errors.MissingDependencyError as error:
            assert "wgpu" in str(error)
        else:
            raise SystemExit("no error")
        """,
        WGPU_LIB_PATH="/nonexistent.so",
        WGRAD_DEVICE="",
        WGRAD_WGPU="wgpu",
    )
    assert done.returncode == 0, done.stderr


def test_small_uploads_without_a_submit_are_submitted_at_times(webgpu):
    before = wg.stats()
    for _ in range(10_000):
        wg.tensor([1.0])
    wg.tensor([1.0]).numpy()
    assert webgpu.gpu._unsubmitted == 0
    assert wg.stats()["uploads"] - before["uploads"] == 10_001


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_scatter_of_many_indices_adds_like_numpy(webgpu, rng, axis, dtype):
    shape = [3, 4, 5]
    for count in (63, 64, 700):  # looked through, and sorted
        shape[axis] = 900
        index = rng.integers(0, 900 if count < 700 else 7, count)
        values = rng.integers(-50, 50, [count if i == axis else n for i, n in enumerate(shape)])
        at = [
            np.arange(n).reshape([-1 if j == i else 1 for j in range(3)])
            for i, n in enumerate(values.shape)
        ]
        at[axis] = index.reshape([-1 if j == axis else 1 for j in range(3)])
        expected = np.zeros(shape, dtype)
        np.add.at(expected, tuple(at), values.astype(dtype))
        w = wg.zeros(shape).requires_grad_()
        picked = wg.take(w, index, axis)
        picked.backward(wg.tensor(values.astype("float32")))
        np.testing.assert_array_equal(w.grad.numpy(), expected)
        steps = wg.flip(wg.tensor(np.repeat(index[::-1], 2).astype("int32"))[::2], 0)
        row = wg.broadcast_to(
            wg.reshape(steps, [-1 if j == axis else 1 for j in range(3)]), values.shape
        )
        found = wg.scatter_add(wg.zeros(shape, dtype), row, wg.tensor(values.astype(dtype)), axis)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_process_that_used_wgpu_before_still_opens_the_device(webgpu):
    done = run("""
        import wgpu
        wgpu.gpu.enumerate_adapters_sync()
        import wgrad as wg
        assert (wg.tensor([1.0], device="webgpu") + 1).item() == 2
        """)
    assert done.returncode == 0, done.stderr


def test_process_ends_well_with_recorded_work_left(webgpu):
    done = run("""
        import wgrad as wg
        x = wg.tensor([1.0], device="webgpu") + 1
        """)
    assert done.returncode == 0, done.stderr


def test_missing_driver_is_one_clear_error():
    done = run(
        """
        import wgrad as wg
        assert [d.name for d in wg.devices()] == ["numpy"]
        assert wg.device("auto").name == "numpy"
        try:
            wg.tensor([1.0], device="webgpu")
        except wg.errors.DeviceError as error:
            assert "mesa-vulkan-drivers" in str(error), error
        else:
            raise SystemExit("no error")
        """,
        VK_DRIVER_FILES="/nonexistent.json",
        VK_ICD_FILENAMES="/nonexistent.json",
        WGRAD_DEVICE="auto",
    )
    assert done.returncode == 0, done.stderr


def test_opengl_fallback_is_no_adapter(monkeypatch):
    class OpenGl:
        info = {"backend_type": "OpenGL", "adapter_type": "CPU", "device": "softpipe"}  # noqa: RUF012

    wgpu = implementation.chosen().load()
    monkeypatch.setattr(device_module, "_adapters", None)
    monkeypatch.setattr(type(wgpu.gpu), "enumerate_adapters_sync", lambda self: [OpenGl()])
    with pytest.raises(wg.errors.DeviceError, match="install your GPU's Vulkan driver"):
        wg.device("webgpu")
    assert [d.name for d in wg.devices()] == ["numpy"]


def test_device_names(webgpu):
    adapter = webgpu.gpu.info["device"]
    assert wg.device(f"webgpu:{adapter[:4].upper()}") is webgpu
    with pytest.raises(RuntimeError, match=r"no adapter's name contains 'nonesuch'"):
        wg.device("webgpu:nonesuch")
    with pytest.raises(wg.errors.DeviceError, match="unknown"):
        wg.device("cuda")
    row = next(d for d in wg.devices() if d.name == "webgpu")
    assert row.adapter == adapter and row.limits["max-storage-buffers-per-shader-stage"] >= 8


def test_environment_chooses_the_device(webgpu):
    done = run(
        """
        import wgrad as wg
        assert wg.tensor([1.0]).device.name == "webgpu"
        wg.set_default_device("numpy")
        assert wg.tensor([1.0]).device.name == "numpy"
        with wg.device("webgpu"):
            assert wg.zeros(2).device.name == "webgpu"
        """,
        WGRAD_DEVICE="webgpu",
    )
    assert done.returncode == 0, done.stderr


def test_auto_says_once_what_it_took(webgpu):
    done = run(
        """
        import logging, wgrad as wg
        logging.basicConfig(level=logging.INFO)
        wg.zeros(1), wg.zeros(1)
        """,
        WGRAD_DEVICE="",
    )
    assert done.stderr.count('device "auto" is') == 1, done.stderr


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sine_and_cosine_reduce_arguments_of_any_size(webgpu, rng, name):
    size = np.exp(rng.uniform(np.log(1e-3), np.log(3e38), 20_000))
    x = (size * rng.choice([-1, 1], size.shape)).astype(np.float32)
    x = np.append(x, np.float32([1e10, 1e20, 3.4e38, 2**22, 4095.9999, 4096.0, 3.1415927]))
    exact = getattr(np, name)(x.astype(np.float64))
    found = getattr(wg, name)(wg.tensor(x)).numpy()
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-7)


def test_bounds_of_an_expanded_view_are_not_those_of_its_memory(webgpu):
    index = wg.tensor([0, 1, 100, 100]) + 0  # no bounds are known of a result
    table = wg.tensor([5.0, 6.0])
    part = wg.broadcast_to(index[:2], (2, 2))
    assert wg.take(table, part).tolist() == [[5, 6], [5, 6]]
    with pytest.raises(wg.errors.IndexRangeError, match="100"):
        wg.take(table, index)
