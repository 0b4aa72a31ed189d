"""Pictures of what happens: graphs, compiled steps, and training as it goes."""

from .graph import graph as graph
from .interactive import interactive as interactive
from .labels import label as label
from .picture import Picture as Picture
from .steps import program as program

__all__ = ["graph", "interactive", "label", "program", "Picture"]
