"""wgrad: automatic differentiation on any GPU through WebGPU.

import wgrad as wg
x = wg.tensor([2.0, 3.0], requires_grad=True)
(x * x).sum().backward()
x.grad                      # tensor([4., 6.])
"""

import sys as _sys
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi

from . import checks as _checks
from . import einops_backend as _einops_backend
from . import errors as errors
from . import names as _names

from .tensor import Tensor as Tensor  # isort: skip  # first: the other modules make tensors

from . import amp as amp
from . import autograd as autograd
from . import data as data
from . import distributions as distributions
from . import export as export
from . import fft as fft
from . import kernel as kernel
from . import linalg as linalg
from . import nn as nn
from . import optim as optim
from . import random as _random
from . import testing as testing
from . import train as train
from . import viz as viz
from .amp import GradScaler as GradScaler
from .amp import autocast as autocast
from .anomaly import detect_anomaly as detect_anomaly
from .core import observe as observe
from .creation import arange as arange
from .creation import asarray as asarray
from .creation import empty as empty
from .creation import empty_like as empty_like
from .creation import eye as eye
from .creation import from_dlpack as from_dlpack
from .creation import full as full
from .creation import full_like as full_like
from .creation import linspace as linspace
from .creation import ones as ones
from .creation import ones_like as ones_like
from .creation import parameter as parameter
from .creation import tensor as tensor
from .creation import zeros as zeros
from .creation import zeros_like as zeros_like
from .custom import custom_op as custom_op
from .devices import default_device as default_device
from .devices import device as device
from .devices import devices as devices
from .devices import set_default_device as set_default_device
from .devices import stats as stats
from .devices import synchronize as synchronize
from .dtypes import bool_ as _bool
from .dtypes import float16 as float16
from .dtypes import float32 as float32
from .dtypes import float64 as float64
from .dtypes import int32 as int32
from .dtypes import uint32 as uint32
from .functional import allclose as allclose
from .functional import amax as amax
from .functional import amin as amin
from .functional import argmax as argmax
from .functional import argmin as argmin
from .functional import categorical as categorical
from .functional import chunk as chunk
from .functional import clip as clip
from .functional import conj as conj
from .functional import count_nonzero as count_nonzero
from .functional import cross as cross
from .functional import cross_entropy as cross_entropy
from .functional import cummax as cummax
from .functional import cummin as cummin
from .functional import cumulative_prod as cumulative_prod
from .functional import cumulative_sum as cumulative_sum
from .functional import diff as diff
from .functional import einsum as einsum
from .functional import gather as gather
from .functional import imag as imag
from .functional import index_select as index_select
from .functional import isclose as isclose
from .functional import kron as kron
from .functional import linear as linear
from .functional import log_softmax as log_softmax
from .functional import logcumsumexp as logcumsumexp
from .functional import logsumexp as logsumexp
from .functional import masked_fill as masked_fill
from .functional import masked_select as masked_select
from .functional import matmul as matmul
from .functional import max as max
from .functional import mean as mean
from .functional import median as median
from .functional import min as min
from .functional import mse_loss as mse_loss
from .functional import multinomial as multinomial
from .functional import nan_to_num as nan_to_num
from .functional import narrow as narrow
from .functional import norm as norm
from .functional import one_hot as one_hot
from .functional import outer as outer
from .functional import polygamma as polygamma
from .functional import pow as pow
from .functional import prod as prod
from .functional import quantile as quantile
from .functional import real as real
from .functional import select as select
from .functional import softmax as softmax
from .functional import std as std
from .functional import sum as sum
from .functional import tensordot as tensordot
from .functional import trace as trace
from .functional import unflatten as unflatten
from .functional import var as var
from .functional import vecdot as vecdot
from .gradcheck import gradcheck as gradcheck
from .indexing import argsort as argsort
from .indexing import bincount as bincount
from .indexing import index_add as index_add
from .indexing import index_reduce as index_reduce
from .indexing import isin as isin
from .indexing import masked_scatter as masked_scatter
from .indexing import nonzero as nonzero
from .indexing import scatter as scatter
from .indexing import scatter_add as scatter_add
from .indexing import scatter_reduce as scatter_reduce
from .indexing import searchsorted as searchsorted
from .indexing import sort as sort
from .indexing import take as take
from .indexing import take_along_axis as take_along_axis
from .indexing import topk as topk
from .indexing import unique_all as unique_all
from .indexing import unique_counts as unique_counts
from .indexing import unique_inverse as unique_inverse
from .indexing import unique_values as unique_values
from .inspection import __array_api_version__ as __array_api_version__
from .inspection import array_namespace_info as __array_namespace_info__
from .inspection import astype as astype
from .inspection import can_cast as can_cast
from .inspection import finfo as finfo
from .inspection import iinfo as iinfo
from .inspection import isdtype as isdtype
from .inspection import result_type as result_type
from .io import load as load
from .io import onnx as onnx
from .io import save as save
from .nn.called import functional_call as functional_call
from .ops.elementwise import abs_ as _abs
from .ops.elementwise import acos as acos
from .ops.elementwise import acosh as acosh
from .ops.elementwise import add as add
from .ops.elementwise import asin as asin
from .ops.elementwise import asinh as asinh
from .ops.elementwise import atan as atan
from .ops.elementwise import atan2 as atan2
from .ops.elementwise import atanh as atanh
from .ops.elementwise import bitwise_and as bitwise_and
from .ops.elementwise import bitwise_invert as bitwise_invert
from .ops.elementwise import bitwise_left_shift as bitwise_left_shift
from .ops.elementwise import bitwise_or as bitwise_or
from .ops.elementwise import bitwise_right_shift as bitwise_right_shift
from .ops.elementwise import bitwise_xor as bitwise_xor
from .ops.elementwise import ceil as ceil
from .ops.elementwise import copysign as copysign
from .ops.elementwise import cos as cos
from .ops.elementwise import cosh as cosh
from .ops.elementwise import digamma as digamma
from .ops.elementwise import divide as divide
from .ops.elementwise import equal as equal
from .ops.elementwise import erf as erf
from .ops.elementwise import erfc as erfc
from .ops.elementwise import erfinv as erfinv
from .ops.elementwise import exp as exp
from .ops.elementwise import exp2 as exp2
from .ops.elementwise import expm1 as expm1
from .ops.elementwise import floor as floor
from .ops.elementwise import floor_divide as floor_divide
from .ops.elementwise import greater as greater
from .ops.elementwise import greater_equal as greater_equal
from .ops.elementwise import hypot as hypot
from .ops.elementwise import i0 as i0
from .ops.elementwise import isfinite as isfinite
from .ops.elementwise import isinf as isinf
from .ops.elementwise import isnan as isnan
from .ops.elementwise import lerp as lerp
from .ops.elementwise import less as less
from .ops.elementwise import less_equal as less_equal
from .ops.elementwise import lgamma as lgamma
from .ops.elementwise import log as log
from .ops.elementwise import log1p as log1p
from .ops.elementwise import log2 as log2
from .ops.elementwise import log10 as log10
from .ops.elementwise import logaddexp as logaddexp
from .ops.elementwise import logical_and as logical_and
from .ops.elementwise import logical_not as logical_not
from .ops.elementwise import logical_or as logical_or
from .ops.elementwise import logical_xor as logical_xor
from .ops.elementwise import maximum as maximum
from .ops.elementwise import minimum as minimum
from .ops.elementwise import multiply as multiply
from .ops.elementwise import negative as negative
from .ops.elementwise import nextafter as nextafter
from .ops.elementwise import not_equal as not_equal
from .ops.elementwise import positive as positive
from .ops.elementwise import reciprocal as reciprocal
from .ops.elementwise import relu as relu
from .ops.elementwise import remainder as remainder
from .ops.elementwise import round_ as _round
from .ops.elementwise import sigmoid as sigmoid
from .ops.elementwise import sign as sign
from .ops.elementwise import signbit as signbit
from .ops.elementwise import sin as sin
from .ops.elementwise import sinc as sinc
from .ops.elementwise import sinh as sinh
from .ops.elementwise import sqrt as sqrt
from .ops.elementwise import square as square
from .ops.elementwise import subtract as subtract
from .ops.elementwise import tan as tan
from .ops.elementwise import tanh as tanh
from .ops.elementwise import trunc as trunc
from .ops.elementwise import where as where
from .ops.reduction import all_ as _all
from .ops.reduction import any_ as _any
from .profile import profile as profile
from .program.compile import compile as compile
from .program.compiled import Compiled as _Compiled
from .random import Generator as Generator
from .random import bernoulli as bernoulli
from .random import exponential as exponential
from .random import get_rng_state as get_rng_state
from .random import manual_seed as manual_seed
from .random import normal as normal
from .random import rand as rand
from .random import randint as randint
from .random import randn as randn
from .random import randperm as randperm
from .random import set_rng_state as set_rng_state
from .random import trunc_normal as trunc_normal
from .random import uniform as uniform
from .shaping import broadcast_arrays as broadcast_arrays
from .shaping import broadcast_shapes as broadcast_shapes
from .shaping import broadcast_to as broadcast_to
from .shaping import concat as concat
from .shaping import diag as diag
from .shaping import diag_embed as diag_embed
from .shaping import diagonal as diagonal
from .shaping import expand_dims as expand_dims
from .shaping import flatten as flatten
from .shaping import flip as flip
from .shaping import matrix_transpose as matrix_transpose
from .shaping import meshgrid as meshgrid
from .shaping import moveaxis as moveaxis
from .shaping import pad as pad
from .shaping import permute_dims as permute_dims
from .shaping import repeat as repeat
from .shaping import reshape as reshape
from .shaping import roll as roll
from .shaping import split as split
from .shaping import squeeze as squeeze
from .shaping import stack as stack
from .shaping import tile as tile
from .shaping import transpose as transpose
from .shaping import tril as tril
from .shaping import triu as triu
from .shaping import unstack as unstack
from .shaping import view as view
from .tape import enable_grad as enable_grad
from .tape import no_grad as no_grad
from .train import fit as fit
from .transforms import checkpoint as checkpoint
from .transforms import grad as grad
from .transforms import hessian as hessian
from .transforms import hvp as hvp
from .transforms import jacobian as jacobian
from .transforms import jvp as jvp
from .transforms import scan as scan
from .transforms import value_and_grad as value_and_grad
from .transforms import vjp as vjp
from .transforms import vmap as vmap
from .version import __version__ as __version__
from .viz import label as label

