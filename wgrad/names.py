"""Names: what is public in each namespace, and what to write for names that others have.

OTHERS is the one table of PyTorch's, NUMPYS and JAXES are of those that NumPy and JAX alone have.
A name that gets here under its own name is taken out of them.
Knows modules and their names, and nothing of what the functions do.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from .errors import UnknownNameError

_LAZY = ("Conv", "ConvTranspose", "BatchNorm", "InstanceNorm")

# What is written here for a name of PyTorch's, by where PyTorch has it. Tensors have the methods
# of the second part, and for the rest the functions of the first.
OTHERS: dict[str, dict[str, str]] = {
    "wg": {
        **dict.fromkeys(("hstack", "column_stack"), "wg.concat(arrays, axis=1)"),
        **dict.fromkeys(("vstack", "row_stack"), "wg.concat(arrays, axis=0)"),
        "t": "x.T",
        "adjoint": "wg.matrix_transpose(x)",
        "ravel": "wg.flatten(x)",
        "fliplr": "wg.flip(x, 1)",
        "flipud": "wg.flip(x, 0)",
        "take_along_dim": "wg.take_along_axis(x, indices, axis)",
        **dict.fromkeys(("index_put", "index_copy", "index_fill"), "x[indices] = values"),
        "tensor_split": "wg.split(x, parts, axis)",
        "unique": "wg.unique_values(x), or unique_inverse, unique_counts, unique_all",
        "argwhere": "wg.stack(wg.nonzero(x), -1)",
        "msort": "wg.sort(x, axis=0)",
        "diagflat": "wg.diag(wg.flatten(x))",
        "broadcast_tensors": "wg.broadcast_arrays(x, y)",
        "clamp_min": "wg.clip(x, min=least)",
        "clamp_max": "wg.clip(x, max=greatest)",
        "sgn": "wg.sign(x)",
        "fix": "wg.trunc(x)",
        "rsqrt": "1 / wg.sqrt(x)",
        **{f"arc{f}": f"wg.a{f}(x)" for f in ("cos", "sin", "tan", "cosh", "sinh", "tanh")},
        "arctan2": "wg.atan2(y, x)",
        **dict.fromkeys(("dot", "inner", "vdot"), "wg.vecdot(x, y), or x @ y of matrices"),
        "set_default_dtype": "wg.float32, which is the default, and dtype= where another is needed",
        "Size": "x.shape, a tuple",
        "get_default_dtype": "wg.float32",
        "is_grad_enabled": "wg.no_grad() or wg.enable_grad(), each with its block",
        "nansum": "wg.sum(wg.nan_to_num(x))",
        "histc": "wg.bincount(places), or NumPy's histogram of x.numpy()",
        "histogram": "np.histogram(x), or wg.bincount(places)",
        "ger": "wg.outer(x, y)",
        **dict.fromkeys(("addmm", "addmv", "baddbmm"), "x + a @ b"),
        "inverse": "wg.linalg.inv(x)",
        "pinverse": "wg.linalg.pinv(x)",
        "logdet": "wg.linalg.slogdet(x).logabsdet",
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
        "bfloat16": "wg.float16",
        **dict.fromkeys(("int8", "int16", "short"), "wg.int32"),
        **dict.fromkeys(("uint8", "uint16", "uint64"), "wg.uint32"),
        "addcmul": "x + value * a * b",
        "addcdiv": "x + value * a / b",
        "fmod": "x - y * wg.trunc(x / y)",
        "frac": "x - wg.trunc(x)",
        "logit": "wg.log(x / (1 - x))",
        "nanmean": "wg.where(wg.isnan(x), 0.0, x).sum() / (~wg.isnan(x)).sum()",
        "std_mean": "wg.std(x, correction=1) and wg.mean(x)",
        "var_mean": "wg.var(x, correction=1) and wg.mean(x)",
        "isposinf": "wg.isinf(x) & (x > 0)",
        "isneginf": "wg.isinf(x) & (x < 0)",
        "deg2rad": "x * (wg.pi / 180)",
        "rad2deg": "x * (180 / wg.pi)",
        "bucketize": "wg.searchsorted(boundaries, x)",
        "cdist": "wg.norm(x[:, None] - y, axis=-1)",
        "lstsq": "wg.linalg.pinv(a) @ b",
        "tril_indices": "wg.nonzero(wg.tril(wg.ones((rows, columns))))",
        "triu_indices": "wg.nonzero(wg.triu(wg.ones((rows, columns))))",
        "func": "wg.vmap(f), wg.grad(f), wg.jvp(f, ...) and the rest by its name in wg",
        "special": "wg.erf(x) and the rest by its name in wg",
        "compiler": "wg.compile(f)",
        "profiler": "with wg.profile() as p, and print(p)",
        **dict.fromkeys(
            ("cuda", "mps", "xpu", "accelerator"),
            'wg.device("auto"), which is a GPU where there is one',
        ),
        "utils": "wg.data.DataLoader(dataset, batch_size)",
    },
    "Tensor": {
        "values": "the tensor itself, which x.max(axis) and x.sort(axis) return alone",
        "indices": "wg.argmax(x, axis), argmin or argsort for the places of values",
        "element_size": "x.dtype.itemsize",
        "nbytes": "x.size * x.dtype.itemsize",
        **dict.fromkeys(("data", "detach_"), "x.detach()"),
        **dict.fromkeys(
            ("values", "indices"), "x.max(axis) for values alone, x.argmax(axis) for their places"
        ),
        "cuda": 'x.to("webgpu")',
        **dict.fromkeys(("get_device", "is_cuda", "is_cpu"), "x.device"),
        **dict.fromkeys(("long", "short", "char"), 'x.astype("int32")'),
        "byte": 'x.astype("uint32")',
        "bfloat16": 'x.astype("float16")',
        "grad_fn": "wg.viz.graph(x), which draws what led to it",
        "type": "x.astype(dtype)",
        **dict.fromkeys(("H", "mH", "adjoint"), "x.mT"),
        "subtract_": "x -= y",
        "multiply_": "x *= y",
        **dict.fromkeys(("divide_", "true_divide_"), "x /= y"),
        "pow_": "x **= y",
        "normal_": "nn.init.normal_(x, mean, std)",
        "uniform_": "nn.init.uniform_(x, low, high)",
        "index_fill_": "x[places] = value",
        **dict.fromkeys(("index_put_", "index_copy_"), "x[indices] = values"),
    },
    "Module": {
        **dict.fromkeys(("cuda", "xpu"), 'model.to("webgpu")'),
        "type": "model.astype(dtype)",
        "bfloat16": "model.astype(wg.float16), or wg.autocast()",
        "compile": "wg.compile(step), on the function that is one step of training",
        "share_memory": "model.to(device)",
    },
    "nn": {
        "Buffer": "self.register_buffer(name, tensor)",
        "NLLLoss2d": "nn.NLLLoss()",
        "AdaptiveLogSoftmaxWithLoss": "nn.CrossEntropyLoss()",
        "CrossMapLRN2d": "nn.LocalResponseNorm(size)",
        "Container": "nn.Module",
        "RNNBase": "nn.RNN(input_size, hidden_size)",
        "RNNCellBase": "nn.RNNCell(input_size, hidden_size)",
        "DataParallel": "model(x): a model is on one device",
        "SyncBatchNorm": "nn.BatchNorm2d(num_features)",
        **{f"FractionalMaxPool{d}d": f"nn.AdaptiveMaxPool{d}d(output_size)" for d in (2, 3)},
        **{
            f"Lazy{name}": f"nn.{name}(...), whose sizes are not found out"
            for name in (
                "Linear",
                *(f"{kind}{d}d" for d in (1, 2, 3) for kind in _LAZY),
            )
        },
        "LinearCrossEntropyLoss": "nn.Linear(n, classes), and nn.CrossEntropyLoss()",
        **dict.fromkeys(("UninitializedParameter", "UninitializedBuffer"), "nn.Parameter(data)"),
    },
    "nn.utils": {
        "rnn": "wg.pad(x, widths): sequences have one length, and a mask says what counts",
        "stateless": "wg.functional_call(model, params, args)",
    },
    "nn.functional": {
        "conv_tbc": "nn.functional.conv1d(x, weight), of other axes",
        **{
            f"fractional_max_pool{d}d{more}": f"nn.functional.adaptive_max_pool{d}d(x, size)"
            for d in (2, 3)
            for more in ("", "_with_indices")
        },
        "linear_cross_entropy": "nn.functional.cross_entropy(x @ weight.T, target)",
        "multi_head_attention_forward": "nn.MultiheadAttention(embed_dim, num_heads)",
        **dict.fromkeys(("grouped_mm", "scaled_mm", "scaled_grouped_mm"), "wg.matmul(x, y)"),
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
    "autograd": {
        "Function": "wg.custom_op(backward=...), on a function",
        "functional": "wg.jacobian(f), wg.hessian(f), wg.hvp, wg.vjp or wg.jvp",
        "backward": "x.backward()",
        "Variable": "wg.tensor(data, requires_grad=True)",
    },
}

# The same for names that NumPy has and PyTorch has not.
NUMPYS: dict[str, dict[str, str]] = {
    "wg": {
        "array": "wg.tensor(data)",
        "ndarray": "wg.Tensor, made by wg.tensor(data) or wg.zeros(shape)",
        **dict.fromkeys(("ascontiguousarray", "asanyarray"), "wg.asarray(data)"),
        "append": "wg.concat([x, y], axis)",
        "array_split": "wg.split(x, parts, axis)",
        **dict.fromkeys(("array_equal", "array_equiv"), "(x == y).all()"),
        "around": "wg.round(x)",
        "average": "wg.mean(x, axis)",
        "power": "wg.pow(x, y)",
        "mod": "wg.remainder(x, y)",
        "invert": "wg.bitwise_invert(x)",
        "left_shift": "wg.bitwise_left_shift(x, n)",
        "right_shift": "wg.bitwise_right_shift(x, n)",
        "rint": "wg.round(x)",
        "fabs": "wg.abs(x)",
        "percentile": "wg.quantile(x, percent / 100)",
        "ptp": "x.max() - x.min()",
        "copy": "x.copy()",
        "size": "x.size",
        "ndim": "x.ndim",
        "shape": "x.shape",
        "identity": "wg.eye(n)",
        "vectorize": "wg.vmap(f), which maps a function over the first axis",
        "apply_along_axis": "wg.vmap(f, in_axes=axis)(x)",
        "flatnonzero": "wg.nonzero(wg.flatten(x))",
        "isscalar": "x.ndim == 0",
        "promote_types": "wg.result_type(a, b)",
        "single": "wg.float32",
        "bool_": "wg.bool",
        **dict.fromkeys(("savez", "savez_compressed"), "wg.save({name: x}, file)"),
    },
    "Tensor": {
        "fill": "x.fill_(value)",
        "itemsize": "x.dtype.itemsize",
        "tobytes": "x.numpy().tobytes()",
        "tofile": "x.numpy().tofile(file)",
        "flat": "wg.flatten(x)",
    },
    "wg.random": {
        "default_rng": "wg.random.Generator(seed), which functions take as generator=",
        "RandomState": "wg.random.Generator(seed), which functions take as generator=",
        "seed": "wg.manual_seed(seed)",
        "standard_normal": "wg.randn(*shape)",
        "random": "wg.rand(*shape)",
        "integers": "wg.randint(low, high, shape)",
        "permutation": "wg.randperm(n), and x[order]",
        "shuffle": "x[wg.randperm(x.shape[0])]",
        "choice": "x[wg.randint(0, x.shape[0], shape)]",
    },
}

# The same for JAX's. What is NumPy's in jax.numpy is under NumPy's name.
JAXES: dict[str, dict[str, str]] = {
    "wg": {
        "jit": "wg.compile(f)",
        "numpy": "wg.exp(x) for jnp.exp(x): functions of arrays stand in wg itself",
        "lax": "wg.scan(f, carry, xs), wg.where(condition, x, y), and the rest by its name in wg",
        "pmap": "wg.vmap(f): a program runs on one device",
        **dict.fromkeys(("jacfwd", "jacrev"), "wg.jacobian(f)"),
        "device_put": "x.to(device)",
        "device_get": "x.numpy()",
        "stop_gradient": "x.detach()",
        "block_until_ready": "wg.synchronize()",
        "remat": "wg.checkpoint(f)",
        "custom_vjp": "wg.custom_op(backward=...), on a function",
        "make_jaxpr": "wg.compile(f), and its explain() after a call",
        "local_devices": "wg.devices()",
        "device_count": "len(wg.devices())",
        **dict.fromkeys(
            ("tree", "tree_util", "tree_map"),
            "wg.grad(f), which takes and gives nested lists and dicts; a loop changes them",
        ),
    },
    "Tensor": {
        "at": "y = x.copy(), and y[indices] = value, which has gradients",
        "block_until_ready": "wg.synchronize()",
    },
    "wg.random": {
        **dict.fromkeys(
            ("PRNGKey", "key", "split", "fold_in"),
            "wg.manual_seed(seed) once, or wg.random.Generator(seed), which goes on by itself",
        ),
        "categorical": "wg.distributions.Categorical(logits=x).sample()",
    },
}
_OBJECTS = {"Tensor": "x", "Module": "model"}  # what stands for an object of these classes
_published: dict[str, ModuleType] = {}  # where a name of another namespace may be


def publish(module: ModuleType, label: str, *modules: str) -> None:
    """Say what is public in a module, show that alone in dir(), and answer to unknown names.

    It is `__all__` where the module has one, else what it has imported or made, without modules:
    of these, `modules` are public. `label` is what messages call the module.
    """
    if not hasattr(module, "__all__"):
        module.__all__ = [  # type: ignore[attr-defined]
            name
            for name, x in vars(module).items()
            if not name.startswith("_") and (name in modules or not isinstance(x, ModuleType))
        ]
    _published[label] = module

    def unknown(name: str) -> Any:
        said = None if name.startswith("_") else _advice(label, name)
        if said is None:
            text = f"module {module.__name__!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=module)
        raise UnknownNameError(said)

    # Set here, not written down there: with such a function in sight a type checker would take
    # every name for one that exists.
    module.__getattr__ = unknown  # type: ignore[method-assign]
    module.__dir__ = lambda: sorted(module.__all__)  # type: ignore[method-assign]


def publish_class(cls: type, label: str) -> None:
    """Let objects of a class answer to others' names of methods; `label` is their table's."""

    def unknown(self: Any, name: str) -> Any:
        said = None if name.startswith("_") else _advice(label, name)
        if said is None:
            return object.__getattribute__(self, name)  # raises what was raised before
        raise UnknownNameError(said)

    cls.__getattr__ = unknown  # type: ignore[attr-defined]


def _advice(label: str, name: str) -> str | None:
    """Return in one sentence what to write for a name that `label` does not have; None for none."""
    whole = f"{_OBJECTS.get(label, label)}.{name}"
    for table in (label, *_beside(label)):
        for others in (OTHERS, NUMPYS, JAXES):
            text = others.get(table, {}).get(name)
            if text is not None:
                return f"{whole} is not here: write {text}"
    method = label == "Tensor"
    if label == "Module":
        return None  # it is its attributes, and a function is none
    for other in ("wg", *_beside(label)):
        if other != label and name in getattr(_published.get(other), "__all__", ()):
            return f"{whole} is not here: write {other}.{name}{'(x, ...)' if method else ''}"
    if name.endswith("_") and not name.endswith("__"):  # PyTorch's functions in place
        base = name[:-1]
        for other in ("wg", "nn.functional"):
            if base in _published[other].__all__:
                return f"{whole} is not here: write x.assign({other}.{base}(x, ...))"
    return None


def _beside(label: str) -> Sequence[str]:
    """Return where a name may be that somebody looks for in `label`."""
    return (
        ()
        if label in ("Module", "wg.fft", "autograd", "optim", "data", "nn.init", "nn.utils")
        else ("wg", "wg.linalg", "nn.functional")
    )
