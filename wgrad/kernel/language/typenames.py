"""Names of types to types: `vec3<f32>`, `mat2x2f`, `array<T, N>`, aliases and structures."""

from __future__ import annotations

import re

from . import syntax as s
from .scopes import CONST, ExpressionInfo, Scopes
from .types import (
    ABSTRACT,
    F16,
    F32,
    FLOATS,
    I32,
    SCALARS,
    U32,
    Array,
    Atomic,
    Matrix,
    Pointer,
    Scalar,
    Type,
    Vector,
    depth,
    ends_open,
    has_atomics,
    is_plain,
    is_sized,
)

_LETTERS = {"f": F32, "h": F16, "i": I32, "u": U32}
_SHORT: dict[str, Type] = {
    **{f"vec{n}{c}": Vector(n, x) for n in (2, 3, 4) for c, x in _LETTERS.items()},
    **{
        f"mat{n}x{m}{c}": Matrix(n, m, _LETTERS[c])
        for n in (2, 3, 4)
        for m in (2, 3, 4)
        for c in "fh"
    },
    **SCALARS,
}
_VECTOR = re.compile(r"vec([234])")
_MATRIX = re.compile(r"mat([234])x([234])")
GENERATORS = frozenset(
    ("vec2", "vec3", "vec4", "array", "atomic", "ptr")
    + tuple(f"mat{n}x{m}" for n in (2, 3, 4) for m in (2, 3, 4))
)
_OPAQUE = re.compile(
    r"sampler(_comparison)?|acceleration_structure|ray_query|binding_array|texture_external|"
    r"texture(_storage)?_(1d|2d|2d_array|3d)|texture(_depth)?(_2d|_2d_array|_cube|_cube_array)|"
    r"texture(_depth)?_multisampled_2d"
)
ACCESS = ("read", "write", "read_write")
SPACES = ("function", "private", "workgroup", "uniform", "storage")
_MOST_ELEMENTS = 2**31


def is_type_name(name: str) -> bool:
    """Return whether WGSL has a type of this name, which a text may give another meaning."""
    return name in _SHORT or name in GENERATORS or _OPAQUE.fullmatch(name) is not None


