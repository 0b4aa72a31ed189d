"""The pages of the reference, and the tables of others' names: all from the package itself."""

from __future__ import annotations

import functools
import inspect
import re
from types import ModuleType
from typing import Any

import public

import wgrad as wg
from wgrad import names as other_names

# The parts of the page about `wg`, by the rooms of the package that a name comes from.
PARTS = {
    "Tensors": ("tensor", "creation", "inspection", "dtypes"),
    "Element by element": ("ops",),
    "Reductions, products and activations": ("functional",),
    "Shapes": ("shaping",),
    "Indices, order and places": ("indexing",),
    "Random numbers": ("random",),
    "Gradients": ("tape", "transforms", "gradcheck", "custom", "anomaly", "autograd"),
    "Compiled functions, devices and measurements": ("program", "devices", "core", "profile"),
    "Models and files": ("io", "nn", "train", "amp", "viz"),
}
LAST = "Models and files"  # where those of other rooms are, too


@functools.cache
def pages() -> dict[str, tuple[str, str]]:
    """Return the pages of the reference by their paths: a title, and the text in Markdown."""
    found = {}
    for label, module, names in public.names():
        path = f"reference/{label}.md"
        text = [f"# {label}", "", first_paragraph(module), ""]
        for title, part in grouped(label, names):
            text += [f"## {title}", ""] * bool(title)
            text += [line for name in part for line in entry(name)]
        found[path] = (label, "\n".join(text))
    return found


def first_paragraph(module: ModuleType) -> str:
    """Return what a module says of itself, without the names of files for those who change it."""
    text = (inspect.getdoc(module) or "").partition("\n\n")[0]
    return re.sub(r"^\w+: (\w)", lambda m: m[1].upper(), text.replace("\n", " "))


def grouped(label: str, names: list[public.Name]) -> list[tuple[str, list[public.Name]]]:
    """Return names under titles; those of `wg` alone are many enough to need some."""
    if label != "wg":
        return [("", names)]
    parts: dict[str, list[public.Name]] = {title: [] for title in PARTS}
    for name in names:
        home = room(name.value)
        parts[next((x for x, rooms in PARTS.items() if home in rooms), LAST)].append(name)
    return list(parts.items())


def room(value: Any) -> str:
    """Return the part of the package that an object comes from."""
    if not callable(value):
        return "dtypes"
    x = inspect.unwrap(value)
    return x.__module__.split(".")[1] if hasattr(x, "__qualname__") else "ops"


def entry(name: public.Name) -> list[str]:
    """Return the lines about one name."""
    short = name.path.rpartition(".")[2]
    if not name.is_documented:
        return [f"### `{name.written}` {{ #{name.path} }}", "", f"{described(name.value)}", ""]
    if name.first:
        link = f"[`{name.first.replace('wgrad', 'wg', 1)}`][{name.first}]"
        said = "which stands here, too" if name.first.endswith(f".{short}") else "by another name"
        return [f"### `{name.written}` {{ #{name.path} }}", "", f"{link}, {said}.", ""]
    options = [f"      heading: {name.written}", f"      toc_label: {short}"]
    lines = [f"::: {name.path}", "    options:", *options, ""]
    if name.value is wg.Tensor:
        lines += ["#### Functions that are methods, too", "", ", ".join(shared_methods()) + ".", ""]
    return lines


def shared_methods() -> list[str]:
    """Return links to the functions that tensors have as methods."""
    found = {}
    functions = {id(public.itself(x.value)): x for x in public.names()[0][2] if x.is_documented}
    for name in dir(wg.Tensor):
        function = functions.get(id(public.itself(inspect.getattr_static(wg.Tensor, name))))
        if function is not None and not name.startswith("_"):
            found[name] = f"[`{name}`][{function.first or function.path}]"
    return list(found.values())


def described(value: Any) -> str:
    """Return a sentence about a number or a dtype."""
    if isinstance(value, wg.float32.__class__):
        return f"A dtype, of {8 * value.itemsize} bits."
    return f"`{value!r}`"


def others_table(whose: str) -> str:
    """Return a table of the names that PyTorch, NumPy or JAX alone has, and what to write here."""
    tables = {"PyTorch": other_names.OTHERS, "NumPy": other_names.NUMPYS, "JAX": other_names.JAXES}
    rows = [
        (f"{'x' if label == 'Tensor' else 'model' if label == 'Module' else label}.{name}", text)
        for label, table in tables[whose].items()
        for name, text in table.items()
    ]
    lines = [f"| {whose}'s name | write here |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {text} |" for name, text in rows)])
