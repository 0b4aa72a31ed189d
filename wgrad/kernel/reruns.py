"""A call of a kernel that is made again: with another text, and with memory that is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import tape
from ..backends.base import Device
from ..core import Value
from ..creation import tensor
from ..creation.host import host_array
from ..devices import device as device_of
from ..errors import CallError, DeviceError, shown
from ..tensor import Tensor
from .calls import tensors
from .compute import ComputeKernel
from .fronts import newest
from .texts import source_of


class Rerun:
    """What a call of a kernel needs: copies of its inputs on a GPU, sizes, workgroups, constants.

    Raises: as the call.
    """

    def __init__(self, kernel: Any, given: Sequence[Any], named: Mapping[str, Any], where: str):
        kernel = newest(kernel)
        if not isinstance(kernel, ComputeKernel):
            kernel = ComputeKernel(source_of(kernel, where), where=where)
        self.kernel: ComputeKernel = kernel
        inputs, values = kernel._sorted(given, named)
        self.device = _gpu(inputs.values())
        overrides = kernel.checked.typed.overrides
        self.overrides = constants = {k: x for k, x in values.items() if k in overrides}
        self.uniforms = {k: x for k, x in values.items() if k not in overrides}
        self.constants = {**kernel._constants, **constants}
        variant = kernel._variant(constants)
        self.entry = variant.entry
        count, most = len(self.entry.storage), self.device.facts.buffers  # type: ignore[attr-defined]
        if count >= most:
            raise DeviceError(
                f"{where}: {kernel.name} uses {count} storage buffers and needs one more, for what "
                f"is noted, and {self.device.name} binds at most {most}"
            )
        moved = {k: _moved(x, self.device, f"{where}: {k}") for k, x in inputs.items()}
        ready = tensors(variant.entry, moved, self.device, kernel.name)
        self.inputs: dict[str, Tensor] = dict(zip(kernel.inputs, ready, strict=True))
        self.plan = kernel._plan(variant, ready, {}, kernel._specs)

    @property
    def results(self) -> dict[str, Any]:
        """What the kernel writes: the placement of each binding, its lead axes, shape and dtype."""
        return {x.name: x for x in self.plan.results}

    def altered(self, text: str, report: str) -> ComputeKernel:
        """Return the kernel with another text, which writes to what it is given, and a report."""
        return ComputeKernel(
            text,
            self.kernel.name,
            groups=self.plan.groups,
            constants=self.constants,
            inplace=(*self.kernel.outputs, report),
            rounds=None,  # what is put in has its own
        )

    def run(self, kernel: ComputeKernel, written: Mapping[str, Tensor]) -> None:
        """Run an altered kernel, which writes to these tensors."""
        given = {**self.inputs, **written}
        tape.recording(False, kernel, **given, **self.uniforms)


def _gpu(inputs: Any) -> Device:
    device = next((x.device for x in inputs if isinstance(x, Value)), None)
    return device if device is not None and device.launches else device_of("webgpu")


def _moved(x: Any, device: Device, where: str) -> Any:
    """Return a copy of an input on a GPU."""
    data = x.detach().numpy() if isinstance(x, Tensor) else host_array(x, where)
    if isinstance(x, Tensor) and x.dtype.name != "float64":
        return tensor(data, x.dtype, device)
    if data.dtype == np.float64:
        data = data.astype(np.float32)
    if data.dtype.kind not in "fiu":
        raise CallError(f"{where}: {shown(x)} came, and numbers are needed")
    return data
