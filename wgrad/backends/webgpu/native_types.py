"""The C types that a first kernel needs, read in one go; knows nothing of devices.

wgpu declares its driver to cffi, which reads the name of a type when it is first used. For each it
starts a parser that reads all of wgpu's names before (cffi 2.1, `cparser.Parser._parse`): 10 to 20
ms, and some forty times until a first result is there. As the parameters of one function they are
read together. What is not in the list, or not found, is read later, as ever.
"""

from __future__ import annotations

from typing import Any

POINTERS = (
    "AdapterInfo BindGroupDescriptor BindGroupEntry BindGroupLayoutDescriptor BindGroupLayoutEntry "
    "BufferBindingLayout BufferDescriptor BufferMapCallbackInfo ChainedStruct "
    "CommandBufferDescriptor CommandEncoderDescriptor ComputePassDescriptor "
    "ComputePipelineDescriptor ComputeState DeviceDescriptor DeviceExtras DeviceLostCallbackInfo "
    "InstanceDescriptor InstanceExtras Limits NativeLimits PassTimestampWrites "
    "PipelineLayoutDescriptor QuerySetDescriptor QueueDescriptor RequestDeviceCallbackInfo "
    "ShaderModuleDescriptor ShaderSourceWGSL UncapturedErrorCallbackInfo"
)
ARRAYS = "Adapter BindGroupEntry BindGroupLayout BindGroupLayoutEntry CommandBuffer FeatureName"


def read_at_once(ffi: Any) -> None:
    """Have cffi know the types by the names that wgpu asks for them."""
    known = getattr(ffi, "_parsed_types", None)
    if not isinstance(known, dict):
        return  # a cffi that keeps them elsewhere
    declared = set(ffi.list_types()[0])
    pointers = [x for x in (f"WGPU{name}" for name in POINTERS.split()) if x in declared]
    arrays = [x for x in (f"WGPU{name}" for name in ARRAYS.split()) if x in declared]
    # An array would be a pointer as a parameter, so it comes as what a pointer points at.
    parameters = [*(f"{x} *" for x in pointers), *(f"{x} (*)[]" for x in arrays)]
    found = ffi.typeof(f"void(*)({', '.join(parameters)})").args
    for name, kind in zip(pointers, found, strict=False):
        known.setdefault(f"{name} *", (kind, False))  # False: it is no function's
    for name, kind in zip(arrays, found[len(pointers) :], strict=True):
        known.setdefault(f"{name}[]", (kind.item, False))
