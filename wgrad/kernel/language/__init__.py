"""The language front: WGSL read, checked and printed. Knows neither tensors nor devices.

    source = read_file("waves.wgsl", folders=[...])    source.py: #include, #define, #ifdef
    module = parse(source)                             parser.py: text to a tree (syntax.py)
    typed = check(module)                              check.py: types, constants, names
    text = printed(module)                             printer.py: the tree as text again

Whatever is wrong in a text is a ShaderError with its file, line and column.
"""

from __future__ import annotations

from .check import check
from .nodes import Node, rewritten, unshared
from .parser import parse, parse_expression, parse_statements
from .places import NOWHERE, Place, Source, Span
from .printer import printed
from .source import read, read_file
from .symbols import Binding, EntryPoint, FunctionInfo, OverrideInfo, Symbol, Typed

__all__ = [
    *("parse", "parse_expression", "parse_statements", "read", "read_file"),
    *("check", "printed", "rewritten", "unshared"),
    *("Node", "Source", "Span", "Place", "NOWHERE"),
    *("Typed", "Symbol", "FunctionInfo", "EntryPoint", "Binding", "OverrideInfo"),
]
