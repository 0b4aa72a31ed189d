"""Texts of WGSL as objects with ops, and kernels that are run once: `wg.kernel.load` and `run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from .. import tape
from ..core import Value
from ..errors import ArgumentError, CallError, GradientError, UnknownNameError, shown
from ..recent import Recent
from .calls import Specs
from .compute import ComputeKernel
from .elementwise import op_of
from .entry import Checked, Entry
from .fronts import WatchedKernel, WatchedOp, watched
from .reload import Files, Watched
from .rounds import ROUNDS, checked_rounds
from .texts import source_of

KEPT = 128  # texts of `run`
_OWN = frozenset(("threads", "groups", "constants", "entry"))


class Library:
    """The ops of a text: its functions, and its compute shaders, each an attribute by its name.

    `lib.name` is what `wg.kernel.elementwise` returns for a function that takes and gives numbers,
    vectors or matrices, made when it is first asked for; other functions, structures and constants
    stay inside. For an entry point with `@compute` it is a kernel that copies what it writes, and
    returns the copy: `lib.kernel("name", outputs=...)` takes what `wg.kernel.compute` does. A name
    that is also one of this class is had by `lib["name"]`. `wg.kernel.load` makes it.

    >>> waves = wg.kernel.load(
    ...     '''
    ...     const rate: f32 = 2.0;
    ...     fn wave(x: f32) -> f32 { return sin(rate * x); }
    ...     '''
    ... )
    >>> isinstance(waves, wg.kernel.Library), waves.wave(wg.zeros(2)).tolist()
    (True, [0.0, 0.0])
    """

    def __init__(self, text: Checked | Watched[Checked]):
        if not isinstance(text, (Checked, Watched)):
            raise ArgumentError(
                f"Library: {shown(text)} came as its text: wg.kernel.load makes a library of a file"
            )
        self._text = text
        self._made: dict[str, Any] = {}

    def _now(self) -> Checked:
        """Return the text, by its newest version."""
        return self._text.look() if isinstance(self._text, Watched) else self._text

    def __repr__(self) -> str:
        return f"<library {self._now().source.name}: {', '.join(self) or 'nothing to call'}>"

    def __dir__(self) -> list[str]:
        return self._now().ops

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"Library has no attribute {name!r}")
        return self[name]

    def __getitem__(self, name: str) -> Any:
        """Return an op by its name. Raises: UnknownNameError; ShaderError for what is no op."""
        made = self._made.get(name)
        if made is None:
            text = self._now()
            if name in text.kernels:
                made = self._made[name] = self._kernel(name, {})
            elif name in text.functions:
                made = self._made[name] = self._function(name)
            else:
                raise UnknownNameError(_unknown(name, text.source.name, text.ops))
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._now().ops)

    def _function(self, name: str) -> Any:
        make = partial(op_of, name, None, False)
        return WatchedOp(self._text, make) if isinstance(self._text, Watched) else make(self._text)

    def _kernel(self, entry: str | None, options: Mapping[str, Any]) -> Any:
        make: Callable[..., Any] = partial(
            ComputeKernel, entry=entry, where="kernel.load", **options
        )
        if isinstance(self._text, Watched):
            return WatchedKernel(self._text, make)
        return make(self._text)

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
    ) -> Any:
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
        made = self._kernel(
            entry,
            {
                "outputs": outputs,
                "threads": threads,
                "groups": groups,
                "constants": constants,
                "inplace": inplace,
                "numpy": numpy,
            },
        )
        self._made[made.name] = made
        return made


def _unknown(name: str, file: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, 3)
    if near:
        return f"{file} has no {name!r} that can be called: did you mean {' or '.join(near)}?"
    there = ", ".join(names) or "none"
    return f"{file} has no {name!r} that can be called; there are: {there}"


def load(
    text: Any,
    *,
    watch: bool = False,
    constants: Mapping[str, Any] | None = None,
    rounds: int | None = ROUNDS,
) -> Library:
    """Return the functions and compute shaders of a text, or of a file by its path, as ops.

    A file may `#include` others, from beside it or of wgrad's own (`#include "math.wgsl"`).

    - `watch`: look at the files before each call, and use what they say then: an edit is live at
      the next call, of functions that were compiled with `wg.compile`, too. Gradients are those of
      the version that ran. An edit that is wrong is not used, and a warning says what is wrong.
    - `constants`: values for what the text declares with `override`.
    - `rounds`: how many rounds loops without a known end may run: see `wg.kernel.elementwise`.

    Raises: ShaderError for WGSL that is wrong, with file, line and column; CallError where there is
    no file to watch.

    Example:
        >>> lib = wg.kernel.load(
        ...     "override strength = 0.5;"
        ...     "fn bend(x: f32) -> f32 { return x + strength * x * x; }"
        ...     "@group(0) @binding(0) var<storage, read_write> y: array<f32>;"
        ...     "@compute @workgroup_size(1) fn first() { y[0] = 1.0; }",
        ...     constants={"strength": 2.0},
        ... )
        >>> lib
        <library <text>: bend, first>
        >>> lib.bend(3.0).item()
        21.0
    """
    checked_rounds(rounds, "kernel.load")
    if watch:
        return Library(watched(text, constants, "kernel.load", rounds))
    return Library(Checked(source_of(text, "kernel.load"), constants, rounds))


_KERNELS: Recent[Any] = Recent(KEPT)


def run(text: Any, *tensors: Any, **named: Any) -> None:
    """Run a compute shader on tensors, which it changes in place. Nothing is recorded.

    `text` is WGSL, or the path of a file. Tensors are given by the order or the names of their
    bindings, members of uniforms and overrides by name. `threads` and `groups` say how many
    invocations run, as for `wg.kernel.compute`; `entry` names the @compute function.

    Raises: as a call of what `wg.kernel.compute` returns; CallError for data that is no tensor
    where the shader writes; GradientError for one there that requires grad, outside `wg.no_grad()`.

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
        if tape.is_recording() and tape.is_followed(given[name]):
            raise GradientError(
                f"kernel.run: {name} requires grad, and the shader would change it unseen: do it "
                "inside wg.no_grad(), or use wg.kernel.compute"
            )
    values |= own.get("constants") or {}
    tape.recording(False, kernel._called, given, values, None, specs)


def _kernel(text: Any, entry: str | None) -> ComputeKernel:
    """Return the kernel of a text, made once as long as its files stay as they are."""
    key = (str(text) if isinstance(text, Path) else text), entry
    cached = _KERNELS[key] if isinstance(key[0], str) else None
    if cached is not None and not cached[1].have_changed():
        return cached[0]
    files = Files()
    checked = Checked(source_of(text, "kernel.run", files.read))
    name = checked.entry(entry, "kernel.run")
    written = Entry(checked, name, None, "kernel.run").writes
    kernel = ComputeKernel(checked, name, inplace=written, where="kernel.run")
    _KERNELS.keep(key, (kernel, files))
    return kernel
