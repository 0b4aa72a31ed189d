"""Scalar operations in JavaScript: a row for each, and its derivatives from the registry's rules.

A row says how the value is computed, and how a derivative is written for people where the rule's
own words would be long. The derivative's code is made by running the registry's rule once, on
numbers that are listened to: so there is no second book of rules that could say something else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core import INPUT_NAMES, REGISTRY, Value, interpreted
from ...creation import tensor
from ...errors import ArgumentError
from ...ops.elementwise import transcendental
from ..recorder import DETACH, Recorder


@dataclass(frozen=True)
class Row:
    """How JavaScript computes a value of a, b, c and d, and what people read."""

    value: str
    shown: str  # with the inputs' texts in place of a, b, c, d
    slopes: tuple[str, ...] = ()  # by input, for people: "" takes the rule's own words


def _call(name: str, *slopes: str) -> Row:
    return Row(f"Math.{name}(a)", f"{name}(a)", slopes)


ROWS: dict[str, Row] = {
    "add": Row("a + b", "a + b", ("1", "1")),
    "subtract": Row("a - b", "a - b", ("1", "-1")),
    "multiply": Row("a * b", "a * b", ("b", "a")),
    "divide": Row("a / b", "a / b", ("1 / b", "-out / b")),
    "negative": Row("-a", "-a", ("-1",)),
    "positive": Row("a", "+a", ("1",)),
    "reciprocal": Row("1 / a", "1 / a", ("-out * out",)),
    "square": Row("a * a", "a ** 2", ("2 * a",)),
    "weighted": Row("a === 0 ? 0 : a * b", "a * b", ("b", "a")),
    "value_of": Row("a", "a"),
    "detach": Row("a", "detach(a)", ("0",)),  # no operation: see the recorder
    "abs": _call("abs", "sign(a)"),
    "sign": Row("Math.sign(a)", "sign(a)", ("0",)),
    "maximum": Row("Math.max(a, b)", "max(a, b)", ("a > b", "b > a")),
    "minimum": Row("Math.min(a, b)", "min(a, b)", ("a < b", "b < a")),
    "clamp": Row("Math.min(Math.max(a, b), c)", "clip(a, b, c)", ("b <= a <= c", "a < b", "a > c")),
    "lerp": Row("c === 1 ? b : a + c * (b - a)", "lerp(a, b, c)", ("1 - c", "c", "b - a")),
    "pow": Row("power(a, b)", "a ** b", ("b * a ** (b - 1)", "out * log(a)")),
    "exp": _call("exp", "out"),
    "exp2": Row("power(2, a)", "exp2(a)", ("log(2) * out",)),
    "expm1": _call("expm1", "exp(a)"),
    "log": _call("log", "1 / a"),
    "log1p": _call("log1p", "1 / (1 + a)"),
    "log2": _call("log2", "1 / (a * log(2))"),
    "log10": _call("log10", "1 / (a * log(10))"),
    "logaddexp": Row(
        "a === b ? a + Math.LN2 : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)))",
        "logaddexp(a, b)",
        ("sigmoid(a - b)", "sigmoid(b - a)"),
    ),
    "sqrt": _call("sqrt", "0.5 / out"),
    "sin": _call("sin", "cos(a)"),
    "cos": _call("cos", "-sin(a)"),
    "tan": _call("tan", "1 + out * out"),
    "asin": _call("asin"),
    "acos": _call("acos"),
    "atan": _call("atan", "1 / (1 + a * a)"),
    "atan2": Row("Math.atan2(a, b)", "atan2(a, b)"),
    "hypot": Row("Math.hypot(a, b)", "hypot(a, b)", ("a / out", "b / out")),
    "sinh": _call("sinh", "cosh(a)"),
    "cosh": _call("cosh", "sinh(a)"),
    "tanh": _call("tanh", "1 - out * out"),
    "asinh": _call("asinh"),
    "acosh": _call("acosh"),
    "atanh": _call("atanh", "1 / (1 - a * a)"),
    "sigmoid": Row("sigmoid(a)", "sigmoid(a)", ("out * (1 - out)",)),
    "sigmoid_slope": Row("sigmoid(a) * sigmoid(-a)", "sigmoid'(a)"),
    "gated": Row("a * sigmoid(b)", "a * sigmoid(b)"),
    "logsigmoid": Row(
        "Math.min(a, 0) - Math.log1p(Math.exp(-Math.abs(a)))", "logsigmoid(a)", ("sigmoid(-a)",)
    ),
    "softplus": Row(
        "a * b > c ? a : (Math.max(a * b, 0) + Math.log1p(Math.exp(-Math.abs(a * b)))) / b",
        "softplus(a)",
        ("sigmoid(b * a)",),
    ),
    "relu": Row("a <= 0 ? 0 : a", "relu(a)", ("a > 0",)),
    "leaky_relu": Row("a <= 0 ? a * b : a", "leaky_relu(a)", ("1 where a > 0, else b",)),
    "hardtanh": Row("Math.min(Math.max(a, b), c)", "hardtanh(a)", ("b < a < c",)),
    "hardsigmoid": Row("Math.min(Math.max(a + 3, 0), 6) / 6", "hardsigmoid(a)", ("1 / 6 inside",)),
    "hardswish": Row("a <= -3 ? 0 : a * (Math.min(a + 3, 6) / 6)", "hardswish(a)"),
    "elu": Row("a > 0 ? a * c : b * c * Math.expm1(a * d)", "elu(a)"),
    "silu": Row("a * sigmoid(a)", "silu(a)", ("s + a * s * (1 - s), s = sigmoid(a)",)),
    "gelu_tanh": Row("a * sigmoid(a * (a * a * 0.044715 + 1) * Math.sqrt(8 / Math.PI))", "gelu(a)"),
    "erf": Row("erf(a)", "erf(a)", ("2 / sqrt(pi) * exp(-a * a)",)),
    "gelu": Row("a * tail(-a)", "gelu(a)"),
    "gelu_slope": Row("tail(-a) + a * Math.exp(-a * a / 2) / Math.sqrt(2 * Math.PI)", "gelu'(a)"),
    "floor": _call("floor", "0"),
    "ceil": _call("ceil", "0"),
    "trunc": _call("trunc", "0"),
    "where": Row("a ? b : c", "a ? b : c", ("", "a", "not a")),
    **{
        name: Row(f"Number(a {sign} b)", f"a {sign} b")
        for name, sign in (
            *(("equal", "==="), ("not_equal", "!=="), ("less", "<"), ("less_equal", "<=")),
            *(("greater", ">"), ("greater_equal", ">=")),
        )
    },
    "logical_and": Row("Number(a && b)", "a and b"),
    "logical_or": Row("Number(a || b)", "a or b"),
    "logical_xor": Row("Number(Boolean(a) !== Boolean(b))", "a xor b"),
    "logical_not": Row("Number(!a)", "not a"),
    "isnan": Row("Number(Number.isNaN(a))", "isnan(a)"),
    "isinf": Row("Number(Math.abs(a) === Infinity)", "isinf(a)"),
    "isfinite": Row("Number(Number.isFinite(a))", "isfinite(a)"),
}

# Of any number of inputs, x: the value, and the slope by x[i]. They follow the registry's rules for
# reductions; "dot" is the sum of products of its first half with its second one.
MANY = {
    "sum": ("x.reduce((s, v) => s + v, 0)", "1"),
    "prod": ("x.reduce((s, v) => s * v, 1)", "x.reduce((s, v, j) => j === i ? s : s * v, 1)"),
    "max": ("Math.max(...x)", "Number(x[i] === out)"),
    "min": ("Math.min(...x)", "Number(x[i] === out)"),
    "dot": (
        "x.slice(0, x.length / 2).reduce((s, v, j) => s + v * x[j + x.length / 2], 0)",
        "x[(i + x.length / 2) % x.length]",
    ),
}


def helpers() -> str:
    """Return the functions that rows call, as JavaScript."""
    inner, outer = (json.dumps(list(c)) for c in (transcendental._INNER, transcendental._OUTER))
    return f"""const sigmoid = (a) => (
  a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a)));
