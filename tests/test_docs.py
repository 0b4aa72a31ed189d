"""docs/architecture.md: what it names exists, it stays one page, and it leads to all parts."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
# A link, and the names in that file which follow it: [calling.py](...) `apply`, `wrap`
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)((?:,?\s`[\w.]+`)*)")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def names_in(path: Path) -> set[str]:
    """Return what a module defines: names at its top, and "Class.name" for those of classes."""
    found = set()

    def add(body: list[ast.stmt], before: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(before + node.name)
                if isinstance(node, ast.ClassDef):
                    add(node.body, f"{before}{node.name}.")
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [x for t in targets for x in ast.walk(t) if isinstance(x, ast.Name)]
                found.update(before + x.id for x in names if isinstance(x.ctx, ast.Store))

    add(tree_of(path).body, "")
    return found


def test_what_the_architecture_page_names_exists():
    links = LINK.findall(TEXT)
    assert len(links) > 80
    for label, target, after in links:
        path = (PAGE.parent / target).resolve()
        assert path.exists(), target
        last = label.replace("\\", "").rpartition("/")[2]
        assert last in (path.name, path.parent.name), f"{label} is called {path}"
        names = re.findall(r"`([\w.]+)`", after)
        unknown = set(names) - (names_in(path) if path.suffix == ".py" else set())
        assert not unknown, f"{target} has no {unknown}"


def test_other_names_on_the_architecture_page_exist_somewhere():
    known = set()
    for path in (ROOT / "wgrad").rglob("*.py"):
        known |= {part for name in names_in(path) for part in (name, name.rpartition(".")[2])}
        known |= {x.arg for x in ast.walk(tree_of(path)) if isinstance(x, ast.arg)}
    spans = set(re.findall(r"`([A-Za-z_]\w*(?:\.\w+)?)(?:\(\))?`", LINK.sub("", TEXT)))
    users = re.compile(r"(wg|x|optimizer)\.\w+")  # as users write it
    assert {x for x in spans if not users.fullmatch(x)} <= known


def test_files_in_the_drawings_exist():
    drawings = "".join(re.findall(r"^```text\n(.*?)^```$", TEXT, re.M | re.S))
    paths = re.findall(r"(?:[a-z_]+/)*(?:[a-z_]+/|[a-z_]+\.py)", drawings)
    assert len(paths) > 20
    modules = list((ROOT / "wgrad").rglob("*"))
    for path in paths:
        assert [x for x in modules if f"{x}/".endswith(f"/{path.rstrip('/')}/")], path


def test_the_architecture_page_is_one_page_and_answers_what_newcomers_ask():
    assert len(TEXT.splitlines()) <= 250
    table = TEXT.partition("## Where is what")[2]
    rows = [line for line in table.splitlines() if line.startswith("|") and "?" in line]
    assert len(rows) >= 25
    assert all(re.search(r"\]\(\.\./", row) for row in rows)


def test_the_architecture_page_names_every_part_of_the_package():
    parts = {x.name for x in (ROOT / "wgrad").iterdir() if x.is_dir() and x.name != "__pycache__"}
    missing = {x for x in parts if f"../wgrad/{x}" not in TEXT}
    assert not missing, f"the page leads to no file of {missing}"


# What a reader asked who did not know the table, and the file that answers it.
READER = {
    "Where does a dispatch wait until it is submitted?": "backends/webgpu/gpu.py",
    "Where is the gradient of a convolution?": "ops",
    "Which order does einsum contract in?": "functional",
    "Where does a hook of a gradient run?": "tape/reverse.py",
    "Where is broadcasting undone in a backward pass?": "ops/movement.py",
    "Where is a tensor pickled?": "tensor/__init__.py",
    "Where is memory shared with PyTorch?": "creation/interchange.py",
    "Where does the error come from that names a line?": "origin.py",
    "Which code reads the GPU's timestamps?": "backends/webgpu/stamps.py",
    "Where are dispatches counted?": "statistics.py",
    "Where is a bind group made?": "backends/webgpu/pipelines.py",
    "Where is a sort split into kernels?": "backends/webgpu/sort.py",
    "Who finds that an index in a replay was out of range?": "backends/faults.py",
    "Why has a tensor inside vmap no value?": "core/batched.py",
    "What does x += y do to the tape?": "tensor/updates.py",
    "Who refuses a buffer when memory is short?": "backends/webgpu/headroom.py",
    "What does state= compare before a run?": "program/guard/state.py",
    "Where is a learning rate read anew in a replay?": "optim/live.py",
    "How is Adam's update written?": "optim/adam.py",
    "Where are the arguments of `bisect` parsed?": "cli/bisect.py",
    "How does dim= become axis=?": "checks/arguments.py",
}


@pytest.mark.parametrize("question", READER)
def test_the_architecture_page_leads_a_reader_to_the_file(question):
    assert f"](../wgrad/{READER[question]})" in TEXT
