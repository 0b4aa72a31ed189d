"""The language front: WGSL read, checked and printed. Knows neither tensors nor devices."""
