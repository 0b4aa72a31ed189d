"""What a matrix product is, and what running it takes: data without buffers.

Eager products and compiled programs are planned from the same descriptions, so they run the same
kernels.
"""

from __future__ import annotations

from math import prod
from typing import Generic, NamedTuple, TypeVar

from ...dtypes import DType
from ...layout import Layout, Shape, collapse
from ..shader import Groups

K = TypeVar("K")

MAX_WALK_AXES = 3  # of rows, steps or columns
MOST_WALKED = 1 << 24  # steps that lib/walk.wgsl counts
MOST_TURNS = 1 << 22  # of the last axis among them
MAX_BATCH_AXES = 3  # that no one stride walks, in the Params of the kernels
UNITS = ("ANY", "K", "EDGE")  # how an operand can be read, from the slowest loads to the fastest


class Operand(NamedTuple):
    """Where a matrix lies in flat storage: strides per row, column and batch axis."""

    offset: int
    row: int
    column: int
    batch: Shape

    @property
    def turned(self) -> Operand:
        """The transposed matrix."""
        return self._replace(row=self.column, column=self.row)


class Walk(NamedTuple):
    """Rows, steps and columns along several axes each: extents, and strides in a and in b."""

    m: Shape
    k: Shape
    n: Shape
    a_m: Shape
    a_k: Shape
    b_k: Shape
    b_n: Shape

    @property
    def turned(self) -> Walk:
        """That of the transposed problem."""
        return Walk(self.n, self.k, self.m, self.b_n, self.b_k, self.a_k, self.a_m)

    @property
    def words(self) -> tuple[int, ...]:
        """The words of Params that lib/walk.wgsl reads."""
        k, m, n = (_three(x, 1)[1:] for x in (self.k, self.m, self.n))
        return (
            *(*k, *m),
            *(*_three(self.a_k), n[0]),
            *(*_three(self.b_k), n[1]),
            *(*_three(self.a_m), 0),
            *(*_three(self.b_n), 0),
        )


def _three(numbers: Shape, missing: int = 0) -> Shape:
    return (*(missing,) * (MAX_WALK_AXES - len(numbers)), *numbers)


class Problem(NamedTuple):
    """out[batch] = a[batch] @ b[batch], of (m, k) and (k, n) matrices.

    Where `walk` is there, strides of the operands are those of the innermost axes of its groups.
    """

    m: int
    n: int
    k: int
    batch: Shape
    dtype: DType
    a: Operand
    b: Operand
    walk: Walk | None = None

    @classmethod
    def of(
        cls, a: Layout, b: Layout, dtype: DType, lead: int | None = None, inner: int = 1
    ) -> Problem | None:
        """Return the product of two views, or None where their axes are too many.

        The views are (*batch, *rows, *inner) and (*batch, *inner, *columns), with `lead` batch
        axes, all but two unless given, and `inner` of those that are summed over.
        """
        lead = len(a.shape) - 2 if lead is None else lead
        batch, (a_steps, b_steps) = collapse(a.shape[:lead], [a.strides[:lead], b.strides[:lead]])
        walk = _walk(a, b, lead, inner)
        m, k, n = prod(walk.m), prod(walk.k), prod(walk.n)
        row, a_step, b_step, column = (x[-1] for x in (walk.a_m, walk.a_k, walk.b_k, walk.b_n))
        most = max(map(len, (walk.m, walk.k, walk.n)))
        if most > 1:
            if most > MAX_WALK_AXES or len(batch) > MAX_BATCH_AXES:
                return None
            if k > MOST_WALKED or prod(walk.k[:-1]) > MOST_TURNS:
                return None
            left = Operand(a.offset, row, a_step, a_steps)
            return cls(
                m, n, k, batch, dtype, left, Operand(b.offset, b_step, column, b_steps), walk
            )
        while batch and b_steps[-1] == 0 and (m == 1 or a_steps[-1] == m * row):
            # One b for several a whose rows follow each other: they are one matrix.
            row = row if m > 1 else a_steps[-1]
            m *= batch[-1]
            batch, a_steps, b_steps = batch[:-1], a_steps[:-1], b_steps[:-1]
        if len(batch) > MAX_BATCH_AXES:
            return None
        # Along an extent of 1 nothing moves, and a stride of 0 stands in no vec4's way.
        left = Operand(a.offset, row if m > 1 else 0, a_step, a_steps)
        return cls(m, n, k, batch, dtype, left, Operand(b.offset, b_step, column, b_steps))

    @property
    def turned(self) -> Problem:
        """The transposed problem b^T a^T, whose result has the same elements."""
        walk = self.walk and self.walk.turned
        return self._replace(m=self.n, n=self.m, a=self.b.turned, b=self.a.turned, walk=walk)

    @property
    def matrices(self) -> int:
        """How many matrices the batch has."""
        return prod(self.batch)

    @property
    def size(self) -> int:
        """How many elements the result has."""
        return self.matrices * self.m * self.n

    @property
    def a_unit(self) -> str:
        """How a can be read: by vec4s along m ("EDGE") or "K", or by scalars ("ANY")."""
        return self.turned.b_unit

    @property
    def b_unit(self) -> str:
        """How b can be read: by vec4s along n ("EDGE") or "K", or by scalars ("ANY")."""
        w = self.walk
        if w is None:
            return _unit(self.b, self.k, self.n)
        k, (steps,) = collapse(w.k, [w.b_k])  # which in a may lie otherwise
        outer = (*self.b.batch, *steps[:-1], *w.b_n[:-1])
        return _unit(self.b._replace(batch=outer), (1, *k)[-1], w.n[-1])

    @property
    def kind(self) -> str:
        """What the speed of a kernel depends on, as text: the key of tuned choices."""
        batch = "x".join(map(str, self.batch)) or "1"
        return (
            f"{self.dtype.name} {self.m}x{self.k}x{self.n} batch {batch} "
            f"a {self.a_unit}{_repeats(self.a)} b {self.b_unit}{_repeats(self.b)}"
            f"{'' if self.walk is None else f' {tuple(self.walk)}'}"
        )


