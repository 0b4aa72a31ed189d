"""einsum: what its subscripts say, and the order in which many operands are contracted."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..core import Tensor
from ..errors import ArgumentError, ShapeError, shown
from ..layout import Shape, check_size
from ..ops import placing
from ..shaping import reshape
from .contraction import Label, Labelled, Labels, contracted, numbers_alike


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Return the products of the operands, summed over every label that the output does not name.

    "ij,jk->ik" labels the axes of each operand, then those of the output. A label twice in one
    operand is its diagonal; "..." stands for axes without labels, which broadcast; without "->" the
    output has the axes of "...", then the labels that occur once, in alphabetical order. Two
    operands at a time become one by a matrix product, of more than two in the order that
    numpy.einsum_path finds.

    Raises: ArgumentError for subscripts that say nothing; ShapeError; DTypeError for bools.

    >>> a, b = wg.ones((2, 3)), wg.ones((3, 4))
    >>> wg.einsum("ij,jk->ik", a, b).shape  # a @ b
    (2, 4)
    >>> wg.einsum("ii->", wg.tensor([[1.0, 2.0], [3.0, 4.0]]))  # the trace
    tensor(5.)
    """
    if not operands:
        raise ArgumentError("einsum: no operands came, and at least one is needed")
    tensors = numbers_alike("einsum", *operands)
    terms, output, extents = parsed(subscripts, tuple(x.shape for x in tensors))
    parts = [_single(x, labels, dict(extents)) for x, labels in zip(tensors, terms, strict=True)]
    for places in _path(tuple(x.labels for x in parts), output, extents):
        chosen = [parts.pop(i) for i in sorted(places, reverse=True)][::-1]
        while len(chosen) > 1:
            a, b, *chosen = chosen
            others = [x.labels for x in (*chosen, *parts)]
            keep = frozenset(output).union(*others)
            chosen = [contracted("einsum", a, b, keep), *chosen]
        parts += chosen
    (last,) = parts
    return last.summed([c for c in last.labels if c not in output]).ordered(output)


class Parsed(NamedTuple):
    """The labels of each operand and of the output, and the extent of every label."""

    terms: tuple[Labels, ...]
    output: Labels
    extents: tuple[tuple[Label, int], ...]


def parsed(subscripts: Any, shapes: tuple[Shape, ...]) -> Parsed:
    """Return what subscripts say about operands of `shapes`. Raises: ArgumentError; ShapeError."""
    if not isinstance(subscripts, str):
        raise ArgumentError(f'einsum: {shown(subscripts)} came; text such as "ij,jk->ik" is needed')
    return _parsed(subscripts, shapes)


@lru_cache(maxsize=256)
def _parsed(subscripts: str, shapes: tuple[Shape, ...]) -> Parsed:
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(shapes):
        raise ArgumentError(
            f"einsum: {shown(subscripts)} describes {len(texts)} operands and {len(shapes)} came"
        )
    terms = tuple(
        _term(text, len(shape), subscripts, f"operand {i} of shape {shape}")
        for i, (text, shape) in enumerate(zip(texts, shapes, strict=True))
    )
    extents = _extents(terms, shapes, subscripts)
    unnamed = tuple(sorted(c for c in extents if isinstance(c, int)))
    if arrow:
        output = _term(right, right.count("...") and len(unnamed), subscripts, "the output")
    else:
        counts = Counter(c for term in terms for c in term)
        output = (*unnamed, *sorted(c for c in extents if isinstance(c, str) and counts[c] == 1))
    for c in output:
        if c not in extents:
            raise ArgumentError(
                f"einsum: the output of {shown(subscripts)} names {c!r}, which no operand has"
            )
        if output.count(c) > 1:
            raise ArgumentError(f"einsum: the output of {shown(subscripts)} names {c!r} twice")
    if arrow and unnamed and "..." not in right:
        raise ArgumentError(
            f"einsum: the output of {shown(subscripts)} has no ..., where the axes without labels "
            "must go"
        )
    check_size(tuple(extents[c] for c in output), "einsum")
    return Parsed(terms, output, tuple(extents.items()))


def _term(text: str, ndim: int, subscripts: str, whose: str) -> Labels:
    """Return the labels of one operand: letters, and -1 for the last axis of "...", -2, ..."""
    before, dots, after = text.partition("...")
    letters = before + after
    if wrong := sorted(set(letters) - set(string.ascii_letters)):
        raise ArgumentError(
            f"einsum: {wrong[0]!r} in {shown(subscripts)} is no label; letters, commas, ... once "
            "per operand, and one -> are"
        )
    unnamed = ndim - len(letters) if whose != "the output" else ndim
    if unnamed < 0 or (unnamed and not dots):
        raise ShapeError(f"einsum: {text!r} in {shown(subscripts)} does not fit {whose}")
    return (*before, *range(-unnamed, 0), *after)


def _extents(terms: Sequence[Labels], shapes: Sequence[Shape], subscripts: str) -> dict[Label, int]:
    """Return the extent of every label; 1 broadcasts between operands. Raises: ShapeError."""
    owners: dict[Label, tuple[int, int]] = {}  # the extent, and the operand that has it
    for i, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        here: dict[Label, int] = {}
        for c, n in zip(term, shape, strict=True):
            extent, owner = owners.get(c, (1, i))
            first = here.setdefault(c, n)
            if n != first or (n != extent and 1 not in (n, extent)):
                other, j = (first, i) if n != first else (extent, owner)
                label = repr(c) if isinstance(c, str) else "an axis of ..."
                raise ShapeError(
                    f"einsum: label {label} of {shown(subscripts)} is {other} in operand {j} "
                    f"{shapes[j]} and {n} in operand {i} {shape}"
                )
            if extent == 1:
                owners[c] = n, i
    return {c: n for c, (n, _) in owners.items()}


def _single(x: Tensor, term: Labels, extents: dict[Label, int]) -> Labelled:
    """Return an operand whose labels are all different, and broadcast by no axis of its own."""
    labels = list(term)
    for c in term:
        while labels.count(c) > 1:
            first = labels.index(c)
            second = labels.index(c, first + 1)
            x = placing.diagonal(x, 0, first, second)
            labels = [d for i, d in enumerate(labels) if i not in (first, second)] + [c]
    kept = [(c, n) for c, n in zip(labels, x.shape, strict=True) if n == extents[c]]
    return Labelled(reshape(x, tuple(n for _, n in kept)), tuple(c for c, _ in kept))


@lru_cache(maxsize=256)
def _path(
    terms: tuple[Labels, ...], output: Labels, extents: tuple[tuple[Label, int], ...]
) -> list[tuple[int, ...]]:
    """Return which operands become one, time after time; their result goes to the end."""
    if len(terms) < 3:
        return [tuple(range(len(terms)))]
    if len(extents) > len(string.ascii_letters):  # more than numpy.einsum_path has letters for
        return [tuple(range(len(terms)))]
    letter = {c: string.ascii_letters[i] for i, (c, _) in enumerate(extents)}
    sizes = {c: max(n, 1) for c, n in extents}
    texts = ["".join(letter[c] for c in term) for term in (*terms, output)]
    shapes = [tuple(sizes[c] for c in term) for term in terms]
    stand_ins = [np.broadcast_to(np.int8(0), shape) for shape in shapes]
    path, _ = np.einsum_path(f"{','.join(texts[:-1])}->{texts[-1]}", *stand_ins, optimize="greedy")
    return path[1:]
