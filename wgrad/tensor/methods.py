"""The common functions as methods of a tensor: each is the function itself, bound."""

from __future__ import annotations

from .. import functional, indexing, random, shaping
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
    bernoulli = random.bernoulli
    categorical = functional.categorical
    multinomial = functional.multinomial
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
    allclose = functional.allclose
    atan2 = ew.atan2
    bincount = indexing.bincount
    bitwise_and = ew.bitwise_and
    bitwise_invert = ew.bitwise_invert
    bitwise_left_shift = ew.bitwise_left_shift
    bitwise_or = ew.bitwise_or
    bitwise_right_shift = ew.bitwise_right_shift
    bitwise_xor = ew.bitwise_xor
    conj = functional.conj
    copysign = ew.copysign
    count_nonzero = functional.count_nonzero
    cross = functional.cross
    cummax = functional.cummax
    cummin = functional.cummin
    diag = shaping.diag
    diag_embed = shaping.diag_embed
    digamma = ew.digamma
    divide = ew.divide
    erfc = ew.erfc
    erfinv = ew.erfinv
    floor_divide = ew.floor_divide
    greater = ew.greater
    greater_equal = ew.greater_equal
    hypot = ew.hypot
    i0 = ew.i0
    isclose = functional.isclose
    isfinite = ew.isfinite
    isin = indexing.isin
    isinf = ew.isinf
    isnan = ew.isnan
    kron = functional.kron
    lerp = ew.lerp
    less = ew.less
    less_equal = ew.less_equal
    lgamma = ew.lgamma
    logaddexp = ew.logaddexp
    logcumsumexp = functional.logcumsumexp
    logical_and = ew.logical_and
    logical_not = ew.logical_not
    logical_or = ew.logical_or
    logical_xor = ew.logical_xor
    matrix_transpose = shaping.matrix_transpose
    maximum = ew.maximum
    minimum = ew.minimum
    multiply = ew.multiply
    nan_to_num = functional.nan_to_num
    negative = ew.negative
    nextafter = ew.nextafter
    not_equal = ew.not_equal
    outer = functional.outer
    positive = ew.positive
    quantile = functional.quantile
    reciprocal = ew.reciprocal
    remainder = ew.remainder
    searchsorted = indexing.searchsorted
    signbit = ew.signbit
    sinc = ew.sinc
    subtract = ew.subtract
    take_along_axis = indexing.take_along_axis
    tril = shaping.tril
    triu = shaping.triu
    unstack = shaping.unstack
    vecdot = functional.vecdot
