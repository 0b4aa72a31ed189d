"""What the parts of one WGSL kernel share: memory, numbers, and the functions that they call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...backends.array import Number
from ...backends.fold import Fold
from ...backends.webgpu import shaders
from ...dtypes import DType, bool_, uint32
from .part import Access

COMPONENTS = ("x", "y", "z", "w")


class Module:
    """The bindings, uniform numbers and functions of one kernel.

    `memory_of` says in which memory a slot lies. Slots of one memory are one
    binding: a step may write over what it reads.
    """

    def __init__(self, memory_of: Callable[[int], object]):
        self._memory_of = memory_of
        self._bindings: dict[object, int] = {}
        self._types: dict[int, tuple[DType, bool]] = {}  # by binding: dtype, whether array of vec4
        self._written: set[int] = set()
        self._functions: dict[str, str] = {}
        self._declared: dict[str, None] = {}  # texts of users
        self.numbers: list[tuple[Number, DType]] = []
        self._zero = ""
        self.shared: dict[str, str] = {}  # workgroup memory

    def binding(self, slot: int) -> int:
        """Return the number of a slot's binding, counted from 0."""
        return self._bindings.setdefault(self._memory_of(slot), len(self._bindings))

    def use(self, access: Access, vector: bool, write: bool) -> None:
        """Note how memory is accessed, before any text is made."""
        at = self.binding(access.slot)
        _, wide = self._types.get(at, (None, False))
        self._types[at] = access.dtype, wide or vector
        if write:
            self._written.add(at)

    @property
    def memory(self) -> list[object]:
        """The memory of each binding, in order."""
        return list(self._bindings)

    @property
    def access(self) -> str:
        """A letter per binding: "r" where it is read, "w" where it is written too."""
        return "".join("w" if i in self._written else "r" for i in range(len(self._bindings)))

    def number(self, value: Number, dtype: DType) -> str:
        """Return the expression of a number, which travels in Params."""
        place = len(self.numbers)
        self.numbers.append((value, dtype))
        bits = f"params.scalars[{place // 4}].{COMPONENTS[place % 4]}"
        if dtype is bool_:
            return f"({bits} != 0u)"
        return bits if dtype.wgsl == "u32" else f"bitcast<{dtype.wgsl}>({bits})"

    def zero(self, which: int = 0) -> str:
        """Return a u32 that is 0, which no compiler knows, nor that others are the same.

        All are made of one number, for those that travel are few.
        """
        self._zero = self._zero or self.number(0, uint32)
        if which < 32:
            return f"({self._zero} << {which}u)" if which else self._zero
        return f"({self._zero} * {2 * which + 1}u)"

    def function(self, name: str, code: str) -> str:
        """Return the name of the function that `fn NAME(...)...` declares; equal code is one."""
        if code not in self._functions:
            self._functions[code] = f"{name}_{len(self._functions)}"
        return self._functions[code]

    def declare(self, code: Sequence[str]) -> None:
        """Put declarations into the module, each once: what equal texts declare is the same."""
        self._declared |= dict.fromkeys(code)

    def declarations(self, first: int, body: str) -> str:
        """Return the bindings, numbered from `first`, and every function that `body` needs."""
        lines = []
        for at, access in enumerate(self.access):
            dtype, wide = self._types[at]
            kind = f"vec4<{dtype.storage}>" if wide else dtype.storage
            mode = "read_write" if access == "w" else "read"
            lines.append(
                f"@group(0) @binding({first + at}) var<storage, {mode}> m{at}: array<{kind}>;"
            )
        lines += self.shared.values()
        made = [c.replace("fn NAME", f"fn {n}", 1) for c, n in self._functions.items()]
        lines += self._declared
        library = shaders.library("\n".join([*self._declared, *made, body]))
        return "\n".join([*lines, *([library] if library else []), *made])

    # Expressions over memory.
    def element(self, access: Access, address: str) -> str:
        """Return the place of one element."""
        at = self.binding(access.slot)
        if self._types[at][1]:
            return f"m{at}[({address}) / 4u][({address}) % 4u]"
        return f"m{at}[{address}]"

    def quad(self, access: Access, address: str, further: int = 0) -> str:
        """Return the place of a vec4: that of an address, or one that is so many further."""
        more = f" + {further}u" if further else ""
        return f"m{self.binding(access.slot)}[({address}) / 4u{more}]"


def combiner(module: Module, fold: Fold, dtype: DType) -> str:
    """Return the name of the function that makes one value of two."""
    t = dtype.wgsl
    code = f"fn NAME(a: {t}, b: {t}) -> {t} {{ return {fold.expression(dtype)}; }}"
    return module.function(fold.name, code)
