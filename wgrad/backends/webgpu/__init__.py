"""The WebGPU backend in two halves.

*Planning* knows an adapter's `facts` alone: `shaders` (WGSL files, found and filled in), `variants`
(what is filled in), `launching`, `indexing`, `kernels`, `matmul` and `windows` (the kernel
families), `planner` (a device without an adapter: notes launches), `launches` (them as data).

*Running* opens one: `device` (all that knows wgpu), `pipelines`, `gpu` (memory and batches),
`memory` (the pool), `eager` (the device of tensors), `tune` (measured products), `dispatches` and
`runner` (what a compiled program does), `adapters` (names, and opening a device).
"""
