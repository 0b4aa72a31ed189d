"""What every public function is asked first, and what becomes of an error that nobody foresaw."""

from .door import guarded as guarded
from .door import hang as hang
from .door import hang_on_class as hang_on_class
