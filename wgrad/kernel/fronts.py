"""What users hold of watched files: ops and kernels whose every call goes to the newest version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import Call, Op, Tensor
from ..core.tracing import tracing
from ..errors import CallError, WgradError, shown
from ..ops.families import guarded_op
from .entry import Checked
from .reload import Watched, tell
from .rounds import ROUNDS
from .texts import is_path, source_of

if TYPE_CHECKING:
    from .compute import ComputeKernel
    from .shaderop import ShaderOp


class Front(Op):
    """What stands for the newest version of something that is made of watched texts.

    `make` makes it of their newest versions. A program that was traced with one version does not
    run once there is another; what the tape holds goes on with the version that it recorded.
    """

    def __init__(self, text: Watched[Checked], make: Callable[..., Any]):
        self._texts, self._make = [text], make
        self._seen = [text.edition]  # of the texts, which have other functions, too
        self._told = (0, -1)  # the trace that knows of an edition
        self.edition = 0
        self._take(make(text.value))

    def _take(self, version: Any) -> None:
        self._version = version
        self.name = self.__name__ = version.name

    def _look(self) -> Any:
        """Return the newest good version."""
        values = [x.look() for x in self._texts]
        editions = [x.edition for x in self._texts]
        if self._seen != editions:
            self._seen = editions
            try:
                version = self._make(*values)
                self._try(version)
            except WgradError as error:
                tell(self.name, error)
                return self._version
            if not self._is_same(version):
                self.edition += 1
            self._take(version)
        return self._version

    def _try(self, version: Any) -> None:
        """Raise what is wrong with a version on the devices that ran the one before it."""

    def _is_same(self, version: Any) -> bool:
        """Whether a version computes what the one before it did."""
        raise NotImplementedError

    def newest(self) -> Any:
        """Return the version to use now, which a trace then rests on."""
        version = self._look()
        tracer = tracing()
        if tracer is not None and self._told != (tracer.start, self.edition):
            self._told = tracer.start, self.edition
            tracer.require(_is_at, self, self.edition)
        return version

    def leads_to(self) -> Iterable[Any]:
        return self._version.leads_to()

    def __repr__(self) -> str:
        return repr(self._version)

    # As an op it is told from others, and never applied: its versions are.
    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        return self._version.run(device, inputs, params)

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        return self._version.push(call, tangents)


def _is_at(front: Front, edition: int) -> bool:
    """Whether a front is still at an edition, now that the files were looked at."""
    front._look()
    return front.edition == edition


def newest(x: Any) -> Any:
    """Return an op or a kernel itself, and the version to use now of one that is watched."""
    return x.newest() if isinstance(x, Front) else x


class WatchedOp(Front):
    """A function of a watched file, as an op."""

    _version: ShaderOp

    def _take(self, version: ShaderOp) -> None:
        super()._take(version)
        self.__doc__, self.__signature__ = version.__doc__, version.__signature__

    def _is_same(self, version: ShaderOp) -> bool:
        now, before = version, self._version
        return now.function.on_device(False, now.numpy) == before.function.on_device(
            False, before.numpy
        )

    def __call__(self, *inputs: Any, **named: Any) -> Tensor:
        return self.newest()(*inputs, **named)

    def wgsl(self) -> str:
        """Return the WGSL that runs now."""
        return self._look().wgsl()

    def derivative_wgsl(self, *parameters: str, forward: bool = False) -> str:
        """Return the WGSL of the derivative, as `wgsl`."""
        return self._look().derivative_wgsl(*parameters, forward=forward)


class WatchedKernel(Front):
    """A compute shader of a watched file, as `wg.kernel.compute` returns it."""

    _version: ComputeKernel

    def __init__(self, text: Watched[Checked], make: Callable[..., ComputeKernel]):
        self._plain = make  # without a rule
        super().__init__(text, make)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._version, name)

    def _take(self, version: ComputeKernel) -> None:
        super()._take(version)
        self.__doc__ = version.__doc__

    def _try(self, version: ComputeKernel) -> None:
        version.prepare_as(self._version)

    def _is_same(self, version: ComputeKernel) -> bool:
        code = version.all_code()
        return code is not None and code == self._version.all_code()

    def __call__(self, *tensors: Any, **named: Any) -> Any:
        return self.newest()(*tensors, **named)

    def wgsl(self, **constants: bool | int | float) -> str:
        """Return the WGSL that a device gets now, as `ComputeKernel.wgsl`."""
        return self._look().wgsl(**constants)

    @guarded_op
    def backward(self, rule: Any, entry: str | None = None, **options: Any) -> Any:
        """Give the kernel its gradient, as `ComputeKernel.backward`. A rule's file is watched."""
        texts, plain = self._texts[:1], self._plain
        if is_path(rule):
            texts.append(watched(rule, None, f"{self.name}.backward"))

        def make(text: Checked, rule: Any = rule) -> ComputeKernel:
            version = plain(text)
            version.backward(rule, entry, **options)
            return version

        version = make(*[x.value for x in texts])
        self._texts, self._make = texts, make
        self._seen = [x.edition for x in texts]
        self.edition += 1
        self._take(version)
        return self if isinstance(rule, (str, Path)) else rule


def watched(
    text: Any, constants: Mapping[str, Any] | None, where: str, rounds: int | None = ROUNDS
) -> Watched[Checked]:
    """Return the text of a file as one that is watched. Raises: CallError without a file."""
    if not is_path(text):
        raise CallError(f"{where}: watch=True came, and {shown(text)} is no file to watch")

    def make(read: Callable[[Path], bytes]) -> Checked:
        return Checked(source_of(text, where, read), constants, rounds)

    def judge(new: Checked, old: Checked) -> None:
        for device in list(old.judge.passed):
            new.judge.ask(device)

    return Watched(make, where, judge)
