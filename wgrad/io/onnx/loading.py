"""load: a graph of ONNX as a module, whose parameters can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...backends.base import Device
from ...core import Tensor, Value
from ...creation import DeviceLike, tensor
from ...creation.inputs import as_tensor
from ...devices import device as find_device
from ...errors import CallError, FileError, IndexRangeError, WgradError, shown
from ...extras import needed
from ...nn.module import Module
from ...random.generator import refuse_in_trace
from ..leaves import BFLOAT16, NUMPY, Leaf
from ..paths import as_path, mapped, told
from .layers import ON_HOST, ROWS
from .operators import TYPES, Operator

OLDEST = 9  # of the opsets that are read
MOST = 1 << 31  # bytes of a file
# Inputs that say how, and are nothing to train: by operator, which of its inputs.
_SETTINGS = {
    **dict.fromkeys(("Clip", "Pad", "Dropout"), (1, 2, 3)),
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Unsqueeze", "Squeeze", "CumSum"), (1,)),
    **dict.fromkeys(("Slice", "OneHot"), (1, 2, 3, 4)),
    **dict.fromkeys(("Range", "ConstantOfShape"), (0, 1, 2)),
    "BatchNormalization": (3, 4),
}
_LISTS = (6, 7, 8)  # attributes that are lists


class OnnxModel(Module):
    """A graph of ONNX as a module: called with its inputs, in order or by name.

    Floats that the file keeps are parameters, under the file's names, running statistics are
    buffers. It does in training what it does in evaluation: dropout and batch statistics are not
    part of such files. `inputs` and `outputs` are their names; one output comes alone, several as a
    tuple. Raises, in the call: CallError; FileError for what the graph asks for and there is not.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        tensors: dict[str, Tensor],
        constants: dict[str, np.ndarray],
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
    ):
        self.tensors = tensors
        self.inputs, self.outputs = inputs, outputs
        self._operators = tuple(operators)
        self._constants = constants

    def _held(self) -> list[tuple[Any, Any]]:
        return list(self.tensors.items())

    def forward(self, *inputs: Any, **named: Any) -> Any:
        values: dict[str, Any] = {**self._constants, **self.tensors}
        like = next(iter(self.tensors.values()), None)
        given = dict(zip(self.inputs, inputs, strict=False))
        unknown = [n for n in named if n not in self.inputs or n in given]
        given |= named
        if len(inputs) > len(self.inputs) or unknown or len(given) < len(self.inputs):
            raise CallError(
                f"OnnxModel: {len(inputs)} inputs came, and {shown(list(named))} by name; its "
                f"inputs are {', '.join(self.inputs)}"
            )
        for name, x in given.items():
            values[name] = as_tensor(x, "OnnxModel", like)
        for node in self._operators:
            found = [values[n] if n else None for n in node.inputs]
            out = _run(node, found)
            several = out if isinstance(out, (tuple, list)) else (out,)
            values.update(zip(node.outputs, several, strict=False))
        results = tuple(
            x if isinstance(x, Value) else tensor(x) for x in (values[n] for n in self.outputs)
        )
        return results[0] if len(results) == 1 else results

    def extra_repr(self) -> str:
        return f"({', '.join(self.inputs)}) -> ({', '.join(self.outputs)})"


def _run(node: Operator, inputs: list[Any]) -> Any:
    """Run an operator. Raises: FileError, which names it, where its inputs do not fit it."""
    there = [x for x in inputs if x is not None]
    host = node.op in ON_HOST and there and all(not isinstance(x, Value) for x in there)
    row = (ON_HOST if host else ROWS)[node.op]
    try:
        return row(node, *inputs)
    except (FileError, IndexRangeError):
        raise
    except WgradError as error:
        raise FileError(f"{node.label}: {error}") from error
    except (TypeError, ValueError, LookupError, ArithmeticError, AssertionError) as error:
        said = " ".join(str(error).split())[:200]
        raise FileError(
            f"{node.label} has inputs or attributes that do not fit it ({said})"
        ) from error


