"""The code of pages runs, and what it prints is what the listings below it say.

    python tests/pages.py docs/compile.md    # runs the page, and writes its listings anew

A listing is a block of ```text after one of ```python. In it "..." stands for anything within a
line, and a number with a unit of time for any such number. A comment before it may say more:
`<!-- listing: llvmpipe -->` has it compared where the code ran on that adapter alone, and
`<!-- listing: measured -->` takes any number for any other, and rows in any order.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wgrad as wg

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^(?:<!-- listing: ([\w, ]+) -->\n)?^```(\w*)\n(.*?)^```$", re.M | re.S)
NUMBER = r"<?\d[\d.,]*"
TIME = rf"{NUMBER} (?:ns|us|ms|s|CPU seconds)(?!\w)"


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, its text, what a comment says of it, and where it is."""

    language: str
    text: str
    notes: frozenset[str]
    start: int  # of the text, in the page's
    line: int


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [
        Block(
            match[2],
            match[3],
            frozenset((match[1] or "").split(", ")) - {""},
            match.start(3),
            text.count("\n", 0, match.start(3)),
        )
        for match in BLOCK.finditer(text)
    ]


def code(page: str, language: str = "python") -> list[str]:
    """Return the texts of a page's blocks in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [x.text for x in blocks(text) if x.language == language]


def ran(page: str, names: dict[str, Any]) -> Iterator[tuple[Block, str, list[Block]]]:
    """Run a page in one namespace; yield every block of Python, its output and its listings."""
    todo = blocks((ROOT / page).read_text(encoding="utf-8"))
    try:
        for i, block in enumerate(todo):
            if block.language != "python":
                continue
            program = compile("\n" * block.line + block.text, Path(page).name, "exec")
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(program, names)
            rest = todo[i + 1 :]
            end = next((n for n, x in enumerate(rest) if x.language != "text"), len(rest))
            yield block, out.getvalue(), rest[:end]
    finally:
        wg.set_default_device(None)  # a page may have set another, and tests go on


def run(page: str, names: dict[str, Any] | None = None) -> str:
    """Run a page, compare its listings, and return all that it printed."""
    printed = []
    for block, out, listings in ran(page, {} if names is None else names):
        printed.append(out)
        for listing in listings:
            if "llvmpipe" not in listing.notes or "llvmpipe" in adapter():
                compare(listing, out, f"{page}, line {block.line + 1}")
    return "".join(printed)


def adapter() -> str:
    """Return what the default device says of itself."""
    return str(getattr(wg.default_device(), "description", ""))


def compare(listing: Block, out: str, where: str) -> None:
    """Raise where the listing is not what was printed."""
    wanted, found = lines_of(listing.text), lines_of(out)
    measured = "measured" in listing.notes
    patterns = [pattern(line, measured) for line in wanted]
    if measured:
        for line, form in zip(wanted, patterns, strict=True):
            same = [x for x in found if form.fullmatch(x)]
            assert same, f"{where}: nothing that was printed is like\n{line}\nbut this was:\n{out}"
            found.remove(same[0])
        assert not found, f"{where}: not in the listing: {found}"
        return
    fits = len(wanted) == len(found) and all(
        form.fullmatch(x) for form, x in zip(patterns, found, strict=True)
    )
    assert fits, (
        f"{where}: the listing is\n{listing.text}\nand this was printed:\n{out}\n"
        f"`python tests/pages.py` with the page's path writes it anew"
    )


def lines_of(text: str) -> list[str]:
    """Return lines without the spaces by which columns are wide enough."""
    return [" ".join(re.sub(r"--+", "--", x).split()) for x in text.strip().splitlines()]


def pattern(line: str, measured: bool) -> re.Pattern:
    """Return what a line of a listing stands for."""
    kinds = [r"\.\.\.", TIME, *([NUMBER] if measured else [])]
    parts = re.split(f"({'|'.join(kinds)})", line)
    forms = {0: ".*", 1: TIME, 2: NUMBER}
    out = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            out += re.escape(part)
        else:
            kind = next(n for n, x in enumerate(kinds) if re.fullmatch(x, part))
            out += forms[kind]
    return re.compile(out)


def write(page: str) -> None:
    """Write the listings of a page anew, except those that are as they should be."""
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    changes = []
    for block, out, listings in ran(page, {}):
        for listing in listings:
            try:
                compare(listing, out, f"{page}, line {block.line + 1}")
            except AssertionError:
                changes.append((listing, out.rstrip("\n") + "\n"))
    for listing, out in reversed(changes):
        text = text[: listing.start] + out + text[listing.start + len(listing.text) :]
    path.write_text(text, encoding="utf-8")
    print(f"{page}: {len(changes)} listings written")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(str(Path(name).resolve().relative_to(ROOT)))
