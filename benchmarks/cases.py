"""The cases: one declaration each, with what ours is compared to and what is aimed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .problems import (
    Add,
    Attention,
    Cnn,
    Convolution,
    Elementwise,
    FrontEnd,
    Function,
    Layer,
    Loading,
    Matmul,
    Mlp,
    NormBlock,
    Problem,
    Reduction,
    Saving,
    Shading,
    Softmax,
    TinySteps,
    Transformer,
)


@dataclass(frozen=True)
class Case:
    """A problem, the contender that is ours, and the goal against each of the others.

    A goal is at least this many times faster when it is above 1, else at most this many times
    slower: "at most 1.3 times slower" is 1 / 1.3, and 1 is "ahead". None: it is only measured.
    `limit` is the most seconds that ours may take, `kernels` what a step of it must dispatch.
    """

    name: str
    work: str
    problem: Problem
    goals: Mapping[str, float | None] = field(default_factory=dict)
    ours: str = "compiled"
    limit: float | None = None
    kernels: int | None = None
    gpu: bool = False  # only where the adapter is hardware


LARGE = Mlp((784, 128, 10))
SMALL = Mlp((64, 32, 10))
LARGE_WORK = "MLP 784-128-10, SGD"
COLD = {"cold tinygrad": 1}
MEASURED = {"torch CPU": None, "NumPy by hand": None}
BLOCK = "transformer block 8 x 16 x 32, AdamW", Transformer(8, 16, 32, 4)
TWO_COPIES = {"a copy": 1 / 2, "tinygrad": None, **MEASURED}
FILES = {"NumPy by hand": 0.8, "torch CPU": None}
SUMS = {
    "all": ("sum of 4M", Reduction((1 << 22,))),
    "rows": ("sum of rows, 2048^2", Reduction((2048, 2048), 1)),
    "columns": ("sum of columns, 2048^2", Reduction((2048, 2048), 0)),
}
# Training steps at the sizes of the examples (times, batch, features), and blocks.
LAYERS = {
    "cnn": ("CNN 1x28x28, batch 32, SGD", Cnn(32)),
    "rnn": ("RNN 8-16, 4 x 100 times, Adam", Layer("RNN", (8, 16), (100, 4, 8))),
    "gru": ("GRU 8-16, 4 x 100 times, Adam", Layer("GRU", (8, 16), (100, 4, 8))),
    "lstm": ("LSTM 8-16, 4 x 100 times, Adam", Layer("LSTM", (8, 16), (100, 4, 8))),
    "lstm-wide": ("LSTM 8-64, 32 x 50 times, Adam", Layer("LSTM", (8, 64), (50, 32, 8))),
    "transformer": (
        "transformer layer 64 wide, 16 x 32 tokens, Adam",
        Layer("TransformerEncoderLayer", (64, 4, 256), (32, 16, 64)),
    ),
    "layer-norm": ("LayerNorm of 512 x 256, Adam", Layer("LayerNorm", (256,), (512, 256))),
    "norm-block": ("LayerNorm, GELU, 2 matmuls: 512 x 256", NormBlock(512, 256, 256)),
    "attention": ("attention 4 x 8 x 128 x 64", Attention(4, 8, 128, 64)),
}
# Functions that WGSL has a builtin of, where they are finite; and those of two arguments.
DOMAINS = {
    **dict.fromkeys(("exp", "exp2", "sinh", "cosh", "tanh", "sin", "cos", "tan"), (-9, 9)),
    **dict.fromkeys(("atan", "asinh"), (-9, 9)),
    **dict.fromkeys(("log", "log2", "sqrt"), (0.01, 100)),
    **dict.fromkeys(("asin", "acos", "atanh"), (-0.99, 0.99)),
    "acosh": (1, 100),
    "atan2": (-9, 9),
    "pow": (0.1, 5),
}
BINARY = "atan2", "pow"
FUNCTIONS = {
    name: Function(name, 1 << 22, *domain, 1 + (name in BINARY)) for name, domain in DOMAINS.items()
}
# Functions in WGSL, against the same by operations: the shapes of inputs and result, and how many
# times faster they are to be when compiled.
MILLION = 1 << 20
_N3, _N4, _N = (MILLION, 3), (MILLION, 4), (MILLION,)
SHADED = {
    "sigmoid": ((_N,), _N, 1),
    "swish": ((_N, _N), _N, 1),
    "smith": ((_N, _N, _N), _N, 3),
    "hsv": ((_N3,), _N3, 1),
    "rotate": ((_N4, _N3), _N3, 1),
    "slerp": ((_N4, _N4, _N), _N4, 3),
    "union": ((_N3, _N, _N), _N, 3),
    "pull": (((1024, 1, 3), (1024, 3), (1024,)), (1024, 3), 3),
}
SHADERS = {
    (name, gradient): (
        f"{name} of 1M{', and its gradient' * gradient}",
        Shading(name, shapes, result, gradient, summed=1 if name == "pull" else None),
        goal,
    )
    for name, (shapes, result, goal) in SHADED.items()
    for gradient in (False, True)
}
SOFTMAX = "softmax of rows, 4096 x 1000", Softmax(4096, 1000)

CASES = (
    # Training steps.
    Case("mlp-large", "MLP 784-128-10, SGD", LARGE, {"tinygrad": 8, **MEASURED}),
    Case("mlp-small", "MLP 64-32-10, SGD", SMALL, {"tinygrad": 15, **MEASURED}),
    Case(
        "mlp-large-adam",
        "MLP 784-128-10, Adam",
        replace(LARGE, optimizer="Adam", lr=1e-3),
        {"tinygrad": None, **MEASURED},
    ),
    Case(
        "mlp-small-adam",
        "MLP 64-32-10, Adam",
        replace(SMALL, optimizer="Adam", lr=1e-3),
        {"tinygrad": None, **MEASURED},
    ),
    Case("cnn", "CNN 1x28x28, batch 32, SGD", Cnn(32), {"tinygrad": 1, "torch CPU": None}),
    Case("transformer", *BLOCK, {"tinygrad": 1}),
    # CPU seconds of a model's first two steps in a new process, with no cache of shaders.
    Case("cold-mlp", LARGE_WORK, LARGE, COLD, ours="cold", limit=0.7),
    Case("cold-transformer", *BLOCK, COLD, ours="cold", limit=3),
    Case("cold-cnn", "CNN 1x28x28, batch 32, SGD", Cnn(32), COLD, ours="cold"),
    Case("cold-eager", LARGE_WORK, LARGE, COLD, ours="cold, eager"),
    # Blocks, forward and backward.
    Case(
        "norm-block",
        "LayerNorm, GELU, 2 matmuls: 512 x 256",
        NormBlock(512, 256, 256),
        {"tinygrad": 1, "torch CPU": None},
    ),
    Case(
        "attention",
        "attention 4 x 8 x 128 x 64",
        Attention(4, 8, 128, 64),
        {"tinygrad": 1, "torch CPU": None},
    ),
    Case(
        "conv-small",
        "3x3 convolution, 32 x 8 x 14 x 14 -> 16",
        Convolution(32, 8, 14, 16),
        {"tinygrad": 1, "torch CPU": None},
    ),
    Case(
        "conv",
        "3x3 convolution, 8 x 32 x 32 x 32 -> 64",
        Convolution(8, 32, 32, 64),
        {"tinygrad": 1, "torch CPU": None},
    ),
    Case(
        "conv-strided",
        "7x7 convolution by 2, 1 x 3 x 224 x 224 -> 64",
        Convolution(1, 3, 224, 64, 7, 2),
        {"tinygrad": None, "torch CPU": None},
    ),
    # Single kernels.
    Case("matmul-512", "matmul 512^3", Matmul(512), {"tinygrad": 3, "NumPy by hand": None}),
    Case("matmul-1024", "matmul 1024^3", Matmul(1024), {"tinygrad": 3, "NumPy by hand": None}),
    Case(
        "chain",
        "20 elementwise ops over 4M",
        Elementwise(5, 1 << 22),
        {"eager": 5, "tinygrad": None, "torch CPU": None},
        kernels=1,
    ),
    # Passes over memory, against a plain copy of the same bytes.
    *(Case(f"sum-{name}", *what, TWO_COPIES) for name, what in SUMS.items()),
    Case("softmax", *SOFTMAX, {"a copy": 1 / 4, "tinygrad": None, **MEASURED}),
    # What a replay and a first call cost.
    Case("replay", "MLP 784-128-10, SGD: replay", LARGE, {"wgpu by hand": 1 / 1.3}),
    Case(
        "replay-small", "MLP 64-32-10, SGD: replay", SMALL, {"eager": None, "wgpu by hand": 1 / 1.3}
    ),
    Case("first-calls", "MLP 784-128-10, SGD: first 2 calls", LARGE, ours="first calls", limit=2),
    # The NumPy device.
    Case(
        "numpy-mlp",
        "MLP 784-128-10, SGD",
        LARGE,
        {"NumPy by hand": 1 / 1.2, "torch CPU": 1, "eager, NumPy": None},
        ours="compiled, NumPy",
    ),
    *(
        Case(
            f"numpy-{name}",
            work,
            problem,
            {"torch CPU": 1},
            ours="compiled, NumPy",
        )
        for name, (work, problem) in LAYERS.items()
    ),
    # Eager dispatch, against naive kernels by hand.
    Case("eager-matmul", "matmul 512^3", Matmul(512), {"wgpu by hand": 10}, ours="eager"),
    Case("eager-add", "add two vectors of 4M", Add(1 << 22), {"wgpu by hand": 2}, ours="eager"),
    Case(
        "eager-chain",
        "1000 x (1.01 x + 0.1), 256 wide",
        TinySteps(1000, 256),
        {"wgpu by hand": 1 / 4},
        ours="eager",
    ),
    *(
        Case(f"eager-sum-{name}", *what, {"a copy": 1 / 2}, ours="eager")
        for name, what in SUMS.items()
    ),
    # What accuracy costs: functions of the contract against WGSL's own, in one and the same map.
    *(
        Case(f"functions-{name}", f"{name} of 4M", problem, {"builtin": 1 / 1.5}, ours="eager")
        for name, problem in FUNCTIONS.items()
    ),
    # Functions in WGSL, which are one kernel, against operations.
    *(
        Case(f"shaders-{name}{'-gradient' * gradient}", work, problem, {"ops": goal})
        for (name, gradient), (work, problem, goal) in SHADERS.items()
    ),
    *(
        Case(
            f"eager-shaders-{name}{'-gradient' * gradient}",
            work,
            problem,
            {"ops, eager": 3},
            ours="eager",
        )
        for (name, gradient), (work, problem, _) in SHADERS.items()
    ),
    Case("shaders-text", "parse and derive 100 lines", FrontEnd(), ours="eager", limit=0.05),
    Case("eager-softmax", *SOFTMAX, {"a copy": None}, ours="eager"),
    Case(
        "eager-numpy-mlp",
        "MLP 784-128-10, SGD",
        LARGE,
        {"NumPy by hand": 1 / 2.5},
        ours="eager, NumPy",
    ),
    # Shares of what the GPU gives PyTorch.
    Case("gpu-matmul", "matmul 4096^3", Matmul(4096), {"torch CUDA": 0.6}, gpu=True),
    Case("gpu-add", "add two vectors of 64M", Add(1 << 26), {"torch CUDA": 0.8}, gpu=True),
    # Files: 80 % of what the plain bytes take.
    Case("save", "save 16 x 4 MiB", Saving(16, 1 << 20), FILES, ours="eager, NumPy"),
    Case("load", "load 16 x 4 MiB", Loading(16, 1 << 20), FILES, ours="eager, NumPy"),
)


def chosen(only: str = "", gpu: bool = False) -> list[Case]:
    """Return the cases whose names contain `only`; on a GPU, CUDA joins where tinygrad is."""
    cases = [c for c in CASES if only in c.name and (gpu or not c.gpu)]
    if gpu:
        return [_with_cuda(c) if "tinygrad" in c.goals else c for c in cases]
    return cases


def _with_cuda(case: Case) -> Case:
    return replace(case, goals={**case.goals, "torch CUDA": None})
