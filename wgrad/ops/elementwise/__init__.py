"""The elementwise ops: rooms of declarations, gathered."""

from .activation import (
    elu,
    gelu,
    gelu_tanh,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    relu,
    sigmoid,
    silu,
    softplus,
)
from .arithmetic import (
    abs_,
    add,
    clamp,
    divide,
    maximum,
    minimum,
    multiply,
    negative,
    reciprocal,
    sign,
    square,
    subtract,
)
from .logic import (
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    where,
)
from .losses import binary_cross_entropy as binary_cross_entropy_
from .transcendental import cos, exp, log, power, sin, sqrt, tanh
