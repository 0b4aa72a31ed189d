"""compile: a function that is traced once per signature and replayed afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, overload

from ..errors import ArgumentError
from ..tensor import Tensor
from .compiled import Compiled
from .guard.declared import Declared

P = ParamSpec("P")
R = TypeVar("R")


@overload
def compile(
    function: Callable[P, R],
    *,
    fuse: bool = True,
    freeze: Iterable[Tensor] = (),
    state: Any = None,
) -> Compiled[P, R]: ...
@overload
def compile(
    function: None = None,
    *,
    fuse: bool = True,
    freeze: Iterable[Tensor] = (),
    state: Any = None,
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...
def compile(
    function: Callable | None = None,
    *,
    fuse: bool = True,
    freeze: Iterable[Tensor] = (),
    state: Any = None,
) -> Any:
    """Return `function` traced once per signature and replayed afterwards; also a decorator.

    The first calls with new shapes, dtypes, devices or other arguments run the function with
    tensors that have no values, and write down the work: forward, backward(), optimizer steps and
    assign() become one program, which is run at once. Later calls run the program alone. They leave
    tensors, gradients, versions and random numbers as the function would. Results have no history,
    and a backward pass that leads to one is an error: backward() belongs inside. Where gradients
    pass through the function (one of its arguments has a history, or grad, vjp or the like take its
    derivative) the function itself runs, with a warning; forward mode runs the function itself.

    What a program rests on besides its arguments is watched, or declared by `state`. Watched, the
    default, is for code that is being written, or whose state nobody can list: any function will
    do. Declared is for a step that is settled: it costs one trace, no Python state is walked, and
    what it uses is known and named, as export to other places needs.

        model = nn.Linear(2, 1)
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        @wg.compile(state=[model, optimizer])
        def step(x, y):
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            return loss

        for _ in range(3):
            step(wg.ones((4, 2)), wg.zeros((4, 1)))
        optimizer.lr = 0.001  # followed without another trace

    Watched: a program is used once two traces were the same. Tensors that the function finds
    outside are inputs; those of `freeze` are promised to change hardly ever: writing to one inside
    is an error, and a change outside costs a trace. Python state that the code which ran has read
    (closures, globals, attributes, items, environment variables) is watched, and a change between
    calls traces anew; what it never read may change freely. A function runs uncompiled, with a
    warning that names the thing and the line, where a replay would not do what it does: where it
    changes such state itself, keeps arguments, results or other tensors that it makes, or does
    other work at every call; and where its course may rest on what nobody can see: random numbers
    that are not wgrad's, iterators, the clock, files, queues, other threads, other functions
    written in C that are not known to compute only.

    What is left: what only puts something out (print, logging, warnings, sleep) is done while the
    function is traced, and not again. Not watched are state that code in C reads by itself (NumPy's
    error mode, the context of decimal numbers, the time zone), what the standard library's modules
    hold beyond the names that the code uses (the handlers of loggers, names of processes, what
    platform and linecache remember), the answers of gc.collect() and id(), and the state of random
    numbers that are not wgrad's where it is only read.

    Declared: `state` has modules, optimizers (and other objects with `state_dict` and
    `load_state_dict`), tensors, generators, and lists, tuples and dicts of them; [] for none. With
    the arguments, `freeze`, and the global stream of random numbers that is all the state there is.
    Between calls, values may change (assign, load_state_dict, a buffer exchanged for another of its
    shape), and so may settings of optimizers: all is followed. What else a declared object has as
    attributes (the mode of a module, a number, another layer), and which parameters require grad,
    is a part of the structure: each costs a trace of its own, and is remembered. Objects of other
    kinds in attributes count by identity. All else in Python is read once, when the function is
    traced, and what is changed there later is not seen. Where the function uses a tensor, a
    gradient or a generator from elsewhere, changes attributes or keeps tensors that it makes, draws
    random numbers that are not wgrad's or asks for the clock or files, a TraceError names it, and
    tensors and declared objects are as before the call.

    Integers that the function computes may index. Where interval arithmetic, or a look at the
    arguments before a run, cannot tell that they are in range, the run uses the nearest ones that
    are, counts the others, and raises an IndexRangeError that names the operation and its line: at
    the end of the call on NumPy, and on a GPU at the next wait for it (a value read, synchronize),
    for the first run since the last wait that had some. On NumPy nothing has changed then. On a GPU
    every tensor from outside that the run assigns to (parameters, state) has kept its values; what
    the run returned, and gradients, follow from the replaced indices, and what is counted on the
    host (versions, steps of optimizers, random numbers taken) is one call further.

    A Python float among the arguments is a part of what a trace takes for granted until it comes
    with a second value; from then on it is an input, and later values cost no trace. What asks for
    the value in Python (an `if`, a comparison, int(), round(), a format, math.sqrt) makes it fixed
    again, while `+ - * / **` and abs() follow it. Fixed too are 0, 1, -1, what is not finite,
    integers, and floats inside containers.

    With fuse=False elementwise steps stay kernels of their own. Raises: TraceError when the
    function reads a value, or works on two devices; nothing has changed then. ArgumentError for
    arguments that are neither tensors nor hashable, and for a `state` that is none.

    >>> @wg.compile
    ... def f(x):
    ...     return wg.tanh(x) * 2 + 1
    >>> f(wg.zeros(3))
    tensor([1., 1., 1.])
    >>> f(wg.ones(3)).shape, len(f.programs)  # the same program again
    ((3,), 1)
    """
    if function is None:
        return lambda f: compile(f, fuse=fuse, freeze=freeze, state=state)
    if not callable(function):
        raise ArgumentError(f"compile: {type(function).__name__} came, and a function is needed")
    if state is None:
        return Compiled(function, fuse, freeze)
    return Compiled(function, fuse, freeze, functools.partial(Declared, state=state))
