"""What adds something touches one file: counted in a copy of the tree, where it then works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import wgrad as wg

ROOT = Path(wg.__file__).parents[1]

# By what is added: the file, what is put at its end, and a script that uses it.
PASS = """
from __future__ import annotations

from dataclasses import replace

from ..ir import Program
from ..limits import Limits
from .base import runs_at


@runs_at(45)
def double(program: Program, limits: Limits) -> Program:
    \"\"\"Return the program with every number 2 as a 4.\"\"\"
    steps = [
        replace(step, inputs=tuple(4.0 if x == 2.0 else x for x in step.inputs))
        for step in program.steps
    ]
    return program.with_steps(steps)
"""
REDUCTION = """
parity = reduction(
    "parity",
    fold=Fold("parity", "a ^ b", np.bitwise_xor, lambda dtype: 0),
    partial=None,
    doc="The bits that an odd number of the elements over axes has.",
)
"""
ADDITIONS = {
    "a pass": (
        "program/passes/doubled.py",
        PASS,
        """
        from wgrad.program.passes import PASSES
        assert list(PASSES).index("doubled") == list(PASSES).index("lift") - 1
        f = lambda x: (x * 2).tanh()
        x = wg.tensor([0.1])
        assert wg.compile(f)(x).item() == (x * 4).tanh().item()
        assert wg.compile(f, fuse=False)(x).item() == f(x).item()
        """,
    ),
    "a reduction": (
        "ops/reduction.py",
        REDUCTION,
        """
        from wgrad.ops import REGISTRY
        parity = REGISTRY["parity"]
        x = wg.tensor([[1, 3, 8], [5, 5, 5]])
        assert parity(x, 1).tolist() == wg.compile(lambda x: parity(x, 1))(x).tolist() == [10, 5]
        """,
    ),
}


@pytest.mark.parametrize("what", ADDITIONS)
def test_an_addition_is_one_file(what, device, tmp_path):
    path, text, script = ADDITIONS[what]
    for folder in ("wgrad", "shaders"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=skipped)
    with (tmp_path / "wgrad" / path).open("a", encoding="utf-8") as file:
        file.write(text)
    code = f"import wgrad as wg\nwg.set_default_device({device.name!r})\n{textwrap.dedent(script)}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
