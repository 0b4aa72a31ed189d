"""The tape: what `apply` records of calls, and the reverse pass over it."""

from .identity import check_history, is_tracked, unfollowed, unrecorded
from .record import (
    differentiated,
    enable_grad,
    is_followed,
    is_recording,
    no_grad,
    passes_through,
    recording,
)
from .reverse import ZERO, backward, owned, pull_back, reachable, touch_grad
