"""Both directions of differentiation, as functions of WGSL: `push` and `pull`.

Both return a checked text and a name in it, so that either can be taken of what it returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from ...errors import ArgumentError
from ..language import syntax as s
from ..language.symbols import Typed
from ..language.types import F16, F32, Array, Scalar, Type
from .components import components, seed, total_of, units
from .functions import Deriver, Local
from .refused import refuse_writes
from .terms import has_float, type_node, zero

UNROLLED_SIZE = 12_000  # nodes of all components, calls inlined, before they are computed in a loop


class Function(NamedTuple):
    """A function of a checked text."""

    typed: Typed
    name: str

    @property
    def node(self) -> s.Function:
        """Its tree."""
        return self.typed.functions[self.name].node

    @property
    def parameters(self) -> tuple[Type, ...]:
        """The types of its parameters."""
        kinds = [x.type for x in self.typed.functions[self.name].parameters]
        return tuple(x for x in kinds if x is not None)

    @property
    def result(self) -> Type | None:
        """The type of what it returns; None where it returns nothing."""
        return self.typed.functions[self.name].result


def tangent(function: Function, active: Iterable[int | str]) -> Function:
    """Return the function of a value together with its tangent.

    It is `push`, but returns a structure of the members `value` and `tangent`.

    Example:
        >>> from wgrad.kernel.language.check import check
        >>> f = Function(check("fn f(x: f32) -> f32 { return sin(x); }"), "f")
        >>> print(tangent(f, ["x"]).result)
        with_tangent_f32

    Raises: as `push`.
    """
    numbers = _numbers(function, active)
    return _guarded(function, lambda: _with_tangent(function, numbers))


def _with_tangent(function: Function, numbers: frozenset[int]) -> Function:
    deriver = Deriver(function.typed)
    name = deriver.renamed.get(function.name, function.name)
    refuse_writes(deriver.typed, name)
    derived = deriver.derived(name, numbers)
    if not derived.returns_tangent:
        made = _push(deriver, function.name, numbers)  # which returns zero
        kind = function.result
        assert kind is not None
        pair = deriver.pair(kind)
        given = [s.Identifier(x.name) for x in made.parameters[: len(function.parameters)]]
        value = s.call(pair, s.call(name, *given), zero(kind).node)
        derived = replace(derived, name=deriver.fresh(f"{function.name}_d"))
        deriver.made[derived.name] = s.Function(
            derived.name, made.parameters, s.Identifier(pair), s.Block((s.Return(value),))
        )
    return Function(deriver.module(derived.name), derived.name)


def push(function: Function, active: Iterable[int | str]) -> Function:
    """Return the function of forward mode: how the result changes as the inputs do.

    Its parameters are those of the function, then a tangent for each active one in order; it
    returns the tangent of the result. `active` are parameters by numbers or names.

    Example:
        >>> from wgrad.kernel.language.check import check
        >>> from wgrad.kernel.language.printer import printed
        >>> f = Function(check("fn f(x: f32, k: f32) -> f32 { return k + sin(x); }"), "f")
        >>> print(printed(push(f, ["x"]).node))
        fn f_push(x: f32, k: f32, x_d: f32) -> f32 {
            return product_f32(x_d, cos(x));
        }

    Raises: ShaderError, with the place, for what has no derivative.
    """
    numbers = _numbers(function, active)
    return _guarded(function, lambda: _pushed(function, numbers))


def _pushed(function: Function, numbers: frozenset[int]) -> Function:
    deriver = Deriver(function.typed)
    made = _push(deriver, function.name, numbers)
    return Function(deriver.module(made.name), made.name)


def _guarded(function: Function, make: Callable[[], Function]) -> Function:
    """Return what `make` does. Raises: ShaderError where Python's stack does not last."""
    try:
        return make()
    except RecursionError:
        what = "this, with what it calls, is nested too deep for what Python's stack has left"
        raise function.node.span.error(what) from None


def pull(function: Function, active: Iterable[int | str]) -> Function:
    """Return the function of reverse mode: how each active input changes a sum of results.

    Its parameters are those of the function, then `ct`, a weight for each component of the result;
    it returns array<f32, n>, or of f16 where no active input has more, with the n components of
    the active inputs in order: columns after each other, arrays and structures member by member.

    Example:
        >>> from wgrad.kernel.language.check import check
        >>> f = Function(check("fn f(x: vec2f, k: f32) -> f32 { return k * x.x * x.y; }"), "f")
        >>> gradient = pull(f, ["x"])
        >>> print(*gradient.parameters, gradient.result)
        vec2<f32> f32 f32 array<f32, 2>

    Raises: ShaderError, with the place, for what has no derivative; ArgumentError where an
    active parameter or the result has no floats.
    """
    numbers = _numbers(function, active)
    return _guarded(function, lambda: _pulled(function, numbers))