class TypeNames(Scopes):
    """Finds the type that an expression names."""

    def type(self, node: s.Expression) -> Type:
        """Return the type that an expression names. Raises: ShaderError where it names none."""
        if not isinstance(node, s.Identifier):
            raise node.span.error("this is no type")
        kind = self._named(node)
        if depth(kind) > 15:
            raise node.span.error("this type is nested more than 15 deep")
        self.typed.types[id(node)] = kind
        return kind

    def _named(self, node: s.Identifier) -> Type:
        symbol = self.find(node.name)
        if symbol is not None:
            if symbol.kind not in ("struct", "alias"):
                raise node.span.error(f"{node.name!r} is no type but a {symbol.kind}")
            if node.arguments:
                raise node.span.error(f"{node.name!r} takes no template arguments")
            self.typed.symbols[id(node)] = symbol
            assert symbol.type is not None
            return symbol.type
        short = _SHORT.get(node.name)
        if short is not None:
            if node.arguments:
                raise node.span.error(f"{node.name} takes no template arguments")
            self.need_f16(short, node)
            return short
        if node.name in GENERATORS:
            if not node.arguments:
                wanted = {"array": "array<f32>", "atomic": "atomic<u32>"}
                example = wanted.get(node.name, f"{node.name}<f32>")
                if node.name == "ptr":
                    example = "ptr<function, f32>"
                raise node.span.error(f"{node.name} needs to know of what: {example}")
            return self.generated(node)
        if _OPAQUE.fullmatch(node.name):
            raise node.span.error(
                f"{node.name}: textures and samplers are not supported; read an image from a "
                "var<storage, read> array<f32>, or array<vec4f>, and interpolate by hand"
            )
        raise self.unknown(node, "type")

    def need_f16(self, kind: Type, node: s.Expression) -> None:
        """Raise where a type is of f16 and the text does not enable that."""
        if getattr(kind, "element", kind) == F16 and "f16" not in self.typed.extensions:
            raise node.span.error("f16 needs 'enable f16;' as the first line of the text")

    def generated(self, node: s.Identifier) -> Type:
        """Return the type of a name with template arguments."""
        name, arguments = node.name, node.arguments
        most = {"array": 2, "ptr": 3}.get(name, 1)
        least = 2 if name == "ptr" else 1
        if not least <= len(arguments) <= most:
            raise node.span.error(f"{name} takes {least} template arguments, not {len(arguments)}")
        if name == "array":
            return self._array(node)
        if name == "ptr":
            return self._pointer(node)
        element = self.type(arguments[0])
        if name == "atomic":
            if element not in (I32, U32):
                raise node.span.error(f"atomic<{element}>: an atomic is i32 or u32")
            assert isinstance(element, Scalar)
            return Atomic(element)
        vector = _VECTOR.fullmatch(name)
        if vector:
            if not isinstance(element, Scalar):
                raise node.span.error(f"{name}<{element}>: a vector is of bool, i32, u32, f32, f16")
            return Vector(int(vector[1]), element)
        matrix = _MATRIX.fullmatch(name)
        assert matrix is not None
        if not isinstance(element, Scalar) or element not in FLOATS:
            raise node.span.error(f"{name}<{element}>: a matrix is of f32 or f16")
        return Matrix(int(matrix[1]), int(matrix[2]), element)

    def _array(self, node: s.Identifier) -> Array:
        element = self.type(node.arguments[0])
        if not is_plain(element) or ends_open(element):
            raise node.span.error(f"{element} cannot be an element of an array")
        if len(node.arguments) == 1:
            return Array(element, None)
        if not is_sized(element):
            raise node.span.error(f"the elements of an array need a size that is known: {element}")
        return Array(element, self._count(node.arguments[1]))

    def _count(self, node: s.Expression) -> int | s.Expression:
        """Return the number of elements, or the expression where an override says it."""
        count = self.value(node)
        if count.stage > CONST:
            self.need_stage(count, 1, node, "the size of an array")
        if count.type in ABSTRACT:
            count = self.convert(node, count, I32)
        if count.type not in (I32, U32):
            raise node.span.error(f"the size of an array is an integer, not {count.type}")
        if count.stage > CONST:
            return node
        if not 0 < count.constant < _MOST_ELEMENTS:
            raise node.span.error(f"an array has at least one element, not {count.constant}")
        return count.constant

    def _pointer(self, node: s.Identifier) -> Pointer:
        space = self.word(node.arguments[0], SPACES, "an address space")
        store = self.type(node.arguments[1])
        access = "read" if space in ("uniform", "storage") else "read_write"
        if len(node.arguments) == 3:
            if space != "storage":
                raise node.span.error(f"ptr<{space}, ...> takes no access mode")
            access = self.word(node.arguments[2], ACCESS, "an access mode")
        if not is_plain(store):
            raise node.span.error(f"there is no pointer to {store}")
        if has_atomics(store) and space not in ("workgroup", "storage"):
            raise node.span.error(f"an atomic cannot lie in the address space {space}")
        return Pointer(space, store, access)

    def word(self, node: s.Expression, words: tuple[str, ...], what: str) -> str:
        """Return an expression that is one of some words."""
        if isinstance(node, s.Identifier) and not node.arguments and node.name in words:
            return node.name
        raise node.span.error(f"expected {what}: {', '.join(words)}")

    # What expressions.py adds.

    def value(self, node: s.Expression) -> ExpressionInfo:
        """Return what an expression gives, read where it refers to memory."""
        raise NotImplementedError

    def convert(self, node: s.Expression, value: ExpressionInfo, target: Type) -> ExpressionInfo:
        """Return what an expression gives after an automatic conversion."""
        raise NotImplementedError
