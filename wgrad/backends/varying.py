"""Stand-ins for Python floats while a function is traced: its float arguments, and settings."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .tracing import Live

Expression = tuple[Any, ...]  # ("argument", place), ("constant", hex), or an operator and its sides

LIMIT = 100  # arguments, constants and operators in an expression; longer ones are their values

OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "abs": abs,
}
PARTIAL = frozenset({"/", "**"})  # not defined for all numbers, or not as a float


def evaluate(expression: Expression, given: Mapping[Any, float]) -> float:
    """Return the number that an expression is when the arguments are those `given`."""
    what, *sides = expression
    if what == "argument":
        return given[sides[0]]
    if what == "constant":
        return float.fromhex(sides[0])
    function = what if callable(what) else OPERATORS[what]
    return function(*[evaluate(side, given) for side in sides])


class Numbers:
    """What the arguments are in this run, and whether a trace has asked for the value of one."""

    def __init__(self) -> None:
        self.given: Any = {}  # the numbers, by place
        self.asked: set[Any] = set()  # places whose values a trace rests on
        self.partial: dict[Expression, None] = {}  # those of traces so far, inner ones first
        self._made: list[weakref.ref[Varying]] = []  # in this trace

    def read(self, expression: Expression) -> float:
        """Return the number that an expression is now."""
        return evaluate(expression, self.given)

    def fail(self) -> bool:
        """Whether something that traces have computed is no float now: 1 / 0, or (-1) ** 0.5."""
        places = {("argument", place) for place in self.given}
        return any(_leaves(x) <= places and not self._is_float(x) for x in self.partial)

    def _is_float(self, expression: Expression) -> bool:
        try:
            return type(self.read(expression)) is float
        except ArithmeticError:
            return False

    def live(self, expression: Expression) -> Live:
        """Return a number for a program, which reads it for every run."""
        return Live(read_number, self, expression)

    def ask(self, place: Any) -> None:
        """Note that a trace rests on the value of an argument."""
        self.asked.add(place)

    def may_fail(self, expression: Expression) -> None:
        """Note that a trace computes what is not defined for all numbers."""
        self.partial[expression] = None

    def outcome(self, number: Varying, method: Callable[..., Any], *args: float) -> Any:
        """Return what a method of floats says of a number, on which a trace then rests."""
        return method(float(number), *args)

    def add(self, number: Varying) -> None:
        """Remember a number until its trace ends."""
        self._made.append(weakref.ref(number))

    def end(self) -> None:
        """End a trace: numbers that the function has kept become plain values."""
        made, self._made = self._made, []
        for ref in made:
            number = ref()
            if number is not None:
                number.settle()


class Varying:
    """A float argument of a function that is traced, or what arithmetic makes of it.

    With tensors, and with `+ - * / **` and abs(), it stands for a number that each run reads anew.
    To all else (a comparison, int(), math.exp, a format) it gives its value, and then what has been
    traced is right for that value alone, which `Numbers.asked` tells. It passes for a float; for C
    code that takes nothing but true floats it is none.
    """

    __slots__ = ("__weakref__", "_numbers", "_value", "expression", "size")

    def __init__(self, numbers: Numbers, expression: Expression, size: int = 1):
        self.expression, self.size = expression, size
        self._numbers = numbers
        self._value = numbers.read(expression)
        numbers.add(self)

    if not TYPE_CHECKING:
        __class__ = property(lambda self: float)  # what isinstance looks at, too

    def seen(self) -> float:
        """Return the value for a choice that no value changes, such as a result's dtype."""
        return self._value

    def settle(self) -> None:
        """Become the number that it is, in later calls too."""
        self.expression, self.size = _constant(self._value), 1

    @property
    def is_settled(self) -> bool:
        """Whether it is the same number in all runs."""
        return self.expression[0] == "constant"

    def live(self) -> Live:
        """Return the number for a program, which reads it for every run."""
        return self._numbers.live(self.expression)

    def __float__(self) -> float:
        stack = [self.expression]
        while stack:
            what, *sides = stack.pop()
            if what == "argument":
                self._numbers.ask(sides[0])
            elif what != "constant":
                stack += sides
        return self._value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(float(self), dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(float(self), name)

    def __reduce__(self) -> Any:
        return float, (float(self),)

    def __neg__(self) -> Any:
        return _arithmetic("*", reflected=False)(self, -1.0)

    def __pos__(self) -> Varying:
        return self

    def __abs__(self) -> Any:
        if self.is_settled or self.size >= LIMIT:
            return abs(float(self))
        return Varying(self._numbers, ("abs", self.expression), self.size + 1)


def read_number(numbers: Numbers, expression: Expression) -> float:
    """Return the number that an expression is now."""
    return numbers.read(expression)


def _constant(x: float) -> Expression:
    return "constant", float(x).hex()


def _leaves(expression: Expression) -> set[Expression]:
    """Return the arguments in an expression."""
    what, *sides = expression
    if what in ("argument", "constant"):
        return {expression} if what == "argument" else set()
    return set().union(*map(_leaves, sides))


def _values(symbol: str, x: Any, other: Any, reflected: bool) -> Any:
    """Return what an operator makes of numbers as they are now."""
    return OPERATORS[symbol](*[float(y) for y in ((other, x) if reflected else (x, other))])


def _arithmetic(symbol: str, reflected: bool) -> Callable[[Varying, Any], Any]:
    def compute(self: Varying, other: Any) -> Any:
        if type(other) is Varying:
            side, size = other.expression, self.size + other.size + 1
        elif type(other) in (float, int, bool):
            side, size = _constant(other), self.size + 2
        else:
            return NotImplemented  # a tensor knows what to do
        sides = (side, self.expression) if reflected else (self.expression, side)
        if sides[0][0] == sides[1][0] == "constant":
            return evaluate((symbol, *sides), {})  # of a number that was kept
        if size > LIMIT:
            return _values(symbol, self, other, reflected)
        made = symbol, *sides
        if symbol in PARTIAL:
            now = self._numbers.read(made)
            if type(now) is not float:
                return _values(symbol, self, other, reflected)  # a complex number
            self._numbers.may_fail(made)
        return Varying(self._numbers, made, size)

    return compute


def _asking(name: str) -> Callable[..., Any]:
    method = getattr(float, name)

    def ask(self: Varying, *args: Any) -> Any:
        plain = [float(x) if type(x) is Varying else x for x in args]
        return self._numbers.outcome(self, method, *plain)

    return ask


for _symbol, _name in (("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "truediv"), ("**", "pow")):
    setattr(Varying, f"__{_name}__", _arithmetic(_symbol, False))
    setattr(Varying, f"__r{_name}__", _arithmetic(_symbol, True))
for _name in (
    "mod", "rmod", "floordiv", "rfloordiv", "divmod", "rdivmod", "bool",
    "eq", "ne", "lt", "le", "gt", "ge", "hash", "int", "trunc", "floor", "ceil", "round", "format",
    "repr", "str",
):  # fmt: skip
    setattr(Varying, f"__{_name}__", _asking(f"__{_name}__"))