def _pulled(function: Function, numbers: frozenset[int]) -> Function:
    deriver = Deriver(function.typed)
    made = _push(deriver, function.name, numbers)
    kinds = [function.parameters[i] for i in sorted(numbers)]
    result = function.result
    assert result is not None
    names = Local(deriver)
    values = [s.Parameter(names.fresh(x.name), x.type) for x in made.parameters]
    values = values[: len(function.parameters)]
    ct = names.fresh("ct")
    given = [s.Identifier(x.name) for x in values]
    scalars = _scalars(kinds)
    scalar = F16 if all(x == F16 for x in scalars) else F32
    total = total_of(deriver, result)
    given_ct = s.Identifier(ct)

    def component(seeds: list[s.Expression]) -> s.Expression:
        change = s.call(made.name, *given, *seeds)
        value: s.Expression = s.call(total.name, given_ct, change)
        return value if total.scalar == scalar else s.Call(type_node(scalar), (value,))

    kind = Array(scalar, len(scalars))
    if len(scalars) * inlined_size(deriver, made.name) <= UNROLLED_SIZE:
        rest = [zero(x).node for x in kinds]
        entries = [
            component([*rest[:at], seed, *rest[at + 1 :]])
            for at, x in enumerate(kinds)
            for seed in units(x)
        ]
        statements: tuple[s.Statement, ...] = (s.Return(s.Call(type_node(kind), tuple(entries))),)
    else:
        statements = _each_in_turn(names, kind, kinds, component)
    name = deriver.fresh(f"{function.name}_pull")
    parameters = (*values, s.Parameter(ct, type_node(result)))
    deriver.made[name] = s.Function(name, parameters, type_node(kind), s.Block(statements))
    return Function(deriver.module(name), name)


def _each_in_turn(
    names: Local,
    kind: Array,
    kinds: list[Type],
    component: Callable[[list[s.Expression]], s.Expression],
) -> tuple[s.Statement, ...]:
    """Return statements that compute the components of `kind` in a loop."""
    at, all_of_them = s.Identifier(names.fresh("k")), s.Identifier(names.fresh("slopes"))
    counted = count()
    value = component([seed(x, at, counted) for x in kinds])
    loop = s.For(
        s.Var(at.name, None, s.Literal(0, "u")),
        s.Binary("<", at, s.Literal(len(_scalars(kinds)), "u")),
        s.Increment(at),
        s.Block((s.Assign(s.Index(all_of_them, at), "=", value),)),
    )
    start = s.Var(all_of_them.name, type_node(kind), s.Call(type_node(kind)))
    return (start, loop, s.Return(all_of_them))


def _scalars(kinds: Iterable[Type]) -> list[Scalar]:
    return [x for kind in kinds for x in components(kind)]


def inlined_size(deriver: Deriver, name: str) -> int:
    """Return how many nodes a function has once what it calls stands in its place."""
    sizes: dict[str, int] = {}

    def size(name: str) -> int:
        if name not in sizes:
            made = deriver.made.get(name) or deriver.functions.get(name)
            total = 0
            if isinstance(made, s.Function):
                for node in made.body.walk():
                    total += size(node.callee.name) if isinstance(node, s.Call) else 1
            sizes[name] = total
        return sizes[name]

    return size(name)


def _numbers(function: Function, active: Iterable[int | str]) -> frozenset[int]:
    """Return the numbers of parameters. Raises: ArgumentError for what has no tangent."""
    names = [x.name for x in function.node.parameters]
    known: dict[int | str, int] = {i: i for i in range(len(names))}
    known.update((name, i) for i, name in enumerate(names))
    chosen = list(active)
    unknown = [x for x in chosen if x not in known]
    if unknown:
        raise ArgumentError(
            f"{function.name}: {unknown[0]!r} is none of its parameters, {', '.join(names)}"
        )
    numbers = frozenset(known[x] for x in chosen)
    if not numbers:
        raise ArgumentError(f"{function.name}: a derivative is by one parameter at least")
    for i in sorted(numbers):
        if not has_float(function.parameters[i]):
            raise ArgumentError(
                f"{function.name}: there is no derivative by {names[i]}, which is "
                f"{function.parameters[i]} and has no floats"
            )
    if function.result is None or not has_float(function.result):
        raise ArgumentError(
            f"{function.name}: there is no derivative of {function.result or 'no result'}, which "
            "has no floats"
        )
    return numbers


def _push(deriver: Deriver, name: str, numbers: frozenset[int]) -> s.Function:
    name = deriver.renamed.get(name, name)
    refuse_writes(deriver.typed, name)
    body, statements = deriver.read(name, numbers, whole=False)
    push_name = deriver.fresh(f"{name}_push")
    made = s.Function(
        push_name,
        (*body.parameters, *body.tangents),
        deriver.functions[name].result,
        s.Block(statements),
    )
    deriver.made[push_name] = made
    return made
