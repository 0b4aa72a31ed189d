"""Derivatives of WGSL functions, as WGSL functions."""

from .directions import Function as Function
from .directions import pull as pull
from .directions import push as push
from .directions import tangent as tangent
