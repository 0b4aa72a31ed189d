"""Programs that run: what was lowered, bound to a device and to the memory of each call."""
