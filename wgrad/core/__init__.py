"""What an operation is, and how each use of one runs; knows no op, no tape and no tensor."""

from .calling import (
    Listener,
    add_default_listener,
    apply,
    check_devices,
    chosen_listeners,
    heard_by,
    listeners,
    set_tensor_type,
    wrap,
)
from .op import INPUT_NAMES, REGISTRY, SAVED_NAMES, Call, Op, Rule, register
from .origin import caller, place
from .values import Input, Node, Tensor, Value

__all__ = [
    "INPUT_NAMES",
    "REGISTRY",
    "SAVED_NAMES",
    "Call",
    "Input",
    "Listener",
    "Node",
    "Op",
    "Rule",
    "Tensor",
    "Value",
    "add_default_listener",
    "apply",
    "caller",
    "check_devices",
    "chosen_listeners",
    "heard_by",
    "listeners",
    "place",
    "register",
    "set_tensor_type",
    "wrap",
]
