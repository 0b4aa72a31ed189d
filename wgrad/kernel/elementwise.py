"""wg.kernel.elementwise: a WGSL function becomes an op."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..checks.arguments import function as check_function
from ..custom import CustomOp
from ..errors import ArgumentError, CallError
from .derive import Function
from .entry import Checked
from .fronts import WatchedOp, watched
from .function import ElementFunction
from .rounds import ROUNDS, checked_rounds
from .shaderop import ShaderOp
from .texts import source_of


def elementwise(
    text: str | Path,
    name: str | None = None,
    *,
    backward: Callable | None = None,
    numpy: Callable | None = None,
    constants: Mapping[str, Any] | None = None,
    precise: bool = False,
    rounds: int | None = ROUNDS,
    watch: bool = False,
) -> Any:
    """Make an op of a WGSL function, with its derivatives.

    The function is applied at every element: its inputs broadcast, it runs on every device, is
    fused by `wg.compile`, and has gradients of every order, whose WGSL is made from the text. Its
    parameters and its result are scalars (f32, f16, i32, u32, bool), vectors and matrices of them.
    A tensor for a vector ends with an axis of its 2 to 4 components, one for a matrix with two:
    columns by rows. Tensors of integers become floats where the parameter is one.

    - `text`: WGSL, or the path of a file. It may hold helpers, structures, constants.
    - `name`: which function; it may be left out where no other calls it but one.
    - `backward`: a rule of your own in place of the generated one: backward(ct, out, *inputs)
      returns a gradient for each input, or None. See `wg.custom_op`.
    - `numpy`: what the NumPy device calls instead of interpreting the text, with an array for each
      scalar parameter, and a list of arrays, its components, for each vector and matrix.
    - `constants`: values for what the text declares with `override`.
    - `precise`: on GPUs, call functions of shaders/lib in the place of exp, log, pow, sin and their
      kin, whose accuracy is left open by WGSL: they are as exact as those of `wg`, and slower.
    - `rounds`: how many rounds all loops of a call may run together whose end the text does not say
      (`for` loops from a constant to a constant are not counted). What runs more is left, and the
      next wait for the device raises a ShaderError with the loop's line. None leaves the counters
      out: a loop that never ends then hangs a GPU.
    - `watch`: look at the file, and at those that it includes, before each call, and use what they
      say then. An edit that is wrong is not used, and a warning says why.

    Shapes: (*S, *type), ... -> (*S, *type).
    Raises: ShaderError for a wrong text, with its line; ArgumentError for a name that is not there;
    CallError for what is no text, and for a `backward` that takes other arguments.

    Example:
        >>> text = "fn swish(x: f32, beta: f32) -> f32 { return x / (1.0 + exp(-beta * x)); }"
        >>> swish = wg.kernel.elementwise(text)
        >>> x = wg.tensor([-1.0, 0.0, 2.0], requires_grad=True)
        >>> swish(x, 1.5).sum().backward()
        >>> x.grad
        tensor([-0.0409..., 0.5000..., 1.0874...])
    """
    checked_rounds(rounds, "elementwise")
    if watch:
        make = partial(op_of, name, numpy, precise)
        made: Any = WatchedOp(watched(text, constants, "elementwise", rounds), make)
    else:
        checked = Checked(source_of(text, "elementwise"), constants, rounds)
        made = op_of(name, numpy, precise, checked)
    if backward is None:
        return made
    _check_rule(backward, made)
    return CustomOp(made.name, made, backward)


def _check_rule(backward: Any, op: Any) -> None:
    """Raise CallError for a rule that cannot be called as it will be."""
    check_function(backward, "elementwise", "backward")
    names = tuple(op.__signature__.parameters)
    try:
        inspect.signature(backward).bind(None, None, *names)
    except ValueError:  # it says no parameters
        return
    except TypeError as error:
        wanted = ", ".join(("ct", "out", *names))
        raise CallError(f"elementwise: backward({wanted}) is how it is called: {error}") from None


def op_of(name: str | None, numpy: Callable | None, precise: bool, text: Checked) -> ShaderOp:
    """Return a function of a text as an op; the one that is meant, where none is named."""
    function = ElementFunction(
        Function(text.fixed, chosen(text, name)), precise, rounds=text.rounds
    )
    return ShaderOp(function, numpy=numpy, text=text)


def chosen(text: Checked, name: str | None) -> str:
    """Return which function of a text is meant: where none is named, the one that none calls."""
    functions = text.functions
    if name is None:
        called = {c for x in text.typed.functions.values() for c in x.callees}
        roots = [n for n in functions if n not in called]
        if len(roots) == 1:
            return roots[0]
        have = ", ".join(roots or functions) or "none"
        raise ArgumentError(
            f"elementwise: the text has several functions that may be meant, or none ({have}): "
            "name one with name="
        )
    if name not in functions:
        have = ", ".join(functions) or "none"
        raise ArgumentError(f"elementwise: the text has no function {name!r}; it has {have}")
    return name
