"""The WebGPU executor: a program's kernels made once, then replayed over planned memory."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ...backends.array import Array, Number, Storage, product_shape
from ...backends.events import WATCHERS, Doing, during, launched
from ...backends.tracing import UNBACKED, Live
from ...backends.webgpu.device import Buffer, Pipeline, Window
from ...backends.webgpu.kernels import WebGpuDevice
from ...backends.webgpu.launching import scalar_bits
from ...backends.webgpu.memory import GpuStorage, size_class
from ...backends.webgpu.problem import Problem, Scratch
from ...backends.webgpu.replay import Replay
from ...backends.webgpu.windows import cuts
from ...dtypes import DType
from ...layout import Layout
from ..interpret import Draw, told_step
from ..ir import Program, Ref, Slot, Step
from ..joining import PRODUCT
from ..limits import Limits
from ..passes.folds import split_long_folds
from ..passes.lift import lift_to_graphs
from ..passes.products import as_fused
from ..plan import Place, Plan, nbytes, plan_memory
from ..risks import risks_first
from .kernels import Kernel, epilogue, fused_kernel
from .windows import Cutter, Part

MATMUL_SCALARS = 96  # where `scalars` begin in the Params of lib/matmul.wgsl
RANDOM_THREADS = 64


def limits_of(device: WebGpuDevice) -> Limits:
    """Return what one kernel may hold on an adapter."""
    gpu = device.gpu
    buffers = min(gpu.limits["max-storage-buffers-per-shader-stage"], 16)
    if gpu.is_software:
        return Limits(buffers=buffers)
    # A GPU wants thousands of threads: a column is walked by one, a row by a workgroup.
    return Limits(buffers=buffers, fewest_columns=1 << 13, threads=1 << 14)


@dataclass
class Dispatch:
    """One kernel launch. `homes` says where each binding from 1 on lives."""

    pipeline: Pipeline
    homes: tuple[object, ...]
    params: bytes
    groups: int
    step: Step
    live: list[tuple[int, Live, DType]] = field(default_factory=list)  # byte, number, dtype
    position: int = 0  # of the step among the program's


class _Memory:
    """The memory of one run: the program's blocks, and storages that differ from run to run."""

    def __init__(
        self,
        blocks: dict[object, GpuStorage],
        inputs: Sequence[Storage],
        outputs: Sequence[Storage],
        swaps: dict[int, GpuStorage],
    ):
        self._blocks = blocks
        self._inputs = inputs
        self._given = {"input": inputs, "output": outputs, "swap": swaps}
        self._fresh = [*outputs, *swaps.values()]

    def storage(self, home: object) -> Storage:
        """Return where a slot, or what a kernel needs beside, lives."""
        if isinstance(home, Storage):
            return home
        if isinstance(home, Place) and home.kind != "block":
            return self._given[home.kind][home.index]  # type: ignore[index]  # there in a run
        return self._blocks[home]

    @property
    def key(self) -> tuple:
        """What tells this run's buffers from those of others."""
        return tuple([x.buffer.uid for x in (*self._inputs, *self._fresh)])


class _LiveNumber:
    """A number that is read for every run, what it was last, and where its bits stand."""

    def __init__(self, number: Live):
        self.number = number
        self.last: float | None = None
        self.places: list[tuple[Replay, int, DType]] = []


