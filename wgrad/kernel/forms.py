"""Forms: how a WGSL value lies in a tensor, component by component."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .. import dtypes
from ..dtypes import DType
from ..layout import Shape
from .language.symbols import FunctionInfo
from .language.types import BOOL, F16, F32, I32, U32, Array, Matrix, Scalar, Type, Vector

DTYPES: dict[Scalar, DType] = {
    BOOL: dtypes.bool_,
    I32: dtypes.int32,
    U32: dtypes.uint32,
    F32: dtypes.float32,
    F16: dtypes.float16,
}
_LETTERS = "xyzw"


@dataclass(frozen=True)
class Form:
    """A scalar, vector or matrix (or an array of scalars): its dtype, and the axes that it takes.

    A tensor of such values ends with the axes of `inner`: none, (N,) or (columns, rows). `paths`
    say how each component is taken from the value in WGSL, in the order of the tensor's elements.
    """

    type: Type
    scalar: Scalar
    inner: Shape
    paths: tuple[str, ...]

    @property
    def dtype(self) -> DType:
        """The dtype of a tensor of such values."""
        return DTYPES[self.scalar]

    @property
    def size(self) -> int:
        """The number of components."""
        return prod(self.inner)


def form_of(kind: Type | None) -> Form | None:
    """Return how values of a type lie in a tensor; None for what no tensor holds."""
    match kind:
        case Scalar() if kind in DTYPES:
            return Form(kind, kind, (), ("",))
        case Vector(size, element):
            return Form(kind, element, (size,), tuple(f".{c}" for c in _LETTERS[:size]))
        case Matrix(columns, rows, element):
            places = tuple(f"[{c}].{r}" for c in range(columns) for r in _LETTERS[:rows])
            return Form(kind, element, (columns, rows), places)
        case Array(Scalar() as element, int() as count) if element in DTYPES:
            return Form(kind, element, (count,), tuple(f"[{k}]" for k in range(count)))
    return None


def is_op(info: FunctionInfo) -> bool:
    """Whether a function's parameters and result lie in tensors, so that it can be an op."""
    kinds = [*(x.type for x in info.parameters), info.result]
    return len(kinds) > 1 and not any(form_of(x) is None or isinstance(x, Array) for x in kinds)


def written(kind: Form, components: list[str]) -> str:
    """Return the WGSL that makes a value of its components."""
    return (
        components[0] if isinstance(kind.type, Scalar) else f"{kind.type}({', '.join(components)})"
    )