def _walk(a: Layout, b: Layout, lead: int, inner: int) -> Walk:
    """Return how rows, steps and columns of two views are walked, along as few axes as may be."""
    last = len(a.shape) - inner
    k, (a_k, b_k) = collapse(a.shape[last:], [a.strides[last:], b.strides[lead : lead + inner]])
    m, (a_m,) = collapse(a.shape[lead:last], [a.strides[lead:last]])
    n, (b_n,) = collapse(b.shape[lead + inner :], [b.strides[lead + inner :]])
    # Along an extent of 1 nothing moves, and a stride of 0 stands in no vec4's way.
    one, still = (1,), (0,)
    return Walk(
        m or one, k or one, n or one, a_m or still, a_k or still, b_k or still, b_n or still
    )


def _unit(x: Operand, k: int, edge: int) -> str:
    """Return along which axis a right operand of k rows and `edge` columns is read by vec4s."""
    if x.offset % 4 or any(step % 4 for step in x.batch):
        return "ANY"
    if x.column == 1 and x.row % 4 == 0 and edge % 4 == 0:
        return "EDGE"
    if x.row == 1 and x.column % 4 == 0 and k % 4 == 0 and k:
        return "K"
    return "ANY"


def _repeats(x: Operand) -> str:
    """Return which batch axes walk over one matrix again and again."""
    return "".join(f"/{i}" for i, step in enumerate(x.batch) if step == 0)


class Output(NamedTuple):
    """What becomes of results: the text of the kernels' output block, and what it binds.

    `block` declares EMIT_VECTORS false, emit and emit4; "" is the default one, which stores.
    `vectors` is taken instead where results come by fours: the same with EMIT_VECTORS true, or ""
    when there is none. `access` says of each binding from 3 on whether it is read or written,
    "w" for the last of plain products; `scalars` are up to 16 words of params.scalars.
    """

    block: str
    vectors: str = ""
    access: str = "w"
    scalars: tuple[int, ...] = ()


class Scratch(NamedTuple):
    """Memory that one plan writes and reads again."""

    nbytes: int


class Kernel(NamedTuple):
    """A shader text, and how it uses its bindings from 1 on: "r" read or "w" written."""

    label: str
    code: str
    access: str


class Hot(NamedTuple, Generic[K]):
    """What takes the place of a launch that has run `after` times: a kernel that pays by then.

    It has the same bindings and params, and writes the same bits.
    """

    kernel: K
    groups: int | Groups
    after: int


class ProductLaunch(NamedTuple):
    """One dispatch of a matrix product, which may need two.

    `buffers` says what each binding from 1 on is: "a", "b", a Scratch (there is one a plan), or
    the position of a buffer among those of the Output's bindings.
    """

    kernel: Kernel
    params: bytes
    groups: int | Groups
    buffers: tuple[str | int | Scratch, ...]
    hot: Hot[Kernel] | None = None


class Config(NamedTuple):
    """A way to compute a product.

    `height` and `width` are those of the tile of a workgroup, `parts` how many pieces k is cut
    into, and `turned` says that the transposed problem is what is computed.
    """

    shader: str
    height: int
    width: int
    parts: int
    turned: bool
