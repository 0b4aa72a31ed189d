"""Where a name lives: docs/names.md says it, and this holds it to it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import wgrad as wg
from wgrad.nn import functional as F

TEXT = (Path(__file__).parent.parent / "docs" / "names.md").read_text(encoding="utf-8")


def listed(title: str) -> set[str]:
    """Return the names in backquotes of a paragraph that a bold title opens."""
    match = re.search(rf"\*\*{title}\*\*(.*?)(?=\n\n|\Z)", TEXT, re.S)
    assert match is not None, title
    return set(re.findall(r"`(\w+)`", match[1]))


def functions(home: object) -> dict[str, object]:
    found = {n: getattr(home, n) for n in home.__all__ if not n.startswith("_")}
    return {n: f for n, f in found.items() if callable(f) and not inspect.isclass(f)}


def test_functions_of_networks_are_in_wg_only_where_the_page_says_so():
    found = set(functions(wg)) & set(functions(F)) - {"pad"}
    assert listed("Both") - {"wg", "pad"} == found
    for name in found:
        assert getattr(wg, name) is getattr(F, name), name


def test_every_function_of_one_tensor_is_a_method():
    apart, lacking = listed("No methods"), []
    for name, function in functions(wg).items():
        first = next(iter(inspect.signature(function).parameters), "")
        is_made = name.endswith("_like") or name.startswith("from_")
        if first in ("x", "x1") and not is_made and not hasattr(wg.Tensor, name):
            lacking.append(name)
    assert sorted(lacking) == sorted(apart)


def test_names_of_pytorch_are_the_functions_themselves():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", TEXT, re.M)
    assert len(rows) > 25
    for theirs, ours in rows:
        function, other = getattr(wg, theirs), getattr(wg, ours)
        same = getattr(function, "body", None) or inspect.unwrap(function)
        assert same is (getattr(other, "body", None) or inspect.unwrap(other)), theirs
        assert hasattr(wg.Tensor, theirs) or theirs in ("cat", "concatenate"), theirs
