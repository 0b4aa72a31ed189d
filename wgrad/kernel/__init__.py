"""WGSL that a person wrote: read, checked, run and differentiated."""

from .elementwise import elementwise as elementwise
