"""How large and how deep a text may be. Compilers of WGSL crash or take minutes beyond that.

Measured with wgpu-native 29 on Mesa's lavapipe: 5,000 parentheses or 20,000 terms end the process,
100 loops inside each other take 30 seconds, 1,000 else-ifs 54, 3 MB of text over 45. All of these
are refused by the parser, with the place.
"""

from __future__ import annotations

from .nodes import Node

TEXT = 500_000  # characters
NESTING = 100  # parentheses, calls, indices, types and blocks inside each other
HEIGHT = 200  # operators, members and indices one after the other, with those inside them
TERMS = 5_000  # names and numbers of one expression, such as those of a long array
LOOPS = 16  # inside each other
ELSE_IFS = 100  # one after the other
STATEMENTS = 10_000  # of a text
VALUE_BYTES = 65536  # of a constant
# By the specification:
FUNCTION_BYTES = 8192  # of the variables of a function
PRIVATE_BYTES = 8192  # of the private variables of a module
MEMBERS = 1023  # of a structure
PARAMETERS = 255  # of a function
CASES = 1023  # selectors of a switch


def height_and_terms(expression: Node) -> tuple[int, int]:
    """Return how deep an expression is, and how many names and numbers it has."""
    height = terms = 0
    level = [expression]
    while level:
        height += 1
        following: list[Node] = []
        for node in level:
            before = len(following)
            following.extend(node.children())
            terms += len(following) == before
        level = following
    return height, terms
