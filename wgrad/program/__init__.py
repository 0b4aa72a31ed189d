"""Compiled functions: `wg.compile`.

`trace` writes down what one call does as a `Program` (`ir`), `guard` says when that may run again,
`passes` make it smaller, `lower` makes kernels or NumPy source of it, and `run` runs those.
`compiled` finds the program for a call. docs/architecture.md walks through all of it.
"""
