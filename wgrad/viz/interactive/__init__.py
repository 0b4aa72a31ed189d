"""interactive: a scalar function as a page whose inputs a person moves."""

from .page import Interactive as Interactive
from .page import interactive as interactive
