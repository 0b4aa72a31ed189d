"""CONTRIBUTING.md's recipes, each done as it stands in a copy of the tree, where it then works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import DEVICES, open_device

import wgrad as wg
from wgrad import optim
from wgrad.backends.base import Device
from wgrad.ops import REGISTRY

ROOT = Path(wg.__file__).parents[1]
RECIPES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


class Addition(NamedTuple):
    """What an example adds: its name, a script that uses it, and tests with rows for it."""

    name: str
    script: str
    lines: int = 0  # that make it public
    tests: tuple[str, ...] = ()


ADDITIONS = {
    "an operation": Addition(
        "squash",
        """
        x = wg.tensor([-3.0, 0.0, 1.0])
        assert x.squash().tolist() == wg.squash(x).tolist() == [-0.75, 0, 0.5]
        assert wg.compile(wg.grad(lambda x: x.squash().sum()))(x).tolist() == [0.0625, 1, 0.25]
        assert wg.vmap(wg.squash)(x).tolist() == wg.squash(x).tolist() and "squash" in dir(wg)
        from wgrad.contracts import contracts
        from wgrad.numerics import measure
        (measured,) = measure(wg.default_device(), [*contracts(wg.squash)], fine=6)
        assert measured.ok, measured
        """,
        2,
        ("tests/test_ops_forward.py", "tests/test_ops_gradient.py", "-k", "squash"),
    ),
    "a reduction": Addition(
        "parity",
        """
        from wgrad.ops import REGISTRY
        parity = REGISTRY["parity"]
        x = wg.tensor([[1, 3, 8], [5, 5, 5]])
        assert parity(x, 1).tolist() == wg.compile(lambda x: parity(x, 1))(x).tolist() == [10, 5]
        """,
    ),
    "a batching rule": Addition(
        "mirror",
        """
        from wgrad.core import apply
        from wgrad.ops import REGISTRY
        f = lambda x: apply(REGISTRY["mirror"], x, at=0)
        x, weights = wg.arange(6.0).reshape(2, 3), wg.arange(3.0)
        assert f(x).tolist() == [[3, 4, 5], [0, 1, 2]]
        assert wg.vmap(f)(x).tolist() == [[2, 1, 0], [5, 4, 3]]  # a loop would warn
        slope = wg.vmap(wg.grad(lambda x: (f(x) * weights).sum()))(x)
        assert slope.tolist() == [[2, 1, 0], [2, 1, 0]]
        """,
    ),
    "an optimizer": Addition(
        "Signum",
        """
        p = wg.parameter([1.0, -2.0])
        optimizer = wg.optim.Signum([p], lr=0.5)
        p.square().sum().backward()
        wg.compile(optimizer.step)()
        assert p.tolist() == [0.5, -1.5]
        """,
        1,
        ("tests/test_new_optimizer.py", "-k", "Signum and (goes_on or follow)"),
    ),
    "a pass": Addition(
        "doubled",
        """
        from wgrad.program.passes import PASSES
        assert list(PASSES).index("doubled") == list(PASSES).index("lift") - 1
        f = lambda x: (x * 2).tanh()
        x = wg.tensor([0.1])
        assert wg.compile(f)(x).item() == (x * 4).tanh().item()
        assert wg.compile(f, fuse=False)(x).item() == f(x).item()
        """,
    ),
}


def blocks(language: str, name: str) -> dict[str, str]:
    """Return the examples that are about a name, by the file that their first line names."""
    pattern = rf"^```{language}\n ?# (\S+)\n(.*?)^```$"
    found = re.findall(pattern, RECIPES, re.M | re.S)
    return {path: text for path, text in found if re.search(rf"\b{name}\b", path + text)}


def is_taken(name: str) -> bool:
    """Whether the tree has something of an example's name by now."""
    passes = {path.stem for path in (ROOT / "wgrad" / "program" / "passes").glob("*.py")}
    return name in REGISTRY or hasattr(optim, name) or name in passes


def copied(tree: Path) -> None:
    for part in ("wgrad", "shaders", "tests", "pyproject.toml", "CONTRIBUTING.md", "README.md"):
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("*.pyc.*")  # which another process writes just now
            shutil.copytree(ROOT / part, tree / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, tree / part)


def inserted(tree: Path, path: str, change: str) -> int:
    """Put the lines of a change that begin with + behind those before them; return how many."""
    target = tree / path
    lines = target.read_text(encoding="utf-8").splitlines()
    at = count = 0
    for line in change.splitlines():
        if line.startswith("+"):
            lines.insert(at, line[1:])
            at, count = at + 1, count + 1
        else:
            assert lines.count(line[1:]) == 1, f"{path} has no line {line[1:]!r}"
            at = lines.index(line[1:]) + 1
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return count


def run(tree: Path, script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def added(tree: Path, addition: Addition) -> tuple[str, list[str]]:
    """Do what a recipe says; return a script that uses it, and what pytest is told to run."""
    name, script, public, tests = addition
    other = f"{name}_again" if is_taken(name) else name

    def renamed(text: str) -> str:
        swapped = re.sub(rf"\b{name}\b", other, text)
        return re.sub(rf"\b{name.lower()}\b", other.lower(), swapped)

    ((path, text),) = blocks("python", name).items()
    with (tree / renamed(path)).open("a", encoding="utf-8") as file:
        file.write(renamed(text))
    changes = {k: inserted(tree, k, renamed(v)) for k, v in blocks("diff", name).items()}
    assert sum(n for path, n in changes.items() if path.startswith("wgrad/")) == public
    return renamed(textwrap.dedent(script)), [*map(renamed, tests)]


# All in one copy and one process, for to start one takes longer than what is done in it. A pass
# has its own: this one changes what the others compute.
TOGETHER = [[x for x in ADDITIONS if x != "a pass"], ["a pass"]]


@pytest.mark.parametrize("together", TOGETHER, ids=", ".join)
def test_an_addition_is_one_file(together, tmp_path):
    """On every device there is."""
    copied(tmp_path)
    scripts, tests = zip(*(added(tmp_path, ADDITIONS[x]) for x in together), strict=True)
    devices = [name for name in DEVICES if isinstance(open_device(name), Device)]
    used = f"import wgrad as wg\nfor name in {devices}:\n    wg.set_default_device(name)\n"
    used += textwrap.indent("".join(scripts), "    ")
    used += "wg.set_default_device(None)\nimport pytest\n"
    for options in filter(None, tests):  # on its own, for it must find something
        used += f"assert pytest.main({['-q', '-p', 'no:cacheprovider', *options]}) == 0\n"
    run(tmp_path, used)


def test_every_example_is_tried():
    examples = re.findall(r"^```(?:python|diff)\n", RECIPES, re.M)
    tried = [blocks(x, a.name) for a in ADDITIONS.values() for x in ("python", "diff")]
    assert len(examples) == sum(map(len, tried)) == 10
