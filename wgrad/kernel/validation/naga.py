"""naga, the compiler of wgpu: a device of wgrad's is given the text as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...devices import device as device_of
from ...errors import DeviceError, MissingDependencyError, ShaderError
from ..judge import REFUSES, Judge
from ..language import Source
from .verdicts import Judgement, of_error


def judge(source: Source) -> Judgement:
    """Return what naga says."""
    try:
        device: Any = device_of("webgpu")
    except (DeviceError, MissingDependencyError) as error:
        return Judgement("naga", absent=str(error))
    here = device.gpu.implementation
    if here.compiler != "naga":
        return Judgement("naga", absent=f"WGRAD_WGPU={here.package} has its texts read by Tint")
    try:
        Judge(source).ask(device)
    except ShaderError as error:
        message = of_error(error)
        return Judgement("naga", (replace(message, text=message.text.removeprefix(REFUSES)),))
    return Judgement("naga")
