"""Random tensors from one counter-based generator: the same numbers on every device.

The stream is Threefry-2x32 of a key (the seed) and a counter that every call advances by the
numbers it takes. `manual_seed(s)` starts it again; without it the seed comes from the operating
system. A `Generator` passed to a drawing function is a stream of its own, and leaves the global
one alone.
"""

from .drawing import normal, rand, randint, randn, randperm, uniform
from .generator import (
    Generator,
    Seed,
    get_rng_state,
    global_generator,
    manual_seed,
    set_rng_state,
    stream,
    stream_of,
    with_own_stream,
)
from .shaped import bernoulli, exponential, trunc_normal, waits

__all__ = [
    *("Generator", "bernoulli", "exponential", "get_rng_state", "manual_seed", "normal", "rand"),
    *("randint", "randn", "randperm", "set_rng_state", "trunc_normal", "uniform"),
]
