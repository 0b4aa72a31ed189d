"""No builtin is forgotten; our own library of functions in WGSL runs in the twin as on GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import need
from twin_gpu import HEAD, dispatched

from wgrad.backends.webgpu import shaders
from wgrad.errors import ShaderError
from wgrad.kernel.language.builtins import TABLE
from wgrad.kernel.language.check import check
from wgrad.kernel.language.source import read
from wgrad.kernel.twin.functions import Twin
from wgrad.kernel.twin.kernels import BARRIERS
from wgrad.kernel.twin.numeric import EACH
from wgrad.kernel.twin.vectors import WHOLE

ELSEWHERE = {"transpose", "bitcast", "arrayLength", "workgroupUniformLoad", *BARRIERS}
REFUSED = ("subgroup", "quad", "dpd", "fwidth")


def test_every_builtin_is_computed_or_refused():
    left = [
        name
        for name in TABLE
        if name not in EACH and name not in WHOLE and name not in ELSEWHERE
        if not name.startswith(("atomic", *REFUSED))
    ]
    assert left == []
    assert not set(EACH) & set(WHOLE)
    assert set(EACH) | set(WHOLE) <= set(TABLE)


LIBRARY = check(
    read(
        "".join(f'#include "{name}.wgsl"\n' for name in shaders.LIBRARY),
        folders=[shaders.folder() / "lib"],
    )
)
REFERENCES: dict[str, Callable[..., Any]] = {
    "real_exp": np.exp,
    "real_log": np.log,
    "real_expm1": np.expm1,
    "real_log1p": np.log1p,
    "real_tanh": np.tanh,
    "real_asinh": np.arcsinh,
    "real_sin": np.sin,
    "real_tan": np.tan,
    "real_atan": np.arctan,
    "real_erf": np.vectorize(math.erf),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_our_library_is_as_exact_as_on_gpus(name: str):
    """Its functions take floats apart by their bits, and add up rests that must not be lost."""
    x = np.concatenate([np.linspace(-20, 20, 2001), [0.0, 1e-30, -1e-30, np.inf, -np.inf, np.nan]])
    x = x.astype(np.float32)
    with np.errstate(all="ignore"):
        expected = np.asarray(REFERENCES[name](x.astype(np.float64)))
    found = Twin(LIBRARY, name)(x)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected.astype(np.float32), 4e-7)


def test_f16_is_what_it_is_on_the_gpu():
    """naga has no bitcast between u32 and vec2<f16>, so the numbers come as packed floats."""
    if not need("webgpu").facts.has_half:
        pytest.skip("the adapter has no f16")
    text = """
    fn f(w: u32) -> u32 { let v = vec2<f16>(unpack2x16float(w)); let a = v.x * v.y + f16(w & 7u);
      return pack2x16float(vec2f(vec2(a, f16(f32(v.x) * 0.1)))); }
    """
    call = "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {\n"
    call += "  found_words[id.x] = f(given_words[id.x]); }"
    given = np.random.default_rng(5).integers(0, 2**32, 256, np.uint32)
    given &= np.uint32(0xBFFFBFFF)  # neither infinite nor NaN
    theirs = dispatched("enable f16;" + HEAD + text + call, ["main"], given, 320)[:256]
    mine = Twin(check("enable f16;" + text), "f").numpy(given)[0]
    np.testing.assert_allclose(
        mine.view(np.float16).astype(float), theirs.view(np.float16).astype(float), 1e-3
    )


def test_long_chains_of_calls_run_or_are_an_error_of_ours():
    def chain(n: int) -> str:
        first = "fn step_0(x: f32) -> f32 { return x + 1.0; }\n"
        return first + "".join(
            f"fn step_{i}(x: f32) -> f32 {{ return step_{i - 1}(x) + 1.0; }}\n" for i in range(1, n)
        )

    assert Twin(check(chain(80)), "step_79")(np.float32(0)) == 80
    with pytest.raises(ShaderError, match="more than Python's stack has room for"):
        Twin(check(chain(900)), "step_899")(np.float32(0))
    deep = "x + (" * 90 + "x" + ")" * 90
    flat = " + ".join(["x"] * 190)
    text = f"fn f(x: f32) -> f32 {{ return {deep}; }} fn g(x: f32) -> f32 {{ return {flat}; }}"
    assert Twin(check(text), "f")(np.float32(1)) == 91
    assert Twin(check(text), "g")(np.float32(1)) == 190
