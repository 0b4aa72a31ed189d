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
    lerp,
    maximum,
    minimum,
    multiply,
    negative,
    positive,
    reciprocal,
    sign,
    square,
    subtract,
    value_of,
    weighted,
)
from .bits import (
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
)
from .gamma import digamma, lgamma
from .gamma import polygamma as polygamma_
from .hyperbolic import acosh, asinh, atanh, cosh, sinh, tanh
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
from .rounding import (
    ceil,
    copysign,
    floor,
    floor_divide,
    nextafter,
    remainder,
    round_,
    signbit,
    trunc,
)
from .special import erfc, erfinv, i0, sinc
from .transcendental import (
    erf,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    power,
    sqrt,
)
from .trigonometric import acos, asin, atan, atan2, cos, hypot, sin, tan
