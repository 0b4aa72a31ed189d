"""The twin against plain Python and against the GPU, for every function of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twin_gpu import HEAD, dispatched, entry, numbers_of
from twin_table import ROWS, Row

from wgrad.kernel.language.check import check
from wgrad.kernel.twin import gathering
from wgrad.kernel.twin.functions import Twin

TEXT = "\n".join(row.text for row in ROWS)
TYPED = check(TEXT)
N = 80
DTYPES = {"f": np.float32, "p": np.float32, "x": np.float32, "i": np.int32, "s": np.int32}
DTYPES |= {"u": np.uint32, "n": np.uint32, "b": np.bool_}
SPECIAL = {
    "x": [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, 1.5, 2.5, -0.5, 3e9, -3e9, 5e9, 2147483520.0],
    "i": [0, 1, -1, 2**31 - 1, -(2**31), 7, -7, 2, 33],
    "u": [0, 1, 2**32 - 1, 2**31, 31, 32, 33, 255],
    "f": [0.0, 1.0, -1.0, 0.5, 2.0],
}


def inputs(row: Row) -> list[np.ndarray]:
    """Return numbers for a function; which special ones meet each other is drawn."""
    rng = np.random.default_rng(len(row.text))
    found = []
    for letter in row.takes:
        if letter in "fx":
            values: Any = rng.standard_normal(N) * 2
        elif letter == "p":
            values = rng.uniform(0.1, 4, N)
        elif letter == "s":
            values = rng.integers(-4, 12, N)
        elif letter == "n":
            values = rng.integers(0, 40, N)
        elif letter == "i":
            values = rng.integers(-(2**31), 2**31, N)
        elif letter == "u":
            values = rng.integers(0, 2**32, N)
        else:
            values = rng.integers(0, 2, N)
        kinds = SPECIAL.get(letter)
        if kinds:
            values[:50] = rng.choice(kinds, 50)
        found.append(values.astype(DTYPES[letter]))
    return found


def wanted(row: Row, given: list[np.ndarray]) -> np.ndarray:
    """Return what Python computes, one point after the other: (components, N)."""
    points = [row.python(*(x[i].item() for x in given)) for i in range(N)]
    return np.array([p if isinstance(p, list) else [p] for p in points]).T


def compare(found: Any, expected: Any, rtol: float, atol: float, what: str) -> None:
    """Raise where numbers differ: integers and bools at all, floats by more than is allowed."""
    if found.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol, atol, err_msg=what)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=what)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_computes_what_python_does(row: Row):
    given = inputs(row)
    expected = wanted(row, given)
    for found, e in zip(Twin(TYPED, row.name).numpy(*given), expected, strict=True):
        compare(found, e, row.rtol, row.atol, row.name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_float64_agrees_to_the_last_digits(row: Row):
    given = inputs(row)
    expected = wanted(row, given)
    for found, e in zip(Twin(TYPED, row.name, float64=True).numpy(*given), expected, strict=True):
        if found.dtype.kind == "f" and not row.narrow:
            assert found.dtype == np.float64
            compare(found, e, 1e-12, 1e-13, row.name)


LOOPS = [row for row in ROWS if any(word in row.text for word in ("for (", "while ", "loop "))]


@pytest.mark.parametrize("row", LOOPS, ids=lambda row: row.name)
def test_it_does_where_lanes_left_in_a_loop_are_put_together(
    row: Row, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gathering, "SMALL", 2)
    monkeypatch.setattr(gathering, "ROUNDS", 0)
    monkeypatch.setattr(gathering, "SHARE", 1)
    test_it_computes_what_python_does(row)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_one_point_alone_gives_what_it_gives_among_others(row: Row):
    """A point alone is computed with scalars, and without masks."""
    given = inputs(row)
    twin = Twin(TYPED, row.name)
    together = twin.numpy(*given)
    for i in range(0, N, 7):
        for a, b in zip(twin.numpy(*(x[i] for x in given)), together, strict=True):
            assert a.shape == () and a.dtype == b.dtype
            compare(a, b[i], 1e-6, 1e-7, row.name)


def test_the_gpu_computes_the_same():
    rows = [row for row in ROWS if row.gpu is not None]
    given = [inputs(row) for row in rows]
    starts = np.cumsum([0, *(len(x) for x in given)])
    results = [numbers_of(TYPED.functions[row.name].result) for row in rows]
    stops = np.cumsum([0, *map(len, results)])
    entries = []
    third = -(-len(rows) // 3)
    for k in range(0, len(rows), third):
        names = [row.name for row in rows[k : k + third]]
        entries.append(entry(f"part_{k}", names, TYPED, int(starts[k]), int(stops[k])))
    code = "\n".join([HEAD, TEXT, *entries]).replace("ROWS_IN", f"{starts[-1]}u")
    words = np.array(
        [
            x.astype(np.uint32) if x.dtype == np.bool_ else x.view(np.uint32)
            for g in given
            for x in g
        ]
    )
    names = [f"part_{k}" for k in range(0, len(rows), third)]
    found = dispatched(code, names, words, int(stops[-1]) * N).reshape(-1, N)
    faults = []
    for row, g, kinds, stop in zip(rows, given, results, stops, strict=False):
        for k, (kind, mine) in enumerate(zip(kinds, Twin(TYPED, row.name).numpy(*g), strict=True)):
            theirs = found[stop + k]
            theirs = theirs != 0 if kind.name == "bool" else theirs.view(mine.dtype)
            sure = ~np.any([x != x for x in g], axis=0)  # NaN is what compilers may rule out
            mine, theirs = mine[sure], theirs[sure]
            assert row.gpu is not None
            try:
                compare(mine, theirs, row.gpu, row.gpu, f"{row.name}[{k}]")
            except AssertionError as error:
                faults.append(str(error))
    assert not faults, "\n".join(faults)
