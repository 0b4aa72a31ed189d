"""Which ways there are to compute a matrix product, and which is taken when nothing was measured.

A rule looks at shapes and strides alone, so that the same problem is always computed the same way.
"""

from __future__ import annotations

from ..shader import Groups
from .problem import UNITS, Config, Problem

# lavapipe stops an invocation after 65535 loop iterations (of 4 steps); and sums of pieces are
# more exact than one long chain of float32 additions.
LONGEST = 1 << 13  # steps of a part
HARD_LIMIT = 40_000  # where memory for more parts is short
MOST_PARTS = 1 << 14
SCRATCH_BYTES = 1 << 27  # of partial results: as much as every adapter binds
ROW = 4  # rows that the kernel for few of them takes
FEW = 16  # columns that it shares among its threads better than the register tiles do,
LONG = 1 << 10  # where there are steps for all of those
# Workgroups that keep an adapter busy, and the steps of k that are worth a part.
BUSY = {True: 8, False: 256}  # keys: is it a software adapter?
SHORTEST = {True: 256, False: 128}
SHORTEST_SHARED = {True: LONG << 3, False: 128}  # where 256 threads share them
WIDTH = 64  # of the tiles of matmul, and the widest of matvec
# matmul_small, which software adapters begin with: its tile, and the most workgroups a dimension.
SMALL, SMALL_ROWS, SMALL_COLUMNS, SMALL_GROUPS = "matmul_small", 16, 8, 65535
# Multiply-adds that cost it as much more time as it saves of compiling: 0.15 s, on lavapipe. What
# runs MOST_SMALL times will run often: a step of training, not a test. Up to so many multiply-adds
# it is as fast as any.
BREAK_EVEN, MOST_SMALL, TINY = 1 << 28, 64, 1 << 14
# matmul_rolled, which takes the place of both where lanes exchange no values: the columns of its
# tile, and the multiply-adds from which 16 rows of it pay within 40 runs, for they are an eighth
# faster than 8, and 60 ms longer to compile.
ROLLED, ROLLED_COLUMNS, ROLLED_HIGH = "matmul_rolled", 32, 1 << 23


