"""Whole shaders of users: their memory bound to its exact size, and their launch.

What `arrayLength` says follows from the size of a binding, so none is larger than its array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError, OutOfMemoryError
from ..array import Array, Number
from ..shader import Groups, Make, Shader, with_numbers
from .buffers import Buffer, Window
from .launches import MOST_PARAMS
from .launching import Launching


class Dispatching(Launching):
    """The family of whole shaders."""

    def dispatch(
        self,
        shader: Shader,
        operands: Sequence[Array | Number],
        params: bytes,
        numbers: Sequence[int],
        groups: Groups,
        makes: Sequence[Make],
    ) -> list[Array]:
        count = len(operands) - len(numbers)
        arrays = [x for x in operands[:count] if isinstance(x, Array)]
        numbered = list(zip(numbers, operands[count:], strict=True))
        return self._dispatch(shader, arrays, params, numbered, groups, makes, (None,) * len(makes))

    def dispatch_into(
        self,
        shader: Shader,
        operands: Sequence[Array],
        params: bytes,
        groups: Groups,
        makes: Sequence[Make],
        into: Sequence[Array | None],
    ) -> list[Array]:
        return self._dispatch(shader, operands, params, (), groups, makes, into)

    def _dispatch(
        self,
        shader: Shader,
        operands: Sequence[Array],
        params: bytes,
        numbers: Sequence[tuple[int, Any]],
        groups: Groups,
        makes: Sequence[Make],
        into: Sequence[Array | None],
    ) -> list[Array]:
        if len(params) > MOST_PARAMS:
            raise ArgumentError(
                f"{shader.name}: uniforms of {len(params)} bytes came, and an adapter binds at "
                f"most {MOST_PARAMS}: put large arrays into var<storage, read>"
            )
        made: list[Array] = []
        for make, target in zip(makes, into, strict=True):
            if target is not None:
                made.append(target)
            elif make.source is not None:
                made.append(self.copy(operands[make.source]))
            elif make.zeros:
                made.append(self.full(make.shape, 0, make.dtype))
            else:
                made.append(self._empty(make.shape, make.dtype))
        if 0 in groups:
            return made
        written = {x.storage.buffer.whole for x in made}
        buffers = []
        for is_written, i in shader.bindings(makes):
            x = made[i] if is_written else operands[i]
            # One buffer cannot be read and written in one dispatch, and begins where it may.
            if not is_written and (x.storage.buffer.whole in written or not self._may_bind(x)):
                x = self.copy(x)
            buffers.append(self._exact(shader, x))
        kernel = self._kernel((shader,), shader.access, lambda: shader.code)
        self._launch_shader(kernel, tuple(buffers), params, numbers, groups)
        return made

    def _launch_shader(
        self,
        kernel: Any,
        buffers: tuple[Buffer, ...],
        params: bytes,
        numbers: Sequence[tuple[int, Any]],
        groups: Groups,
    ) -> None:
        """Launch a shader with numbers put at bytes of its params."""
        words = with_numbers(params, [at for at, _ in numbers], [x for _, x in numbers])
        self.launch(kernel, buffers, words, groups)

    def may_write_into(self, x: Array) -> bool:
        """Whether a shader can write to a view itself, and to nothing beside it.

        Bindings have whole words: of an odd count of float16 numbers, one more is bound.
        """
        end = x.layout.offset + x.layout.size
        whole = x.layout.size * self.itemsize(x.dtype) % 4 == 0 or end == x.storage.size
        return whole and self._may_bind(x)

    def _may_bind(self, x: Array) -> bool:
        start = x.layout.offset * self.itemsize(x.dtype)
        return x.layout.contiguous and start % self.facts.align == 0

    def _exact(self, shader: Shader, x: Array) -> Buffer:
        """Return a buffer, or a window of one, with just the elements of a contiguous view."""
        size = self.itemsize(x.dtype)
        start, nbytes = x.layout.offset * size, x.layout.size * size
        nbytes += -nbytes % 4
        if not nbytes:
            raise ArgumentError(
                f"{shader.name}: an empty tensor came, and WebGPU binds no memory of 0 bytes"
            )
        if nbytes > self.facts.largest_binding:
            raise OutOfMemoryError(
                f"{shader.name}: a tensor of {nbytes} bytes came, and at most "
                f"{self.facts.largest_binding} are bound at once"
            )
        buffer = x.storage.buffer
        # What is planned may lie in a larger buffer when it is run.
        whole = buffer.raw is not None and start == 0 and nbytes == buffer.nbytes
        return buffer if whole else Window(buffer, start, nbytes)
