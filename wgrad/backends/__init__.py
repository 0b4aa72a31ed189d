"""The devices: one protocol (`base`), the NumPy reference (`numpy`) and WebGPU (`webgpu`)."""
