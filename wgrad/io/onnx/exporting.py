"""export: a model, or a function, run on examples and written as a graph of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...checks.arguments import integer
from ...core import Value
from ...errors import ArgumentError, DTypeError, FileError, shown
from ...extras import needed
from ...nn.module import Module
from ...random.generator import refuse_in_trace
from ..paths import as_path, told, written
from .building import ONNX_TYPES, Graph, Node
from .examples import as_example, checked_names, named_inputs, sized, varying
from .functions import FUNCTIONS, RESULTS
from .recording import Ref, recorded
from .sizes import Size
from .translating import translate

LEAST_OPSET = 18


def export(
    model: Callable[..., Any],
    inputs: Any,
    path: Any,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_axes: Mapping[str, Any] | None = None,
    opset: int = 20,
) -> None:
    """Write a model as ONNX, which other runtimes run: its weights, and what it does with `inputs`.

    ```python
    wg.onnx.export(model, wg.zeros((1, 1, 28, 28)), "model.onnx", dynamic_axes={"x": {0: "n"}})
    ```

    `model` is a module, which runs in evaluation mode, or a function of tensors; `inputs` is one
    example, or a tuple of one for each argument. It runs on them, and what it does is written: the
    branches that it takes for these inputs, with loops unrolled. Linear layers, convolutions,
    pools, norms and recurrent layers become one operator each. Parameters are stored by their names
    in `state_dict()`.

    Names of inputs are those of the arguments unless given. `dynamic_axes` names axes whose extent
    may be any: {"x": {0: "batch"}}, or {"x": [0]}; axes of one name have one extent. The model then
    runs on several sizes, which shows what follows from them.

    Raises: TraceError for an operation that ONNX has no operator for, at its line, for random
    numbers, assignments, and sizes that cannot be followed: before anything is written;
    ArgumentError; FileError; MissingDependencyError without the package onnx.
    """
    refuse_in_trace("onnx.export")
    onnx = needed("onnx", "io", "onnx.export")
    target = as_path(path, "onnx.export")
    newest = onnx.defs.onnx_opset_version()
    if not LEAST_OPSET <= integer(opset, "onnx.export", "opset") <= newest:
        raise ArgumentError(
            f"onnx.export: opset={shown(opset)} came, and {LEAST_OPSET} to {newest} can be written"
        )
    examples = [as_example(x) for x in (inputs if isinstance(inputs, (tuple, list)) else (inputs,))]
    names = named_inputs(model, examples, input_names)
    axes = varying(dynamic_axes or {}, names, examples)
    modes = [(m, m.training) for m in model.modules()] if isinstance(model, Module) else []
    try:
        for module, _ in modes:
            module.training = False
        runs = [
            recorded(model, sized(examples, names, axes, i), FUNCTIONS, RESULTS, "onnx.export")
            for i in range(len(axes[0].extents) if axes else 1)
        ]
    finally:
        for module, mode in modes:
            module.training = mode
    graph = Graph([run for run, _ in runs], axes, opset, "onnx.export")
    for i, name in enumerate(names):
        graph.names[Ref(i)] = graph.fresh(name)
    _add_parameters(graph, model)
    results = _results(graph, runs[0][1], output_names)
    translate(graph)
    outputs = _named(graph, results)
    made = _serialized(onnx, graph, names, outputs, target)
    with written(target, "onnx.export") as part:
        part.write_bytes(made)


def _add_parameters(graph: Graph, model: Any) -> None:
    """Add what a module has, by its names, as far as it was used."""
    for name, x in model._named_tensors() if isinstance(model, Module) else []:
        ref = graph.runs[0].numbers.get(id(x.array))
        if ref is not None and ref not in graph.names:
            graph.names[ref] = graph.initializer(name, x.numpy())


# The results.
def _flat(out: Any, name: str) -> list[tuple[str, Any]]:
    """Return the tensors of a result, by the names that they get."""
    if isinstance(out, Mapping):
        return [x for k, y in out.items() for x in _flat(y, f"{name}_{k}" if name else str(k))]
    if isinstance(out, (tuple, list)):
        return [x for i, y in enumerate(out) for x in _flat(y, f"{name or 'output'}_{i}")]
    if out is None:
        return []
    if not isinstance(out, Value):
        raise DTypeError(f"onnx.export: the function returned {shown(out)}; tensors are needed")
    return [(name or "output", out)]


def _results(graph: Graph, out: Any, given: Sequence[str] | None) -> list[tuple[str, Ref]]:
    """Return the results in their order, by names that are taken now."""
    flat = _flat(out, "")
    if not flat:
        raise DTypeError("onnx.export: the function returned no tensor")
    names = [graph.fresh(name) for name, _ in flat]
    if given is not None:
        names = checked_names(given, len(flat), "output_names")
        for name in names:
            if name in graph.taken:
                raise ArgumentError(f"onnx.export: output_names has {shown(name)}, which is taken")
        graph.taken.update(names)
    refs = [graph.runs[0].number(x) for _, x in flat]
    graph.results = set(refs)
    return list(zip(names, refs, strict=True))


def _named(graph: Graph, results: list[tuple[str, Ref]]) -> list[tuple[str, Ref]]:
    """Give the results their names, and leave out what leads to none of them."""
    for name, ref in results:
        graph.nodes.append(Node("Identity", [graph.of(ref)], [name]))
    needed_names = {name for name, _ in results}
    kept = []
    for node in reversed(graph.nodes):
        if needed_names.intersection(node.outputs):
            kept.append(node)
            needed_names.update(node.inputs)
    graph.nodes = kept[::-1]
    graph.initializers = {n: x for n, x in graph.initializers.items() if n in needed_names}
    _shorten(graph, results)
    return results


def _shorten(graph: Graph, results: list[tuple[str, Ref]]) -> None:
    """Let what computes a result write it under its name, instead of an Identity."""
    makers = {out: node for node in graph.nodes for out in node.outputs}
    new: dict[str, str] = {}
    for name, _ in results:
        renaming = makers[name]
        (source,) = renaming.inputs
        if source in makers and source not in new and makers[source].op != "Constant":
            new[source] = name
            graph.nodes.remove(renaming)
    for node in graph.nodes:
        node.inputs = [new.get(x, x) for x in node.inputs]
        node.outputs = [new.get(x, x) for x in node.outputs]


# The file.
def _extents(graph: Graph, ref: Ref) -> list[Any]:
    """Return a shape as the format has it: numbers, and names of what varies."""
    made: list[Any] = []
    for i, seen in enumerate(zip(*graph.shapes(ref), strict=True)):
        size = graph.size(seen)
        name = size.symbol if isinstance(size, Size) else None
        made.append(size if isinstance(size, int) else name or f"size_{ref.number}_{i}")
    return made


def _serialized(
    onnx: Any, graph: Graph, names: list[str], results: list[tuple[str, Ref]], target: Any
) -> bytes:
    """Return the graph as the bytes of a model, checked by the library. Raises: FileError."""
    make = onnx.helper
    array_of = onnx.numpy_helper.from_array

    def about(name: str, ref: Ref) -> Any:
        kind = ONNX_TYPES[graph.value(ref).dtype.name]
        return make.make_tensor_value_info(name, kind, _extents(graph, ref))

    def made(node: Node, i: int) -> Any:
        given = node.attributes
        if node.op == "Constant":
            given = {"value": array_of(given["value"], node.outputs[0])}
        return make.make_node(node.op, node.inputs, node.outputs, f"{node.op}_{i}", **given)

    inside = make.make_graph(
        [made(node, i) for i, node in enumerate(graph.nodes)],
        "wgrad",
        [about(name, Ref(i)) for i, name in enumerate(names)],
        [about(name, ref) for name, ref in results],
        [array_of(x, name) for name, x in graph.initializers.items()],
    )
    opsets = [make.make_opsetid("", graph.opset)]
    version = make.find_min_ir_version_for(opsets)
    model = make.make_model(inside, opset_imports=opsets, ir_version=version, producer_name="wgrad")
    if model.ByteSize() >= 2**31:
        raise FileError(
            f"onnx.export: {told(target)} would pass 2 GiB, which no such file may have"
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        said = " ".join(str(error).split())
        raise FileError(
            f"onnx.export: the graph is none that opset {graph.opset} has: {said}"
        ) from None
    data: bytes = model.SerializeToString()
    return data
