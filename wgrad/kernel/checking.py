"""wg.kernel.check: an op on every device, its gradients in both modes and by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .comparing import Part
from .reports import Report, laid_out
from .trial_gradients import Gradients
from .trials import Made


@dataclass(frozen=True)
class CheckReport(Report):
    """What `wg.kernel.check` found: `parts`, and `nans` that were made of finite inputs."""

    name: str
    parts: tuple[Part, ...]
    nans: tuple[Made, ...]

    @property
    def ok(self) -> bool:
        """Whether every part that could be run came out right."""
        return all(x.ok for x in self.parts)

    def __str__(self) -> str:
        failed = sum(not x.ok for x in self.parts)
        said = f"{failed} of {len(self.parts)} FAILED" if failed else "all is well"
        lines = [
            f"{self.name}: {said}",
            *("  " + x for x in laid_out([x.cells() for x in self.parts])),
        ]
        lines += [f"  NaN of finite inputs at {x}" for x in self.nans]
        return "\n".join(lines)


def check(
    op: Callable,
    *inputs: Any,
    gradients: bool = True,
    devices: str | Sequence[str] = "webgpu",
    rtol: float = 1e-4,
    atol: float = 1e-6,
    **named: Any,
) -> CheckReport:
    """Run an op on every device at hand, and compare values and gradients with float64.

    `op` is what `wg.kernel.elementwise` or `wg.kernel.compute` returned, or any function of
    tensors; `inputs` and `named` are what it is called with. The parts of the report:

    - values: on NumPy in float32 and on GPUs, called directly and compiled, against the NumPy
      device in float64. Integers and bools have to be equal, floats to agree within
      atol + rtol * their size.
    - no NaN: where all inputs of an element are finite, its result is no NaN on any device. The
      report's `nans` have the first of them, with the element's inputs.
    - gradients (floats alone): reverse mode in float64 against differences, forward mode against
      reverse mode, and reverse mode on every device against float64. At a kink any slope between
      those of its two sides is right. What is not a function of elements is tried by a weighted sum
      of its results, and up to 64 elements of each input.

    `devices` are the names of GPUs, as `wg.device` takes them; by default it is the best one.

    An error of the op in a part makes the part fail, with its message. A part that cannot be run
    here (no GPU, no float16, no rule for forward mode) is skipped, with the reason.

    Raises: CallError where the inputs are not those of the op.

    Example:
        >>> swish = wg.kernel.elementwise("fn swish(x: f32) -> f32 { return x / (1.0 + exp(-x)); }")
        >>> report = wg.kernel.check(swish, np.linspace(-3, 3, 7))
        >>> report.ok, report.parts[1].name, report.nans
        (True, 'values', ())
    """
    names = (devices,) if isinstance(devices, str) else tuple(devices)
    trial = Gradients(op, inputs, named, rtol, atol, names)
    wanted = trial.reference()
    if wanted is not None:
        trial.look_for_nans("numpy float64", wanted)
        trial.each("values", wanted, trial.values)
        if gradients and trial.differentiable(wanted):
            trial.differentiate()
    return CheckReport(trial.name, tuple(trial.parts), trial.nans)
