"""The special cases of the elementwise functions: what comes of infinities, NaN and signed zeros.

Each function has its cases as `inputs:result`; where the standard allows several results, they are
separated by bars. `0` and `-0` are different results.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import wgrad as wg

CASES = {
    "abs": "nan:nan -0:0 inf:inf -inf:inf",
    "acos": "nan:nan 1.5:nan -1.5:nan 1:0",
    "acosh": "nan:nan 0.5:nan 1:0 inf:inf",
    "add": """nan,1:nan 1,nan:nan inf,-inf:nan -inf,inf:nan inf,inf:inf -inf,-inf:-inf inf,2:inf
        -inf,2:-inf 2,inf:inf 2,-inf:-inf -0,-0:-0 -0,0:0 0,-0:0 0,0:0 0,3:3 -0,3:3
        3,-0:3 3,-3:0""",
    "asin": "nan:nan 1.5:nan -1.5:nan 0:0 -0:-0",
    "asinh": "nan:nan 0:0 -0:-0 inf:inf -inf:-inf",
    "atan": "nan:nan 0:0 -0:-0 inf:pi/2 -inf:-pi/2",
    "atan2": """nan,1:nan 1,nan:nan 2,0:pi/2 2,-0:pi/2 0,2:0 0,0:0 0,-0:pi 0,-2:pi -0,2:-0 -0,0:-0
        -0,-0:-pi -0,-2:-pi -2,0:-pi/2 -2,-0:-pi/2 2,inf:0 2,-inf:pi -2,inf:-0 -2,-inf:-pi
        inf,2:pi/2 -inf,2:-pi/2 inf,inf:pi/4 inf,-inf:3*pi/4 -inf,inf:-pi/4 -inf,-inf:-3*pi/4""",
    "atanh": "nan:nan -1.5:nan 1.5:nan -1:-inf 1:inf 0:0 -0:-0",
    "ceil": "3:3 inf:inf -inf:-inf 0:0 -0:-0 nan:nan -0.5:-0 1.5:2",
    "copysign": "3,-1:-3 3,-0:-3 -3,0:3 -3,2:3 0,-2:-0 -0,2:0 inf,-1:-inf -inf,1:inf nan,1:nan",
    "cos": "nan:nan 0:1 -0:1 inf:nan -inf:nan",
    "cosh": "nan:nan 0:1 -0:1 inf:inf -inf:inf",
    "divide": """nan,1:nan 1,nan:nan inf,inf:nan inf,-inf:nan 0,0:nan 0,-0:nan 0,2:0 -0,2:-0 0,-2:-0
        -0,-2:0 2,0:inf 2,-0:-inf -2,0:-inf -2,-0:inf inf,2:inf inf,-2:-inf -inf,2:-inf -inf,-2:inf
        2,inf:0 2,-inf:-0 -2,inf:-0 -2,-inf:0""",
    "exp": "nan:nan 0:1 -0:1 inf:inf -inf:0",
    "expm1": "nan:nan 0:0 -0:-0 inf:inf -inf:-1",
    "floor": "3:3 inf:inf -inf:-inf 0:0 -0:-0 nan:nan -0.5:-1 1.5:1",
    "floor_divide": """nan,1:nan 1,nan:nan inf,inf:nan inf,-inf:nan 0,0:nan 0,-0:nan 0,2:0 -0,2:-0
        0,-2:-0 -0,-2:0 2,0:inf 2,-0:-inf -2,0:-inf -2,-0:inf inf,2:inf|nan inf,-2:-inf|nan
        -inf,2:-inf|nan -inf,-2:inf|nan 2,inf:0 2,-inf:-0|-1 -2,inf:-0|-1 -2,-inf:0
        7,2:3 -7,2:-4""",
    "hypot": "nan,1:nan 1,nan:nan inf,nan:inf nan,inf:inf -inf,nan:inf nan,-inf:inf -inf,1:inf",
    "log": "nan:nan -1:nan 0:-inf -0:-inf 1:0 inf:inf",
    "log1p": "nan:nan -2:nan -1:-inf -0:-0 0:0 inf:inf",
    "log2": "nan:nan -1:nan 0:-inf -0:-inf 1:0 inf:inf",
    "log10": "nan:nan -1:nan 0:-inf -0:-inf 1:0 inf:inf",
    "logaddexp": "nan,1:nan 1,nan:nan inf,1:inf 1,inf:inf inf,-inf:inf inf,inf:inf",
    "maximum": "nan,1:nan 1,nan:nan nan,inf:nan -inf,inf:inf",
    "minimum": "nan,1:nan 1,nan:nan nan,-inf:nan -inf,inf:-inf",
    "multiply": """nan,1:nan 1,nan:nan inf,0:nan inf,-0:nan 0,-inf:nan -0,inf:nan inf,-inf:-inf
        -inf,-inf:inf inf,-2:-inf -2,-inf:inf -0,2:-0 -0,-2:0 0,-2:-0""",
    "negative": "nan:nan 0:-0 -0:0 inf:-inf -inf:inf",
    "nextafter": "nan,1:nan 1,nan:nan 0,-0:-0 -0,0:0 2,2:2",
    "positive": "nan:nan 0:0 -0:-0 -inf:-inf",
    "pow": """2,nan:nan 3,0:1 nan,0:1 nan,-0:1 inf,0:1 0,-0:1 nan,2:nan 2,inf:inf -2,inf:inf
        2,-inf:0 -2,-inf:0 1,inf:1 -1,inf:1 1,-inf:1 -1,-inf:1 1,5:1 0.5,inf:0 -0.5,inf:0
        0.5,-inf:inf -0.5,-inf:inf inf,2:inf inf,0.5:inf inf,-2:0 -inf,3:-inf -inf,2:inf
        -inf,0.5:inf -inf,-3:-0 -inf,-2:0 -inf,-0.5:0 0,2:0 0,-2:inf -0,3:-0 -0,2:0 -0,0.5:0
        -0,-3:-inf -0,-2:inf -0,-0.5:inf -8,0.5:nan -2,3:-8 -2,2:4""",
    "reciprocal": "nan:nan 0:inf -0:-inf inf:0 -inf:-0",
    "remainder": """nan,1:nan 1,nan:nan inf,inf:nan inf,-inf:nan 0,0:nan -0,0:nan 0,2:0 -0,2:0
        0,-2:-0 -0,-2:-0 2,0:nan 2,-0:nan -2,0:nan -2,-0:nan inf,2:nan inf,-2:nan -inf,2:nan
        -inf,-2:nan 2,inf:2 2,-inf:-inf -2,inf:inf -2,-inf:-2 7,3:1 -7,3:2 7,-3:-2 -7,-3:-1""",
    "round": "3:3 0.5:0 1.5:2 2.5:2 -1.5:-2 inf:inf -inf:-inf 0:0 -0:-0 nan:nan",
    "sign": "nan:nan -2:-1 2:1 inf:1 -inf:-1",
    "sin": "nan:nan 0:0 -0:-0 inf:nan -inf:nan",
    "sinh": "nan:nan 0:0 -0:-0 inf:inf -inf:-inf",
    "sqrt": "nan:nan -1:nan 0:0 -0:-0 inf:inf",
    "square": "nan:nan -0:0 inf:inf -inf:inf",
    "subtract": """nan,1:nan 1,nan:nan inf,inf:nan -inf,-inf:nan inf,-inf:inf 2,inf:-inf 0,0:0
        -0,0:-0""",
    "tan": "nan:nan 0:0 -0:-0 inf:nan -inf:nan",
    "tanh": "nan:nan 0:0 -0:-0 inf:1 -inf:-1",
    "trunc": "3:3 inf:inf -inf:-inf 0:0 -0:-0 nan:nan -0.5:-0 1.5:1",
    # Comparisons and tests, whose results are 0 and 1.
    "equal": "nan,nan:0 0,-0:1 inf,inf:1 inf,-inf:0 nan,1:0",
    "not_equal": "nan,nan:1 0,-0:0 inf,inf:0 nan,1:1",
    "less": "nan,1:0 1,nan:0 -0,0:0 -inf,inf:1 inf,inf:0",
    "less_equal": "nan,1:0 1,nan:0 0,-0:1 inf,inf:1",
    "greater": "nan,1:0 1,nan:0 0,-0:0 inf,-inf:1 inf,inf:0",
    "greater_equal": "nan,1:0 1,nan:0 -0,0:1 -inf,-inf:1",
    "isfinite": "nan:0 inf:0 -inf:0 0:1 1:1",
    "isinf": "nan:0 inf:1 -inf:1 0:0 1:0",
    "isnan": "nan:1 inf:0 -inf:0 0:0 1:0",
    "signbit": "0:0 -0:1 inf:0 -inf:1 2:0 -2:1",
}
NAMES = {"nan": math.nan, "inf": math.inf, "pi": math.pi}


def _number(text: str) -> float:
    if text == "-0":
        return -0.0
    return float(eval(text, {"__builtins__": {}}, NAMES))


def _rows(name: str) -> list[tuple[str, tuple[float, ...], list[float]]]:
    """Return a function's cases: their claims, the inputs, the results that are right."""
    rows = []
    for case in CASES[name].split():
        inputs, _, results = case.partition(":")
        numbers = tuple(_number(x) for x in inputs.split(","))
        rows.append((f"{name}({inputs})", numbers, [_number(x) for x in results.split("|")]))
    return rows


CLAIMS = {claim for name in CASES for claim, _, _ in _rows(name)}


def _alike(got: float, right: float) -> bool:
    if math.isnan(right):
        return math.isnan(got)
    if right == 0:
        return got == 0 and math.copysign(1, got) == math.copysign(1, right)
    return got == right or math.isclose(got, right, rel_tol=1e-6)


def verdicts(dtype: str) -> Iterator[tuple[str, str | None]]:
    """Yield every case with what is wrong with it on the default device, or None."""
    for name in CASES:
        rows = _rows(name)
        columns = np.array([numbers for _, numbers, _ in rows]).T
        function = getattr(wg, name, None)
        if function is None:  # which the names say
            continue
        out = function(*[wg.tensor(column, dtype=dtype) for column in columns]).numpy()
        for (claim, _, right), got in zip(rows, out.astype(float).tolist(), strict=True):
            signless = out.dtype == bool
            fine = any(got == r if signless else _alike(got, r) for r in right)
            yield claim, None if fine else f"{got} came, and {right} is right"
