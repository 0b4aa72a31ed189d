"""What checks of shaders give back: plain records that print as text, and are data for tools."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any


class Report:
    """A record of what was found: `ok`, its fields, `str()`, `to_dict()` and `to_json()`."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found to be wrong."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the record as dicts, lists, text and numbers, with `ok` in front."""
        return _plain(self)

    def to_json(self) -> str:
        """Return the record as JSON. Numbers that JSON does not have are text: "nan", "inf"."""
        return json.dumps(_finite(self.to_dict()))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show notebooks and IPython what print() shows."""
        printer.text(str(self))


def _plain(x: Any) -> Any:
    if is_dataclass(x) and not isinstance(x, type):
        verdict = {"ok": x.ok} if isinstance(x, Report) else {}
        return {**verdict, **{f.name: _plain(getattr(x, f.name)) for f in fields(x) if f.repr}}
    if isinstance(x, dict):
        return {str(k): _plain(v) for k, v in x.items()}
    if isinstance(x, (tuple, list)):
        return [_plain(v) for v in x]
    return x.item() if hasattr(x, "item") else x


def _finite(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _finite(v) for k, v in x.items()}
    if isinstance(x, list):
        return [_finite(v) for v in x]
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def laid_out(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Yield rows of cells as lines of a table; the columns of `right` end at one place."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def at(where: Sequence[int] | None) -> str:
    """Return the place of an element as text: [2, 0], or nothing for a number."""
    return f"[{', '.join(map(str, where))}]" if where else ""
