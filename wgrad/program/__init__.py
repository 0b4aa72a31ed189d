"""Compiled functions: `wg.compile`.

`trace` writes down what one call does, `finish` makes a `Program` (`ir`) of it, `capture` ties that
to what lives outside, `passes` make it smaller, `build` makes it ready to run, and `compile`
decides which capture a call may use; `watch` notices Python state that changed."""
