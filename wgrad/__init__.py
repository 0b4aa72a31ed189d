"""wgrad: automatic differentiation on any GPU through WebGPU.

import wgrad as wg
x = wg.tensor([2.0, 3.0], requires_grad=True)
(x * x).sum().backward()
x.grad                      # tensor([4., 6.])
"""

import sys as _sys
from math import e, inf, nan, pi

from . import checks as _checks
from . import errors
from . import names as _names

from .tensor import Tensor  # isort: skip  # first: the other modules make tensors

from . import data, fft, kernel, linalg, nn, optim
from . import random as _random
from .core import observe
from .creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    parameter,
    tensor,
    zeros,
    zeros_like,
)
from .custom import custom_op
from .devices import default_device, device, devices, set_default_device, stats
from .dtypes import bool_ as bool
from .dtypes import float16, float32, float64, int32, uint32
from .functional import (
    allclose,
    amax,
    amin,
    argmax,
    argmin,
    chunk,
    clip,
    conj,
    count_nonzero,
    cross,
    cross_entropy,
    cummax,
    cummin,
    cumulative_prod,
    cumulative_sum,
    diff,
    einsum,
    gather,
    imag,
    index_select,
    isclose,
    kron,
    linear,
    log_softmax,
    logcumsumexp,
    logsumexp,
    masked_fill,
    masked_select,
    matmul,
    max,
    mean,
    median,
    min,
    mse_loss,
    nan_to_num,
    narrow,
    norm,
    one_hot,
    outer,
    polygamma,
    pow,
    prod,
    quantile,
    real,
    select,
    softmax,
    std,
    sum,
    tensordot,
    trace,
    unflatten,
    var,
    vecdot,
)
from .gradcheck import gradcheck
from .indexing import (
    argsort,
    bincount,
    index_add,
    index_reduce,
    isin,
    masked_scatter,
    nonzero,
    scatter,
    scatter_add,
    scatter_reduce,
    searchsorted,
    sort,
    take,
    take_along_axis,
    topk,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from .inspection import (
    __array_api_version__,
    astype,
    can_cast,
    finfo,
    iinfo,
    isdtype,
    result_type,
)
from .inspection import array_namespace_info as __array_namespace_info__
from .nn.called import functional_call
from .ops.elementwise import abs_ as abs
from .ops.elementwise import (
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    copysign,
    cos,
    cosh,
    digamma,
    divide,
    equal,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    i0,
    isfinite,
    isinf,
    isnan,
    lerp,
    less,
    less_equal,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    reciprocal,
    relu,
    remainder,
    sigmoid,
    sign,
    signbit,
    sin,
    sinc,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from .ops.elementwise import round_ as round
from .ops.reduction import all_ as all
from .ops.reduction import any_ as any
from .program.compile import compile
from .program.compiled import Compiled as _Compiled
from .random import (
    Generator,
    get_rng_state,
    manual_seed,
    normal,
    rand,
    randint,
    randn,
    randperm,
    set_rng_state,
    uniform,
)
from .shaping import (
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    concat,
    diag,
    diag_embed,
    diagonal,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    meshgrid,
    moveaxis,
    pad,
    permute_dims,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    tile,
    transpose,
    tril,
    triu,
    unstack,
    view,
)
from .tape import enable_grad, no_grad
from .transforms import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
    vmap,
)
from .version import __version__ as __version__

newaxis = None  # in x[newaxis, :], a new axis of extent 1

# PyTorch's names for functions that mean exactly the same; a test compares them with it.
absolute = abs
sub, mul, div, true_divide, neg = subtract, multiply, divide, divide, negative
eq, ne, lt, le, gt, ge = equal, not_equal, less, less_equal, greater, greater_equal
bitwise_not, clamp, cumsum, cumprod = bitwise_invert, clip, cumulative_sum, cumulative_prod
mm, bmm, mv = matmul, matmul, matmul
cat, concatenate, permute, unsqueeze, unbind = concat, concat, permute_dims, expand_dims, unstack
swapaxes, swapdims, movedim, repeat_interleave = transpose, transpose, moveaxis, repeat

# What it offers, for `import *` and for type checkers.
# fmt: off
__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "all", "allclose", "amax", "amin", "any",
    "arange", "argmax", "argmin", "argsort", "asarray", "asin", "asinh", "astype", "atan",
    "atan2", "atanh", "bincount", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bmm", "bool",
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "can_cast", "cat", "ceil", "chunk",
    "clamp", "clip", "compile", "concat", "concatenate", "conj", "copysign", "cos", "cosh",
    "count_nonzero", "cross", "cross_entropy", "cummax", "cummin", "cumprod", "cumsum",
    "cumulative_prod", "cumulative_sum", "custom_op", "data", "default_device", "device",
    "devices", "diag", "diag_embed", "diagonal", "diff", "digamma", "div", "divide", "e",
    "einsum", "empty", "empty_like", "enable_grad", "eq", "equal", "erf", "erfc", "erfinv",
    "errors", "exp", "exp2", "expand_dims", "expm1", "eye", "fft", "finfo", "flatten", "flip",
    "float16", "float32", "float64", "floor", "floor_divide", "from_dlpack", "full",
    "full_like", "functional_call", "gather", "ge", "Generator", "get_rng_state", "grad",
    "gradcheck", "greater", "greater_equal", "gt", "hessian", "hvp", "hypot", "i0", "iinfo",
    "imag", "index_add", "index_reduce", "index_select", "inf", "int32", "isclose", "isdtype",
    "isfinite", "isin", "isinf", "isnan", "jacobian", "jvp", "kernel", "kron", "le", "lerp", "less",
    "less_equal", "lgamma", "linalg", "linear", "linspace", "log", "log10", "log1p", "log2",
    "log_softmax", "logaddexp", "logcumsumexp", "logical_and", "logical_not", "logical_or",
    "logical_xor", "logsumexp", "lt", "manual_seed", "masked_fill", "masked_scatter",
    "masked_select", "matmul", "matrix_transpose", "max", "maximum", "mean", "median",
    "meshgrid", "min", "minimum", "mm", "moveaxis", "movedim", "mse_loss", "mul", "multiply",
    "mv", "nan", "nan_to_num", "narrow", "ne", "neg", "negative", "newaxis", "nextafter", "nn",
    "no_grad", "nonzero", "norm", "normal", "not_equal", "observe", "one_hot", "ones",
    "ones_like", "optim", "outer", "pad", "parameter", "permute", "permute_dims", "pi",
    "polygamma", "positive", "pow", "prod", "quantile", "rand", "randint", "randn", "randperm",
    "real", "reciprocal", "relu", "remainder", "repeat", "repeat_interleave", "reshape",
    "result_type", "roll", "round", "scatter", "scatter_add", "scatter_reduce", "searchsorted",
    "select", "set_default_device", "set_rng_state", "sigmoid", "sign", "signbit", "sin",
    "sinc", "sinh", "softmax", "sort", "split", "sqrt", "square", "squeeze", "stack", "stats",
    "std", "sub", "subtract", "sum", "swapaxes", "swapdims", "take", "take_along_axis", "tan",
    "tanh", "Tensor", "tensor", "tensordot", "tile", "topk", "trace", "transpose", "tril",
    "triu", "true_divide", "trunc", "uint32", "unbind", "unflatten", "uniform", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "unsqueeze", "unstack",
    "value_and_grad", "var", "vecdot", "view", "vjp", "vmap", "where", "zeros", "zeros_like",
]
# fmt: on

_names.publish(
    _sys.modules[__name__], "wg", "data", "errors", "fft", "kernel", "linalg", "nn", "optim"
)
_names.publish(nn, "nn", "functional")
for _module, _label in (
    *((nn.functional, "nn.functional"), (optim, "optim"), (data, "data"), (errors, "errors")),
    *((fft, "wg.fft"), (linalg, "wg.linalg"), (_random, "wg.random")),
    (kernel, "wg.kernel"),
):
    _names.publish(_module, _label)
_names.publish_class(Tensor)
_checks.hang(_sys.modules[__name__], data, fft, kernel, linalg, nn, nn.functional, optim)
_checks.hang_on_class(_Compiled, "__call__")
_checks.hang_on_class(kernel.ComputeKernel, "__call__")
