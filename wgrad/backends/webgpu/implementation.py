"""Which implementation of WebGPU runs kernels, and in what one differs from another.

wgpu-native, by the package wgpu, or Dawn, by wgpudawn, which is wgpu's Python interface over the
implementation of Chrome; WGRAD_WGPU says which. All that is known of these packages stands here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...environment import WGPU
from ...errors import MissingDependencyError
from . import native_types

_ENABLED = re.compile(r"\benable\s+subgroups\b")
_SUBGROUPS = re.compile(r"\b(?:subgroup|quad)[A-Z_]")  # functions and inputs


@dataclass(frozen=True)
class Implementation:
    """One of them: `package` is what is imported and installed, `engine` what it drives.

    `compiler` reads the shaders. `names` are those features that it calls otherwise than wgpu does.
    """

    package: str
    engine: str
    compiler: str
    backend: str  # the module below the package that drives the engine
    names: Mapping[str, str] = field(default_factory=dict)
    has_extensions: bool = True  # does it take, and want, `enable subgroups;`, as browsers do?

    def load(self) -> Any:
        """Return the package, ready to be asked for adapters.

        Raises: MissingDependencyError where it is not installed, or its library does not load.
        """
        try:
            package = importlib.import_module(self.package)
            backend = importlib.import_module(f"{self.package}.backends.{self.backend}")
            self._prepare(backend)
        except (ImportError, OSError) as error:  # OSError: its library does not load
            raise MissingDependencyError(self.absent(error)) from error
        return package

    def absent(self, why: object) -> str:
        """Return what to say where the package does not import."""
        package = self.package
        return f"webgpu: the package {package} does not import ({why}): pip install {package}"

    def _prepare(self, backend: Any) -> None:
        """Do what is of use before adapters are asked for."""

    def period(self, device: Any) -> float:
        """Return the nanoseconds of a tick of the timestamps of a device of the package."""
        return 1.0  # which the standard says

    def features(self, offered: Any) -> frozenset[str]:
        """Return features, of an adapter or a device, by the names that wgpu has for them."""
        ours = {theirs: name for name, theirs in self.names.items()}
        return frozenset(ours.get(name, name) for name in offered)

    def spelled(self, feature: str) -> str:
        """Return what the package calls a feature."""
        return self.names.get(feature, feature)

    def text(self, code: str) -> str:
        """Return a shader text as its compiler wants it; lines stay where they are."""
        wanted = self.has_extensions and _SUBGROUPS.search(code) and not _ENABLED.search(code)
        return f"enable subgroups; {code}" if wanted else code

    @property
    def module(self) -> Any:
        """The package, which has been loaded."""
        return sys.modules[self.package]

    @property
    def version(self) -> str:
        """The package, its version and its engine, in words."""
        return f"{self.package} {getattr(self.module, '__version__', '')} ({self.engine})"

    @property
    def is_driving(self) -> bool:
        """Whether its library has been used in this process, by whomever."""
        helpers = sys.modules.get(f"{self.package}.backends.{self.backend}._helpers")
        return getattr(helpers, "_the_instance", None) is not None

    def release_nothing(self) -> None:
        """Have its objects left alone when they are garbage."""
        classes = sys.modules.get(f"{self.package}._classes")
        if classes is not None:
            classes.GPUObjectBase.__del__ = lambda self: None


class _Native(Implementation):
    def _prepare(self, backend: Any) -> None:
        native = importlib.import_module("wgpu.backends.wgpu_native.extras")
        native_types.read_at_once(backend.ffi)
        # Too late when the program used wgpu before us; OpenGL is left out of the adapters too.
        with contextlib.suppress(RuntimeError):
            native.set_instance_extras(backends=["Primary"])

    def period(self, device: Any) -> float:
        # It gives them as the GPU counts, and has a function that wgpu does not offer.
        library = getattr(sys.modules.get("wgpu.backends.wgpu_native"), "lib", None)
        ask = getattr(library, "wgpuQueueGetTimestampPeriod", None)
        return 1.0 if ask is None else float(ask(device.queue._internal)) or 1.0


NATIVE = _Native("wgpu", "wgpu-native", "naga", "wgpu_native", has_extensions=False)
DAWN = Implementation("wgpudawn", "Dawn", "Tint", "dawn", names={"subgroup": "subgroups"})
ALL = {x.package: x for x in (NATIVE, DAWN)}


@functools.lru_cache(maxsize=1)
def chosen() -> Implementation:
    """Return the one that this process uses, which WGRAD_WGPU says when it is first needed.

    Raises: ArgumentError.
    """
    return ALL[WGPU.read()]
