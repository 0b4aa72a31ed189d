"""The WebGPU device, room by room: `device` (all that touches wgpu), `memory` (the buffer pool),
`shaders` (WGSL files, found and filled in), `variants` (what is filled in), `matmul` and `kernels`
(the kernel families of the device protocol), `adapters` (names, and opening a device)."""
