"""Every public function, method, module and optimizer, called with arguments of every wrong kind.

Whatever comes, the answer is a result or an exception of ours in one sentence; what an argument
raises of its own accord (`MineError`) passes. Nothing hangs, nothing takes much memory, the device
goes on working, and what was given is unchanged where the call failed.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import resource
import tempfile
import types
from collections.abc import Callable, Iterator
from typing import Any

import hostile_arguments as things
import numpy as np

import wgrad as wg
from campaigns.base import SECONDS, HangError, limited
from wgrad import nn, optim
from wgrad.backends.base import Device
from wgrad.core.interpret import current
from wgrad.errors import WgradError, shown
from wgrad.optim.settings import Setting

SHARE = 30
MEGABYTES = 380  # that a call may add to the most memory so far

Call = Callable[[np.random.Generator], tuple[str, Callable[..., Any], list, dict]]

# The good arguments of modules that need some.
MODULES: dict[str, tuple] = {
    "Linear": (3, 2), "MLP": (3, [2]), "Conv1d": (2, 2, 1), "Conv2d": (2, 2, 1),
    "ConvTranspose1d": (2, 2, 1), "ConvTranspose2d": (2, 2, 1), "Embedding": (4, 2),
    "LayerNorm": (3,), "RMSNorm": (3,), "GroupNorm": (1, 2), "BatchNorm1d": (3,),
    "BatchNorm2d": (2,), "MaxPool2d": (2,), "AvgPool2d": (2,), "AdaptiveAvgPool2d": (2,),
    "Upsample": (2,), "MultiheadAttention": (4, 2), "Dropout": (0.5,), "Unflatten": (1, (1, 3)),
    "TransformerEncoder": (nn.TransformerEncoderLayer(4, 2, 8), 1), "UpsamplingNearest2d": (2,),
    "TransformerDecoder": (nn.TransformerDecoderLayer(4, 2, 8), 1), "UpsamplingBilinear2d": (2,),
}  # fmt: skip
OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"),
    *("lshift", "rshift"),
)
# Of the process; slow; or asks what is no part of us, such as a browser.
SKIPPED = {"set_default_device", "devices", "gradcheck", "stats", "validate", "bench"}
CHANGING = ("assign", "__setitem__", "__i", "grad", "backward", "load_state", "to", "astype")
CHANGING += ("_to_parameters", "update_bn", "fit")


def _public(wanted: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """Yield what is public in any namespace and of a kind, by name, once."""
    met: set[int] = set()
    for label, home in {**wg._NAMESPACES, "wg.random": wg.random}.items():
        for name in home.__all__:
            value = getattr(home, name)
            if name in SKIPPED or id(value) in met or not callable(value) or not wanted(value):
                continue
            met.add(id(value))
            yield f"{label}.{name}", value


def _is_function(value: Any) -> bool:
    return not inspect.isclass(value)


def _is_other_class(value: Any) -> bool:
    """Whether a class has no way of its own below, and makes objects of what it is given."""
    others = (nn.Module, optim.Optimizer, wg.Tensor, BaseException, tuple)
    takes = inspect.isclass(value) and value.__init__ is not object.__init__
    return takes and not issubclass(value, others)


def _methods() -> Iterator[str]:
    for name in dir(wg.Tensor):
        if not name.startswith("_") and callable(getattr(wg.Tensor, name)):
            yield name
    for name in OPERATORS:
        yield from (f"__{name}__", f"__r{name}__", f"__i{name}__")
    yield from ("__getitem__", "__getitem__", "__setitem__", "__setitem__", "__eq__", "__lt__")
    yield from ("__array__", "__dlpack__", "__array_namespace__", "__format__")


def _arguments(rng: np.random.Generator, function: Any, bad: float) -> tuple[list, dict]:
    """Return arguments for a function, each hostile with some probability."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    by_name = False
    for p in parameters:
        optional = p.default is not p.empty
        if p.kind is p.VAR_KEYWORD or (optional and rng.random() < 0.5):
            by_name = True
            continue
        count = rng.integers(0, 4) if p.kind is p.VAR_POSITIONAL else 1
        for _ in range(count):
            default = None if p.default is p.empty else p.default
            note = "" if p.annotation is p.empty else p.annotation
            wrong = rng.random() < bad and not (p.name == "where" and note == "str")  # for messages
            x = things.hostile(rng) if wrong else things.good(rng, p.name, default, note)
            if p.kind is p.KEYWORD_ONLY or (by_name and p.kind is p.POSITIONAL_OR_KEYWORD):
                kwargs[p.name] = x
            elif not by_name:
                args.append(x)
    name = getattr(function, "__name__", "")
    # Those of operators, which Python alone calls.
    special = name in ("update", "method") or name.startswith("__")
    if rng.random() < 0.02 and not special:
        kwargs[str(rng.choice(["dim", "keepdim", "out", "x", "where"]))] = things.hostile(rng)
    if rng.random() < 0.02 and not special:
        args.append(things.hostile(rng))
    return args, kwargs


