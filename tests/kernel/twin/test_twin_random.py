"""Random programs of nested control: lanes together give what each gives alone, and what GPUs do.

A lane alone is computed with scalars, whose conditions are Python's; together, masks say who takes
part. Nothing of masks is run for the one, so that a fault of theirs shows.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from twin_gpu import HEAD, dispatched, entry

from wgrad.kernel.language.check import check
from wgrad.kernel.twin import gathering
from wgrad.kernel.twin.functions import Twin

LANES = 64


class Program:
    """Draws a function of two integers. All loops count to at most four."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.depth = 0
        self.loops = 0  # of the text so far
        self.around: list[str] = []
        self.changing: list[str] = ["a", "b", "v.x", "v.y", "t[a & 3]", "t[1]", "s.k", "s.w[b & 1]"]
        self.name = f"random_{seed}"

    def text(self) -> str:
        body = self.statements(4)
        return (
            f"fn {self.name}(p: i32, q: i32) -> i32 {{\n"
            f"  var a = p; var b = q; var v = vec2i(p, 3);\n"
            f"  var t = array<i32, 4>(p, q, 1, 2); var s = Pair(q, vec2i(1, p));\n{body}"
            "  return a + 3 * b + 5 * v.x + 7 * v.y + 11 * t[0] + 13 * t[1]\n"
            "    + 17 * t[2] + 19 * t[3] + 23 * s.k + 29 * s.w.x + 31 * s.w.y;\n}\n"
        )

    def value(self) -> str:
        left = self.rng.choice([*self.changing, "p", "q", str(self.rng.randrange(5))])
        right = self.rng.choice([*self.changing, "p", "q", str(self.rng.randrange(1, 5))])
        return f"({left} {self.rng.choice('+-*^&|')} {right})"

    def condition(self) -> str:
        one = f"{self.value()} {self.rng.choice(['<', '>', '==', '!='])} {self.value()}"
        if self.rng.random() < 0.3:
            one = f"({one} {self.rng.choice(['&&', '||'])} changed(&b, {self.value()}))"
        return one

    def statements(self, most: int) -> str:
        self.depth += 1
        lines = []
        for _ in range(self.rng.randrange(1, most + 1)):
            lines.append(self.statement())
            if lines[-1].lstrip().startswith(("break", "continue", "return")):
                break
        self.depth -= 1
        return "".join(lines)

    def statement(self) -> str:
        space = "  " * self.depth
        kinds = ["assign"] * 4 + ["call"]
        if self.depth < 5:
            kinds += ["if"] * 3 + ["switch"] + ["for", "loop"] * (len(self.around) < 3)
        if self.depth > 1:
            kinds += ["return"] + ["break", "break", "continue"] * bool(self.around)
        kind = self.rng.choice(kinds)
        if kind == "assign":
            op = self.rng.choice(["=", "+=", "-=", "*=", "^="])
            return f"{space}{self.rng.choice(self.changing)} {op} {self.value()};\n"
        if kind == "call":
            return f"{space}_ = changed(&{self.rng.choice('ab')}, {self.value()});\n"
        if kind == "return":
            return f"{space}return {self.value()};\n"
        if kind == "continue" and not {"for", "loop"} & set(self.around):
            kind = "break"
        if kind in ("break", "continue"):
            return f"{space}{kind};\n"
        if kind == "if":
            found = f"{space}if {self.condition()} {{\n{self.statements(3)}{space}}}"
            if self.rng.random() < 0.5:
                found += f" else {{\n{self.statements(3)}{space}}}"
            return found + "\n"
        self.around.append(kind)
        if kind == "switch":
            cases = "".join(
                f"{space}case {x}: {{\n{self.statements(3)}{space}}}\n"
                for x in ("0, 3", "1", "2, default")
            )
            found = f"{space}switch {self.value()} & 3 {{\n{cases}{space}}}\n"
        else:
            self.loops += 1
            i = f"i{self.loops}"
            if kind == "for":
                bound = self.rng.choice(["3", "(p & 3)", "(b & 3)"])
                body = self.statements(3)
                found = f"{space}for (var {i} = 0; {i} < {bound}; {i}++) {{\n{body}{space}}}\n"
            else:
                body = self.statements(3)
                until = f"{i}++; t[{i} & 3] += {i}; break if {i} > 3 || {self.condition()};"
                found = (
                    f"{space}var {i} = 0;\n{space}loop {{\n"
                    f"{space}if {i} > 4 {{ break; }}\n{body}{space}continuing {{ {until} }} }}\n"
                )
        self.around.pop()
        return found


HELPERS = (
    "struct Pair { k: i32, w: vec2i }\n"
    "fn changed(p: ptr<function, i32>, by: i32) -> bool {\n"
    "  if (by & 1) == 0 { *p += by; return *p > 2; }\n"
    "  for (var i = 0; i < 3; i++) { if *p > by + i { return false; } *p ^= i; }\n"
    "  return true; }\n"
)
PROGRAMS = [Program(seed) for seed in range(48)]
TEXTS = [program.text() for program in PROGRAMS]
TYPED = check(HELPERS + "".join(TEXTS))
GIVEN = np.random.default_rng(0).integers(-6, 7, (2, LANES), np.int32)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_lanes_together_are_what_each_is_alone(program: Program):
    twin = Twin(TYPED, program.name, limit=100)
    together = twin.numpy(*GIVEN)[0]
    alone = [twin.numpy(*GIVEN[:, i])[0] for i in range(LANES)]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_lanes_that_are_left_in_a_loop_are_put_together(
    program: Program, monkeypatch: pytest.MonkeyPatch
):
    twin = Twin(TYPED, program.name, limit=100)
    expected = twin.numpy(*GIVEN)[0]
    for rounds, share in ((0, 1), (1, 2), (2, 3)):
        monkeypatch.setattr(gathering, "SMALL", 2)
        monkeypatch.setattr(gathering, "ROUNDS", rounds)
        monkeypatch.setattr(gathering, "SHARE", share)
        np.testing.assert_array_equal(twin.numpy(*GIVEN)[0], expected)


def test_the_gpu_agrees_with_random_programs():
    few = [program.name for program in PROGRAMS[:16]]
    code = HEAD + HELPERS + "".join(TEXTS[:16])
    given = np.concatenate([GIVEN] * 16).view(np.uint32)
    code += entry("main", few, TYPED, 0, 0).replace("ROWS_IN", "32u")
    found = dispatched(code, ["main"], given, 16 * LANES).view(np.int32).reshape(16, LANES)
    for name, theirs in zip(few, found, strict=True):
        np.testing.assert_array_equal(Twin(TYPED, name).numpy(*GIVEN)[0], theirs, err_msg=name)