def load(path: Any, device: DeviceLike = None) -> OnnxModel:
    """Return a file of ONNX as a module on `device`.

    ```python
    model = wg.onnx.load("model.onnx")
    y = model(x)  # its inputs in order, or by their names
    wg.save(model, "model.safetensors")  # its parameters, by the file's names
    ```

    What the operators do is done by operations of wgrad, so the model can be trained, compiled and
    exported again. Opsets from 9 on are read. Integers of 64 bits are int32 here. Weights in files
    of their own are read from beside the model, and from nowhere else.

    Raises: MissingFileError; FileError for what is no such file, for operators that are not known,
    for graphs that lead in a circle, and for weights elsewhere; MissingDependencyError without the
    package onnx.
    """
    refuse_in_trace("onnx.load")
    onnx = needed("onnx", "io", "onnx.load")
    file = as_path(path, "onnx.load")
    target = find_device(device)
    where = f"onnx.load: {told(file)}"
    data = mapped(file, "onnx.load")
    if len(data) > MOST:
        raise FileError(f"{where} has {len(data)} bytes, more than any such file")
    model = _parsed(onnx, data, where)
    opset = _opset(onnx, model, where)
    try:
        return _module(onnx, model, opset, file, target, where)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        if isinstance(error, WgradError):
            raise
        said = " ".join(str(error).split())[:200]
        raise FileError(f"{where} does not fit together ({said})") from error


def _parsed(onnx: Any, data: memoryview, where: str) -> Any:
    decode_error = needed("google.protobuf.message", "io", "onnx.load").DecodeError
    try:
        model = onnx.load_model_from_string(bytes(data))
    except (decode_error, ValueError, TypeError, RecursionError) as error:
        raise FileError(f"{where} is no ONNX model ({' '.join(str(error).split())})") from None
    if not model.graph.node and not model.graph.output:
        raise FileError(f"{where} is no ONNX model: it has no graph")
    return model


def _opset(onnx: Any, model: Any, where: str) -> int:
    found = [x.version for x in model.opset_import if x.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if len(found) != 1 or not OLDEST <= found[0] <= newest:
        raise FileError(
            f"{where} is of opset {', '.join(map(str, found)) or 'none'}, and {OLDEST} to {newest} "
            "can be read"
        )
    version: int = found[0]
    return version


def _module(onnx: Any, model: Any, opset: int, file: Path, device: Device, where: str) -> OnnxModel:
    graph = model.graph
    stored = {x.name: _array(x, file, where) for x in graph.initializer}
    if len(stored) != len(graph.initializer) or "" in stored:
        raise FileError(f"{where} has two initializers of one name, or one of none")
    if graph.sparse_initializer:
        raise FileError(f"{where} has sparse initializers, which are not read")
    inputs = tuple(x.name for x in graph.input if x.name not in stored)
    outputs = tuple(x.name for x in graph.output)
    known = {*stored, *inputs}
    operators = []
    for node in graph.node:
        operator = _operator(onnx, node, opset, file, device, where)
        for name in operator.inputs:
            if name and name not in known:
                raise FileError(
                    f"{operator.label} reads {shown(name)}, which nothing before it computes: the "
                    "graph leads in a circle, or is cut"
                )
        for name in operator.outputs:
            if name and name in known:
                raise FileError(f"{operator.label} computes {shown(name)}, which there is already")
            known.add(name)
        operators.append(operator)
    for name in outputs:
        if name not in known:
            raise FileError(f"{where} has the output {shown(name)}, which nothing computes")
    tensors, constants = _sorted_out(stored, operators, device, where)
    return OnnxModel(operators, tensors, constants, inputs, outputs)


def _sorted_out(
    stored: dict[str, Leaf], operators: list[Operator], device: Device, where: str
) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    """Return what is trained or kept as tensors, and what only says how."""
    uses: dict[str, list[bool]] = {name: [] for name in stored}
    statistics = set()
    for node in operators:
        for i, name in enumerate(node.inputs):
            if name in uses:
                uses[name].append(i in _SETTINGS.get(node.op, ()))
                if node.op == "BatchNormalization" and i in (3, 4):
                    statistics.add(name)
    tensors, constants = {}, {}
    for name, leaf in stored.items():
        floats = leaf.dtype.startswith(("float", "bfloat"))
        if floats and name in statistics:
            tensors[name] = leaf.on(device, None, f"{where}: {name}")
        elif floats and not (uses[name] and all(uses[name])):
            tensors[name] = leaf.on(device, None, f"{where}: {name}").requires_grad_()
        else:
            constants[name] = leaf.host()
    return tensors, constants


def _operator(onnx: Any, node: Any, opset: int, file: Path, device: Device, where: str) -> Operator:
    label = f"{where}: {node.op_type}" + (f" {shown(node.name)}" if node.name else "")
    if node.domain not in ("", "ai.onnx") or node.op_type not in ROWS:
        domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
        raise FileError(
            f"{where} has the operator {domain}{node.op_type}, which wgrad cannot read; it reads "
            f"{len(ROWS)}, such as Conv, Gemm and MatMul"
        )
    attributes = {}
    for x in node.attribute:
        value = onnx.helper.get_attribute_value(x)
        if isinstance(value, onnx.TensorProto):
            value = _array(value, file, where).host()
        elif isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif not isinstance(value, (int, float)) and x.type not in _LISTS:
            raise FileError(f"{label} has the attribute {shown(x.name)}, which is not read")
        if x.type in _LISTS:
            value = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]
        attributes[x.name] = value
    return Operator(
        node.op_type, label, tuple(node.input), tuple(node.output), attributes, opset, device
    )


