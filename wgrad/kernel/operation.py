"""Kernels on the tape: the op of a kernel, and what its outputs are to it.

An op has one result. A kernel with several gives a token, zeros without memory of their own with
an element for each float of its outputs; each output is an op of the token, and puts its gradient
into the token's, so that the rule runs once with the gradients of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import dtypes
from ..backends.array import Array, Number
from ..backends.base import Device
from ..core import Call, Op, Tensor, Value, apply, wrap
from ..errors import GradientError
from ..layout import Layout
from ..ops.families import with_dtype
from ..shaping import pad, reshape
from ..tape import identity
from .calls import Ready
from .rules import checked

if TYPE_CHECKING:
    from .compute import ComputeKernel


class Saves(NamedTuple):
    """What is kept of a call for its rule: places of inputs, and "out"."""

    saves: tuple[Any, ...]


class KernelOp(Op):
    """A kernel; `index` says which output is the result, None that it is the token."""

    calls_back = True

    def __init__(self, kernel: ComputeKernel):
        super().__init__(kernel.name, (lambda: None,))
        self.kernel = kernel

    def rule(self, position: int) -> Any:
        kernel = self.kernel
        if not kernel.entry.placements[kernel.inputs[position]].dtype.is_floating:
            return None
        rule = kernel.rule
        if rule is None:
            return Saves(())
        places = [i for i, name in enumerate(kernel.inputs) if name in rule.needs]
        outs = [k for k in rule.names.outputs if k in rule.needs]
        if len(kernel.outputs) > 1 and outs:
            # Outside of a token, what a rule needs of other outputs is computed again.
            return Saves((*range(len(kernel.inputs)), "out"))
        return Saves((*places, "out") if outs else tuple(places))

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        call: Ready = params["call"]
        made = call.run(device, inputs)
        index, box = params["index"], params["box"]
        if index is not None:
            return made[index]
        box.extend(made)
        total, dtype = token_of(call)
        return device.full((), 0, dtype).view(Layout((total,), (0,), 0))

    def pull(self, position: int, ct: Tensor, env: dict[Any, Any]) -> Tensor | None:
        if "parts" not in env:
            env["parts"] = self._gradients(ct, env)
        return env["parts"].get(self.kernel.inputs[position])

    def _gradients(self, ct: Tensor, env: dict[Any, Any]) -> dict[str, Any]:
        kernel, rule = self.kernel, env["rule"]
        if rule is None:
            raise GradientError(
                f"{self.name}: its gradient was asked for, and this kernel has no rule for it: "
                f"give one with {self.name}.backward(...), or use .detach() on its inputs"
            )
        values = {n: env[i] for i, n in enumerate(kernel.inputs) if i in env}
        values = {n: x for n, x in values.items() if n in rule.needs}
        values |= self._outputs(env, rule)
        values |= self._cts(ct, env, rule)
        wanted = [n for n, asked in zip(kernel.inputs, env["wanted"], strict=True) if asked]
        shapes = dict(zip(kernel.inputs, env["shapes"], strict=True))
        results = {r.name: r.shape for r in env["call"].plan.results}
        around = {k: results[n] for k, n in (rule.names.outputs | rule.names.cts).items()} | shapes
        gradients = rule.gradients(values, env["numbers"], around)
        checked(gradients, shapes, wanted, rule.where)
        return gradients

    def _outputs(self, env: dict[Any, Any], rule: Any) -> dict[str, Any]:
        kernel, index = self.kernel, env["index"]
        outputs = {}
        again: list[Array] | None = None
        for label, name in rule.names.outputs.items():
            if label not in rule.needs:
                continue
            at = kernel.outputs.index(name)
            if index is None:
                outputs[label] = env[f"output {name}"]
            elif at == index:
                outputs[label] = env["out"]
            else:
                if again is None:
                    inputs = [env[i].array for i in range(len(kernel.inputs))]
                    again = env["call"].run(env["out"].device, inputs)
                outputs[label] = wrap(again[at])
        return outputs

    def _cts(self, ct: Tensor, env: dict[Any, Any], rule: Any) -> dict[str, Any]:
        """Return the gradients of outputs that a rule names."""
        kernel, index, call = self.kernel, env["index"], env["call"]
        starts = starts_of(call)
        cts = {}
        for label, name in rule.names.cts.items():
            if label not in rule.needs:
                continue
            at = kernel.outputs.index(name)
            result = call.plan.results[at]
            if index is None:
                start = starts[at]
                part: Any = ct[start : start + prod(result.shape)]
                cts[label] = with_dtype(reshape(part, result.shape), result.dtype)
            elif at == index:
                cts[label] = ct
            else:
                device = ct.device
                cts[label] = wrap(device.full(result.shape, 0, result.dtype))
        return cts

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise GradientError(
            f"{self.name}: forward mode needs a rule that a kernel does not have: use reverse mode "
            "(backward, wg.grad, wg.vjp)"
        )

    def __reduce__(self) -> str:
        raise TypeError(f"{self.name}: a kernel has no copy in another process: make it there")


class OutputOp(Op):
    """An output of a kernel, of its token."""

    def __init__(self) -> None:
        super().__init__("kernel_output", (lambda: None,))

    def rule(self, position: int) -> Any:
        return Saves(())

    def run(self, device: Device, inputs: tuple[Array | Number, ...], params: dict) -> Array:
        (out,) = params["box"]
        params["box"].clear()  # the tape keeps params, and would keep the output
        return out

    def pull(self, position: int, ct: Tensor, env: dict[Any, Any]) -> Tensor | None:
        start, total, dtype = env["start"], env["total"], env["dtype"]
        flat = with_dtype(reshape(ct, (-1,)), dtype)
        return pad(flat, ((start, total - start - flat.shape[0]),))

    def push(self, call: Call, tangents: Sequence[Tensor | None]) -> Tensor | None:
        raise GradientError("kernel: forward mode needs a rule that a kernel does not have")


OUTPUT = OutputOp()


def starts_of(call: Ready) -> list[int]:
    """Return where in the token each output's elements begin; integers have none."""
    starts, end = [], 0
    for x in call.plan.results:
        starts.append(end)
        end += prod(x.shape) if x.dtype.is_floating else 0
    return starts


