"""An op that is tried on every device: what came, where it runs, and the NaN that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import tape
from ..backends.base import Device
from ..creation import host_array, tensor
from ..custom import CustomOp
from ..devices import device as device_of
from ..errors import CallError, DeviceError, MissingDependencyError, WgradError
from ..program.compile import compile as compiled
from ..tensor import Tensor
from .comparing import Part, compared
from .compute import ComputeKernel
from .fronts import newest
from .reports import at
from .shaderop import ShaderOp

SHOWN = 5  # elements that are NaN
HALF = 1e-2  # how near, at best, what is computed in float16 comes


@dataclass(frozen=True)
class Made:
    """A NaN that was made of finite inputs: which element, its inputs, and the first device."""

    where: tuple[int, ...]
    inputs: dict[str, Any]
    device: str

    def __str__(self) -> str:
        given = ", ".join(f"{k}={v}" for k, v in self.inputs.items())
        return f"{at(self.where) or 'the result'} on {self.device}{given and ': '}{given}"


def host(x: Any) -> Any:
    """Return data as an array; numbers stay numbers."""
    if isinstance(x, Tensor):
        return x.detach().numpy()
    if isinstance(x, (bool, int, float)) or x is None:
        return x
    return host_array(x, "kernel.check")


class Trial:
    """An op, and what it is called with.

    `hosts` are the inputs as arrays, `named` those by name, and `fixed` is what is no tensor: the
    members of a kernel's uniforms, and its constants.
    """

    def __init__(
        self,
        op: Any,
        inputs: Sequence[Any],
        named: Mapping[str, Any],
        rtol: float,
        atol: float,
        others: Sequence[str],
    ):
        self.op = op = newest(op)
        inner = newest(op.forward) if isinstance(op, CustomOp) else op
        self.shader = inner if isinstance(inner, ShaderOp) else None
        self.placements = op.entry.placements if isinstance(op, ComputeKernel) else {}
        known = self.shader.function.names if self.shader else getattr(op, "inputs", ())
        self.names = (*known, *(f"input {i}" for i in range(len(known), len(inputs))))
        self.hosts = [host(x) for x in inputs]
        arrays = {k: x for k, x in named.items() if k in known or isinstance(x, Tensor)}
        self.named = {k: host(x) for k, x in arrays.items()}
        self.fixed = {k: x for k, x in named.items() if k not in arrays}
        self.name = str(getattr(op, "name", getattr(op, "__name__", "the function")))
        self.settings: dict[str, Any] = {"rtol": rtol, "atol": atol}
        typed = self.shader.function.function.typed if self.shader else None
        self.half = typed is not None and "f16" in typed.extensions
        if self.half:
            self.settings = {"rtol": max(rtol, HALF), "atol": max(atol, HALF)}
        self.numpy, self.others = device_of("numpy"), others
        self.parts: list[Part] = []
        self.nans: tuple[Made, ...] = ()

    # Calls.
    def placed(self, device: Device, wide: bool = False) -> tuple[list[Any], dict[str, Any]]:
        """Return what was given as tensors of a device, in float64 where it is wide."""

        def put(x: Any, name: str) -> Any:
            if not isinstance(x, np.ndarray):
                return x
            dtype: Any = None
            if x.dtype.kind == "f":
                full = "float64" if wide else "float32"
                dtype = "float16" if x.dtype == np.float16 else full
            elif x.dtype == np.int64:
                dtype = self.placements[name].dtype if name in self.placements else "int32"
            return tensor(x, dtype, device)

        with device:
            inputs = [put(x, name) for x, name in zip(self.hosts, self.names, strict=False)]
            return inputs, {k: put(x, k) for k, x in self.named.items()}

    def called(self, *inputs: Any, **named: Any) -> list[Any]:
        """Return the results of a call, in a list."""
        made = self.op(*inputs, **named, **self.fixed)
        return list(made) if isinstance(made, (tuple, list)) else [made]

    def devices(self) -> Iterator[tuple[str, Device | str]]:
        """Yield what is compared with float64: a device, or why there is none."""
        for name in dict.fromkeys(("numpy", *self.others)):
            label = "numpy float32" if name == "numpy" else name
            try:
                yield label, device_of(name)
            except (DeviceError, MissingDependencyError) as error:
                yield label, str(error)

    def reference(self) -> list[np.ndarray] | None:
        """Return the results in float64."""
        try:
            inputs, named = self.placed(self.numpy, wide=True)
            with self.numpy:
                made = tape.recording(False, self.called, *inputs, **named)
        except CallError:  # nothing was tried: the caller is at fault
            raise
        except WgradError as error:
            self.note("values", "numpy float64", False, error)
            return None
        return [x.numpy() for x in made]

    def note(self, name: str, device: str, ok: bool, why: Any) -> None:
        text = str(why).splitlines()[0]
        self.parts.append(Part(name, device, ok, note=text, skipped=ok))

    def each(self, name: str, wanted: Any, work: Callable) -> None:
        """Run a part on every device, directly and compiled."""
        for label, device in self.devices():
            if isinstance(device, str):
                self.note(name, label, True, device)
                continue
            for how in ("", " compiled"):
                try:
                    with device:
                        work(label + how, device, bool(how), wanted)
                except DeviceError as error:  # it lacks what the text needs
                    self.note(name, label + how, True, error)
                except WgradError as error:
                    self.note(name, label + how, False, error)

    # Values.
    def values(self, label: str, device: Device, through: bool, wanted: Sequence[Any]) -> None:
        inputs, named = self.placed(device)
        made = ran(self.called, through, inputs, named)
        several = len(made) > 1
        for i, (x, y) in enumerate(zip(made, wanted, strict=True)):
            name = f"values of result {i}" if several else "values"
            self.parts.append(compared(name, label, x.numpy(), y, **self.settings))
        if not through:
            self.look_for_nans(label, [x.numpy() for x in made])

    def look_for_nans(self, device: str, made: Sequence[np.ndarray]) -> None:
        """Find NaN that a device made of finite inputs."""
        known = {x.where for x in self.nans}
        nans: list[Made] = []
        count = 0
        finite = all(np.isfinite(x).all() for x in self._floats())
        for out in made:
            if out.dtype.kind != "f" or not np.isnan(out).any():
                continue
            for where in map(tuple, np.argwhere(np.isnan(out)).tolist()):
                given = self._inputs_at(where, out.ndim)
                if given is None and not finite:
                    continue  # nobody knows which inputs it is of
                if given is not None and not all(np.isfinite(x).all() for x in given.values()):
                    continue
                count += 1
                if len(nans) < SHOWN and where not in known:
                    values = {k: np.asarray(v).tolist() for k, v in (given or {}).items()}
                    nans.append(Made(where, values, device))
        self.nans = (*self.nans, *nans)
        note = f"{count} elements are NaN, of finite inputs" if count else ""
        self.parts.append(Part("no NaN", device, not count, note=note))

    def _floats(self) -> list[np.ndarray]:
        given = [*self.hosts, *self.named.values()]
        return [np.asarray(x) for x in given if np.asarray(x).dtype.kind == "f"]

    def _ordered(self) -> list[Any]:
        """Return the inputs in the order of the function's parameters."""
        assert self.shader is not None
        return self.shader._placed(self.hosts, self.named)

    def _inputs_at(self, where: tuple, axes: int) -> dict[str, Any] | None:
        """Return the inputs of the point that an element of the result belongs to."""
        if self.shader is None:
            return None
        function = self.shader.function
        point = where[: axes - len(function.result.inner)]
        inputs = {}
        for name, form, x in zip(function.names, function.inputs, self._ordered(), strict=True):
            x = np.asarray(x)
            lead = x.shape[: x.ndim - len(form.inner)]
            own = point[len(point) - len(lead) :]
            inputs[name] = x[tuple(0 if n == 1 else i for i, n in zip(own, lead, strict=True))]
        return inputs


def ran(work: Callable, through: bool, inputs: Sequence[Any], named: dict) -> list[Any]:
    """Return what some work returns, directly or as a compiled function on its second run."""
    if not through:
        return tape.recording(False, work, *inputs, **named)

    count, keys = len(inputs), tuple(named)

    def function(*xs: Any) -> Any:  # compiled, it takes every tensor as an argument
        return work(*xs[:count], **dict(zip(keys, xs[count:], strict=True)))

    step, given = compiled(function, state=[]), (*inputs, *named.values())
    copies = [x.copy() if isinstance(x, Tensor) else x for x in given]
    tape.recording(False, step, *copies)  # a kernel may change what it is given
    return tape.recording(False, step, *given)
