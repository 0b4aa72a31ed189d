"""Programs as data: slots and views of them, graphs over one domain, and the list of steps."""

from .graph import Component as Component
from .graph import Graph as Graph
from .graph import Inside as Inside
from .graph import Lookup as Lookup
from .graph import Position as Position
from .graph import Result as Result
from .graph import Statement as Statement
from .graph import Stored as Stored
from .graph import Window as Window
from .graph import plain as plain
from .graph import pruned as pruned
from .graph import single as single
from .program import Batch as Batch
from .program import Draws as Draws
from .program import Fused as Fused
from .program import Product as Product
from .program import Program as Program
from .program import Step as Step
from .program import fused as fused
from .program import last_uses as last_uses
from .program import operand_key as operand_key
from .program import readers as readers
from .program import step_lines as step_lines
from .slots import Inputs as Inputs
from .slots import Ref as Ref
from .slots import Slot as Slot
