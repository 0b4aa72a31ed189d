"""Compiled functions: `wg.compile`.

`compiled` finds the program for a call (`signatures`), or has one made, room by room: `trace`
writes down what one call does as a `Program` (`ir`), `guard` says when that may run again, `passes`
make it smaller, `lower` makes kernels or NumPy source of it, and `run` runs those. `diagnose` tells
what programs do, and which pass or kernel is wrong. docs/architecture.md walks through all of it.
"""
