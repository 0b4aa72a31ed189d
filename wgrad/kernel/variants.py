"""A kernel with values for its overrides, as devices take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from ..backends.base import Device
from ..backends.shader import Shader
from ..recent import Recent
from . import hosts
from .entry import Checked, Entry
from .refusals import check_adapter, check_entry, compiled

PLANS = 64  # of a variant, by the shapes that came


class Variant:
    """A kernel with values for its overrides."""

    def __init__(
        self,
        checked: Checked,
        name: str,
        constants: Mapping[str, Any],
        numpy: Callable | None,
        inputs: Sequence[str],
        outputs: Sequence[str],
    ):
        self.entry = entry = Entry(checked, name, constants, name)
        check_entry(entry)
        self.plans: Recent[Any] = Recent(PLANS)
        self.ready: WeakSet[Device] = WeakSet()
        run = hosts.runner(entry, numpy, inputs, outputs)
        # The shader keeps the function alive, so that no other has its id.
        key = None if numpy is None else id(numpy)
        self.shader = Shader(entry.name, entry.code(), entry.access, run, key)
        self._odd: dict[frozenset[str], Shader] = {frozenset(): self.shader}

    def shader_for(self, odd: frozenset[str]) -> Shader:
        """Return the shader for bindings with an odd count of float16.

        What is bound are whole words, so that WGSL's arrayLength would say one more than there are.
        """
        shader = self._odd.get(odd)
        if shader is None:
            shader = self._odd[odd] = replace(self.shader, code=self.entry.code(odd))
        return shader

    def prepare(self, device: Device) -> None:
        """Have a device look at the text. Raises: ShaderError, DeviceError."""
        if device in self.ready:
            return
        if device.launches:
            check_adapter(self.entry, device)
            self.entry.judge.ask(device)
            compiled(device, self.entry, self.shader)
        self.ready.add(device)
