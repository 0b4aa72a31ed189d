"""PyTorch's names for methods that mean exactly the same: a line each.

Where its meaning differs there is no line; docs/from-pytorch.md says what to write instead.
"""

from __future__ import annotations

from .. import functional, indexing, shaping
from ..core import Value
from ..functional import portable
from ..ops import elementwise as ew
from . import ported


class Aliases(Value):
    """What PyTorch's users call the methods of a tensor."""

    __slots__ = ()

    # Functions by another name.
    absolute = ew.abs_
    add = ew.add
    sub = ew.subtract
    mul = ew.multiply
    div = ew.divide
    true_divide = ew.divide
    neg = ew.negative
    eq = ew.equal
    ne = ew.not_equal
    lt = ew.less
    le = ew.less_equal
    gt = ew.greater
    ge = ew.greater_equal
    bitwise_not = ew.bitwise_invert
    clamp = functional.clip
    cumsum = functional.cumulative_sum
    cumprod = functional.cumulative_prod
    mm = functional.matmul
    bmm = functional.matmul
    mv = functional.matmul
    swapaxes = shaping.transpose
    swapdims = shaping.transpose
    movedim = shaping.moveaxis
    unsqueeze = shaping.expand_dims
    repeat_interleave = shaping.repeat
    unbind = shaping.unstack
    # Functions that the standard lacks.
    amax = portable.amax
    amin = portable.amin
    chunk = portable.chunk
    gather = portable.gather
    index_select = portable.index_select
    masked_fill = portable.masked_fill
    masked_select = portable.masked_select
    narrow = portable.narrow
    select = portable.select
    unflatten = portable.unflatten
    topk = indexing.topk
    # What only a method is.
    clone = ported.clone
    contiguous = ported.contiguous
    cpu = ported.cpu
    dim = ported.dim
    double = ported.double
    expand = ported.expand
    expand_as = ported.expand_as
    float = ported.float_
    half = ported.half
    int = ported.int_
    bool = ported.bool_
    is_contiguous = ported.is_contiguous
    is_floating_point = ported.is_floating_point
    ndimension = ported.dim
    nelement = ported.numel
    new_empty = ported.new_empty
    new_full = ported.new_full
    new_ones = ported.new_ones
    new_tensor = ported.new_tensor
    new_zeros = ported.new_zeros
    numel = ported.numel
    permute = ported.permute
    ravel = ported.ravel
    reshape_as = ported.view_as
    t = ported.t
    type_as = ported.type_as
    view_as = ported.view_as
    where = ported.where
    # In place.
    add_ = ported.add_
    clamp_ = ported.clamp_
    copy_ = ported.copy_
    div_ = ported.div_
    fill_ = ported.fill_
    masked_fill_ = ported.masked_fill_
    mul_ = ported.mul_
    neg_ = ported.neg_
    sub_ = ported.sub_
    zero_ = ported.zero_
