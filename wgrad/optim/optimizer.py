"""What every optimizer has: parameters in groups, settings, what it remembers, saved state."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from ..backends.array import Array, births
from ..backends.tracing import changing, traced_by
from ..core.tracing import tracing
from ..dtypes import float16, float32
from ..errors import ArgumentError, DTypeError, GradientError, ShapeError, shown
from ..interrupts import interrupts_wait, whole
from ..ops.families import with_dtype
from ..tensor import Tensor
from ..tensor.gradients import clear_gradients
from .closures import loss_of
from .live import StepNumbers, number_of
from .remembered import Kept, State, alike, tensors_of
from .saving import loaded_state, saved_state
from .settings import Group, Setting, finder
from .undone import Undone


class Optimizer(ABC):
    """Parameters in groups, and a rule that steps them down their gradients.

    Parameters without a gradient are skipped, and so are frozen ones: those that do not require
    grad at the time of a step. `lr` and the other settings may be assigned between steps, for all
    parameters (`optimizer.lr = 0.1`) or for a group (`optimizer.param_groups[0]["lr"] = 0.1`);
    a compiled step goes on with the new numbers. What is remembered of a float16 parameter is
    float32, but the parameter itself does not see a step of less than half a unit in its last
    place, 1/4096 of it: to train on, keep parameters in float32 and convert them where they are
    used.

    A rule of your own is a subclass. It names its settings, what it remembers of a parameter (each
    made by a function of the parameter, when it is first asked for), and how a parameter changes,
    as below.

    That is all: groups, `state_dict`, float16, compiled steps and moving to another device follow.

    `params` are tensors, (name, tensor) pairs as of `named_parameters()`, whose names are not kept,
    or groups: dicts with "params" and the settings that differ in it.
    Raises: ArgumentError for no parameters, one that comes twice, or numbers out of range;
    DTypeError for what is no tensor; GradientError for a tensor that is no parameter; ShapeError
    for an expanded view.

    >>> from wgrad.optim import Optimizer, Setting, below_one
    >>> class RMSprop(Optimizer):
    ...     alpha = Setting("How much of the average square each step keeps.", below_one)
    ...     eps = Setting("What is added to its root.")
    ...     state = {"square": wg.zeros_like}
    ...
    ...     def __init__(self, params, lr=0.01, alpha=0.99, eps=1e-8):
    ...         super().__init__(params, lr=lr, alpha=alpha, eps=eps)
    ...
    ...     def update(self, p, g, state, now):
    ...         alpha = now["alpha"]
    ...         state["square"] = alpha * state["square"] + (1 - alpha) * g * g
    ...         return p - now["lr"] * g / (wg.sqrt(state["square"]) + now["eps"])
    >>> w = wg.parameter([1.0, -2.0])
    >>> optimizer = RMSprop([w], lr=0.1, alpha=0.75)
    >>> w.square().sum().backward()
    >>> optimizer.step()
    >>> wg.round(w.detach() * 10)  # 0.1 / sqrt(0.25) nearer to 0
    tensor([  8., -18.])
    """

    lr = Setting("The learning rate: at least 0.")
    # What is remembered of a parameter: a tensor, or several of them, by name.
    state: ClassVar[Mapping[str, Callable[[Tensor], Kept]]] = {}
    counts_steps: ClassVar[bool] = False  # is `state.step` to be the number of a parameter's steps?
    # Whether an update is made of kernels: they take float16, and nobody keeps what they return.
    _by_kernels: ClassVar[bool] = False
    # What state dicts of version 0.1 call what is remembered, and which names it has now.
    _former: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    _decoupled: ClassVar[bool] = False  # is weight decay a step of its own?
    _has_stepped = False
    read_each_run = frozenset({"_steps", "_defaults", "_has_stepped", "_undone"})  # as in Group

    def __init__(self, params: Iterable[Tensor] | Iterable[Mapping[str, Any]], **settings: Any):
        tracer = tracing()
        self._trace = None if tracer is None else tracer.start  # the one that makes it, if any
        self._defaults = settings
        self.params: list[Tensor] = []
        self._groups: list[Group] = []
        self._steps: list[int] = []
        self._undone_totals: dict[tuple[int, ...], Tensor] = {}
        self._undone = Undone(self._undone_totals)
        self._memory: dict[str, list[Kept | None]] = {name: [] for name in self.state}
        came: Any = params
        if isinstance(came, Iterator):  # a generator is looked into, and not used up
            first = list(itertools.islice(came, 1))
            came = itertools.chain(first, came)
        else:
            first = list(came[:1]) if isinstance(came, (list, tuple)) else []
        if first and isinstance(first[0], Mapping):
            for group in came:
                self.add_param_group(group)
        else:
            self._add(came, {})

    @classmethod
    def settings(cls) -> dict[str, Setting]:
        """Return the settings of this kind of optimizer, in their order."""
        entries = [x for base in reversed(cls.__mro__) for x in vars(base).items()]
        return {name: x for name, x in entries if isinstance(x, Setting)}

    @classmethod
    def check(cls, settings: dict[str, Any]) -> None:
        """Raise ArgumentError where settings, each right by itself, do not go together."""
        return None  # most have nothing to say

    @abstractmethod
    def update(self, p: Tensor, g: Tensor, state: Any, now: Mapping[str, Any]) -> Tensor:
        """Return the new values of a parameter `p`, whose gradient is `g`.

        `state[name]` is what is remembered of it; a tensor assigned there takes its place. `now`
        has the settings of its group. All are for reading: the results are written in place once
        the update is done, and nothing is recorded. In a compiled step settings and `state.step`
        pass for floats: with tensors and `+ - * / **` they stand for what each run finds, and a
        comparison holds as long as it comes out the same. For other functions see `number`.
        """

    def number(self, function: Callable[..., float], *numbers: Any) -> Any:
        """Return `function(*numbers)` as a number that each run of a compiled step computes anew.

        root = self.number(math.sqrt, 1 - now["beta"] ** state.step)
        """
        return number_of(function, *numbers)

    # Parameters and settings.
    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def param_groups(self) -> tuple[Group, ...]:
        """The groups: dicts of "params" and settings, which may be assigned."""
        return tuple(self._groups)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters, `group["params"]`, and the settings that are others for them.

        Raises: what the class raises for parameters and settings; then nothing has changed.
        """
        if not isinstance(group, Mapping) or "params" not in group:
            raise ArgumentError(
                f'{self._name}: {shown(group)} came as a group, and a dict with "params" is needed'
            )
        came = group["params"]
        others = {name: x for name, x in group.items() if name != "params"}
        self._add([came] if isinstance(came, Tensor) else came, others)

    def _add(self, came: Any, settings: Mapping[str, Any]) -> None:
        values = {**self._defaults, **settings}
        group = Group(type(self), self._trace, [], values, len(self.params))
        params = group.params = self._parameters(came)
        if (tracer := finder(self._trace)) is not None:
            tracer.cannot_repeat(f"assigns {self._name}.param_groups", " in every call")
            for x in (self._groups, self.params, self._steps, *self._memory.values()):
                tracer.changing(x)
        self._groups.append(group)
        self.params += params
        self._steps += [0] * len(params)
        for kept in self._memory.values():
            kept += [None] * len(params)

    def _parameters(self, came: Any) -> list[Tensor]:
        """Return the tensors that came as parameters. Raises: as the class says."""
        if isinstance(came, (Tensor, Mapping, str)) or not isinstance(came, Iterable):
            raise DTypeError(
                f"{self._name}: {type(came).__name__} came, and a list of tensors is needed, "
                "such as model.parameters()"
            )
        places = {id(x): i for i, x in enumerate(self.params)}
        params: list[Tensor] = []
        for i, x in enumerate(came, len(self.params)):  # one at a time: they may be endless
            if isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], str):
                x = x[1]  # of named_parameters()
            if not isinstance(x, Tensor):
                raise DTypeError(
                    f"{self._name}: parameter {i} is {type(x).__name__}, and a tensor is needed"
                )
            if not x.is_parameter:
                state = "is computed from others" if x.requires_grad else "does not require grad"
                raise GradientError(
                    f"{self._name}: parameter {i} of shape {x.shape} {state}; only a leaf that "
                    "requires grad can be optimized, see wg.parameter"
                )
            if x.array.layout.overlaps:
                raise ShapeError(
                    f"{self._name}: parameter {i} of shape {x.shape} is an expanded view, whose "
                    "elements share memory: optimize a copy()"
                )
            if places.setdefault(id(x), i) != i:
                raise ArgumentError(
                    f"{self._name}: parameters {places[id(x)]} and {i} are the same"
                )
            params.append(x)
        if not params:
            raise ArgumentError(f"{self._name}: no parameters came, and at least one is needed")
        return params

    def __repr__(self) -> str:
        first = self._groups[0].values_now
        count = f"{len(self.params)} parameters"
        if len(self._groups) > 1:
            count += f" in {len(self._groups)} groups, of which the first has"
        return f"{self._name}({count}, {', '.join(f'{k}={x!r}' for k, x in first.items())})"

    # A step.
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient and is not frozen, in place.

        A `closure` is called before that, and its loss is returned: it sets gradients to zero,
        computes the loss, calls backward() and returns the loss. Raises: ArgumentError for a
        closure that returns no scalar.
        """
        loss = None if closure is None else loss_of(closure, self._name)
        self._step()
        return loss

    def _undo_where(self, failed: Tensor) -> None:
        """Do not count the step that was just taken where a bool on the device is true."""
        if counted := self._counted(self._chosen()):
            self._undone.add(counted, failed, self._trace)

    def _chosen(self) -> list[int]:
        chosen = []
        for i, p in enumerate(self.params):
            node = p.node  # asked once: p.requires_grad looks it up again
            if node is not None and node.requires_grad and p.grad is not None:
                chosen.append(i)
        return chosen

    @whole
    def _step(self) -> None:
        if not self._has_stepped:
            changing(self, "_has_stepped")
            self._has_stepped = True
        self._undone.settle(self._steps)
        chosen = self._chosen()
        counted = self._counted(chosen)
        numbers = None
        if (tracer := finder(self._trace)) is not None:
            tracer.changing(self._steps)
            numbers = StepNumbers(self, counted, tracer)
        self._advance(1, counted)
        done = 0
        try:
            for group in self._groups:
                last = group.first + len(group.params)
                now: Mapping[str, Any] = (
                    MappingProxyType(group.values_now)
                    if numbers is None
                    else numbers.settings(group)
                )
                while done < len(chosen) and chosen[done] < last:
                    self._change(chosen[done], now, numbers)
                    done += 1
        except BaseException:
            left = set(chosen[done:])
            self._advance(-1, [i for i in counted if i in left])
            raise
        finally:
            if numbers is not None:
                numbers.end()

    def _counted(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """Return the places of the parameters, of those that a step changes, that it counts."""
        return tuple(chosen) if self.counts_steps else ()

    def _advance(self, by: int, counted: Iterable[int]) -> None:
        for i in counted:
            self._steps[i] += by

    def _change(self, i: int, now: Mapping[str, Any], numbers: StepNumbers | None) -> None:
        p = self.params[i]
        x, g = Tensor(p.array), Tensor(p.grad.array)  # type: ignore[union-attr]  # it was chosen
        if not self._by_kernels and x.array.dtype is float16:
            x, g = with_dtype(x, float32), with_dtype(g, float32)
        state = State(self, i)
        if self.counts_steps:
            state.step = self._steps[i] if numbers is None else numbers.steps(i)
        start = next(births)
        fitting = [(p, self._fitting(self.update(x, g, state, now), p, ""))]
        for name, kept in state.kept.items():
            value = state[name]
            if value is not kept:
                fitting += self._pairs(value, kept, name)
        for name in state.new:
            if finder(self._trace) is not None:
                changing(self._memory[name])
            self._memory[name][i] = state.kept[name]
        fitting.reverse()  # the parameter last: what is remembered may be a view of it
        for target, values in fitting:
            target._write(values, owned=self._by_kernels and values.storage.born > start)

    def _pairs(self, value: Any, kept: Kept, name: str) -> list[tuple[Tensor, Array]]:
        """Return the tensors of `kept`, each with what an update assigned for it."""
        if not isinstance(kept, tuple):
            return [(kept, self._fitting(value, kept, name))]
        if not isinstance(value, (tuple, list)) or len(value) != len(kept):
            self._refuse(value, name, f"{len(kept)} tensors are")
        return [(x, self._fitting(v, x, name)) for x, v in zip(kept, value, strict=True)]

    def _fitting(self, value: Any, like: Tensor, name: str) -> Array:
        """Return what an update gave for a tensor, in its dtype; `name` is that of its state."""
        needed = like.array
        if not isinstance(value, Tensor) or value.array.layout.shape != needed.layout.shape:
            self._refuse(value, name, f"a tensor {like.shape} is")
        array: Array = value.array
        if array.dtype is not needed.dtype:
            array = with_dtype(Tensor(array), needed.dtype).array
        return array

    def _refuse(self, value: Any, name: str, needed: str) -> NoReturn:
        came = value.shape if isinstance(value, Tensor) else shown(value)
        what = f"state[{name!r}]" if name else "the parameter"
        raise ArgumentError(f"{self._name}.update: {came} came for {what}; {needed} needed")

    def begin(self, name: str, p: Tensor, settings: Mapping[str, Any]) -> Kept:
        """Return what is remembered of a parameter at first; `settings` are those of its group."""
        return self.state[name](p)

    def _group_of(self, i: int) -> Group:
        return next(g for g in self._groups if g.first <= i < g.first + len(g.params))

    def _fresh(self, name: str, i: int) -> Kept:
        p = self.params[i]
        x = Tensor(p.array)
        x = with_dtype(x, float32) if p.dtype is float16 else x
        made = self.begin(name, x, self._group_of(i).values_now)
        if not all(isinstance(y, Tensor) for y in tensors_of(made)):
            raise ArgumentError(
                f"{self._name}: state[{name!r}] began as {shown(made)}, and a tensor or a tuple of "
                "tensors is needed"
            )
        return tuple(made) if isinstance(made, list) else made

    def _moved(self, name: str, i: int) -> Kept:
        """Return what is to be remembered of a parameter that is new, or has changed its device."""
        kept, p = self._memory[name][i], self.params[i]
        traced = finder(self._trace) is not None
        with traced_by(None if traced else tracing()):  # state that a program finds
            if kept is None:
                return self._fresh(name, i)
            return alike(kept, [x.to(p.device) for x in tensors_of(kept)])

    @whole
    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set the gradient of every parameter that has one to zeros, or remove it.

        A parameter without a gradient is passed over by the next step; one whose gradient is zeros
        still goes on by its momentum, and is still drawn to 0 by weight decay.
        """
        clear_gradients(self.params, set_to_none)

    # Saving and loading.
    def state_dict(self) -> dict[str, Any]:
        """Return a snapshot in PyTorch's layout; the parameters are not part of it.

        "state" has for each place among `params` what is remembered of that parameter, copies, and
        "step", the number of its steps, where the rule counts them. "param_groups" has the settings
        of each group, and the places of its parameters.

            {"state": {0: {"momentum_buffer": tensor}},
             "param_groups": [{"lr": 0.1, "momentum": 0.9, "params": [0]}]}
        """
        return saved_state(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a snapshot of such an optimizer over parameters of the same shapes and order.

        It may come from PyTorch's optimizer of the same name, with arrays or anything that NumPy
        reads in place of its tensors. When this raises, nothing has changed. Raises: ArgumentError,
        ShapeError, DTypeError.
        """
        values, steps, memory = loaded_state(self, state)
        self._undone.settle(self._steps)
        with interrupts_wait():
            for group, settings in zip(self._groups, values, strict=True):
                group.assign(settings)
            changing(self, "_steps", "_memory")
            self._steps, self._memory = steps, memory
