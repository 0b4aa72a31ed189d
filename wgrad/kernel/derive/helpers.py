"""Products in which zero times anything is zero: the functions that generated text calls.

A slope may be infinite where nothing depends on it (`sqrt` at 0), and an infinite tangent may meet
a slope of 0 (`1 / (1 + exp(-x))` far below 0). Both have to count nothing, and `0 * inf` is NaN.
What counts nothing is decided term by term, in vectors and matrices too.

The derivative of such a product is the rule of products with the same function, and not that of its
text: at `a == 0` the text has slope 0, the product has slope b. So these functions are known again
by what they say (`roles`), whatever their names are, and derivatives of any order stay right.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from ..language import syntax as s
from ..language.parser import parse
from ..language.places import MADE
from ..language.types import Matrix, Scalar, Type, Vector, scalar_of
from .terms import type_name, type_node


class Role(NamedTuple):
    """What a function does, and for which types: `product`, `dot`, `cross` or `power`."""

    kind: str
    left: Type
    right: Type


def name_of(role: Role) -> str:
    """Return a name for the function of a role."""
    names = [type_name(role.left)]
    if role.right != role.left:
        names.append(type_name(role.right))
    return f"{role.kind}_{'_'.join(names)}"


@functools.lru_cache(maxsize=256)
def function_of(role: Role) -> s.Function:
    """Return the function of a role; its name is `name_of(role)`."""
    left, right = _text(role.left), _text(role.right)
    result, value = _BODIES[role.kind](role)
    text = f"fn {name_of(role)}(a: {left}, b: {right}) -> {result} {{ return {value}; }}"
    (function,) = parse(text, MADE).functions.values()
    return function


def roles(functions: dict[str, s.Function]) -> dict[str, Role]:
    """Return the functions that are one of ours, by their names."""
    role_by_name = {}
    for name, function in functions.items():
        for role in _candidates(function):
            if function_of(role).but(name=name) == function:
                role_by_name[name] = role
    return role_by_name


def _candidates(function: s.Function) -> list[Role]:
    names = []
    for parameter in function.parameters:
        kind = _TYPES.get(parameter.type.name) if isinstance(parameter.type, s.Identifier) else None
        if kind is None or parameter.name not in "ab":
            return []
        names.append(kind)
    if len(names) != 2 or len(function.body.statements) != 1:
        return []
    left, right = names
    candidates = [Role("product", left, right)] if _product_fits(left, right) else []
    if left == right and not isinstance(left, Matrix):
        candidates.append(Role("power", left, right))
        if isinstance(left, Vector):
            candidates.append(Role("dot", left, right))
            candidates += [Role("cross", left, right)] if left.size == 3 else []
    return candidates


def _product_fits(left: Type, right: Type) -> bool:
    if isinstance(left, Matrix):
        if isinstance(right, Matrix):
            return left.columns == right.rows
        return not isinstance(right, Vector) or right.size == left.columns
    if isinstance(right, Matrix):
        return isinstance(left, Vector) and left.size == right.rows
    return left == right


def _text(kind: Type) -> str:
    return type_node(kind).name


def product_type(left: Type, right: Type) -> Type:
    """Return the type of a product of scalars, vectors and matrices."""
    if isinstance(left, Matrix):
        if isinstance(right, Matrix):
            return Matrix(right.columns, left.rows, left.element)
        return left.column if isinstance(right, Vector) else left
    if isinstance(right, Matrix):
        return Vector(right.columns, right.element) if isinstance(left, Vector) else right
    return right if isinstance(left, Scalar) else left


def _times(kind: Type, a: str, b: str) -> str:
    """Return the product of two scalars or two vectors of one type.

    It does not ask whether a factor is 0: compilers reason as if nothing were infinite, and then
    `1 / (1 + exp(x))` never is. Below the smallest number they keep what is asked for. Each factor
    is asked by itself: the smaller one of two takes longer where it has to heed NaN.
    """
    least = _LEAST[_scalar_name(kind)]
    if isinstance(kind, Vector):
        zero, least = f"{_text(kind)}()", f"{_text(kind)}({least})"
    else:
        zero = "0.0"
    return f"select({a} * {b}, {zero}, (abs({a}) < {least}) | (abs({b}) < {least}))"


def smallest(kind: Type) -> float:
    """Return the smallest float of a type that adapters do not take for 0."""
    return float(_LEAST[_scalar_name(kind)])


def _scalar_name(kind: Type) -> str:
    scalar = scalar_of(kind)
    assert scalar is not None
    return scalar.name


def _column(matrix: Matrix, a: str, weights: list[str]) -> str:
    """Return the sum of a matrix' columns with weights."""
    column = matrix.column
    splats = (f"{_text(column)}({x})" for x in weights)
    return " + ".join(_times(column, f"{a}[{i}]", x) for i, x in enumerate(splats))


def _product(role: Role) -> tuple[str, str]:
    left, right = role.left, role.right
    result = product_type(left, right)
    if isinstance(left, Matrix) and isinstance(right, Matrix):
        columns = (
            _column(left, "a", [f"b[{j}].{'xyzw'[i]}" for i in range(left.columns)])
            for j in range(right.columns)
        )
        return _text(result), f"{_text(result)}({', '.join(columns)})"
    if isinstance(left, Matrix) and isinstance(right, Vector):
        return _text(result), _column(left, "a", [f"b.{'xyzw'[i]}" for i in range(left.columns)])
    if isinstance(left, Matrix):
        column, splat = left.column, f"{_text(left.column)}(b)"
        columns = (_times(column, f"a[{i}]", splat) for i in range(left.columns))
        return _text(result), f"{_text(result)}({', '.join(columns)})"
    if isinstance(left, Vector) and isinstance(right, Matrix):
        sums = (_sum(left, _times(left, "a", f"b[{j}]")) for j in range(right.columns))
        return _text(result), f"{_text(result)}({', '.join(sums)})"
    return _text(result), _times(left, "a", "b")


def _sum(vector: Vector, value: str) -> str:
    return f"dot({value}, {_text(vector)}(1.0))"


def _dot(role: Role) -> tuple[str, str]:
    assert isinstance(role.left, Vector)
    return _text(role.left.element), _sum(role.left, _times(role.left, "a", "b"))


def _cross(role: Role) -> tuple[str, str]:
    ways = (_times(role.left, f"a.{x}", f"b.{y}") for x, y in (("yzx", "zxy"), ("zxy", "yzx")))
    return _text(role.left), " - ".join(ways)


def _power(role: Role) -> tuple[str, str]:
    """Return a ** b, which is 1 where b is 0: adapters disagree about pow(0, 0)."""
    kind = _text(role.left)
    if isinstance(role.left, Vector):
        return kind, f"select(pow(a, b), {kind}(1.0), b == {kind}())"
    return kind, "select(pow(a, b), 1.0, b == 0.0)"


_LEAST = {"f32": "1.1754944e-38", "f16": "5.9604645e-8"}  # of f16 also subnormal numbers count
_BODIES = {"product": _product, "dot": _dot, "cross": _cross, "power": _power}
_SCALARS = (Scalar("f32"), Scalar("f16"))
_TYPES: dict[str, Type] = {
    _text(kind): kind
    for scalar in _SCALARS
    for kind in (
        scalar,
        *(Vector(n, scalar) for n in (2, 3, 4)),
        *(Matrix(c, r, scalar) for c in (2, 3, 4) for r in (2, 3, 4)),
    )
}
