"""What users hold of a watched text: ops whose every call goes to the newest version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import Call, Op, Tensor
from ..core.tracing import tracing
from ..errors import WgradError
from .reload import Watched, tell
from .shaderop import ShaderOp
from .texts import Text


class Front(Op):
    """What stands for the newest version of something that is made of a watched text.

    `make` makes it of the text. A program that was traced with one version does not run once there
    is another; what the tape holds goes on with the version that it recorded.
    """

    def __init__(self, text: Watched[Text], make: Callable[[Text], Any]):
        self._text, self._make = text, make
        self._seen = text.edition  # of the text, which other functions are in, too
        self._told = (0, -1)  # the trace that knows of an edition
        self.edition = 0
        self._take(make(text.value))

    def _take(self, version: Any) -> None:
        self._version = version
        self.name = self.__name__ = version.name

    def _look(self) -> Any:
        """Return the newest good version."""
        value = self._text.look()
        if self._seen != self._text.edition:
            self._seen = self._text.edition
            try:
                version = self._make(value)
            except WgradError as error:
                tell(self.name, error)
                return self._version
            if not self._is_same(version):
                self.edition += 1
            self._take(version)
        return self._version

    def _is_same(self, version: Any) -> bool:
        """Whether a version computes what the one before it did."""
        return False

    def newest(self) -> Any:
        """Return the version to use now, which a trace then rests on."""
        version = self._look()
        tracer = tracing()
        if tracer is not None and self._told != (tracer.start, self.edition):
            self._told = tracer.start, self.edition
            tracer.require(_is_at, self, self.edition)
        return version

    # As an op it is told from others, and never applied: its versions are.
    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        return self._version.run(device, inputs, params)

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        return self._version.push(call, tangents)


def _is_at(front: Front, edition: int) -> bool:
    """Whether a front is still at an edition, now that the files were looked at."""
    front._look()
    return front.edition == edition


class WatchedOp(Front):
    """A function of a watched text, as an op."""

    _version: ShaderOp

    def _take(self, version: ShaderOp) -> None:
        super()._take(version)
        self.__doc__, self.__signature__ = version.__doc__, version.__signature__

    def _is_same(self, version: ShaderOp) -> bool:
        now, before = version, self._version
        return now.function.on_device(False, now.numpy) == before.function.on_device(
            False, before.numpy
        )

    def __repr__(self) -> str:
        return repr(self._version)

    def __call__(self, *inputs: Any, **named: Any) -> Tensor:
        return self.newest()(*inputs, **named)

    def wgsl(self) -> str:
        """Return the WGSL that runs now."""
        return self._look().wgsl()

    def derivative_wgsl(self, *parameters: str, forward: bool = False) -> str:
        """Return the WGSL of the derivative, as `wgsl`."""
        return self._look().derivative_wgsl(*parameters, forward=forward)
