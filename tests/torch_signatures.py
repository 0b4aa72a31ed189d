"""PyTorch's signatures, with its words for arguments turned into ours, to be compared with ours."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

NEEDED = inspect.Parameter.empty
WORDS = {
    "dim": "axis", "dims": "axis", "keepdim": "keepdims", "input": "x", "tensors": "arrays",
    "other": "x2", "size": "shape", "diagonal": "k", "end": "stop", "steps": "num", "p": "ord",
    "start_dim": "start_axis", "end_dim": "end_axis", "dim0": "axis0", "dim1": "axis1",
    "dim2": "axis2", "shifts": "shift", "index": "indices", "src": "values", "source": "values",
}  # fmt: skip
# What has no meaning here, or a meaning of its own: memory, kernels, forms that PyTorch gave up.
ASIDE = {
    *(
        "out",
        "layout",
        "memory_format",
        "pin_memory",
        "requires_grad",
        "dtype",
        "device",
        "inplace",
    ),
    *("size_average", "reduce", "generator", "_stacklevel", "seed", "foreach", "fused", "maximize"),
    *("capturable", "differentiable", "decoupled_weight_decay", "amsgrad", "args", "kwargs"),
}


def arguments(function: Callable, words: dict[str, str]) -> dict[str, Any]:
    """Return what a function takes, in order, with the defaults; nothing where nobody says."""
    try:
        found = inspect.signature(function).parameters.values()
        if any(p.kind is p.VAR_POSITIONAL for p in found):
            found = []
        given = {p.name: p.default for p in found}
    except (TypeError, ValueError):
        given = {}
    given = given or _documented(function)
    return {words.get(n, n): x for n, x in given.items() if n not in ASIDE}


def _documented(function: Callable) -> dict[str, Any]:
    """Return the arguments that the first line of a docstring with a signature has."""
    name = re.sub(r"^(linalg|fft)_", "", getattr(function, "__name__", "?"))
    match = re.search(
        rf"\b(?:{name}|__init__)\(([^()]*(?:\([^()]*\)[^()]*)*)\)", inspect.getdoc(function) or ""
    )
    given: dict[str, Any] = {}
    for part in re.split(r",(?![^(\[]*[)\]])", match[1] if match else ""):
        label, _, default = part.strip().partition("=")
        label = label.partition(":")[0].strip().strip("\\*")
        if label.isidentifier():
            try:
                value = ast.literal_eval(default.strip()) if default else NEEDED
                given[label] = "backward" if (label, value) == ("norm", None) else value  # of fft
            except (SyntaxError, ValueError):
                continue
    return given


def differences(ours: Callable, theirs: Callable, words: dict[str, str] = WORDS) -> list[str]:
    """Return the arguments whose default is another, or whose place is."""
    mine, right = arguments(ours, {}), arguments(theirs, words)
    shared = [n for n in right if n in mine]
    found = [
        f"{n}={mine[n]!r}, and {right[n]!r}"
        for n in shared
        if (mine[n] is NEEDED) != (right[n] is NEEDED)
        or (mine[n] is not NEEDED and mine[n] != right[n])
    ]
    if [n for n in mine if n in shared] != shared:
        found.append(f"the order of {', '.join(shared)}")
    return found
