"""Names: what is public in each namespace, and what to write for the names that PyTorch has.

OTHERS is the one table of those. A name that gets here under its own name is taken out of it.
Knows modules and their names, and nothing of what the functions do.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .errors import UnknownNameError

# What is written here for a name of PyTorch's, by where PyTorch has it. Tensors have the methods
# of the second part, and for the rest the functions of the first.
OTHERS: dict[str, dict[str, str]] = {
    "wg": {
        **dict.fromkeys(("cat", "concatenate"), "wg.concat(arrays, axis)"),
        **dict.fromkeys(("hstack", "column_stack"), "wg.concat(arrays, axis=1)"),
        **dict.fromkeys(("vstack", "row_stack"), "wg.concat(arrays, axis=0)"),
        "permute": "wg.permute_dims(x, axes)",
        "unsqueeze": "wg.expand_dims(x, axis)",
        **dict.fromkeys(("swapaxes", "swapdims"), "wg.transpose(x, axis0, axis1)"),
        "t": "x.T",
        "adjoint": "wg.matrix_transpose(x)",
        "movedim": "wg.moveaxis(x, source, destination)",
        "ravel": "wg.flatten(x)",
        "unflatten": "wg.reshape(x, shape)",
        "fliplr": "wg.flip(x, 1)",
        "flipud": "wg.flip(x, 0)",
        "cumsum": "wg.cumulative_sum(x, axis)",
        "cumprod": "wg.cumulative_prod(x, axis)",
        **dict.fromkeys(("gather", "take_along_dim"), "wg.take_along_axis(x, indices, axis)"),
        "index_select": "wg.take(x, indices, axis)",
        **dict.fromkeys(("index_put", "index_copy", "index_fill"), "x[indices] = values"),
        "masked_select": "x[mask]",
        "masked_fill": "wg.where(mask, value, x)",
        **dict.fromkeys(("select", "narrow"), "x[start:stop]"),
        "repeat_interleave": "wg.repeat(x, repeats)",
        **dict.fromkeys(("chunk", "tensor_split"), "wg.split(x, parts, axis)"),
        "unbind": "wg.unstack(x, axis)",
        "unique": "wg.unique_values(x), or unique_inverse, unique_counts, unique_all",
        "argwhere": "wg.stack(wg.nonzero(x), -1)",
        "msort": "wg.sort(x, axis=0)",
        "diagflat": "wg.diag(wg.flatten(x))",
        "broadcast_tensors": "wg.broadcast_arrays(x, y)",
        "clamp": "wg.clip(x, min, max)",
        "clamp_min": "wg.clip(x, min=least)",
        "clamp_max": "wg.clip(x, max=greatest)",
        "sub": "wg.subtract(x, y)",
        "mul": "wg.multiply(x, y)",
        **dict.fromkeys(("div", "true_divide"), "wg.divide(x, y)"),
        "neg": "wg.negative(x)",
        "eq": "wg.equal(x, y)",
        "ne": "wg.not_equal(x, y)",
        "lt": "wg.less(x, y)",
        "le": "wg.less_equal(x, y)",
        "gt": "wg.greater(x, y)",
        "ge": "wg.greater_equal(x, y)",
        "absolute": "wg.abs(x)",
        "sgn": "wg.sign(x)",
        "fix": "wg.trunc(x)",
        "rsqrt": "1 / wg.sqrt(x)",
        "bitwise_not": "wg.bitwise_invert(x)",
        **{f"arc{f}": f"wg.a{f}(x)" for f in ("cos", "sin", "tan", "cosh", "sinh", "tanh")},
        "arctan2": "wg.atan2(y, x)",
        "amax": "wg.max(x, axis)",
        "amin": "wg.min(x, axis)",
        **dict.fromkeys(("mm", "bmm", "mv"), "wg.matmul(a, b)"),
        **dict.fromkeys(("dot", "inner", "vdot"), "wg.vecdot(x, y)"),
        "ger": "wg.outer(x, y)",
        **dict.fromkeys(("addmm", "addmv", "baddbmm"), "x + a @ b"),
        "inverse": "wg.linalg.inv(x)",
        "pinverse": "wg.linalg.pinv(x)",
        "logdet": "wg.linalg.slogdet(x).logabsdet",
        "allclose": "numpy.allclose(x.numpy(), y.numpy())",
        "clone": "x.copy()",
        **dict.fromkeys(("from_numpy", "as_tensor", "frombuffer"), "wg.asarray(data)"),
        **dict.fromkeys(("scalar_tensor", "FloatTensor", "LongTensor"), "wg.tensor(data)"),
        "numel": "x.size",
        "is_tensor": "isinstance(x, wg.Tensor)",
        "is_floating_point": "x.dtype.is_floating",
        "rand_like": "wg.rand(*x.shape)",
        "randn_like": "wg.randn(*x.shape)",
        "randint_like": "wg.randint(low, high, x.shape)",
        "range": "wg.arange(start, stop)",
        "seed": "wg.manual_seed(seed)",
        "float": "wg.float32",
        "double": "wg.float64",
        "half": "wg.float16",
        **dict.fromkeys(("int", "long", "int64"), "wg.int32"),
        **dict.fromkeys(("set_grad_enabled", "inference_mode"), "wg.no_grad() or wg.enable_grad()"),
        "get_default_device": "wg.default_device()",
        "cuda": 'wg.device("webgpu")',
        "autograd": "wg.grad(f)(x), of a function f, or x.backward()",
        "save": "pickle.dump(model.state_dict(), file)",
        "load": "model.load_state_dict(pickle.load(file))",
        "utils": "wg.data.batches(x, y, size=size)",
    },
    "Tensor": {
        **dict.fromkeys(("dim", "ndimension"), "x.ndim"),
        **dict.fromkeys(("numel", "nelement"), "x.size"),
        "element_size": "x.dtype.itemsize",
        "nbytes": "x.size * x.dtype.itemsize",
        **dict.fromkeys(("data", "detach_"), "x.detach()"),
        "clone": "x.copy()",
        "contiguous": "x itself, for views need no copy",
        "cpu": 'x.to("numpy")',
        "cuda": 'x.to("webgpu")',
        **dict.fromkeys(("get_device", "is_cuda", "is_cpu"), "x.device"),
        "float": 'x.astype("float32")',
        "double": 'x.astype("float64")',
        "half": 'x.astype("float16")',
        **dict.fromkeys(("int", "long"), 'x.astype("int32")'),
        "bool": 'x.astype("bool")',
        "type": "x.astype(dtype)",
        "type_as": "x.astype(y.dtype)",
        "permute": "x.permute_dims(axes)",
        "unsqueeze": "x.expand_dims(axis)",
        "expand": "x.broadcast_to(shape)",
        "expand_as": "x.broadcast_to(y.shape)",
        **dict.fromkeys(("view_as", "reshape_as"), "x.reshape(y.shape)"),
        **dict.fromkeys(("H", "mH", "adjoint"), "x.mT"),
        "clamp": "x.clip(min, max)",
        "cumsum": "x.cumulative_sum(axis)",
        "cumprod": "x.cumulative_prod(axis)",
        "add_": "x += y",
        **dict.fromkeys(("sub_", "subtract_"), "x -= y"),
        **dict.fromkeys(("mul_", "multiply_"), "x *= y"),
        **dict.fromkeys(("div_", "divide_", "true_divide_"), "x /= y"),
        "pow_": "x **= y",
        "copy_": "x.assign(y)",
        "zero_": "x.assign(0)",
        "fill_": "x.assign(value)",
        "normal_": "x.assign(wg.normal(mean, std, x.shape))",
        "uniform_": "x.assign(wg.uniform(low, high, x.shape))",
        **dict.fromkeys(("masked_fill_", "index_fill_"), "x[places] = value"),
        **dict.fromkeys(("index_put_", "index_copy_"), "x[indices] = values"),
        **{f"new_{f}": f"wg.{f}(shape, device=x.device)" for f in ("zeros", "ones", "empty")},
        "new_full": "wg.full(shape, value, device=x.device)",
        "new_tensor": "wg.tensor(data, device=x.device)",
    },
    "nn": {
        **dict.fromkeys(("ModuleList", "ParameterList"), "a list as an attribute"),
        **dict.fromkeys(("ModuleDict", "ParameterDict"), "a dict as an attribute"),
        "Buffer": "a tensor as an attribute",
        "Identity": "lambda x: x",
        "NLLLoss2d": "nn.NLLLoss()",
        "Softmax2d": "nn.Softmax(axis=-3)",
        "UpsamplingNearest2d": 'nn.Upsample(mode="nearest")',
        "UpsamplingBilinear2d": 'nn.Upsample(mode="bilinear", align_corners=True)',
        "Unfold": "nn.functional.unfold(x, kernel_size)",
        "Fold": "nn.functional.fold(x, output_size, kernel_size)",
        "CosineSimilarity": "nn.functional.cosine_similarity(x1, x2)",
        **{f"InstanceNorm{d}d": "nn.functional.instance_norm(x)" for d in (1, 2, 3)},
        "init": "x.assign(wg.uniform(low, high, x.shape)), or wg.normal",
    },
    "nn.functional": {
        **dict.fromkeys(
            ("upsample", "upsample_nearest", "upsample_bilinear"),
            "nn.functional.interpolate(x, mode=mode)",
        ),
        **{
            f"{kind}max_pool{d}d_with_indices": f"nn.functional.{kind}max_pool{d}d(x, size, "
            "return_indices=True)"
            for kind in ("", "adaptive_")
            for d in (1, 2, 3)
        },
    },
    "optim": {"lr_scheduler": "optimizer.lr = rate, before each step"},
}
_homes: dict[str, ModuleType] = {}  # where a name of another namespace may be


def publish(home: ModuleType, label: str, *rooms: str) -> None:
    """Say what is public in a module, show that alone in dir(), and answer to unknown names.

    It is `__all__` where the module has one, else what it has imported or made, without modules:
    of these, `rooms` are public. `label` is what messages call the module.
    """
    if not hasattr(home, "__all__"):
        home.__all__ = [  # type: ignore[attr-defined]
            name
            for name, x in vars(home).items()
            if not name.startswith("_") and (name in rooms or not isinstance(x, ModuleType))
        ]
    _homes[label] = home

    def unknown(name: str) -> Any:
        said = None if name.startswith("_") else _advice(label, name)
        if said is None:
            text = f"module {home.__name__!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=home)
        raise UnknownNameError(said)

    # Set here, not written down there: with such a function in sight a type checker would take
    # every name for one that exists.
    home.__getattr__ = unknown  # type: ignore[method-assign]
    home.__dir__ = lambda: sorted(home.__all__)  # type: ignore[method-assign]


def publish_class(cls: type) -> None:
    """Let objects of a class answer to PyTorch's names of methods."""

    def unknown(self: Any, name: str) -> Any:
        said = None if name.startswith("_") else _advice("Tensor", name)
        if said is None:
            return object.__getattribute__(self, name)  # raises what was raised before
        raise UnknownNameError(said)

    cls.__getattr__ = unknown  # type: ignore[attr-defined]


def _advice(label: str, name: str) -> str | None:
    """Return in one sentence what to write for a name that `label` does not have; None for none."""
    whole = f"{'x' if label == 'Tensor' else label}.{name}"
    for table in (label, *_beside(label)):
        text = OTHERS.get(table, {}).get(name)
        if text is not None:
            return f"{whole} is PyTorch's name: write {text}"
    method = label == "Tensor"
    for other in ("wg", *_beside(label)):
        if other != label and name in getattr(_homes.get(other), "__all__", ()):
            return f"{whole} is not here: write {other}.{name}{'(x, ...)' if method else ''}"
    if name.endswith("_") and not name.endswith("__"):  # PyTorch's functions in place
        base = name[:-1]
        for other in ("wg", "nn.functional"):
            if base in _homes[other].__all__:
                return f"{whole} is PyTorch's name: write x.assign({other}.{base}(x, ...))"
    return None


def _beside(label: str) -> Sequence[str]:
    """Return where a name may be that somebody looks for in `label`."""
    return () if label in ("wg.fft", "optim", "data") else ("wg", "wg.linalg", "nn.functional")
