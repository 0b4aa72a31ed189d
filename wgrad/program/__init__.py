"""Compiled functions: `trace` captures one run as a `Program` (`ir`), `passes` make it smaller,
`execute` runs it, `compile` is what the user calls."""
