"""What JSON has to look like, and the sentence about where it does not. Knows no launches."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from ...errors import ArgumentError, shown

COUNT = range(1 << 53)  # what every reader of JSON holds
_TYPES = {str: "a text", bool: "true or false"}


class Maybe(NamedTuple):
    """Something of a form, or null."""

    form: Any


class ByLength(NamedTuple):
    """A list that one of these tuples of forms has the length of."""

    forms: tuple[tuple[Any, ...], ...]


def fit(x: Any, form: Any, where: str) -> None:
    """Raise ArgumentError unless JSON that was read has a form, and say where it has not.

    A form is a type; a range of integers; a set of texts; [form] for a list of any length, and a
    tuple of forms for one of just these; a dict for an object with just these keys, or with any
    where the key is `str`; Maybe, or ByLength.
    """
    if isinstance(form, ByLength):
        alike = [f for f in form.forms if isinstance(x, list) and len(x) == len(f)]
        form = (*alike, *form.forms)[0]
    if isinstance(form, Maybe):
        if x is not None:
            fit(x, form.form, where)
    elif isinstance(form, dict) and str not in form:
        _need(isinstance(x, dict), x, f"an object of {', '.join(form)}", where)
        needed = f"an object of just {', '.join(form)}"
        _need(x.keys() == form.keys(), [*x], needed, where)
        for key, part in form.items():
            fit(x[key], part, f"{where} {key}" if where[-1] == ":" else f"{where}.{key}")
    elif isinstance(form, dict):
        _need(isinstance(x, dict), x, "an object", where)
        for key, part in x.items():
            fit(part, form[str], f"{where}[{shown(key)}]")
    elif isinstance(form, list):
        _need(isinstance(x, list), x, "a list", where)
        for i, part in enumerate(x):
            fit(part, form[0], f"{where}[{i}]")
    elif isinstance(form, tuple):
        right = isinstance(x, list) and len(x) == len(form)
        _need(right, x, f"a list of {len(form)}", where)
        for i, (part, of) in enumerate(zip(x, form, strict=True)):
            fit(part, of, f"{where}[{i}]")
    elif isinstance(form, range):
        needed = f"an integer from {form.start} to {form.stop - 1}"
        _need(type(x) is int and x in form, x, needed, where)
    elif isinstance(form, type):
        _need(type(x) is form, x, _TYPES[form], where)
    else:
        options: Collection[str] = form
        needed = f"one of {', '.join(sorted(options))}"
        _need(isinstance(x, str) and x in options, x, needed, where)


def _need(right: bool, x: Any, needed: str, where: str) -> None:
    if not right:
        raise ArgumentError(f"{where.rstrip(':')}: {shown(x)} came, and {needed} is needed")