class WebGpuExecutor:
    """A program ready to run on a WebGPU device.

    `hardware` says whether workgroups share long rows: by default on all but software adapters.
    """

    def __init__(self, program: Program, device: WebGpuDevice, hardware: bool | None = None):
        # What no pass has lifted or split, because it was switched off, is now.
        limits = limits_of(device)
        program = split_long_folds(lift_to_graphs(program, limits), limits)
        most = device.gpu.largest_binding
        sizes = {i: nbytes(slot, device) for i, slot in program.memory().items()}
        self._large = frozenset(i for i, size in sizes.items() if size > most)
        program = program.with_steps([one for step in program.steps for one in self._apart(step)])
        self.device = device
        self._hardware = not device.gpu.is_software if hardware is None else hardware
        self._memory = program.memory()
        self._blocks: dict[object, GpuStorage] = {}
        # Steps that the device does itself, between two replays. Each of them may lack memory, but
        # the one replay after them does all of its work, or none of it.
        self._by_hand: dict[int, Step] = {}
        while not self._lower(*risks_first(program, lambda step: id(step) in self._by_hand)):
            pass
        self._take_blocks()
        found: dict[object, _LiveNumber] = {}
        self._draws: list[tuple[Replay, int, Step]] = []
        for replay, dispatches in self._replays():
            for start, d in zip(replay.starts, dispatches, strict=True):
                for at, x, dtype in d.live:
                    number = found.setdefault(x.call, _LiveNumber(x))
                    number.places.append((replay, start + at, dtype))
                if d.step.kind == "random":
                    self._draws.append((replay, start, d.step))
        self._live = list(found.values())
        self._fresh = [self._memory[slot] for slot in program.outputs]
        self._swaps = [
            (self.plan.places[new].index, self._memory[new])
            for new in program.updates.values()
            if self.plan.places[new].kind == "swap"
        ]

    # Lowering.
    def _lower(self, program: Program, settled: int) -> bool:
        """Make the stages; say no where steps turn out to be the device's that were not known."""
        self.program = program
        self.plan: Plan = plan_memory(program, self.device, settled)
        self._last = {out.index for step in program.steps[settled:] for out in step.outs}
        self._scratch: dict[object, int] = {}
        self.dispatches: list[Dispatch] = []
        # What a run does in order: replays of dispatches, and steps that the device does itself.
        self._stages: list[tuple[Replay, list[Dispatch]] | Step] = []
        known = len(self._by_hand)
        stages: list[list[Dispatch] | Step] = []
        ready: list[Dispatch] = []
        for i, step in enumerate(program.steps):
            if any(out.size for out in step.outs):
                made = None if id(step) in self._by_hand else self._lowered(i, step)
                if made is None:
                    self._by_hand[id(step)] = step
                    stages += [ready, step]
                    ready = []
                else:
                    ready += [replace(d, position=i) for d in made]
        if len(self._by_hand) > known:
            return False
        for stage in (*stages, ready):
            if isinstance(stage, Step):
                self._stages.append(stage)
            else:
                self._end_stage(stage)
        return True

    def _home(self, slot: int) -> object:
        return self.plan.places.get(slot, slot)

    def _apart(self, step: Step) -> list[Step]:
        """Return a step, or the parts of a batch that touches large slots."""
        if step.kind != "batch" or not self._is_large(step):
            return [step]
        return list(step.params["parts"])

    def _is_large(self, step: Step) -> bool:
        """Whether one binding, or a count in u32, may not suffice for something that it touches."""
        return not self._large.isdisjoint(step.reads() | step.writes()) or any(
            x.layout.size > cuts.MOST_ELEMENTS for x in step.refs()
        )

    def _end_stage(self, dispatches: list[Dispatch]) -> None:
        if dispatches:
            work = [(d.pipeline, d.params, d.groups) for d in dispatches]
            self._stages.append((Replay(self.device.gpu, work), dispatches))
            self.dispatches += dispatches

    def _replays(self) -> Iterator[tuple[Replay, list[Dispatch]]]:
        return (stage for stage in self._stages if not isinstance(stage, Step))

    def _lowered(self, i: int, step: Step) -> list[Dispatch] | None:
        """Return the launches of a step; None where the device has to do it itself in every run."""
        if self._is_large(step):
            return self._in_windows(step) if step.kind == "fused" else None
        if step.kind in ("fused", "batch"):
            return [self._fused(step, self._home)]
        if step.kind == "matmul":
            found = self._product(i, step)
            if found is not None:
                return found
            return self._unfused_product(i, step)
        return self._by_device(i, step)

    def _in_windows(self, step: Step) -> list[Dispatch] | None:
        """Return the launches of a fused step that touches large slots, one for each piece."""
        gpu = self.device.gpu
        bounds = cuts.Bounds(gpu.largest_binding, gpu.align)
        pieces = Cutter(self.device, bounds, self._large, self._home).pieces(step)
        if pieces is None:
            return None

        def made(piece: Step, parts: dict[int, Part]) -> Dispatch:
            return self._fused(piece, lambda slot: parts.get(slot) or self._home(slot))

        return [replace(made(*piece), step=step) for piece in pieces]

    def _fused(self, step: Step, home: Callable[[int], object]) -> Dispatch:
        kernel = fused_kernel(step, home, self._hardware)
        pipeline = self.device.pipeline_of(kernel.text, kernel.access, kernel.label)
        words = [_bits(x, dtype) for x, dtype in kernel.numbers]
        return Dispatch(
            pipeline,
            kernel.homes,
            struct.pack(f"<{len(words)}I", *words),
            kernel.groups,
            step,
            _live(kernel, 0),
        )

    def _product(self, i: int, step: Step) -> list[Dispatch] | None:
        """Return the launches of a matmul, or None where its axes are too many."""
        a, b = step.inputs[:2]
        assert isinstance(a, Ref) and isinstance(b, Ref)
        lead, inner = step.params["lead"], step.params["inner"]
        problem = Problem.of(a.layout, b.layout, a.dtype, lead, inner)
        if problem is None:
            return None
        fused = as_fused(step)
        output, kernel = epilogue(
            fused.params["graph"], fused.inputs, step.outs, problem.n, self._home
        )
        made = []
        for launch in self.device.products.plan(problem, output):
            homes: list[object] = []
            for which in launch.buffers:
                if isinstance(which, Scratch):
                    home: object = ("scratch", i)
                    self._scratch[home] = which.nbytes
                elif isinstance(which, str):
                    home = self._home((a if which == "a" else b).slot)
                else:
                    home = kernel.homes[which]
                homes.append(home)
            params = bytearray(launch.params)
            for n, (x, dtype) in enumerate(kernel.numbers):
                struct.pack_into("<I", params, MATMUL_SCALARS + 4 * n, _bits(x, dtype))
            made.append(
                Dispatch(
                    self.device.products.pipeline(launch.kernel),
                    tuple(homes),
                    bytes(params),
                    launch.groups,
                    step,
                    _live(kernel, MATMUL_SCALARS),
                )
            )
        return made

    def _unfused_product(self, i: int, step: Step) -> list[Dispatch] | None:
        """Return a matmul by the device's own means, and what follows it as a kernel after it."""
        a, b = step.inputs[:2]
        assert isinstance(a, Ref) and isinstance(b, Ref)
        lead, inner = step.params["lead"], step.params["inner"]
        shape = product_shape(a.layout.shape, b.layout.shape, lead, inner)
        product = Slot(PRODUCT - 1 - i, shape, a.dtype)
        self._scratch[product.index] = nbytes(product, self.device)
        over = as_fused(step)
        inputs = tuple(
            replace(x, slot=product.index) if isinstance(x, Ref) and x.slot == PRODUCT else x
            for x in over.inputs
        )
        plain = Step("matmul", (a, b), (product,), {"lead": lead, "inner": inner})
        made = self._by_device(i, plain)
        return made and [*made, self._fused(replace(over, inputs=inputs), self._home)]

    def _by_device(self, i: int, step: Step) -> list[Dispatch] | None:
        """Return the launches that the device's method makes for a step, noted and not run.

        None where it works in windows, on memory that it takes for that.
        """
        device = self.device
        stand_ins: dict[int, GpuStorage] = {}
        args = []
        for x in step.inputs:
            assert isinstance(x, Ref)
            if x.slot not in stand_ins:
                stand_ins[x.slot] = GpuStorage(device, device.pool, 0, 1)
            args.append(Array(stand_ins[x.slot], x.layout, x.dtype))
        homes = {s.buffer: self._home(slot) for slot, s in stand_ins.items()}
        with device.gpu.recorded() as launches:
            out = self._record(step, args, homes)
        homes[out.storage.buffer] = self._home(step.out.index)
        made = []
        most = device.gpu.largest_binding
        for pipeline, buffers, params, groups in launches:
            if any(isinstance(b, Window) or b.nbytes > most for b in buffers):
                return None
            bound = []
            for buffer in buffers:
                if buffer not in homes:
                    homes[buffer] = self._foreign(i, buffer)
                bound.append(homes[buffer])
            if step.kind == "random":
                groups = -(-(step.out.size + 2) // 2 // RANDOM_THREADS) + 1
            made.append(Dispatch(pipeline, tuple(bound), params, groups, step))
        return made

    def _record(self, step: Step, args: list[Array], homes: dict[Buffer, object]) -> Array:
        device, params = self.device, step.params
        if step.kind == "matmul":
            return device.matmul(args[0], args[1], params["lead"], params["inner"])
        if step.kind == "reduce":
            return device.reduce(params["kind"], args[0], params["axes"], step.out.dtype)
        if step.kind == "scan":
            return device.scan(params["kind"], args[0], params["axis"], params["back"])
        if step.kind == "scatter_add":
            return device.scatter_add(args[0], args[1], params["axis"], params["size"])
        if step.kind == "argsort":
            return device.argsort(args[0], params["axis"], params["descending"])
        if step.kind == "searchsorted":
            return device.searchsorted(args[0], args[1], params["right"])
        if step.kind == "random":
            return device.random(params["kind"], (0, 0), 0, step.out.shape)
        if step.kind == "place":
            return device.place(args, params["targets"], step.out.shape, params["fill"])
        assert step.kind in ("write", "scatter"), step.kind
        base, *placed = args
        in_place = homes[base.storage.buffer] == self._home(step.out.index)
        out = base if in_place else device.copy(base)
        if step.kind == "write":
            device.write(out.view(params["target"]), *placed)
        else:
            index, values = placed
            device.scatter(out.view(params["target"]), index, values, params["axis"])
        return out

    def _foreign(self, i: int, buffer: Buffer) -> object:
        """Return the home of memory that only the device's method knows."""
        table = self.device._normal_table
        if table is not None and table.storage.buffer is buffer:
            return table.storage
        home = ("scratch", i, buffer.uid)
        self._scratch[home] = buffer.nbytes
        return home

    # Memory.
    def _take_blocks(self) -> None:
        """Take the blocks that programs of this device share: one runs after the other."""
        shared = _shared.setdefault(self.device, WeakValueDictionary())
        counts: dict[int, int] = {}
        wanted: list[tuple[object, int]] = [
            (Place("block", i), size) for i, size in enumerate(self.plan.blocks)
        ]
        wanted += list(self._scratch.items())
        for home, size in wanted:
            gpu = self.device.gpu
            kind = size_class(size, gpu.largest_binding, gpu.largest_buffer)
            nth = counts[kind] = counts.get(kind, -1) + 1
            found = shared.get((kind, nth))
            if found is None:
                found = GpuStorage(self.device, self.device.pool, 0, size)
                shared[kind, nth] = found
            self._blocks[home] = found

    def wgsl(self) -> str:
        """Return the texts of the kernels, each under lines with its step's number and its name."""
        users: dict[str, list[str]] = {}
        for d in self.dispatches:
            name = f"kernel {d.position}: {d.pipeline.label}"
            users.setdefault(d.pipeline.code, []).append(name)
        return "\n\n".join(
            "\n".join([*(f"// {name}" for name in names), code.rstrip()])
            for code, names in users.items()
        )

    @property
    def block_bytes(self) -> int:
        """The bytes of planned blocks, and of scratch memory of kernels."""
        return self.plan.block_bytes + sum(self._scratch.values())

    def nbytes(self, home: object) -> int:
        """Return the bytes of the memory of a binding."""
        if isinstance(home, Part):
            return home.nbytes
        if home in self._blocks:
            return self._blocks[home].buffer.nbytes
        slots = [self._memory[slot] for slot, place in self.plan.places.items() if place == home]
        return nbytes(slots[0], self.device)

    # Running.
    def run(
        self, inputs: Sequence[Storage], draw: Draw, spare: list[Any] | None = None
    ) -> list[Storage]:
        """Run once: update `inputs` in place, and return the outputs' storages, in order."""
        device, pool = self.device, self.device.pool
        outputs: list[Storage] = []
        lent: list[Storage] = []
        try:
            for slot in self._fresh:
                storage = self._spared(slot, spare or [])
                if storage is None:
                    storage = GpuStorage(device, pool, slot.size, nbytes(slot, device))
                else:
                    lent.append(storage)
                outputs.append(storage)
            self._run_into(outputs, inputs, draw)
        except BaseException:
            for storage in lent:
                storage.buffer = UNBACKED  # whose memory is the lender's again
            raise
        return outputs

    def _spared(self, slot: Slot, spare: list[Buffer]) -> Storage | None:
        """Return a storage with one of the spare buffers, if one fits and only the end writes."""
        gpu = self.device.gpu
        size = size_class(nbytes(slot, self.device), gpu.largest_binding, gpu.largest_buffer)
        for i, buffer in enumerate(spare if slot.index in self._last else ()):
            if buffer.nbytes == size:
                storage = self.device.unbacked(slot.size)
                storage.buffer = spare.pop(i)
                return storage
        return None

    def _run_into(self, outputs: Sequence[Storage], inputs: Sequence[Storage], draw: Draw) -> None:
        device, pool = self.device, self.device.pool
        swaps = [(i, GpuStorage(device, pool, s.size, nbytes(s, device))) for i, s in self._swaps]
        for live in self._live:
            now = live.number.read()
            if now != live.last:
                live.last = now
                for replay, at, dtype in live.places:
                    replay.set_params(at, struct.pack("<I", scalar_bits(now, dtype)))
        for replay, at, step in self._draws:
            replay.set_params(at, _random_words(step, draw))
        memory = _Memory(self._blocks, inputs, outputs, dict(swaps))
        self._run_stages(memory, draw)
        for i, fresh in swaps:
            inputs[i].buffer, fresh.buffer = fresh.buffer, inputs[i].buffer

    def _run_stages(self, memory: _Memory, draw: Draw) -> None:
        for stage in self._stages:
            if isinstance(stage, Step):
                self._run_by_device(stage, memory, draw)
            else:
                replay, dispatches = stage
                replay.run(memory.key, partial(self._bound, dispatches, memory))
                if WATCHERS:
                    self._tell(dispatches, memory)

    def _tell(self, dispatches: list[Dispatch], memory: _Memory) -> None:
        """Tell the observers of dispatches that have been submitted."""
        for d, buffers in zip(dispatches, self._bound(dispatches, memory), strict=True):
            what = Doing(d.step.name, self.program.line_of(d.step), replayed=True)
            nbytes = sum(b.nbytes for b in buffers)
            during(launched, what, "webgpu", d.pipeline.label, d.groups, nbytes)

    def _bound(self, dispatches: list[Dispatch], memory: _Memory) -> list[list[Buffer]]:
        """Return the buffers of dispatches."""
        most = self.device.gpu.largest_binding

        def buffer(home: object) -> Buffer:
            if isinstance(home, Part):
                return Window(memory.storage(home.home).buffer, home.start, home.nbytes)
            found: Buffer = memory.storage(home).buffer
            # Something small in a large block: nothing else of it is touched.
            return Window(found, 0, most) if found.nbytes > most else found

        return [[buffer(home) for home in d.homes] for d in dispatches]

    def _run_by_device(self, step: Step, memory: _Memory, draw: Draw) -> None:
        """Do a step by the device's own methods, which see to windows, and put results home."""
        device = self.device
        homes = {slot: memory.storage(self._home(slot)) for slot in step.reads() | step.writes()}
        storages = {
            slot: Storage(device, x.buffer, self._memory[slot].size) for slot, x in homes.items()
        }
        for out, made in zip(
            step.outs, told_step(self.program, device, step, storages, draw), strict=True
        ):
            home, found = homes[out.index], made.storage
            kept = self.plan.places[out.index].kind == "block"  # by other programs too
            if found.buffer.nbytes == home.buffer.nbytes and not kept:
                home.buffer, found.buffer = found.buffer, home.buffer
            else:
                target = Array(storages[out.index], Layout.dense(out.shape), out.dtype)
                device.write(target, made.view(Layout.dense(out.shape)))


# The blocks of each device by size class and count, as long as a program holds them.
_shared: WeakKeyDictionary[WebGpuDevice, WeakValueDictionary[tuple[int, int], GpuStorage]]
_shared = WeakKeyDictionary()


def _bits(x: Number, dtype: DType) -> int:
    return scalar_bits(x, dtype)


def _live(kernel: Kernel, first: int) -> list[tuple[int, Live, DType]]:
    """Return which words of the parameters are read anew for every run."""
    return [
        (first + 4 * n, x, dtype)
        for n, (x, dtype) in enumerate(kernel.numbers)
        if isinstance(x, Live)
    ]


def _random_words(step: Step, draw: Draw) -> bytes:
    """Return the Params of random.wgsl for the numbers of this run."""
    key, counter = draw(step.params["generator"], step.params["offset"])
    block, skip = divmod(counter, 2)
    return struct.pack("<6I", *key, block & 0xFFFFFFFF, block >> 32, skip, step.out.size)
