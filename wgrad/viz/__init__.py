"""Pictures of what happens: graphs, compiled steps, and training as it goes."""

from .charts import activations as activations
from .charts import filters as filters
from .charts import gradients as gradients
from .charts import history as history
from .charts import landscape as landscape
from .graph import graph as graph
from .interactive import Interactive as Interactive
from .interactive import interactive as interactive
from .labels import label as label
from .picture import Picture as Picture
from .steps import program as program

__all__ = [
    *("graph", "interactive", "label", "program", "Picture", "Interactive"),
    *("activations", "filters", "gradients", "history", "landscape"),
]
