"""Files of WGSL as objects, and kernels that are run once: `wg.kernel.load` and `run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import tape
from ..core import Value
from ..errors import CallError, UnknownNameError, shown
from ..recent import Recent
from .calls import Specs
from .compute import ComputeKernel
from .elementwise import elementwise
from .entry import Checked, Entry
from .texts import source_of

KEPT = 128  # texts of `run`
_OWN = frozenset(("threads", "groups", "constants", "entry"))


class Library:
    """The functions of a text, each an attribute by its name.

    A @compute function is a kernel, as `wg.kernel.compute` makes it: it copies what it writes, and
    returns the copy; `lib.kernel("name", outputs=...)` says more. Any other is an op, as
    `wg.kernel.elementwise` makes it.
    """

    def __init__(self, checked: Checked):
        self._checked = checked
        self._made: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<functions of {self._checked.source.name}: {', '.join(dir(self))}>"

    def __dir__(self) -> list[str]:
        points = self._checked.typed.entry_points
        kernels = [x.name for x in self._checked.entries]
        return [*kernels, *(x for x in self._checked.typed.functions if x not in points)]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in dir(self):
            there = ", ".join(dir(self)) or "none"
            raise UnknownNameError(
                f"{self._checked.source.name} has no function {name!r}; there are: {there}"
            )
        if name not in self._made:
            is_kernel = name in self._checked.typed.entry_points
            made = ComputeKernel(self._checked, name) if is_kernel else None
            self._made[name] = made or elementwise(self._checked.source, name)
        return self._made[name]

    def kernel(
        self,
        entry: str | None = None,
        *,
        outputs: Any = None,
        threads: Any = None,
        groups: Any = None,
        constants: Mapping[str, Any] | None = None,
        inplace: Any = (),
        numpy: Callable | None = None,
    ) -> ComputeKernel:
        """Return one of the kernels, as `wg.kernel.compute` does, and keep it under its name.

        Example:
            >>> lib = wg.kernel.load(
            ...     "@group(0) @binding(0) var<storage, read_write> y: array<u32>;"
            ...     "@compute @workgroup_size(64) fn count("
            ...     "@builtin(global_invocation_id) id: vec3u) {"
            ...     "if (id.x < arrayLength(&y)) { y[id.x] = id.x; } }"
            ... )
            >>> lib.kernel("count", outputs={"y": (4,)}).outputs
            ('y',)
        """
        made = ComputeKernel(
            self._checked,
            entry,
            outputs=outputs,
            threads=threads,
            groups=groups,
            constants=constants,
            inplace=inplace,
            numpy=numpy,
        )
        self._made[made.name] = made
        return made


def load(text: Any, *, watch: bool = False) -> Library:
    """Return the functions of a text, or of a file by its path, as kernels and ops by their names.

    A file may `#include` others, from beside it or of wgrad's own.

    Raises: ShaderError for WGSL that is wrong, with file, line and column.

    Example:
        >>> lib = wg.kernel.load(
        ...     "@group(0) @binding(0) var<storage, read_write> y: array<f32>;"
        ...     "@compute @workgroup_size(1) fn first() { y[0] = 1.0; }"
        ...     "@compute @workgroup_size(1) fn second() { y[1] = cube(2.0); }"
        ...     "fn cube(x: f32) -> f32 { return x * x * x; }"
        ... )
        >>> lib.second
        <kernel second(y) -> y>
        >>> lib.second(wg.zeros(2)).tolist(), lib.cube(wg.ones(2) * 3).tolist()
        ([0.0, 8.0], [27.0, 27.0])
    """
    if watch:
        raise CallError("kernel.load: watch=True is not there yet")
    return Library(Checked(source_of(text, "kernel.load")))


_KERNELS: Recent[Any] = Recent(KEPT)


def run(text: Any, *tensors: Any, **named: Any) -> None:
    """Run a compute shader on tensors, which it changes in place. Nothing is recorded.

    `text` is WGSL, or the path of a file. Tensors are given by the order or the names of their
    bindings, members of uniforms and overrides by name. `threads` and `groups` say how many
    invocations run, as for `wg.kernel.compute`; `entry` names the @compute function.

    Raises: as a call of what `wg.kernel.compute` returns; CallError for data that is no tensor
    where the shader writes.

    Example:
        >>> y = wg.zeros(4, device="webgpu")
        >>> wg.kernel.run(
        ...     '''
        ...     @group(0) @binding(0) var<storage, read_write> y: array<f32>;
        ...     @group(0) @binding(1) var<uniform> n: f32;
        ...     @compute @workgroup_size(64)
        ...     fn fill(@builtin(global_invocation_id) id: vec3u) {
        ...         if (id.x < arrayLength(&y)) { y[id.x] = n; }
        ...     }
        ...     ''',
        ...     y,
        ...     n=3,
        ... )
        >>> y.tolist()
        [3.0, 3.0, 3.0, 3.0]
    """
    own = {k: named.pop(k) for k in _OWN & named.keys()}
    kernel = _kernel(text, own.get("entry"))
    given, values = kernel._sorted(tensors, named)
    specs = None
    if own.keys() & {"threads", "groups"}:
        specs = Specs({}, own.get("threads"), own.get("groups"))
    for name in kernel.outputs:
        if not isinstance(given[name], Value):
            raise CallError(
                f"kernel.run: {shown(given[name])} came for {name}, which the shader writes: a "
                "tensor is needed"
            )
    values |= own.get("constants") or {}
    tape.recording(False, kernel._called, given, values, None, specs)


def _kernel(text: Any, entry: str | None) -> ComputeKernel:
    """Return the kernel of a text, made once as long as its files stay as they are."""
    key = (str(text) if isinstance(text, Path) else text), entry
    found = _KERNELS[key] if isinstance(key[0], str) else None
    if found is not None:
        kernel, stamps = found
        if all(_stamp(path) == stamp for path, stamp in stamps):
            return kernel
    checked = Checked(source_of(text, "kernel.run"))
    name = checked.entry(entry, "kernel.run")
    written = Entry(checked, name, None, "kernel.run").writes
    kernel = ComputeKernel(checked, name, inplace=written, where="kernel.run")
    stamps = [(path, _stamp(path)) for path in checked.source.files]
    _KERNELS.keep(key, (kernel, stamps))
    return kernel


def _stamp(path: Path) -> Any:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
