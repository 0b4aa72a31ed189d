"""Which claims hold, compared with the list of those that do not."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

FILE = Path(__file__).parent.parent / "array_api_exceptions.toml"


def _listed() -> dict[str, dict[str, str]]:
    """Return kind -> claim -> reason; a line of the file may give one reason for several claims."""
    sections = tomllib.loads(FILE.read_text(encoding="utf-8"))
    pending = sections.pop("pending", {})
    found: dict[str, dict[str, str]] = {}
    for part in (sections, pending):
        for kind, lines in part.items():
            for claims, reason in lines.items():
                for claim in claims.split():
                    assert claim not in found.setdefault(kind, {}), f"{claim} is listed twice"
                    found[kind][claim] = reason
    return found


LISTED = _listed()


def broken(claim: Callable[[], object]) -> str | None:
    """Return why a claim does not hold, or None."""
    try:
        claim()
    except (Exception, pytest.fail.Exception) as error:  # the latter is pytest.raises's
        return f"{type(error).__name__}: {error}"
    return None


def settle(kind: str, verdicts: dict[str, str | None], device: str = "") -> None:
    """Fail for claims that do not hold and are not listed, and for listed ones that hold.

    A line of the list may end in @device, where a claim fails on one device alone.
    """
    listed = LISTED.get(kind, {})
    here = {c for c in verdicts if c in listed or (device and f"{c}@{device}" in listed)}
    failing = {c: why for c, why in verdicts.items() if why is not None}
    new = [f"{c}: {why}" for c, why in failing.items() if c not in here]
    assert not new, f"not listed in {FILE.name} under [{kind}]:\n" + "\n".join(new)
    passed = sorted(here - set(failing))
    assert not passed, f"these hold now: take them off [{kind}] in {FILE.name}: {passed}"


def unknown(kind: str, claims: Iterable[str]) -> set[str]:
    """Return what the list names under a kind that is no claim."""
    return {c.partition("@")[0] for c in LISTED.get(kind, {})} - set(claims)
