"""Checks that public functions share: of arguments, and of errors that no check foresaw."""

from .door import guarded as guarded
from .door import hang as hang
from .door import hang_on_class as hang_on_class
