"""The language front: WGSL read, checked and printed. Knows neither tensors nor devices.

    source = read_file("waves.wgsl", folders=[...])    source.py: #include, #define, #ifdef
    module = parse(source)                             parser.py: text to a tree (syntax.py)
    typed = check(module)                              check.py: types, constants, names
    text = printed(module)                             printer.py: the tree as text again

Whatever is wrong in a text is a ShaderError with its file, line and column.
"""

from __future__ import annotations

from .check import check as check
from .nodes import Node as Node
from .nodes import rewritten as rewritten
from .nodes import unshared as unshared
from .parser import parse as parse
from .parser import parse_expression as parse_expression
from .parser import parse_statements as parse_statements
from .places import NOWHERE as NOWHERE
from .places import Place as Place
from .places import Source as Source
from .places import Span as Span
from .printer import printed as printed
from .source import read as read
from .source import read_file as read_file
from .symbols import Binding as Binding
from .symbols import EntryPoint as EntryPoint
from .symbols import FunctionInfo as FunctionInfo
from .symbols import OverrideInfo as OverrideInfo
from .symbols import Symbol as Symbol
from .symbols import Typed as Typed
