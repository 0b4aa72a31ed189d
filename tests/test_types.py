"""What type checkers and editors see of the package, and what help() says of methods."""

from __future__ import annotations

import ast
import inspect
import json
import os
import pydoc
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import wgrad as wg
from wgrad import nn

PAGE = Path(__file__).with_name("user_code.py")
ROOT = Path(wg.__file__).parents[1]


def run(*command: str, program: Sequence[str] = (sys.executable,)) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT), "WGRAD_DEVICE": "numpy"}
    return subprocess.run(
        [*program, *command], capture_output=True, text=True, check=False, env=env, cwd=ROOT
    )


def test_code_of_users_passes_strict_checks():
    pytest.importorskip("mypy")
    assert (ROOT / "wgrad" / "py.typed").exists()  # else checkers read no annotation of ours
    options = ["--strict", "--config-file=", "--follow-imports=silent"]
    done = run("-m", "mypy", *options, "--cache-dir=.mypy_cache/users", str(PAGE))
    assert done.returncode == 0, done.stdout + done.stderr


def test_code_of_users_passes_pyright(tmp_path):
    """With npm's program, or the build that pip installs whole: another downloads at its start."""
    pyright = [program] if (program := shutil.which("pyright")) else None
    if pyright is None:
        pytest.importorskip("basedpyright")
        pyright = [sys.executable, "-m", "basedpyright"]
    settings = {
        "typeCheckingMode": "standard",
        "enableTypeIgnoreComments": True,
        "pythonVersion": "3.11",
        "include": [str(PAGE)],
        "extraPaths": [str(ROOT)],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = run("-p", str(tmp_path), "--pythonpath", sys.executable, program=pyright)
    assert done.returncode == 0, done.stdout + done.stderr


def test_code_of_users_runs():
    done = run("-W", "error", str(PAGE))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("home", [wg, nn, nn.functional])
def test_what_a_namespace_offers_is_what_it_exports(home):
    """Type checkers let users have what is made there, and what is imported `as` its own name."""
    body = ast.parse(Path(home.__file__).read_text(encoding="utf-8")).body
    imported = [x for node in body if isinstance(node, ast.ImportFrom) for x in node.names]
    exported = {x.name for x in imported if x.asname == x.name and x.name[0] != "_"}
    for node in body:
        if isinstance(node, ast.Assign):
            names = [x.id for x in ast.walk(node.targets[0]) if isinstance(x, ast.Name)]
            exported |= {name for name in names if name[0] != "_"}
    assert exported == set(home.__all__)


def test_methods_say_what_their_functions_say(numpy_device):
    x = wg.tensor([1.0, 2.0])
    for name in ("exp", "abs", "softmax", "any", "sum", "unfold", "topk"):
        method, function = getattr(x, name), getattr(wg.Tensor, name)
        assert method.__doc__ and method.__doc__ == function.__doc__
        parameters = list(inspect.signature(function).parameters)
        assert list(inspect.signature(method).parameters) == parameters[1:]
    assert pydoc.plain(pydoc.render_doc(x.exp)).splitlines()[2:4] == [
        "exp() method of wgrad.tensor.Tensor instance",
        "    " + wg.exp.__doc__.splitlines()[0],
    ]
    assert "softmax(axis: 'int' = -1)" in pydoc.plain(pydoc.render_doc(x.softmax))
    assert "exp(x, /)" in pydoc.plain(pydoc.render_doc(wg.exp))


def test_an_op_is_a_method_of_tensors_alone(numpy_device):
    class Layer:
        activation = wg.relu

    assert Layer().activation is wg.relu and wg.Tensor.relu is wg.relu
    assert Layer().activation(wg.tensor([-1.0, 1.0])).tolist() == [0.0, 1.0]