def token_of(call: Ready) -> tuple[int, Any]:
    """Return how many elements the token has, and of which dtype."""
    floats = [x for x in call.plan.results if x.dtype.is_floating]
    wide = any(x.dtype is dtypes.float64 for x in floats)
    return sum(prod(x.shape) for x in floats), dtypes.float64 if wide else dtypes.float32


def followed(op: KernelOp, inputs: Sequence[Any], params: dict[str, Any]) -> list[Tensor]:
    """Return the outputs of a kernel whose inputs require grad, through a token."""
    call: Ready = params["call"]
    box: list[Array] = []
    token = apply(op, *inputs, index=None, box=box, **params)
    arrays = list(box)
    box.clear()
    rule = params["rule"]
    if rule is not None and token.node is not None and token.node.op is op:
        kept = {
            f"output {r.name}": identity.saved("out", (), wrap(x))
            for r, x in zip(call.plan.results, arrays, strict=True)
            if any(k in rule.needs and n == r.name for k, n in rule.names.outputs.items())
        }
        needed = {i for i, name in enumerate(op.kernel.inputs) if name in rule.needs}
        saved: dict[Any, Any] = dict(token.node.saved)
        token.node.saved = {k: x for k, x in saved.items() if k in needed} | kept
    total, dtype = token_of(call)
    outs: list[Tensor] = []
    for start, r, x in zip(starts_of(call), call.plan.results, arrays, strict=True):
        if r.dtype.is_floating:
            outs.append(apply(OUTPUT, token, box=[x], start=start, total=total, dtype=dtype))
        else:
            outs.append(wrap(x))
    return outs


def is_tracked(x: Any) -> bool:
    """Whether the tape has something to say of an input."""
    if not isinstance(x, Value):
        return False
    node = x.node
    return (node is not None and node.requires_grad) or x.array.storage.history is not None
