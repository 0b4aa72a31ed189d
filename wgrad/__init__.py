"""wgrad: automatic differentiation on any GPU through WebGPU.

import wgrad as wg
x = wg.tensor([2.0, 3.0], requires_grad=True)
(x * x).sum().backward()
x.grad                      # tensor([4., 6.])
"""

from math import e, inf, nan, pi

from . import errors

from .tensor import Tensor  # isort: skip  # first: the other modules make tensors

from . import data, nn, optim
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
from .devices import default_device, device, devices, set_default_device
from .dtypes import bool_ as bool
from .dtypes import float16, float32, float64, int32, uint32
from .functional import (
    argmax,
    argmin,
    clip,
    count_nonzero,
    cross_entropy,
    cumulative_prod,
    cumulative_sum,
    linear,
    log_softmax,
    logsumexp,
    matmul,
    max,
    mean,
    min,
    mse_loss,
    norm,
    one_hot,
    pow,
    prod,
    softmax,
    std,
    sum,
    var,
)
from .gradcheck import gradcheck
from .indexing import scatter_add, take, take_along_axis
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
from .ops.elementwise import abs_ as abs
from .ops.elementwise import (
    add,
    cos,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    reciprocal,
    relu,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from .ops.reduction import all_ as all
from .ops.reduction import any_ as any
from .program.compile import compile
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
    broadcast_to,
    concat,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    pad,
    permute_dims,
    reshape,
    squeeze,
    stack,
    transpose,
    view,
)
from .statistics import stats
from .tape import enable_grad, no_grad
from .transforms import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from .version import __version__

newaxis = None  # in x[newaxis, :], a new axis of extent 1
