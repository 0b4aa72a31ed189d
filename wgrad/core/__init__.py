"""What an operation is, and how each use of one runs; knows no op, no tape and no tensor."""

from ..origin import caller, place
from .calling import apply, set_recorder, set_tensor_type, wrap
from .interpret import Interpreter, interpreted, interpreters
from .observe import observe
from .op import (
    INPUT_NAMES,
    REGISTRY,
    Call,
    Input,
    Node,
    Op,
    Rule,
    Sealed,
    Tensor,
    Value,
    check_devices,
    register,
)
