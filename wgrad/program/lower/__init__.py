"""From programs to what a device runs: WGSL kernels for WebGPU, Python source for NumPy."""
