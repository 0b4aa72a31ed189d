"""What a builtin function is: a row with its signatures. The modules beside this one have the rows.

A signature is written as the specification does: `"vecN<T>, vecN<T> -> T"`. `V` stands for `T` and
for `vecN<T>`: a function of it works component by component. Which scalars `T` may be is said
beside it. Sizes are the letters N, C and R.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ....recent import Recent
from ..types import (
    ABSTRACT,
    ABSTRACT_FLOAT,
    ABSTRACT_INT,
    BOOL,
    F16,
    F32,
    I32,
    SCALARS,
    U32,
    Atomic,
    Matrix,
    Pointer,
    Scalar,
    Type,
    Vector,
    common,
    rank,
    scalar_of,
)
from ..values import each

FLOAT = frozenset((ABSTRACT_FLOAT, F32, F16))
REAL = frozenset((F32, F16))
INTEGER = frozenset((ABSTRACT_INT, I32, U32))
WORD = frozenset((I32, U32))
SIGNED = frozenset((ABSTRACT_INT, I32))
NUMBER = FLOAT | INTEGER
CONCRETE = REAL | WORD
ANY = NUMBER | {BOOL}


class Match(NamedTuple):
    """What a call takes and gives: the types that its arguments become, and its result's."""

    parameters: tuple[Type, ...]
    result: Type | None


# For what no signature says: (template arguments, types of arguments) -> Match, or what is wrong.
Resolve = Callable[[tuple[Type, ...], tuple[Type, ...]], "Match | str"]


@dataclass(slots=True, eq=False)
class Builtin:
    """A builtin function.

    - `signatures` are what it takes and gives; `resolve` says it where they cannot.
    - `constant(values, kinds, result)` computes it from constants; None where it cannot be one.
    - `needs` is the extension that has to be enabled; `stage` the one stage that may call it.
    - `fixed` are the places of arguments that have to be constants.
    - `effect`: calling it changes something, and it may be called for that alone.
    - `derivative` and `twin` are the rule for gradients and the function of NumPy arrays.
    """

    name: str
    signatures: tuple[Signature, ...]
    resolve: Resolve | None = None
    constant: Callable[[tuple, tuple[Type, ...], Type], Any] | None = None
    templates: bool = False
    needs: str = ""
    stage: str = ""
    effect: bool = False
    fixed: tuple[int, ...] = ()
    derivative: Any = None
    twin: Any = None
    known: Recent[tuple] = field(default_factory=lambda: Recent(200), repr=False)

    def match(self, templates: tuple[Type, ...], kinds: tuple[Type, ...], run: bool) -> Match | str:
        """Return what a call with arguments of these types does, or a sentence that refuses it.

        `run` says that it is no constant: then nothing in it stays abstract.
        """
        match = self.known[templates, kinds, run]
        if match is None:
            match = self._match(templates, kinds, run)
            self.known.keep((templates, kinds, run), match)
        return match

    def _match(
        self, templates: tuple[Type, ...], kinds: tuple[Type, ...], run: bool
    ) -> Match | str:
        if templates and not self.templates:
            return f"{self.name} takes no template arguments"
        if self.resolve is not None:
            return self.resolve(templates, kinds)
        for signature in self.signatures:
            match = signature.match(kinds, run)
            if match is not None:
                return match
        took = ", ".join(map(str, kinds)) or "nothing"
        forms = dict.fromkeys(x.text for x in self.signatures)
        where = dict.fromkeys(x.where() for x in self.signatures if x.where())
        says = " or ".join(f"{self.name}({x.partition(' -> ')[0]})" for x in forms)
        return f"{self.name}({took}) is not defined; there is {says}{'; '.join(['', *where])}"


class Pattern(NamedTuple):
    """A parameter or a result: its form, its sizes as numbers or letters, and its scalar."""

    form: str  # "scalar", "vector", "matrix", "atomic"
    sizes: tuple[int | str, ...]
    scalar: Scalar | str


_PATTERN = re.compile(r"(vec(\w)|mat(\w)x(\w)|atomic)<(\w+)>|(\w+)")


def _pattern(text: str) -> Pattern:
    match = _PATTERN.fullmatch(text.strip())
    assert match is not None, text
    name = match[5] or match[6]
    scalar = SCALARS.get(name, name)
    sizes = tuple(int(x) if x.isdigit() else x for x in (match[2], match[3], match[4]) if x)
    forms = {0: "atomic" if match[1] else "scalar", 1: "vector", 2: "matrix"}
    return Pattern(forms[len(sizes)], sizes, scalar)


