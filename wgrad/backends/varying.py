"""Numbers that stand for others: the float arguments of a compiled function while it is traced."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .tracing import Live

Expression = tuple[Any, ...]  # ("argument", place), ("constant", hex), or an operator and its sides

OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def evaluate(expression: Expression, given: Mapping[Any, float]) -> float:
    """Return the number that an expression is when the arguments are those `given`."""
    what, *sides = expression
    if what == "argument":
        return given[sides[0]]
    if what == "constant":
        return float.fromhex(sides[0])
    left, right = (evaluate(side, given) for side in sides)
    return OPERATORS[what](left, right)


class Numbers:
    """What the arguments are in this run, and whether a trace has asked for the value of one."""

    def __init__(self) -> None:
        self.given: dict[Any, float] = {}  # by place
        self.asked: set[Any] = set()  # places whose values a trace rests on

    def read(self, expression: Expression) -> float:
        """Return the number that an expression is now."""
        return evaluate(expression, self.given)


class Varying:
    """A float argument of a function that is traced, or what arithmetic makes of it.

    With tensors, and with `+ - * /`, it stands for a number that each run reads anew. To all else
    (a comparison, int(), math.exp, a format) it gives its value, and then what has been traced is
    right for that value alone, which `Numbers.asked` tells. It passes for a float; for C code that
    takes nothing but true floats it is none.
    """

    __slots__ = ("_numbers", "_value", "expression")

    def __init__(self, numbers: Numbers, expression: Expression):
        self.expression = expression
        self._numbers = numbers
        self._value = numbers.read(expression)

    if not TYPE_CHECKING:
        __class__ = property(lambda self: float)  # what isinstance looks at, too

    def seen(self) -> float:
        """Return the value to decide what every value decides alike: the dtype of a result."""
        return self._value

    def live(self) -> Live:
        """Return the number for a program, which reads it for every run."""
        return Live(self._numbers.read, self.expression)

    def __float__(self) -> float:
        stack = [self.expression]
        while stack:
            what, *sides = stack.pop()
            if what == "argument":
                self._numbers.asked.add(sides[0])
            elif what != "constant":
                stack += sides
        return self._value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np

        return np.asarray(float(self), dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(float(self), name)

    def __reduce__(self) -> Any:
        return float, (float(self),)

    def __neg__(self) -> Varying:
        return Varying(self._numbers, ("*", _constant(-1.0), self.expression))

    def __pos__(self) -> Varying:
        return self


def _constant(x: float) -> Expression:
    return "constant", float(x).hex()


def _arithmetic(symbol: str, reflected: bool) -> Callable[[Varying, Any], Any]:
    def compute(self: Varying, other: Any) -> Any:
        if type(other) is Varying:
            side = other.expression
        elif type(other) in (float, int, bool):
            side = _constant(other)
        else:
            return NotImplemented  # a tensor knows what to do
        sides = (side, self.expression) if reflected else (self.expression, side)
        return Varying(self._numbers, (symbol, *sides))

    return compute


def _asking(name: str) -> Callable[..., Any]:
    method = getattr(float, name)

    def ask(self: Varying, *args: Any) -> Any:
        return method(float(self), *[float(x) if type(x) is Varying else x for x in args])

    return ask


for _symbol, _name in (("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "truediv")):
    setattr(Varying, f"__{_name}__", _arithmetic(_symbol, False))
    setattr(Varying, f"__r{_name}__", _arithmetic(_symbol, True))
for _name in (
    "pow", "rpow", "mod", "rmod", "floordiv", "rfloordiv", "divmod", "rdivmod", "abs", "bool",
    "eq", "ne", "lt", "le", "gt", "ge", "hash", "int", "trunc", "floor", "ceil", "round", "format",
    "repr", "str",
):  # fmt: skip
    setattr(Varying, f"__{_name}__", _asking(f"__{_name}__"))
