"""Whole compute kernels as operations: `wg.kernel.compute`."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..core import Sealed, Tensor, Value, apply, check_devices, wrap
from ..core.interpret import current
from ..devices import default_device
from ..errors import CallError, shown
from ..recent import Recent
from .calls import Plan, Ready, Specs, planned, tensors
from .entry import Checked, Entry
from .fronts import WatchedKernel, watched
from .inplace import in_place
from .operation import KernelOp, followed, is_tracked
from .rounds import ROUNDS, checked_rounds
from .rules import PythonRule, Rule, ShaderRule
from .texts import source_of
from .variants import Variant

VARIANTS = 16  # of a kernel, by the values of its constants


class ComputeKernel(Sealed):
    """A compute shader that is called with tensors, and returns tensors.

    `inputs` and `outputs` are the names of the bindings that a call takes and gives, in their
    order. `wg.kernel.compute` makes it, and `wg.kernel.load`.

    >>> double = wg.kernel.compute(
    ...     '''
    ...     @group(0) @binding(0) var<storage, read> x: array<f32>;
    ...     @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    ...     @compute @workgroup_size(64)
    ...     fn double(@builtin(global_invocation_id) id: vec3u) {
    ...         if (id.x < arrayLength(&y)) { y[id.x] = 2.0 * x[id.x]; }
    ...     }
    ...     ''',
    ...     outputs={"y": "x"},
    ... )
    >>> isinstance(double, wg.kernel.ComputeKernel), double.inputs, double.outputs
    (True, ('x',), ('y',))
    >>> double(wg.tensor([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """

    def __init__(
        self,
        text: Any,
        entry: str | None = None,
        *,
        outputs: Any = None,
        threads: Any = None,
        groups: Any = None,
        constants: Mapping[str, Any] | None = None,
        inplace: Any = (),
        numpy: Callable | None = None,
        rounds: int | None = ROUNDS,
        where: str = "kernel.compute",
    ):
        checked_rounds(rounds, where)
        if not isinstance(text, Checked):
            text = Checked(source_of(text, where), None, rounds)
        self.checked: Checked = text
        self.name = self.checked.entry(entry, where)
        self.entry = Entry(self.checked, self.name, None, where)
        self.numpy = numpy
        self.rule: Rule | None = None
        self._constants = {**self.checked.constants, **(constants or {})}
        self._variants: Recent[Any] = Recent(VARIANTS)
        written = self.entry.writes
        specs = _outputs(outputs, written, self.name)
        self._inplace = _named(inplace, [n for n in written if n not in specs], self.name)
        self.fresh = frozenset(specs)
        self._specs = Specs(specs, threads, groups)
        self.inputs = tuple(x.name for x in self.entry.storage if x.name not in specs)
        self.outputs = tuple(written)
        every = {x.name for x in self.checked.typed.bindings}
        self._unused = every - self.entry.placements.keys() - self.entry.uniforms.kinds.keys()
        fixed = (*specs.values(), threads, groups)
        self._fixed = not any(callable(x) for x in fixed)
        self._returned: Any = None
        if len(self.outputs) > 1:
            self._returned = namedtuple(f"{self.name}_outputs", self.outputs, rename=True)  # type: ignore[misc]
        self._op = KernelOp(self) if written else None
        self._first: Variant | None = None
        if not _open_overrides(self.checked, self._constants):
            self._first = self._variant({})

    def __repr__(self) -> str:
        return f"<kernel {self.name}({', '.join(self.inputs)}) -> {', '.join(self.outputs)}>"

    def __deepcopy__(self, memo: dict) -> ComputeKernel:
        return self

    def wgsl(self, **constants: bool | int | float) -> str:
        """Return the WGSL that a device gets: bindings in one group, overrides as constants.

        Example:
            >>> k = wg.kernel.compute(
            ...     "@group(1) @binding(3) var<storage, read_write> y: array<f32>;"
            ...     "@compute @workgroup_size(64) fn main() { y[0] = 1.0; }"
            ... )
            >>> "@group(0) @binding(1) var<storage, read_write> y" in k.wgsl()
            True
        """
        return self._variant(constants).shader.code

    def backward(
        self,
        rule: Any,
        entry: str | None = None,
        *,
        threads: Any = None,
        groups: Any = None,
        constants: Mapping[str, Any] | None = None,
        numpy: Callable | None = None,
    ) -> Any:
        """Give the kernel its gradient: WGSL, the path of a file, or a function of tensors.

        A rule names what it needs: inputs and outputs of the kernel by the names of their bindings,
        `d_y` for the gradient with respect to an output y, and uniforms. WGSL writes the gradient
        of an input x to the binding `d_x` (read_write, of x's shape); its uniforms get the values
        of the call. `threads`, `groups`, `constants` and `numpy` are as for `compute`; without
        them as many threads run as the first `d_x` has elements.

        A function gets tensors, and returns a gradient for each input (None for none), those of the
        float inputs alone, or a dict by name; it may be decorated with this method. Where a
        binding is input and output, `x` is what was given, `out_x` the result, `d_out_x` its
        gradient.

        Raises: ShaderError for a binding that is none of these; CallError for such a parameter.

        Example:
            >>> square = wg.kernel.compute(
            ...     "@group(0) @binding(0) var<storage, read> x: array<f32>;"
            ...     "@group(0) @binding(1) var<storage, read_write> y: array<f32>;"
            ...     "@compute @workgroup_size(64) fn square("
            ...     "@builtin(global_invocation_id) id: vec3u) {"
            ...     "if (id.x < arrayLength(&y)) { y[id.x] = x[id.x] * x[id.x]; } }",
            ...     outputs={"y": "x"},
            ...     numpy=lambda x: x * x,
            ... )
            >>> @square.backward
            ... def _(x, d_y):
            ...     return 2 * x * d_y
            >>> x = wg.tensor([1.0, 3.0], requires_grad=True)
            >>> square(x).sum().backward()
            >>> x.grad.tolist()
            [2.0, 6.0]
        """
        if callable(rule) and not isinstance(rule, (str, Path)):
            self.rule = PythonRule(self, rule)
            self.edition += 1
            return rule
        where = f"{self.name}.backward"
        checked = rule
        if not isinstance(rule, Checked):
            checked = Checked(source_of(rule, where), None, self.checked.rounds)
        name = checked.entry(entry, where)
        specs = {n: n.removeprefix("d_") for n in Entry(checked, name, None, where).writes}
        known = {k: x for k, x in self._constants.items() if k in checked.typed.overrides}
        made = ComputeKernel(
            checked,
            name,
            outputs=specs,
            threads=threads,
            groups=groups,
            constants={**known, **(constants or {})},
            numpy=numpy,
            where=where,
        )
        self.rule = ShaderRule(self, made)
        self.edition += 1
        return self

    def leads_to(self) -> tuple[Callable, ...]:
        """Return the rule, if it is a function."""
        return (self.rule.function,) if isinstance(self.rule, PythonRule) else ()

    # Versions of one kernel: see fronts.py.
    def prepare_as(self, other: ComputeKernel) -> None:
        """Have those devices look at the text that looked at another's. Raises: ShaderError."""
        if self._first is not None and other._first is not None:
            for device in list(other._first.ready):
                self._first.prepare(device)

    def all_code(self) -> tuple | None:
        """Return all that it computes, its rule with it; None where calls give constants."""
        if self._first is None:
            return None
        rule: Any = self.rule
        if isinstance(rule, ShaderRule):
            rule = rule.rule.all_code()
            if rule is None:
                return None
        elif isinstance(rule, PythonRule):
            rule = rule.function
        return self._first.shader.code, self.inputs, self.outputs, rule

    # Calls.
    def __call__(self, *tensors: Any, **named: Any) -> Any:
        """Run the kernel on tensors by the order or the names of its bindings.

        Members of uniforms, and overrides, are given by their names. Returns a tensor, or a named
        tuple of the outputs in the order of the bindings.

        Raises: CallError for what is missing, unknown or given twice; ShapeError, DTypeError and
        ArgumentError for what does not fit; ShaderError for a text that the driver refuses;
        GradientError for a tensor in place that the tape follows.
        """
        given, values = self._sorted(tensors, named)
        made = self._called(given, values)
        return made[0] if self._returned is None else self._returned(*made)

    def _sorted(
        self, tensors: Sequence[Any], named: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the inputs in order, and the other values, by their names."""
        given: dict[str, Any] = {}
        values: dict[str, Any] = {}
        if len(tensors) > len(self.inputs):
            raise CallError(
                f"{self.name}: {len(tensors)} tensors came, and it takes "
                f"{', '.join(self.inputs) or 'none'}; other values are given by name"
            )
        by_place = dict(zip(self.inputs, tensors, strict=False))
        for name, x in named.items():
            if name in by_place:
                raise CallError(f"{self.name}: {name} is given twice, by its place and its name")
            if name in self.fresh:
                raise CallError(f"{self.name}: {name} is made anew, for outputs= names it")
            if name in self._unused:
                raise CallError(
                    f"{self.name}: {name} came, a binding that {self.name} does not use"
                )
            if name not in self.inputs:
                values[name] = x
        for name in self.inputs:
            if name in by_place:
                given[name] = by_place[name]
            elif name in named:
                given[name] = named[name]
            else:
                hint = f'; outputs={{"{name}": ...}} makes it anew' if name in self.outputs else ""
                raise CallError(
                    f"{self.name}: the input {name} is missing; it takes {', '.join(self.inputs)}"
                    f"{hint}"
                )
        return given, values

    def _called(
        self,
        given: Mapping[str, Any],
        values: Mapping[str, Any],
        around: Mapping[str, Any] | None = None,
        specs: Specs | None = None,
    ) -> list[Tensor]:
        """Return the outputs, given the inputs in order and other values by name.

        `around` are further shapes that sizes may be said by; `specs` take the place of the
        kernel's own.
        """
        name = self.name
        inputs = [x for x in given.values() if isinstance(x, Value)]
        check_devices(name, inputs)
        device = inputs[0].device if inputs else default_device()
        overrides = self.checked.typed.overrides
        constants = {k: x for k, x in values.items() if k in overrides} if overrides else {}
        uniforms = {k: x for k, x in values.items() if k not in overrides}
        variant = self._first if self._first is not None and not constants else None
        variant = variant or self._variant(constants)
        ready_inputs = tensors(variant.entry, given, device, name)
        plan = self._plan(variant, ready_inputs, around or {}, specs or self._specs)
        params, live = variant.entry.uniforms.pack(uniforms, name)
        variant.prepare(device)
        call = Ready(
            variant.entry, variant.shader_for(plan.odd), self.inputs, plan, params, tuple(live)
        )
        if self._inplace:
            return in_place(name, call, self._inplace, device, ready_inputs)
        now = current.get()
        tracked = now.records and any(map(is_tracked, ready_inputs))
        if not ready_inputs or not (now.special or tracked):
            return [wrap(x) for x in call.run(device, [x.array for x in ready_inputs])]
        assert self._op is not None
        wanted = tuple([x.node is not None and x.node.requires_grad for x in ready_inputs])
        extra: dict[str, Any] = {"call": call, "rule": self.rule, "wanted": wanted}
        extra["numbers"] = variant.entry.uniforms.named(uniforms, name) | variant.entry.constants
        several = len(self.outputs) > 1
        floats = any(r.dtype.is_floating for r in plan.results)
        if several and floats and not now.interpreters:
            return followed(self._op, ready_inputs, extra)
        return [
            apply(self._op, *ready_inputs, index=i, box=None, **extra)
            for i in range(len(self.outputs))
        ]

    def _variant(self, constants: Mapping[str, Any]) -> Variant:
        every = {**self._constants, **constants}
        key = tuple(sorted((k, type(x).__name__, repr(x)) for k, x in every.items()))
        variant = self._variants[key]
        if variant is None:
            variant = Variant(self.checked, self.name, every, self.numpy, self.inputs, self.outputs)
            self._variants.keep(key, variant)
        return variant

    def _plan(
        self,
        variant: Variant,
        inputs: Sequence[Tensor],
        around: Mapping[str, Any],
        specs: Specs,
    ) -> Plan:
        kinds = tuple([(x.array.layout.shape, x.array.dtype) for x in inputs])
        key = kinds, tuple(around.items())
        fixed = self._fixed and specs is self._specs
        plan = variant.plans[key] if fixed else None
        if plan is None:
            plan = planned(variant.entry, specs, self.inputs, kinds, around, self.name)
            if fixed:
                variant.plans.keep(key, plan)
        return plan


def _outputs(outputs: Any, written: Sequence[str], where: str) -> dict[str, Any]:
    """Return what is said of each fresh output. Raises: CallError."""
    if outputs is None:
        return {}
    if isinstance(outputs, str):
        outputs = (outputs,)
    if not isinstance(outputs, Mapping):
        if not isinstance(outputs, (tuple, list)):
            raise CallError(
                f'{where}: outputs={shown(outputs)} came, and a dict is needed: {{"y": "x"}}'
            )
        outputs = dict.fromkeys(outputs)
    _named(outputs, written, where)
    return dict(outputs)


def _named(names: Any, known: Sequence[str], where: str) -> frozenset[str]:
    """Return names of bindings that may be written. Raises: CallError for others."""
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none"
            raise CallError(
                f"{where}: {shown(name)} is no binding that is written (read_write); there are: "
                f"{there}"
            )
    return frozenset(names)


def _open_overrides(checked: Checked, constants: Mapping[str, Any]) -> bool:
    """Whether calls have to give constants."""
    return any(
        x.node.value is None and x.name not in constants for x in checked.typed.overrides.values()
    )


def compute(
    text: Any,
    entry: str | None = None,
    *,
    outputs: Any = None,
    threads: Any = None,
    groups: Any = None,
    constants: Mapping[str, Any] | None = None,
    inplace: Any = (),
    numpy: Callable | None = None,
    rounds: int | None = ROUNDS,
    watch: bool = False,
) -> Any:
    """Return a compute shader as an operation on tensors.

    `text` is WGSL, or the path of a file; `entry` is the name of its @compute function, where it
    has several. Nothing is added to the text: it runs in a browser as it is.

    - `var<storage, read>` is an input.
    - `var<storage, read_write>` is an output. `outputs` says which are made anew, and their shapes:
      that of an input by its name, a tuple, a function of the inputs' shapes (called by the names
      of its parameters, or in order), or None for a length that the text says. Its elements are 0
      where the text reads them before it writes; else what it does not write may be anything. All
      others are inputs too: they are copied, and the copy is returned, or they are written to
      themselves where `inplace` names them.
    - `var<uniform>` gets numbers by the names of its members, in each call; `override` constants
      by their names, here in `constants` or in a call.
    - `threads` is how many invocations run, at least: the elements of a binding by its name, a
      number, a tuple of up to three, or a function of shapes. It is divided by @workgroup_size. For
      workgroups of several axes the last axis of a binding is x, the one before it y. By default it
      is the first output. `groups` says the workgroups themselves.
    - `numpy` is what the NumPy device runs in place of the text: a function of arrays, by the names
      of its parameters (inputs and uniforms) or of the inputs in order, that returns the outputs.
    - `rounds` is how many rounds all loops of an invocation may run together whose end the text
      does not say (`for` loops from a constant to a constant are not counted). What runs more is
      left, and the next wait for the device raises a ShaderError with the loop's line. None leaves
      the counters out: a loop that never ends then hangs a GPU.
    - `watch`: look at the file, and at those that it includes, before each call, and use what they
      say then. An edit that is wrong is not used, and a warning says why.

    Tensors have the type that the text declares, and any shape whose last axes are an element:
    (..., 3) for `array<vec3f>`, (..., 4, 4) for `array<mat4x4f>` (columns first). Elements of vec3,
    and columns of three rows, take four places in memory: such tensors are copied on their way.
    Structures are words, padding included: (..., 8) for one of 32 bytes, uint32 where it has
    several types of numbers. `arrayLength` is exact.

    Raises: ShaderError for WGSL that is wrong, with the line; CallError for names that the text
    does not have.

    Example:
        >>> scale = wg.kernel.compute(
        ...     '''
        ...     struct Params { factor: f32, }
        ...     @group(0) @binding(0) var<uniform> params: Params;
        ...     @group(0) @binding(1) var<storage, read> x: array<f32>;
        ...     @group(0) @binding(2) var<storage, read_write> y: array<f32>;
        ...     @compute @workgroup_size(64)
        ...     fn scale(@builtin(global_invocation_id) id: vec3u) {
        ...         if (id.x < arrayLength(&y)) { y[id.x] = params.factor * x[id.x]; }
        ...     }
        ...     ''',
        ...     outputs={"y": "x"},
        ... )
        >>> scale(wg.tensor([1.0, 2.0, 3.0]), factor=10.0).tolist()
        [10.0, 20.0, 30.0]
    """
    make = partial(
        ComputeKernel,
        entry=entry,
        outputs=outputs,
        threads=threads,
        groups=groups,
        constants=constants,
        inplace=inplace,
        numpy=numpy,
        rounds=rounds,
    )
    if watch:
        return WatchedKernel(watched(text, None, "kernel.compute", rounds), make)
    return make(text)
