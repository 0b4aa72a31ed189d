"""The Array API standard, version 2024.12, as tests: its names, its special cases, its behaviour.

A module of this package holds one kind of claims. A claim has a name; `tests/test_array_api.py`
finds out which hold, and `tests/array_api_exceptions.toml` lists those that do not, with the reason
for each. A claim of the list that has come to hold fails the tests, so the list stays true.
"""