def _of_function(rng: np.random.Generator) -> Any:
    name, function = _FUNCTIONS[rng.integers(len(_FUNCTIONS))]
    return name, function, *_arguments(rng, function, 0.35)


def _of_method(rng: np.random.Generator) -> Any:
    pool = things.TENSORS + things.ODD_TENSORS[:-1]
    x = pool[rng.integers(len(pool))](rng)
    name = _METHODS[rng.integers(len(_METHODS))]
    args, kwargs = _arguments(rng, getattr(x, name), 0.6)
    return f"Tensor.{name}", functools.partial(getattr(wg.Tensor, name), x), args, kwargs


def _of_module(rng: np.random.Generator) -> Any:
    name = _MODULES[rng.integers(len(_MODULES))]
    kind = getattr(nn, name)
    needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    given = list(MODULES.get(name, (2,) * len([p for p in needed if "VAR" not in p.kind.name])))
    where = int(rng.integers(4))
    if where == 0:  # made of wrong arguments
        args, kwargs = _arguments(rng, kind, 0.4)
        for i in range(min(len(args), len(given))):
            if rng.random() < 0.5:
                args[i] = given[i]
        return f"nn.{name}", kind, args, kwargs
    made = kind(*given)
    if where == 1 or not isinstance(made, nn.Module):
        return f"nn.{name}()", made, [things.hostile(rng) for _ in range(rng.integers(1, 4))], {}
    if where == 2:
        good = things.TENSORS
        args = [good[rng.integers(len(good))](rng) for _ in range(rng.integers(1, 4))]
        return f"nn.{name}()", made, args, {}
    method = str(rng.choice(["load_state_dict", "to", "astype", "train", "requires_grad_"]))
    x = things.hostile(rng)
    if method == "load_state_dict" and rng.random() < 0.7:
        x = dict(made.state_dict())
        for key in list(x)[: rng.integers(1, 3)]:
            x[key] = things.hostile(rng)
    return f"nn.{name}().{method}", getattr(made, method), [x], {}


def _of_optimizer(rng: np.random.Generator) -> Any:
    kind = [optim.SGD, optim.Adam, optim.AdamW][rng.integers(3)]
    layer = nn.Linear(3, 2, seed=0)
    where = int(rng.integers(4))
    if where == 0:
        args, kwargs = _arguments(rng, kind, 0.5)
        if args and rng.random() < 0.7:
            args[0] = layer.parameters()
        return kind.__name__, kind, args, kwargs
    made = kind(layer.parameters(), lr=0.1)
    if where == 1:
        name = str(rng.choice([n for n, _ in inspect.getmembers(kind, _is_setting)]))
        return (
            f"{kind.__name__}.{name}",
            functools.partial(setattr, made, name),
            [things.hostile(rng)],
            {},
        )
    state: Any = dict(made.state_dict())
    inner = state["param_groups"][0] if rng.random() < 0.5 else state
    for key in rng.choice(list(inner), 2):
        inner[key] = things.hostile(rng)
    if where == 2:
        state = things.hostile(rng)
    return f"{kind.__name__}.load_state_dict", made.load_state_dict, [state], {}


def _is_setting(x: Any) -> bool:
    return isinstance(x, Setting)


def _is_our_method(kind: type, name: str) -> bool:
    method = getattr(kind, name, None)
    ours = str(getattr(method, "__module__", "")).startswith("wgrad")
    return ours and callable(method)


def _of_class(rng: np.random.Generator) -> Any:
    """Make an object, or call a method of one that was made of what it may want."""
    name, kind = _CLASSES[rng.integers(len(_CLASSES))]
    made = None
    if rng.random() < 0.6:
        args, kwargs = _arguments(rng, kind, 0.0)
        try:
            with limited():
                made = kind(*args, **kwargs)
        except Exception:  # what a class makes of arguments is looked at below
            made = None
    if made is None:
        return name, kind, *_arguments(rng, kind, 0.4)
    methods = [n for n in dir(kind) if not n.startswith("_") and _is_our_method(kind, n)]
    special = ("__call__", "__getitem__", "__len__", "__iter__")
    ours = [k for k in kind.__mro__ if k.__module__.startswith("wgrad")]
    methods += [n for n in special if any(n in vars(k) for k in ours)]
    methods = [n for n in methods if n not in SKIPPED]
    if not methods:
        return name, kind, *_arguments(rng, kind, 0.4)
    method = str(rng.choice(methods))
    function = getattr(made, method)
    return f"{name}().{method}", function, *_arguments(rng, function, 0.5)


