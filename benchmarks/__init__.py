"""Benchmarks: ratios of one run, medians of alternating rounds. Run `python -m benchmarks`."""
