"""Benchmarks: ratios of one run, medians of alternating rounds. Run `python -m benchmarks`.

`cases` declares what is compared and the goals; `problems` is the mathematics; each module of
`peers` solves problems with one library, in a process of its own (`workers`); `harness` times them
in turn; `report` prints and keeps the table; `growth` draws how the cost grows.
"""