newaxis = None  # in x[newaxis, :], a new axis of extent 1
abs, all, any, bool, round = _abs, _all, _any, _bool, _round  # not Python's own

# PyTorch's names for functions that mean exactly the same; a test compares them with it.
absolute = abs
sub, mul, div, true_divide, neg = subtract, multiply, divide, divide, negative
eq, ne, lt, le, gt, ge = equal, not_equal, less, less_equal, greater, greater_equal
bitwise_not, clamp, cumsum, cumprod = bitwise_invert, clip, cumulative_sum, cumulative_prod
mm, bmm, mv = matmul, matmul, matmul
cat, concatenate, permute, unsqueeze, unbind = concat, concat, permute_dims, expand_dims, unstack
swapaxes, swapdims, movedim, repeat_interleave = transpose, transpose, moveaxis, repeat

# The public namespaces, by what messages call them; every function in them gets its door.
_NAMESPACES = {
    "wg": _sys.modules[__name__],
    "autograd": autograd,
    "data": data,
    "data.transforms": data.transforms,
    "distributions": distributions,
    "errors": errors,
    "nn": nn,
    "nn.functional": nn.functional,
    "nn.init": nn.init,
    "nn.utils": nn.utils,
    "nn.utils.parametrizations": nn.utils.parametrizations,
    "nn.utils.parametrize": nn.utils.parametrize,
    "optim": optim,
    "optim.lr_scheduler": optim.lr_scheduler,
    "optim.swa_utils": optim.swa_utils,
    "train": train,
    "wg.amp": amp,
    "wg.export": export,
    "wg.fft": fft,
    "wg.kernel": kernel,
    "wg.linalg": linalg,
    "wg.onnx": onnx,
    "wg.testing": testing,
    "wg.viz": viz,
}
for _label, _module in _NAMESPACES.items():
    _inner = (name.removeprefix("wg.").split(".") for name in _NAMESPACES if name != "wg")
    _outer = [] if _label == "wg" else [_label]
    _names.publish(_module, _label, *(x[-1] for x in _inner if x[:-1] == _outer))
_names.publish(_random, "wg.random")
_names.publish_class(Tensor, "Tensor")
_names.publish_class(nn.Module, "Module")
_checks.hang(*(x for x in _NAMESPACES.values() if x is not errors))
_checks.hang(_random)
_checks.hang_on_class(_Compiled, "__call__")
_checks.hang_on_class(kernel.ComputeKernel, "__call__")
_einops_backend.register()
