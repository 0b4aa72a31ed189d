"""WGSL that a person wrote: read, checked and run."""
