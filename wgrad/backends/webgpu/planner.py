"""Plans without an adapter: kernel families note what they would launch, and on which memory."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from ...dtypes import DType, float16, float32
from ...layout import Layout, Shape
from ..array import Array, Body, Number, Operands, Storage
from ..families import FAMILIES, Dispatch
from ..functions import Function
from ..shader import Groups, with_numbers
from ..tracing import Live
from .buffers import Buffer
from .calls import SCALARS
from .facts import HALF_FEATURE, Facts
from .kernels import FLAT_SCALARS, STRIDED_SCALARS, Kernels
from .launching import host_words
from .matmul import Products
from .problem import Hot, Kernel

Numbers = tuple[tuple[int, Live, DType], ...]  # a byte of the params, and what its bits are


@dataclass(frozen=True)
class Planned:
    """A launch on planned memory.

    `numbers` are read anew for every run; `draw` is a generator, and how many numbers of it the
    program has taken before.
    """

    kernel: Kernel
    buffers: tuple[Buffer, ...]
    params: bytes
    groups: int | Groups
    numbers: Numbers = ()
    draw: tuple[int, int] | None = None
    hot: Hot[Kernel] | None = None


class Planner(Kernels):
    """A device that notes its launches. Memory has a size and no content, but for constants."""

    description = "no adapter"
    counts = False  # of pieces of something large, a run has many

    def __init__(self, facts: Facts, products: Products | None = None):
        super().__init__("planner", facts, products or Products(facts))
        self.has_large = False
        self.planned: list[Planned] = []
        self.constants: dict[bytes, Storage] = {}
        self._storage = self.memory

    def memory(self, size: int, nbytes: int) -> Storage:
        """Return memory for `size` elements."""
        self.has_large = self.has_large or nbytes > self.facts.largest_binding
        return Storage(self, Buffer(None, max(nbytes + -nbytes % 16, 16), 0), size)

    def launch(
        self,
        kernel: Kernel,
        buffers: tuple[Buffer, ...],
        params: bytes,
        groups: int | Groups,
        numbers: Numbers = (),
        hot: Hot[Kernel] | None = None,
    ) -> None:
        """Note a launch, and what takes its place in a program that runs often."""
        if groups:
            self.planned.append(Planned(kernel, buffers, params, groups, numbers, hot=hot))

    def _made(self, kernel: Kernel) -> Kernel:
        return kernel

    def _map_into(
        self, out: Array, body: Body, operands: Operands, dtypes: Sequence[DType]
    ) -> None:
        super()._map_into(out, body, operands, dtypes)
        last = self.planned[-1]
        first = FLAT_SCALARS if len(last.params) == FLAT_SCALARS + 64 else STRIDED_SCALARS
        numbers = tuple(
            (first + 4 * i, x, dtype)
            for i, (x, dtype) in enumerate(zip(operands, dtypes, strict=True))
            if isinstance(x, Live)
        )
        self.planned[-1] = replace(last, numbers=numbers)

    def _call_into(
        self,
        out: Array,
        function: Function,
        operands: Sequence[Array | Number],
        shape: Shape,
        planes: bool,
    ) -> None:
        super()._call_into(out, function, operands, shape, planes)
        given = zip(operands, function.ins, strict=True)
        numbered = enumerate([pair for pair in given if not isinstance(pair[0], Array)])
        numbers = tuple(
            [(SCALARS + 4 * i, x, dtype) for i, (x, dtype) in numbered if isinstance(x, Live)]
        )
        self.planned[-1] = replace(self.planned[-1], numbers=numbers)

    def _random_into(self, out: Array, kind: str, key: tuple[int, int], counter: int) -> None:
        """Note what fills an array: `key` begins with a generator, whose key each run will give."""
        super()._random_into(out, kind, (0, 0), 1)  # from within a block: by as many as it can take
        self.planned[-1] = replace(self.planned[-1], draw=(key[0], counter))

    def dispatch_over(
        self, work: Dispatch, operands: Sequence[Any], into: Sequence[Array | None]
    ) -> list[Array]:
        """Note the launch of a shader that writes to the arrays of `into` themselves."""
        count = len(operands) - len(work.numbers)
        numbers = list(zip(work.numbers, operands[count:], strict=True))
        return self._dispatch(
            work.shader, operands[:count], work.params, numbers, work.groups, work.makes, into
        )

    def _launch_shader(
        self,
        kernel: Any,
        buffers: tuple[Buffer, ...],
        params: bytes,
        numbers: Sequence[tuple[int, Any]],
        groups: Groups,
    ) -> None:
        words = with_numbers(params, [at for at, _ in numbers], [x for _, x in numbers])
        live = tuple([(at, x, float32) for at, x in numbers if isinstance(x, Live)])
        self.launch(kernel, buffers, words, groups, live)

    # Memory.
    def constant(self, data: bytes) -> Storage:
        if data not in self.constants:
            self.constants[data] = self.memory(len(data), len(data))
        return self.constants[data]

    def upload(self, data: np.ndarray, dtype: DType) -> Array:
        storage = self.constant(host_words(data, dtype).tobytes())
        return Array(storage, Layout.dense(data.shape), dtype)

    def why_not(self, dtype: DType) -> str:
        if dtype is float16:
            return f"{HALF_FEATURE} is needed, and these facts have has_half=False"
        return super().why_not(dtype)

    def download(self, x: Array) -> NoReturn:
        raise NotImplementedError("planned memory has no content")

    def unbacked(self, size: int) -> NoReturn:
        raise NotImplementedError("planned memory has no content")

    def synchronize(self) -> None:
        """Return at once: nothing runs."""


for _method in (*[family.method for family in FAMILIES], "upload"):
    # What is planned is no work: neither a tracer nor an observer of this context is to hear of it.
    setattr(Planner, _method, inspect.unwrap(getattr(Planner, _method)))
