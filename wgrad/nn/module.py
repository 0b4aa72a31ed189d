"""Module: a plain object whose tensors, wherever its attributes keep them, can be found.

Nothing is registered: a module is its `__dict__`, searched when it is asked. So modules pickle and
copy like any other object. One assignment is refused, for it would leave a weight untrained.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from ..backends.base import Device
from ..backends.tracing import members_read
from ..dtypes import DType, as_dtype
from ..errors import ArgumentError, DTypeError, shown
from ..interrupts import interrupts_wait
from ..tensor import Tensor
from ..tensor.gradients import clear_gradients
from ..tensor.placing import place_and_dtype
from .hooks import Hooked
from .loading import LoadResult, load
from .members import Holder, held, members


class Module(Holder, Hooked):
    """A part of a model: it finds its tensors by attribute, in the order of definition.

    Tensors and modules are found as attributes, and inside lists, tuples and dicts of them. A leaf
    that gradients were asked for (`wg.parameter`, `requires_grad_()`) is a parameter, also while it
    is frozen by `requires_grad_(False)`; another tensor is a buffer, which is saved and moved but
    not trained. What sits in two places (a tied weight, a layer used twice) counts once, under its
    first name; `state_dict` alone has all of its names.

    >>> class Classifier(wg.nn.Module):
    ...     def __init__(self):
    ...         self.hidden = [wg.nn.Linear(64, 64), wg.nn.Linear(64, 64)]
    ...         self.scale = wg.parameter(1.0)
    ...
    ...     def forward(self, x):
    ...         for layer in self.hidden:
    ...             x = layer(x).relu()
    ...         return x * self.scale
    >>> model = Classifier()
    >>> model(wg.ones(2, 64)).shape, [name for name, _ in model.named_parameters()]
    ((2, 64), ['hidden.0.weight', 'hidden.0.bias', 'hidden.1.weight', 'hidden.1.bias', 'scale'])
    """

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the module's output: what calling it runs."""
        raise ArgumentError(f"{type(self).__name__}: the class defines no forward(self, ...)")

    # What it holds.
    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None:
            """Keep a parameter from giving way to a tensor that nothing would train."""
            held = self.__dict__.get(name)
            if isinstance(held, Tensor) and held.is_parameter and isinstance(value, Tensor):
                if not value.is_parameter:
                    raise DTypeError(
                        f"{type(self).__name__}.{name} is a parameter, and a tensor came that is "
                        f"none: give nn.Parameter(x), or write into it by {name}.assign(x)"
                    )
            object.__setattr__(self, name, value)

    def parameters(self, recurse: bool = True) -> list[Tensor]:
        """Return every parameter once, in the order of definition; frozen ones too.

        With recurse=False those of the modules inside are left out, here and below.
        """
        return [x for _, x in self.named_parameters(recurse=recurse)]

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> list[tuple[str, Tensor]]:
        """Return (name, parameter) pairs; a name is a path such as "layers.0.weight".

        `prefix` and a dot come before each name. With remove_duplicate=False a tensor of several
        names comes under each of them.
        """
        named = self._selected(recurse, remove_duplicate)
        return [(_prefixed(prefix, name), x) for name, x in named if x.is_parameter]

    def buffers(self, recurse: bool = True) -> list[Tensor]:
        """Return every tensor that is no parameter, once, in the order of definition."""
        return [x for _, x in self.named_buffers(recurse=recurse)]

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> list[tuple[str, Tensor]]:
        """Return (name, buffer) pairs; the arguments are those of named_parameters."""
        named = self._selected(recurse, remove_duplicate)
        return [(_prefixed(prefix, name), x) for name, x in named if not x.is_parameter]

    def modules(self) -> list[Module]:
        """Return this module and every module inside it, each once."""
        return [x for _, x in self.named_modules()]

    def named_modules(
        self, memo: Any = None, prefix: str = "", remove_duplicate: bool = True
    ) -> list[tuple[str, Module]]:
        """Return (name, module) pairs: this module, whose name is "", and all those inside.

        `memo` is a set of modules to leave out; those that are returned are added to it.
        """
        out = []
        for name, x in members(self, every=not remove_duplicate):
            if isinstance(x, Module) and (memo is None or x not in memo):
                out.append((_prefixed(prefix, name), x))
        if memo is not None:
            memo.update(x for _, x in out)
        return out

    def children(self) -> list[Module]:
        """Return the modules that this one holds itself, also in lists and dicts, each once."""
        return [x for _, x in self.named_children()]

    def named_children(self) -> list[tuple[str, Module]]:
        """Return (name, module) pairs of `children()`; a name may be "layers.0", of a list."""
        found: dict[int, tuple[str, Module]] = {}
        for name, x in held(self):
            if isinstance(x, Module):
                found.setdefault(id(x), (name, x))
        return list(found.values())

    def get_submodule(self, target: str) -> Module:
        """Return the module of a path such as "layers.0". Raises: ArgumentError for none."""
        return self._found(target, "get_submodule", "module", self.named_modules(None, "", False))

    def get_parameter(self, target: str) -> Tensor:
        """Return the parameter of a path such as "0.weight". Raises: ArgumentError for none."""
        named = self.named_parameters(remove_duplicate=False)
        return self._found(target, "get_parameter", "parameter", named)

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer of a path such as "1.running_mean". Raises: ArgumentError for none."""
        return self._found(target, "get_buffer", "buffer", self.named_buffers("", True, False))

    def _found(self, target: Any, where: str, kind: str, named: list[tuple[str, Any]]) -> Any:
        for name, x in named:
            if name == target:
                return x
        raise ArgumentError(
            f"{where}: {type(self).__name__} has no {kind} {shown(target)}"
            f"{_close(target, [name for name, _ in named])}"
        )

    def _selected(self, recurse: bool, once: bool) -> list[tuple[str, Tensor]]:
        if recurse:
            return self._named_tensors(every=not once)
        seen: set[int] = set()
        out = []
        for name, x in held(self):
            if isinstance(x, Tensor) and x.is_leaf and not (once and id(x) in seen):
                seen.add(id(x))
                out.append((name, x))
        return out

    def _named_tensors(self, every: bool = False, saved: bool = False) -> list[tuple[str, Tensor]]:
        """Return the parameters and buffers; results that are still on the tape are neither.

        Each comes once, or with `every` under each of its names; with `saved` those alone that
        state_dict() has.
        """
        named: dict[str, Tensor] = {}
        for name, x in members(self, every, saved):
            if isinstance(x, Tensor) and x.is_leaf and named.setdefault(name, x) is not x:
                raise ArgumentError(
                    f"{type(self).__name__}: two tensors are named {name!r}: a key or attribute "
                    "with a dot in it, or the keys 1 and '1', cannot be told apart"
                )
        return list(named.items())

    # What it is given. `self.name = value` does the same, without the checks.
    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set an attribute to a tensor that is moved and saved with the module, and not trained.

        With persistent=False it is moved and not saved: state_dict() leaves it out. None holds the
        place of one that comes later. Raises: ArgumentError; DTypeError for what is no tensor.
        """
        _named("register_buffer", self, name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise DTypeError(f"register_buffer: {name} is {shown(tensor)}; a tensor is needed")
        others = self._unsaved - {name}
        if persistent and name in self._unsaved:
            self._unsaved = others
        elif not persistent:
            self._unsaved = others | {name}
        setattr(self, name, tensor)

    def register_parameter(self, name: str, param: Tensor | None) -> None:
        """Set an attribute to a parameter; None holds the place of one that is not there.

        Raises: ArgumentError; DTypeError for what is no parameter (`wg.parameter` makes one).
        """
        _named("register_parameter", self, name)
        if param is not None and not (isinstance(param, Tensor) and param.is_parameter):
            raise DTypeError(
                f"register_parameter: {name} is {shown(param)}; a leaf that requires gradients is "
                "needed, as wg.parameter makes one"
            )
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Set an attribute to a module. Raises: ArgumentError; DTypeError for what is none."""
        self._set_module(name, module, "add_module")

    def register_module(self, name: str, module: Module | None) -> None:
        """Set an attribute to a module, as add_module does."""
        self._set_module(name, module, "register_module")

    def _set_module(self, name: str, module: Any, where: str) -> None:
        _named(where, self, name)
        if module is not None and not isinstance(module, Module):
            raise DTypeError(f"{where}: {name} is {shown(module)}; a module is needed")
        setattr(self, name, module)

    # What is done to all of it.
    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call fn(module) for every module inside, and for this one last; return this one.

        ```python
        def start(module):
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)


        net = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).apply(start)
        ```
        """
        for module in reversed(self.modules()):
            fn(module)
        return self

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set the gradient of every parameter that has one to zeros, or remove it."""
        clear_gradients(self.parameters(), set_to_none)

    def requires_grad_(self, value: bool = True) -> Self:
        """Freeze every parameter (False), or let it be trained again, and return the module."""
        for x in self.parameters():
            x.requires_grad_(value)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set `.training` here and in every module inside, and return the module."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Leave training mode, and return the module: `train(False)`."""
        return self.train(False)

    def to(self, device: Any = None, dtype: Any = None) -> Self:
        """Move every tensor to `device`, with its gradient, and return the module.

        With `dtype` floating tensors are converted too, as astype does; a dtype may come first,
        `model.to(wg.float64)`, or a tensor instead of both, whose device and dtype are taken. The
        tensors keep their identity, so an optimizer that holds them goes on. Raises: DeviceError;
        DTypeError, with nothing changed, for a dtype that is not floating or that a device lacks.
        """
        return self._converted(*place_and_dtype(device, dtype, "to"), "to")

    def astype(self, dtype: Any) -> Self:
        """Convert every floating tensor to `dtype`, with its gradient, and return the module.

        The tensors keep their identity, but an optimizer remembers what they were: make it
        afterwards. Raises: DTypeError, with nothing converted, for a dtype that is not floating or
        that a device lacks.
        """
        return self._converted(None, as_dtype(dtype), "astype")

    def _converted(self, place: Device | None, dtype: DType | None, what: str) -> Self:
        members_read(buffers=True)
        if dtype is not None and not dtype.is_floating:
            raise DTypeError(f"{what}: {dtype.name} came, and a floating dtype is needed")
        changed: list[tuple[Tensor, Device, DType]] = []
        for name, x in self._named_tensors():
            target = place or x.device
            kind = dtype if dtype is not None and x.dtype.is_floating else x.dtype
            target.check_dtype(kind, f"{what}: {name}")
            if target is not x.device or kind is not x.dtype:
                changed.append((x, target, kind))
        _change(changed)
        return self

    def float(self) -> Self:
        """Convert every floating tensor to float32: `astype("float32")`."""
        return self.astype("float32")

    def double(self) -> Self:
        """Convert every floating tensor to float64, which the NumPy device has."""
        return self.astype("float64")

    def half(self) -> Self:
        """Convert every floating tensor to float16: `astype("float16")`."""
        return self.astype("float16")

    def cpu(self) -> Self:
        """Move every tensor to the NumPy device: `to("numpy")`."""
        return self.to("numpy")

    # Saving and loading.
    def state_dict(self) -> dict[str, Tensor]:
        """Return a snapshot: copies of all parameters and buffers by name, on their device.

        As in PyTorch, a tensor that sits in two places is there under both names: one copy, which
        pickles and saves as any other. Where modules refer back to one that holds them, there is
        no end of names, and each tensor has its first one alone.

            net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9, bias=False))
            net[1].weight = net[0].weight  # tied
            list(net.state_dict())  # ["0.weight", "1.weight"]
        """
        members_read(buffers=True)
        copies: dict[int, Tensor] = {}
        state = {}
        for name, x in self._named_tensors(every=True, saved=True):
            if id(x) not in copies:
                copies[id(x)] = x.detach().copy()
            state[name] = copies[id(x)]
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Take over the values of `state`: tensors of any device, or arrays, by name.

        With strict=False names that only one side has are left alone, and returned. A tensor of
        several names needs only one of them, and the same values under all that come (PyTorch
        would keep the last). Everything is checked first: when this raises, nothing has changed,
        and the message has all that does not fit.

        Raises: ArgumentError for missing or unexpected names, and for two names of one tensor with
        different values; ShapeError; DTypeError. Where names and shapes differ, it is both of the
        first two.
        """
        members_read(buffers=True)
        own = dict(self._named_tensors(every=True, saved=True))
        return load(f"{type(self).__name__}.load_state_dict", own, state, strict)

    # For people.
    _is_brief = False  # whether the repr leaves out the module's own tensors: their shapes follow

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of the repr before the members."""
        return ""

    @reprlib.recursive_repr("...")
    def __repr__(self) -> str:
        return self._tree(repr)

    def __str__(self) -> str:
        """Return the repr with the parameters beside each module, and how many there are."""
        text, params = self._counted(), self.parameters()
        if "\n" not in text or not params:
            return text
        count, free = sum(x.size for x in params), sum(x.size for x in params if x.requires_grad)
        frozen = "" if free == count else f", {count - free:,} of them frozen"
        size = sum(x.size * x.dtype.itemsize for x in params)
        return f"{text}\n{count:,} parameters{frozen}, {size:,} bytes"

    @reprlib.recursive_repr("...")
    def _counted(self) -> str:
        text = self._tree(Module._counted)
        own = [(n, x) for n, x in self.named_parameters(recurse=False)]
        if not own or "\n" in text:
            return text
        shapes = ", ".join(f"{name} {x.shape}" for name, x in own)
        return f"{text}  # {shapes}: {sum(x.size for _, x in own):,} parameters"

    def _tree(self, line_of: Callable[[Any], str]) -> str:
        """Return the module and what it holds, a line for each; `line_of` shows a module."""
        lines = []
        for name, x in held(self):
            if isinstance(x, Module):
                lines.append(f"{name}: {line_of(x)}")
            elif isinstance(x, Tensor) and x.is_leaf and not self._is_brief:
                kind = "parameter" if x.is_parameter else "buffer"
                kind = f"frozen {kind}" if x.is_parameter and not x.requires_grad else kind
                lines.append(f"{name}: {kind} {x.dtype.name} {x.shape}")
        title, extra = type(self).__name__, self.extra_repr()
        if not lines:
            return f"{title}({extra})"
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{title}({extra}\n  {body}\n)"


def _prefixed(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix and name else prefix or name


def _named(where: str, module: Module, name: Any) -> None:
    """Raise ArgumentError unless `name` can become an attribute that holds something."""
    if not isinstance(name, str) or not name or "." in name:
        raise ArgumentError(f"{where}: the name {shown(name)} came, and one without dots is needed")
    taken = vars(module).get(name, getattr(type(module), name, None))
    if taken is not None and not isinstance(taken, (Tensor, Holder)):
        raise ArgumentError(
            f"{where}: {type(module).__name__} has an attribute {name!r} of another kind already"
        )


def _close(name: Any, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name), known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _change(tensors: list[tuple[Tensor, Device, DType]]) -> None:
    """Move and convert tensors, and their gradients; all are made before any is given."""
    made = [
        (x, x.detach().to(*how), None if x.grad is None else x.grad.detach().to(*how))
        for x, *how in tensors
    ]
    with interrupts_wait():
        for x, other, grad in made:
            x.array = other.array
            if grad is not None:
                x.set_grad(grad)