const power = (a, b) => b === 0 ? 1 : Math.pow(a, b);
const polynomial = (c, x) => c.reduce((s, v) => s * x + v, 0);
const INNER = {inner};
const OUTER = {outer};
const erfc = (a) => {{  // of a >= 0
  if (a <= 1) return 1 - a * polynomial(INNER, a * a);
  const x = Math.min(a, 28);
  return Math.exp(-x * x) * polynomial(OUTER, (x - 1.5) / (x + 2)) / (x + 2);
}};
const erf = (a) => Math.sign(a) * (Math.abs(a) <= 1 ? Math.abs(a) * polynomial(INNER, a * a)
  : 1 - erfc(Math.abs(a)));
const tail = (a) => a >= 0 ? erfc(a * Math.SQRT1_2) / 2 : 1 - erfc(-a * Math.SQRT1_2) / 2;"""


def check_row(name: str, where: str) -> None:
    """Raise ArgumentError for an operation that has no row."""
    if name not in ROWS:
        raise ArgumentError(
            f"{where}: the operation {name} has no row in JavaScript, and the page cannot compute "
            "it: leave it out of the function"
        )


def slope(name: str, position: int, numbers: Mapping[int, float], where: str) -> tuple[str, str]:
    """Return the derivative by an input as JavaScript of a, b, c, d and out, and as people read it.

    `numbers` are the inputs that are numbers, by their place: rules look at these.
    """
    row = ROWS[name]
    rule = None if name == DETACH.name else REGISTRY[name].rule(position)
    if rule is None:
        return "0", "0"
    recorder = Recorder()
    count = len(REGISTRY[name].rules)
    env: dict[str, Any] = {}
    texts: dict[int, str] = {}
    for i, letter in enumerate((*INPUT_NAMES[:count], "out")):
        if i in numbers and letter != "out":
            env[letter] = numbers[i]
            continue
        truth = name == "where" and i == 0
        value, dtype = (True, "bool") if truth else (0.3 + i / 8, "float64")
        env[letter] = tensor(value, dtype=dtype, device="numpy")
        texts[recorder.key(env[letter])] = letter
    result = interpreted(recorder, rule, env)
    code = _code(result, recorder, texts, where)
    if isinstance(result, Value) and result.dtype.name == "bool":
        code = f"Number({code})"
    shown = row.slopes[position] if position < len(row.slopes) else ""
    return code, shown or _shown(result, recorder, texts)


def _code(result: Any, recorder: Recorder, texts: Mapping[int, str], where: str) -> str:
    """Return what a rule computed as an expression."""

    def convert(name: str, inputs: Sequence[str]) -> str:
        if name in ("astype", "copy"):
            return inputs[0]
        check_row(name, where)
        return "(" + _filled(ROWS[name].value, inputs) + ")"

    return _expression(result, recorder, texts, convert, literal)


def _shown(result: Any, recorder: Recorder, texts: Mapping[int, str]) -> str:
    def convert(name: str, inputs: Sequence[str]) -> str:
        if name in ("astype", "copy"):
            return inputs[0]
        text = _filled(ROWS[name].shown, inputs)
        return text if text.endswith(")") and text[0].isalpha() else f"({text})"

    text = _expression(result, recorder, texts, convert, lambda x: f"{float(x):.6g}")
    text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    return text if len(text) <= 60 else "by its rule"


def _expression(
    result: Any,
    recorder: Recorder,
    texts: Mapping[int, str],
    convert: Callable[[str, Sequence[str]], str],
    number: Callable[[Any], str],
) -> str:
    if not isinstance(result, Value):
        return number(result)
    known = dict(texts)
    for call in recorder.calls:
        inputs = [
            known[key] if key is not None else number(x)
            for key, x in zip(call.keys, call.inputs, strict=True)
        ]
        known[call.made] = convert(call.op.name, inputs)
    return known[recorder.key(result)]


def _filled(template: str, inputs: Sequence[str]) -> str:
    """Put texts in place of the letters a, b, c, d that stand alone."""
    out = []
    for i, c in enumerate(template):
        before = template[i - 1] if i else " "
        after = template[i + 1] if i + 1 < len(template) else " "
        alone = not (before.isalnum() or before in "._" or after.isalnum() or after == "_")
        at = "abcd".find(c)
        out.append(inputs[at] if alone and 0 <= at < len(inputs) else c)
    return "".join(out)


def literal(x: Any) -> str:
    """Return a number as JavaScript."""
    x = float(x)
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "(-Infinity)"
    return repr(x) if x >= 0 else f"({x!r})"