def tiles(problem: Problem, height: int, width: int) -> int:
    """Return how many workgroups a part of a problem takes."""
    return problem.matrices * -(-problem.m // height) * -(-problem.n // width)


def _room(problem: Problem) -> int:
    """Return how many partial results fit into memory."""
    return SCRATCH_BYTES // (4 * max(problem.size, 1))


def least_parts(problem: Problem) -> int:
    """Return into how many parts k has to be cut, at least."""
    rows, columns = sorted((problem.m, problem.n))
    # Where an operand is hardly read twice, more parts cost nothing beside reading it.
    longest = LONGEST // 4 if rows <= ROW and columns > FEW else LONGEST
    parts = max(-(-problem.k // HARD_LIMIT), min(-(-problem.k // longest), _room(problem)))
    return max(1, min(parts, MOST_PARTS))


def default(problem: Problem, software: bool) -> Config:
    """Return the choice of the rules."""
    turned = problem.turned
    rows, columns = sorted((problem.m, problem.n))
    if rows <= ROW and (not software or (columns <= FEW and problem.k >= LONG)):
        swap = problem.n < problem.m
        shown = turned if swap else problem
        return _with_parts(shown, software, _matvec(shown, swap))
    if software:
        swap = _prefers_turned(problem, turned)
        shown = turned if swap else problem
        return _with_parts(shown, software, Config("matmul", _height(shown.m), WIDTH, 1, swap))
    side = 128 if tiles(problem, 128, 128) >= BUSY[software] // 2 else 64
    height, width = (64 if problem.m <= 64 else side), (64 if problem.n <= 64 else side)
    return _with_parts(problem, software, Config("matmul_tiled", height, width, 1, False))


def small_groups(problem: Problem, parts: int, part: int) -> Groups | None:
    """Return the workgroups of matmul_small; None where it cannot be, or is not worth a text."""
    is_large = problem.size * problem.k >= BREAK_EVEN
    return None if is_large else _step_by_step(problem, SMALL_ROWS, SMALL_COLUMNS, parts, part)


def rolled(problem: Problem, parts: int, part: int) -> tuple[int, Groups] | None:
    """Return the rows and the workgroups of matmul_rolled; None where it cannot be."""
    rows = 16 if problem.m > 8 and problem.size * problem.k >= ROLLED_HIGH else 8
    groups = _step_by_step(problem, rows, ROLLED_COLUMNS, parts, part)
    return None if groups is None else (rows, groups)


def _step_by_step(
    problem: Problem, rows: int, columns: int, parts: int, part: int
) -> Groups | None:
    """Return the workgroups of a kernel whose loop takes single steps, where it can be."""
    groups = -(-problem.n // columns), -(-problem.m // rows), parts * problem.matrices
    return None if max(groups) > SMALL_GROUPS or part > HARD_LIMIT else groups


def small_runs(problem: Problem) -> int | None:
    """Return how often matmul_small runs before another kernel pays; None: for good."""
    work = problem.size * problem.k
    return None if work <= TINY else max(1, min(MOST_SMALL, BREAK_EVEN // work))


def _prefers_turned(problem: Problem, turned: Problem) -> bool:
    """Say whether b^T a^T fits the register tiles better, or loads its right operand faster."""
    here, there = tiles(problem, 16, WIDTH), tiles(turned, 16, WIDTH)
    if abs(here - there) > max(here, there) // 10:  # else it gains less than vec4 stores do
        return there < here
    return UNITS.index(turned.b_unit) > UNITS.index(problem.b_unit)


def _height(m: int) -> int:
    """Return the lowest register tile that holds all rows, or the highest."""
    return next((h for h in (1, 4, 8) if m <= h), 16)


def _matvec(shown: Problem, turned: bool) -> Config:
    """Return the kernel for few rows, with a tile no wider than the columns need."""
    rows = shown.m if shown.m <= 2 else ROW
    width = next((w for w in (4, FEW) if shown.n <= w), WIDTH)
    if shown.m == shown.n == 1:
        width = 1
    return Config("matvec", rows, width, 1, turned)


def _with_parts(problem: Problem, software: bool, config: Config) -> Config:
    """Cut k so that there are enough workgroups for the adapter."""
    shortest = SHORTEST_SHARED if config.shader == "matvec" else SHORTEST
    most = problem.k // shortest[software]
    wanted = BUSY[software] // max(1, tiles(problem, config.height, config.width))
    parts = max(least_parts(problem), min(wanted, most, _room(problem)))
    return config._replace(parts=parts)


def candidates(problem: Problem, software: bool) -> list[Config]:
    """Return the ways worth measuring, the default first."""
    configs = [default(problem, software)]
    least = least_parts(problem)
    for swap in (False, True):
        shown = problem.turned if swap else problem
        shapes: list[tuple[str, int, int]] = []
        if software:
            most = _height(shown.m)
            shapes += [("matmul", h, WIDTH) for h in (1, 4, 8, 16) if most // 4 <= h <= most]
        elif not swap:
            sides = [(h, w) for h in (64, 128) for w in (64, 128)]
            shapes += [("matmul_tiled", h, w) for h, w in sides]
        if shown.m <= ROW:
            shapes.append(_matvec(shown, swap)[:3])
        for shader, height, width in shapes:
            for parts in sorted({least, *(least * 2**i for i in range(1, 7))}):
                pays = (
                    problem.k >= 32 * parts
                    and parts <= _room(problem)
                    and tiles(shown, height, width) * parts <= 4 * BUSY[software]
                )
                config = Config(shader, height, width, parts, swap)
                if (parts == least or pays) and config not in configs:
                    configs.append(config)
    return configs


def steps_of_part(k: int, parts: int) -> int:
    """Return how many steps of k each part takes, a multiple of 16 as the kernels want it."""
    return max(16, -(-k // (16 * parts)) * 16)


def batch_extents(problem: Problem) -> tuple[int, int]:
    """Return the extents of the last two of three batch axes."""
    padded = (1, 1, 1, *problem.batch)[-3:]
    return padded[1], padded[2]