# Tensors of files.
def _array(proto: Any, file: Path, where: str) -> Leaf:
    """Return a tensor of the file, or of one beside it. Raises: FileError."""
    name = shown(proto.name)
    numpy = needed("onnx.helper", "io", "onnx.load")
    if proto.data_type not in TYPES:
        raise FileError(f"{where} has {name} of type {proto.data_type}, which wgrad has not")
    shape = tuple(proto.dims)
    kind = (
        BFLOAT16 if proto.data_type == 16 else numpy.tensor_dtype_to_np_dtype(proto.data_type).name
    )
    dtype = NUMPY[kind]
    if any(n < 0 for n in shape) or len(shape) > 32:
        raise FileError(f"{where} has {name} of shape {shown(shape)}")
    count = 1
    for n in shape:
        count *= n
    if proto.data_location == 1:
        raw = _beside(proto, file, count * dtype.itemsize, where)
        flat = np.frombuffer(raw, np.uint8 if kind == "bool" else dtype)
    elif proto.HasField("raw_data"):
        flat = np.frombuffer(proto.raw_data, np.uint8 if kind == "bool" else dtype)
    else:
        flat = _listed(proto, dtype)
    if len(flat) != count:
        raise FileError(f"{where} has {name} of shape {shown(shape)} with {len(flat)} elements")
    data = flat != 0 if kind == "bool" else flat
    return Leaf(data.reshape(shape), kind)


def _listed(proto: Any, dtype: np.dtype) -> np.ndarray:
    """Return elements that are numbers of the file's own format."""
    fields = {1: "float_data", 11: "double_data", 7: "int64_data", 12: "uint64_data"}
    fields[13] = "uint64_data"
    values = np.array(getattr(proto, fields.get(proto.data_type, "int32_data")))
    if proto.data_type in (10, 16):  # as bits
        return values.astype(np.uint16).view(dtype)
    return values.astype(dtype)


def _beside(proto: Any, file: Path, size: int, where: str) -> memoryview:
    """Return the bytes of a tensor in a file of its own, which lies with the model."""
    about = {x.key: x.value for x in proto.external_data}
    location = about.get("location", "")
    folder = file.parent.resolve()
    target = folder / location
    outside = not location or "\0" in location or not target.resolve().is_relative_to(folder)
    if outside or Path(location).is_absolute() or target.is_symlink():
        raise FileError(
            f"{where} has {shown(proto.name)} in the file {shown(location)}; one beside the model, "
            "in its folder, is needed"
        )
    data = mapped(target, "onnx.load")
    try:
        start = int(about.get("offset", "0"))
        length = int(about.get("length", str(size)))
    except ValueError:
        start = length = -1
    if start < 0 or length != size or start + length > len(data):
        raise FileError(f"{where} has {shown(proto.name)} beyond the end of {shown(location)}")
    return data[start : start + length]