def _of_transform(rng: np.random.Generator) -> Any:
    f = things.GOOD["f"](rng)
    transforms = [wg.grad, wg.value_and_grad, wg.jacobian, wg.hessian, wg.compile]
    made: Any = transforms[rng.integers(len(transforms))]
    name = made.__name__
    function = made(f)
    where = int(rng.integers(5))
    args = [things.hostile(rng) for _ in range(rng.integers(0, 3))]
    if where == 0:
        return name, made, [f, things.hostile(rng)], {}
    if where == 1:
        _, pull = wg.vjp(f, wg.tensor([1.0, 2.0]))
        return "vjp's pull", pull, args, {}
    if where == 2:
        settings = {k: things.hostile(rng) for k in rng.choice(["atol", "rtol", "eps"], 1)}
        return "gradcheck", wg.gradcheck, [f, [wg.tensor([1.0, 2.0])]], settings
    if where == 3:

        def failing(*given: Any) -> Any:
            raise things.MineError("of the callback")

        return f"{name} of what fails", made(failing), [wg.tensor([1.0])], {}
    return f"{name}()", function, args, {}


def _of_generator(rng: np.random.Generator) -> Any:
    names = [n for n in dir(wg.Generator) if not n.startswith("_")]
    name = str(rng.choice(names))
    method = getattr(wg.Generator(1), name)
    if not callable(method) or rng.random() < 0.5:
        return "Generator", wg.Generator, [things.hostile(rng)], {}
    return f"Generator.{name}", method, *_arguments(rng, method, 0.7)


_FUNCTIONS = list(_public(_is_function))
_CLASSES = list(_public(_is_other_class))
_METHODS = list(_methods())
_MODULES = [n for n, x in vars(nn).items() if inspect.isclass(x)]
_MODULES = [n for n in _MODULES if n not in ("Module", "Parameter")]
_WAYS: list[Call] = [_of_function] * 8 + [_of_method] * 5
_WAYS += [_of_module] * 3 + [_of_class] * 2 + [_of_optimizer, _of_transform, _of_generator]


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _use(out: Any) -> None:
    """Look at a result, for what a device does is late."""
    several = isinstance(out, (tuple, list))
    if isinstance(out, (wg.data.DataLoader, wg.data.Sampler, Iterator)):
        out, several = list(itertools.islice(out, 3)), True
    for x in out if several else (out,):
        if isinstance(x, wg.Tensor) and x.size < 100_000:
            x.numpy()


def attempt(rng: np.random.Generator, device: Device) -> str | None:
    with warnings_of_others():
        name, function, args, kwargs = _WAYS[rng.integers(len(_WAYS))](rng)
        given = [*args, *kwargs.values(), *getattr(function, "args", ())]
        before, heard, memory = [things.snapshot(x) for x in given], current.get(), _memory()
        failed = None
        try:
            with elsewhere(), limited():
                out = function(*args, **kwargs)
                if not isinstance(out, types.GeneratorType):
                    _use(out)
        except (WgradError, things.MineError) as error:
            failed = error
        except HangError:
            return f"{_shown(name, args, kwargs)} took {SECONDS} s"
        except Exception as error:
            if not _is_theirs(error) and not _is_wanted(name, error):
                return f"{_shown(name, args, kwargs)}: {type(error).__name__}: {str(error)[:300]}"
            failed = error
        if isinstance(failed, WgradError) and (
            "\n" in str(failed) or not 8 < len(str(failed)) < 500
        ):
            return f"{_shown(name, args, kwargs)}: its message is {str(failed)!r}"
        if _memory() - memory > MEGABYTES:
            return f"{_shown(name, args, kwargs)} took {_memory() - memory} MB"
        changing = any(part in name for part in CHANGING) or name.endswith("_")
        if failed is not None or not changing:
            for x, old in zip(given, before, strict=True):
                if old is not None and things.snapshot(x) != old:
                    return f"{_shown(name, args, kwargs)} changed {shown(x)}"
        if current.get() is not heard or wg.default_device() is not device:
            return f"{_shown(name, args, kwargs)} left recording or the device switched"
        if (wg.tensor([1.0, 2.0]) + 1).tolist() != [2, 3]:
            return f"{_shown(name, args, kwargs)} broke the device"
    return None


def _is_wanted(name: str, error: Exception) -> bool:
    """Whether it is what somebody asked for: an assertion, or what a class left to others."""
    return name.startswith("wg.testing.") or isinstance(error, NotImplementedError)


def _is_theirs(error: BaseException) -> bool:
    """Whether a callback or an argument of this campaign raised, in a frame of its own."""
    frame = error.__traceback__
    last = None
    while frame is not None:
        last, frame = frame.tb_frame.f_globals.get("__name__", ""), frame.tb_next
    return last in ("hostile_arguments", "unittest.mock") or last.partition(".")[0] == "torch"


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Let what is written under any name lie in a folder that goes."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield


@contextlib.contextmanager
def warnings_of_others() -> Iterator[None]:
    """Silence NumPy's and PyTorch's words about what they are given."""
    import warnings

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _shown(name: str, args: list, kwargs: dict) -> str:
    parts = [shown(x) for x in args] + [f"{k}={shown(v)}" for k, v in kwargs.items()]
    return f"{name}({', '.join(parts)})"
