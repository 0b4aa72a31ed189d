"""Calls of types: `vec3f(x, 0, 0)`, `mat2x2(a, b)`, `array(1, 2)`, `Particle(p, v)`, `f32(i)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import limits
from . import syntax as s
from .layouts import size_of
from .scopes import CONST, ExpressionInfo
from .typenames import GENERATORS, TypeNames
from .types import (
    ABSTRACT,
    ABSTRACT_INT,
    BOOL,
    FLOATS,
    NUMBERS,
    WAYS,
    Array,
    Atomic,
    Matrix,
    Scalar,
    Structure,
    Type,
    Vector,
    common,
    concrete,
    is_constructible,
    rank,
)
from .values import cast, zero


class Constructors(TypeNames):
    """Checks calls whose callee is a type."""

    def construct(self, node: s.Call) -> ExpressionInfo:
        """Return what the call of a type gives."""
        callee = node.callee
        arguments = [self.value(x) for x in node.arguments]
        kind: Type
        if self.find(callee.name) is None and callee.name in GENERATORS and not callee.arguments:
            kind = self._inferred(node, arguments)
            self.typed.types[id(callee)] = kind
        else:
            kind = self.type(callee)
        if isinstance(kind, Array) and kind.count is None:
            raise node.span.error(f"{kind} cannot be made: it has no size")
        if not is_constructible(kind):
            raise node.span.error(f"{kind} cannot be made: it is no value")
        if size_of(kind) > limits.VALUE_BYTES:
            what = f"a value of {size_of(kind)} bytes is too large"
            raise node.span.error(f"{what}: at most {limits.VALUE_BYTES}; use a buffer")
        if not arguments:
            return ExpressionInfo(kind, CONST, zero(kind))
        if isinstance(kind, Scalar):
            return self._scalar(node, kind, arguments)
        if isinstance(kind, Vector):
            return self._vector(node, kind, arguments)
        if isinstance(kind, Matrix):
            return self._matrix(node, kind, arguments)
        if isinstance(kind, Structure):
            fields = [(f"{kind}.{x.name}", x.type) for x in kind.fields]
        else:
            assert isinstance(kind, Array) and isinstance(kind.count, int)
            fields = [("each element", kind.element)] * min(kind.count, len(arguments) + 1)
        if len(fields) != len(arguments):
            count = kind.count if isinstance(kind, Array) else len(fields)
            raise node.span.error(f"{kind} is made of {count} values, not of {len(arguments)}")
        made = []
        for x, argument, (what, part) in zip(node.arguments, arguments, fields, strict=True):
            if rank(argument.type, part) is None:
                raise x.span.error(f"{what} is {part}, not {argument.type}")
            made.append(self.convert(x, argument, part))
        return self._made(kind, made, tuple(x.constant for x in made))

    def _made(self, kind: Type, parts: Sequence[ExpressionInfo], constant: Any) -> ExpressionInfo:
        stage = max(x.stage for x in parts)
        return ExpressionInfo(kind, stage, constant if stage == CONST else None)

    def _inferred(self, node: s.Call, arguments: list[ExpressionInfo]) -> Type:
        """Return the type that a call such as `vec3(x, y, z)` makes."""
        name = node.callee.name
        if name == "array":
            if not arguments:
                raise node.span.error("array() does not say of what: array<f32, 4>()")
            return Array(self._best(node, [x.type for x in arguments]), len(arguments))
        if name in ("atomic", "ptr"):
            raise node.span.error(f"{name} cannot be made: it is no value")
        scalars = []
        for x, argument in zip(node.arguments, arguments, strict=True):
            scalar = getattr(argument.type, "element", argument.type)
            if not isinstance(scalar, Scalar) or isinstance(argument.type, Atomic):
                raise x.span.error(f"{name} is made of numbers and vectors, not of {argument.type}")
            scalars.append(scalar)
        if name.startswith("vec"):
            scalar = common(scalars, NUMBERS | {BOOL}) if scalars else ABSTRACT_INT
            if scalar is None:
                took = ", ".join(str(x.type) for x in arguments)
                raise node.span.error(f"{name}({took}): all have to be of one type")
            return Vector(int(name[3]), scalar)
        if not scalars:
            raise node.span.error(f"{name}() does not say of what: {name}<f32>()")
        scalar = common(scalars, FLOATS)
        if scalar is None:
            took = ", ".join(str(x.type) for x in arguments)
            raise node.span.error(f"{name}({took}): all have to be of one type of floats")
        return Matrix(int(name[3]), int(name[5]), scalar)

    def _best(self, node: s.Call, kinds: list[Type]) -> Type:
        """Return the type that all of these convert to, with the least change."""
        if all(isinstance(x, Scalar) for x in kinds):
            scalar = common((x for x in kinds if isinstance(x, Scalar)), WAYS)
            if scalar is not None:
                return scalar
        for kind in kinds:
            if is_constructible(kind) and all(rank(x, kind) is not None for x in kinds):
                return kind
        took = ", ".join(dict.fromkeys(map(str, kinds)))
        raise node.span.error(f"array(...): all elements have to be of one type, not {took}")

    def _scalar(
        self, node: s.Call, kind: Scalar, arguments: list[ExpressionInfo]
    ) -> ExpressionInfo:
        if len(arguments) != 1 or not isinstance(arguments[0].type, Scalar):
            took = ", ".join(str(x.type) for x in arguments)
            raise node.span.error(f"{kind}(x) takes one number or bool, not {took}")
        (argument,) = arguments
        if argument.stage > CONST:
            return ExpressionInfo(kind, argument.stage)
        with self.at(node):
            assert isinstance(argument.type, Scalar)
            return ExpressionInfo(kind, CONST, cast(argument.constant, argument.type, kind))

    def _vector(
        self, node: s.Call, kind: Vector, arguments: list[ExpressionInfo]
    ) -> ExpressionInfo:
        """A vector is made of one scalar, of another vector, or of parts that fill it."""
        if len(arguments) == 1:
            (only,) = arguments
            source = only.type
            if isinstance(only.type, Scalar) and rank(only.type, kind.element) is not None:
                only = self.convert(node.arguments[0], only, kind.element)
                return self._made(kind, [only], (only.constant,) * kind.size)
            if isinstance(source, Vector) and source.size == kind.size:
                if rank(source, kind) is not None:
                    only = self.convert(node.arguments[0], only, kind)
                    return self._made(kind, [only], only.constant)
                return self._cast_parts(node, kind, only, source.element)
            raise node.span.error(f"{kind} cannot be made of {only.type}{_casts(only, kind)}")
        sizes = []
        made = []
        for x, argument in zip(node.arguments, arguments, strict=True):
            part: Type = kind.element
            if isinstance(argument.type, Vector):
                part = Vector(argument.type.size, kind.element)
            if rank(argument.type, part) is None:
                raise x.span.error(
                    f"{kind} cannot be made of {argument.type}{_casts(argument, kind)}"
                )
            made.append(self.convert(x, argument, part))
            sizes.append(part.size if isinstance(part, Vector) else 1)
        if sum(sizes) != kind.size:
            raise node.span.error(f"{kind} is made of {kind.size} components, not of {sum(sizes)}")
        constant: list[Any] = []
        for converted in made:
            value = converted.constant
            constant += value if isinstance(value, tuple) else (value,)
        return self._made(kind, made, tuple(constant))

    def _cast_parts(
        self, node: s.Call, kind: Any, only: ExpressionInfo, source: Scalar
    ) -> ExpressionInfo:
        """Return a vector or matrix whose components are converted as a type's name asks for."""
        if only.stage > CONST:
            return ExpressionInfo(kind, only.stage)

        def casted(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(casted(x) for x in value)
            return cast(value, source, kind.element)

        with self.at(node):
            return ExpressionInfo(kind, CONST, casted(only.constant))

    def _matrix(
        self, node: s.Call, kind: Matrix, arguments: list[ExpressionInfo]
    ) -> ExpressionInfo:
        """A matrix is made of its columns, of its components, or of another matrix."""
        first = arguments[0].type
        if len(arguments) == 1 and isinstance(first, Matrix):
            if (first.columns, first.rows) == (kind.columns, kind.rows):
                if rank(first, kind) is not None:
                    only = self.convert(node.arguments[0], arguments[0], kind)
                    return self._made(kind, [only], only.constant)
                return self._cast_parts(node, kind, arguments[0], first.element)
        if len(arguments) == kind.columns and isinstance(first, Vector):
            part: Type = kind.column
        elif len(arguments) == kind.columns * kind.rows:
            part = kind.element
        else:
            raise node.span.error(
                f"{kind} is made of {kind.columns} columns or {kind.columns * kind.rows} numbers"
            )
        made = []
        for x, argument in zip(node.arguments, arguments, strict=True):
            if rank(argument.type, part) is None:
                raise x.span.error(f"{kind} is made of {part} here, not of {argument.type}")
            made.append(self.convert(x, argument, part))
        constant = tuple(x.constant for x in made)
        if isinstance(part, Scalar):
            rows = kind.rows
            constant = tuple(constant[i : i + rows] for i in range(0, len(constant), rows))
        return self._made(kind, made, constant)


def _casts(argument: ExpressionInfo, kind: Vector) -> str:
    """Say how a part could be converted."""
    scalar = getattr(argument.type, "element", argument.type)
    if not isinstance(scalar, Scalar) or scalar in ABSTRACT or scalar == kind.element:
        return ""
    target = kind.element
    if isinstance(argument.type, Vector):
        return f": write vec{argument.type.size}<{concrete(target)}>(...)"
    return f": write {concrete(target)}(...)"
