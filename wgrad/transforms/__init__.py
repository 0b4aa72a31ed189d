"""Transforms: functions of functions. Derivatives in both modes, and one example made a batch."""

from .batch import vmap
from .checkpoint import checkpoint
from .forward import hvp, jvp
from .matrices import basis, hessian, jacobian
from .reverse import grad, value_and_grad, vjp
from .scan import scan