class Signature:
    """What a function takes and gives, with letters for what is open."""

    def __init__(self, text: str, open_: dict[str, frozenset[Scalar]], shown: str = ""):
        taken, _, given = text.partition(" -> ")
        self.text = shown or text
        self.parameters = tuple(_pattern(x) for x in taken.split(", ") if x)
        self.result = _pattern(given) if given else None
        self.open = open_

    def where(self) -> str:
        """Say what the letters stand for."""
        words = [
            f"{letter} is {', '.join(sorted(x.name for x in allowed if x not in ABSTRACT))}"
            for letter, allowed in self.open.items()
        ]
        if "V" in self.text:
            words.append("V is T or a vector of T")
        return " and ".join(words)

    def match(self, kinds: tuple[Type, ...], run: bool) -> Match | None:
        """Return what a call with arguments of these types does, or None."""
        if len(kinds) != len(self.parameters):
            return None
        sizes: dict[str, int] = {}
        scalars: dict[str, list[Scalar]] = {}
        for pattern, kind in zip(self.parameters, kinds, strict=True):
            if not _fits(pattern, kind, sizes):
                return None
            scalar = scalar_of(kind.store if isinstance(kind, Pointer) else kind)
            assert scalar is not None
            if isinstance(pattern.scalar, str):
                scalars.setdefault(pattern.scalar, []).append(scalar)
            elif rank(scalar, pattern.scalar) is None:
                return None
        letters: dict[str, Scalar] = {}
        for letter, given in scalars.items():
            best = common(given, self.open[letter] - ABSTRACT if run else self.open[letter])
            if best is None:
                return None
            letters[letter] = best

        def typed(pattern: Pattern, kind: Type | None = None) -> Type:
            scalar = letters[pattern.scalar] if isinstance(pattern.scalar, str) else pattern.scalar
            counts = tuple(sizes[x] if isinstance(x, str) else x for x in pattern.sizes)
            if pattern.form == "vector":
                return Vector(counts[0], scalar)
            if pattern.form == "matrix":
                return Matrix(counts[0], counts[1], scalar)
            return kind if kind is not None and pattern.form == "atomic" else scalar

        both = zip(self.parameters, kinds, strict=True)
        parameters = tuple(typed(pattern, kind) for pattern, kind in both)
        return Match(parameters, None if self.result is None else typed(self.result))


def _fits(pattern: Pattern, kind: Type, sizes: dict[str, int]) -> bool:
    """Return whether a type has a pattern's form, and note the sizes it has for letters."""
    have: tuple[int, ...]
    if isinstance(kind, Scalar):
        form, have = "scalar", ()
    elif isinstance(kind, Vector):
        form, have = "vector", (kind.size,)
    elif isinstance(kind, Matrix):
        form, have = "matrix", (kind.columns, kind.rows)
    elif isinstance(kind, Pointer) and isinstance(kind.store, Atomic):
        form, have = "atomic", ()
    else:
        return False
    if form != pattern.form:
        return False
    for want, size in zip(pattern.sizes, have, strict=True):
        if (sizes.setdefault(want, size) if isinstance(want, str) else want) != size:
            return False
    return True


TABLE: dict[str, Builtin] = {}


def builtin(
    name: str,
    *signatures: str,
    constant: Callable[..., Any] | None = None,
    resolve: Resolve | None = None,
    templates: bool = False,
    needs: str = "",
    stage: str = "",
    effect: bool = False,
    fixed: tuple[int, ...] = (),
    **letters: Iterable[Scalar],
) -> Builtin:
    """Add a row to the table, and return it. `letters` says what T and others may be."""
    open_ = {letter: frozenset(allowed) for letter, allowed in letters.items()}
    overloads = []
    for text in signatures:
        if re.search(r"\bV\b", text):
            overloads.append(Signature(re.sub(r"\bV\b", "T", text), open_, text))
            vector = re.sub(r"\bV\b", "vecN<T>", text)
            overloads.append(Signature(re.sub(r"\bW\b", "vecN<I>", vector), open_, text))
            overloads[-2] = Signature(
                re.sub(r"\bW\b", "I", re.sub(r"\bV\b", "T", text)), open_, text
            )
        else:
            overloads.append(Signature(text, open_))
    row = Builtin(name, tuple(overloads), resolve, constant, templates, needs, stage, effect, fixed)
    TABLE[name] = row
    return row


def by_component(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the `constant` of a function that works component by component."""

    def constant(values: tuple, kinds: tuple[Type, ...], result: Type) -> Any:
        return each(fn, values, result)

    return constant
