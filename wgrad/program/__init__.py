"""Compiled functions, in the making, and not offered by the package: a replay does not yet see all
that may change outside (aliased arguments, state that the function makes, hooks).

`trace` captures one run as a `Program` (`ir`), `passes` make it smaller, `execute` runs it,
`compile` ties it to what lives outside."""
