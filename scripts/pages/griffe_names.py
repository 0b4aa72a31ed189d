"""An extension of griffe, by which mkdocstrings sees what users see.

Griffe reads sources, and there `exp = elementwise("exp", ...)` is a variable, and `viz.graph`, a
function, is a module. Here every public name leads to the function or the class that it stands
for, and what has no source of its own (operations) gets signature and docstring from the object.
Docstrings are plain text with examples in it, and become Markdown.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import re
from typing import Any

import griffe
import public

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: griffe.ParameterKind.positional_only,
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
    inspect.Parameter.VAR_POSITIONAL: griffe.ParameterKind.var_positional,
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
    inspect.Parameter.VAR_KEYWORD: griffe.ParameterKind.var_keyword,
}
TITLES = re.compile(r"^(Shapes?|Raises|Sources?|Units?|Examples?|Returns):", re.M)
CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.S)


class PublicNames(griffe.Extension):
    """Put what public names stand for in their places."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Change the package when all of it was read."""
        if pkg.path != "wgrad":
            return
        # All is looked up before the first is changed: the function `wg.tensor` hides a module.
        places = [(name, stands_for(pkg, name)) for name in everything()]
        homes = [at(pkg, name.path.rpartition(".")[0]) for name, _ in places]
        ids = {id(name.value) for name in everything()}
        functions = {id(public.itself(name.value)) for name in everything()}
        for name in everything():
            if inspect.isclass(name.value):
                complete(pkg, name.value, ids, functions)
        for home, (name, target) in zip(homes, places, strict=True):
            short = name.path.rpartition(".")[2]
            if target.path != name.path:
                home.members[short] = griffe.Alias(short, target, parent=home)
        seen: set[int] = set()
        for thing in [pkg, *(target for _, target in places)]:
            rewrite(thing, seen)


def everything() -> list[public.Name]:
    """Return all public functions, classes and operations."""
    return [name for _, _, names in public.names() for name in names if name.is_documented]


def at(pkg: griffe.Module, path: str) -> Any:
    """Return what griffe has at a path of Python's."""
    found = pkg[path.partition(".")[2]] if "." in path else pkg
    return found.final_target if found.is_alias else found


def stands_for(pkg: griffe.Module, name: public.Name) -> griffe.Object:
    """Return the class or function behind a name."""
    found = written_down(pkg, name.value)
    if found is None:
        found = made(name.path.rpartition(".")[2], name.value)
        found.returns = "Tensor"
        found.docstring = griffe.Docstring(inspect.getdoc(name.value) or "")
    return found


def written_down(pkg: griffe.Module, value: Any) -> Any:
    """Return the class or function in the sources that an object comes from, or None."""
    x = inspect.unwrap(value)
    if not inspect.isclass(x) and not inspect.isfunction(x):
        return None
    try:
        return at(pkg, f"{x.__module__}.{x.__qualname__}")
    except KeyError:  # a function made it
        return None


def made(name: str, value: Any) -> griffe.Function:
    """Return a function with the signature of an object."""
    parameters = [
        griffe.Parameter(
            p.name,
            kind=KINDS[p.kind],
            annotation=None if p.annotation is p.empty else str(p.annotation),
            default=None if p.default is p.empty else repr(p.default),
        )
        for p in inspect.signature(value).parameters.values()
    ]
    return griffe.Function(name, parameters=griffe.Parameters(*parameters))


