"""The WebGPU device, in four rooms: `device` (all that touches wgpu), `memory` (the buffer pool),
`shaders` (WGSL texts), `kernels` (the kernel families of the device protocol); `adapters` names
and opens devices."""
