"""The common functions as methods of a tensor: each is the function itself, bound."""

from __future__ import annotations

from .. import functional, indexing, shaping
from ..core import Value
from ..ops import elementwise as ew
from ..ops import reduction


class Methods(Value):
    """What NumPy's and PyTorch's users look for on an array itself."""

    __slots__ = ()

    exp = ew.exp
    log = ew.log
    sqrt = ew.sqrt
    square = ew.square
    sin = ew.sin
    cos = ew.cos
    tanh = ew.tanh
    sigmoid = ew.sigmoid
    relu = ew.relu
    abs = ew.abs_
    sign = ew.sign
    acos = ew.acos
    acosh = ew.acosh
    asin = ew.asin
    asinh = ew.asinh
    atan = ew.atan
    atanh = ew.atanh
    ceil = ew.ceil
    cosh = ew.cosh
    erf = ew.erf
    exp2 = ew.exp2
    expm1 = ew.expm1
    floor = ew.floor
    log1p = ew.log1p
    log2 = ew.log2
    log10 = ew.log10
    round = ew.round_
    sinh = ew.sinh
    tan = ew.tan
    trunc = ew.trunc
    clip = functional.clip
    sum = functional.sum
    prod = functional.prod
    cumulative_sum = functional.cumulative_sum
    cumulative_prod = functional.cumulative_prod
    mean = functional.mean
    var = functional.var
    std = functional.std
    norm = functional.norm
    max = functional.max
    min = functional.min
    any = reduction.any_
    all = reduction.all_
    argmax = functional.argmax
    argmin = functional.argmin
    softmax = functional.softmax
    log_softmax = functional.log_softmax
    logsumexp = functional.logsumexp
    flatten = shaping.flatten
    transpose = shaping.transpose
    moveaxis = shaping.moveaxis
    expand_dims = shaping.expand_dims
    squeeze = shaping.squeeze
    flip = shaping.flip
    roll = shaping.roll
    tile = shaping.tile
    repeat = shaping.repeat
    diagonal = shaping.diagonal
    trace = functional.trace
    argsort = indexing.argsort
    sort = indexing.sort
    topk = indexing.topk
    nonzero = indexing.nonzero
    take = indexing.take
    masked_scatter = indexing.masked_scatter
    unfold = functional.sliding_windows