def complete(pkg: griffe.Module, cls: type, shown: set[int], functions: set[int]) -> None:
    """Give a public class what its source does not show: its signature, methods that are assigned,
    and those of bases which are not `shown` themselves. Public functions are methods of tensors,
    too, and are left out."""
    found = written_down(pkg, cls)
    if found is None:
        return
    for base in itertools.takewhile(lambda x: x is cls or id(x) not in shown, cls.__mro__):
        home = written_down(pkg, base) if base.__module__.startswith("wgrad") else None
        for name, x in vars(base).items() if home is not None else ():
            if name.startswith("_") or id(public.itself(x)) in functions:
                continue
            target = written_down(pkg, x) or home.members.get(name)
            own = found.members.get(name)
            if target is None or (own is not None and (base is not cls or target is own)):
                continue
            if target.parent.is_module and target.is_function:  # its first parameter is the object
                method = made(name, x)
                method.parameters = griffe.Parameters(*list(method.parameters)[1:])
                method.returns, method.docstring = target.returns, copy.copy(target.docstring)
                method.parent, found.members[name] = found, method
            else:
                found.members[name] = griffe.Alias(name, target, parent=found)
    found.bases = []  # all that is to be seen of them is here now, and griffe need not look
    if "__init__" not in found.members and not issubclass(cls, BaseException):
        try:
            init = made("__init__", cls)
        except ValueError:  # it has none
            return
        found.members["__init__"] = init
        init.parent = found
        init.parameters = griffe.Parameters(griffe.Parameter("self"), *init.parameters)


def rewrite(thing: griffe.Object | griffe.Alias, seen: set[int]) -> None:
    """Make Markdown of the docstrings of an object and of all that is in it."""
    if thing.is_alias or id(thing) in seen:
        return
    seen.add(id(thing))
    if thing.docstring is not None:
        thing.docstring.value = markdown(inspect.cleandoc(thing.docstring.value))
    for member in thing.members.values():
        rewrite(member, seen)


def markdown(text: str) -> str:
    """Return a docstring as Markdown: examples in fences, and signs as they stand."""
    lines: list[str] = []
    language, fence = "", False  # of the block of code that is open; whether it has its own fence
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fence = not fence
            lines.append(line)
            continue
        if not fence and not language:
            after = not lines or not lines[-1].strip() or lines[-1].endswith(":")
            if line.lstrip().startswith(">>>"):
                language = "pycon"
            elif after and re.match(r" {4}\S", line) and not in_list(lines):
                language = "python"
            if language:
                lines += ["", f"```{language}"]
        elif language and (
            (language == "python" and line.strip() and not line.startswith("    "))
            or (language == "pycon" and not line.strip())
        ):
            while lines and not lines[-1].strip():
                lines.pop()
            lines += ["```", ""]
            language = ""
        lines.append(line)
    if language:
        lines.append("```")
    return "\n".join(escaped(dedented(lines)))


def in_list(lines: list[str]) -> bool:
    """Whether the last line before blank ones belongs to a list, whose items may be indented."""
    before = next((x for x in reversed(lines) if x.strip()), "")
    return before.lstrip().startswith(("- ", "* ", "1. ")) or before.startswith("  ")


def dedented(lines: list[str]) -> list[str]:
    """Return lines without the indent that the lines of each fence have in common."""
    out: list[str] = []
    block: list[str] | None = None
    for line in lines:
        if line.lstrip().startswith("```"):
            if block is None:
                block = []
                out.append(line.lstrip())
            else:
                out += inspect.cleandoc("\n".join(["", *block])).splitlines() if block else []
                out.append("```")
                block = None
        elif block is None:
            out.append(line)
        else:
            block.append(line)
    return out


def escaped(lines: list[str]) -> list[str]:
    """Return lines in which signs of Markdown outside of code mean themselves."""
    parts = CODE.split("\n".join(lines))
    for i in range(0, len(parts), 2):
        text = re.sub(r"(?<!\n)\*|(?<=\n)\*(?! )", r"\\*", parts[i])
        text = text.replace("][", r"]\[").replace("](", r"]\(")
        text = re.sub(r"<(?=[A-Za-z/!])", "&lt;", text)
        text = re.sub(r"(?<![\w\\])_(?=\w)|(?<=\w)_(?!\w)", r"\\_", text)
        parts[i] = TITLES.sub(r"\n**\1:**", text)
    return "".join(parts).splitlines()
