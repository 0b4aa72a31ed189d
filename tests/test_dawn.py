"""Kernels by Dawn: which implementation runs is a choice, and Tint takes our shaders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wgrad.backends.webgpu.implementation import ALL, DAWN, NATIVE
from wgrad.backends.webgpu.origins import told
from wgrad.environment import WGPU

ROOT = Path(__file__).parent.parent
TINT = """Error while parsing WGSL: :2:10 error: 'f' must only be called from uniform control flow
  let é = f();
          ^

:1:1 note: control flow depends on possibly non-uniform value
  if (i < 1u) {
  ^^

 - While calling [Device].CreateShaderModule([ShaderModuleDescriptor ""])."""


def test_share_of_the_table_runs_by_dawn():
    """The whole of it: `make tint`."""
    command = ["scripts/with-swiftshader.sh", sys.executable, "tests/on_dawn.py", "96"]
    if os.name == "nt":
        command = command[1:]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WGRAD_")}
    paths = os.pathsep.join([str(ROOT), clean.get("PYTHONPATH", "")])
    env = {**clean, "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    last = done.stdout.splitlines()[-1]
    if last.startswith("absent: "):
        pytest.skip(last)
    assert last.endswith(": right") and " 0 dispatches" not in last


def test_implementation_is_the_one_of_the_environment(monkeypatch):
    assert ALL[WGPU.read()] is NATIVE
    monkeypatch.setenv("WGRAD_WGPU", "wgpudawn")
    assert ALL[WGPU.read()] is DAWN


def test_features_have_one_name_whatever_runs_them():
    assert DAWN.features(["subgroups", "shader-f16"]) == {"subgroup", "shader-f16"}
    assert NATIVE.features(["subgroup"]) == {"subgroup"}
    assert DAWN.spelled("subgroup") == "subgroups" and NATIVE.spelled("subgroup") == "subgroup"


def test_texts_with_subgroups_are_enabled_where_the_compiler_asks_for_it():
    text = "fn f(x: u32) -> u32 { return subgroupShuffle(x, 1u); }"
    assert DAWN.text(text) == f"enable subgroups; {text}" and NATIVE.text(text) == text
    assert DAWN.text(f"enable subgroups;\n{text}") == f"enable subgroups;\n{text}"
    plain = "fn subgroup() {}"
    assert DAWN.text(plain) == plain


def test_words_of_tint_are_at_a_place_in_characters():
    said = told(TINT)
    assert (said.row, said.column) == (2, 9)  # of bytes it is the tenth
    assert said.reason == (
        "'f' must only be called from uniform control flow; "
        "control flow depends on possibly non-uniform value"
    )
