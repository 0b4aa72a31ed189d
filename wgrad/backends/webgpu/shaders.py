"""WGSL texts: found, included and filled in. Knows no GPU.

A shader is a file under shaders/ that is valid by itself once its `// include:` lines are put in.
A kernel variant replaces marked default declarations (`// replace: x` to `// end: x`) or a whole
line; nothing else is ever changed.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

# A function ends at the first brace that begins a line, or on its line when it has only one.
_FUNCTION = re.compile(r"^fn (\w+)\((?:[^\n]*\}\n|.*?^\}\n)", re.MULTILINE | re.DOTALL)
LIBRARY = (
    *("math", "exponential", "hyperbolic", "trigonometric", "power", "activation", "special"),
    "gamma",
)
_PACKAGE = Path(__file__).resolve().parents[2]
# In a wheel the shaders lie inside the package, in a checkout beside it.
_PLACES = (_PACKAGE / "shaders", _PACKAGE.parent / "shaders")


@lru_cache(maxsize=1)
def folder() -> Path:
    """Return the folder of the shaders that belong to this package."""
    for place in _PLACES:
        if (place / "lib" / "math.wgsl").is_file():
            return place
    raise FileNotFoundError(f"wgrad: no shaders in {' or '.join(map(str, _PLACES))}")


def files() -> dict[str, str]:
    """Return the texts of all shader files by their paths: what errors point into."""
    return {str(path): path.read_text(encoding="utf-8") for path in folder().rglob("*.wgsl")}


@cache
def source(name: str) -> str:
    """Return the text of shaders/<name>.wgsl with its includes put in."""

    def put_in(match: re.Match) -> str:
        return (folder() / match[1]).read_text(encoding="utf-8")

    text = (folder() / f"{name}.wgsl").read_text(encoding="utf-8")
    return re.sub(r"^// include: (\S+)$", put_in, text, flags=re.MULTILINE)


def fill(
    name: str, blocks: dict[str, str] | None = None, lines: dict[str, str] | None = None
) -> str:
    """Return a shader with marked blocks, and lines by their default text, replaced.

    Strict: a block or a line that the file does not have exactly once is a KeyError. A text that
    names f16 is begun by the directive which allows that.
    """
    text = source(name)
    for block, body in (blocks or {}).items():
        pattern = rf"^// replace: {block}\n.*?^// end: {block}\n"
        text, count = re.subn(pattern, lambda _: body + "\n", text, flags=re.MULTILINE | re.DOTALL)  # noqa: B023
        if count != 1:
            raise KeyError(f"{name}.wgsl: {count} blocks {block!r}")
    for old, new in (lines or {}).items():
        if text.count(f"\n{old}\n") != 1:
            raise KeyError(f"{name}.wgsl: no single line {old!r}")
        text = text.replace(f"\n{old}\n", f"\n{new}\n")
    return f"enable f16;\n{text}" if re.search(r"\bf16\b", text) else text


def functions() -> str:
    """Return the library of functions: they may call each other across its files."""
    return "\n".join(source(f"lib/{name}") for name in LIBRARY)


@lru_cache(maxsize=1)
def _library() -> dict[str, str]:
    """Return the functions of the library's files by name."""
    return {m[1]: m[0] for m in re.finditer(_FUNCTION, functions())}


def library(expression: str) -> str:
    """Return those functions of the library that an expression needs, directly or through others.

    Only those: drivers compile what they are given.
    """
    functions_by_name = _library()
    wanted: list[str] = []
    pending = [expression]
    while pending:
        for name in re.findall(r"\b(\w+)\(", pending.pop()):
            if name in functions_by_name and name not in wanted:
                wanted.append(name)
                pending.append(functions_by_name[name].split("{", 1)[1])
    return "\n".join(functions_by_name[name] for name in sorted(wanted))
