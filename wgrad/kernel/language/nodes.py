"""What the records of the syntax tree have in common. `syntax.py` lists them.

Every node has a `span`, where it was read, which does not count when nodes are compared. A new
node needs none: `Binary("*", Identifier("x"), Literal(2.0, "f"))`. What a node is made of is a
node, text, or a tuple of nodes; None is what the text leaves out.

    node.children()     the nodes directly below, in the order of the text
    node.walk()         the node and all below, parents first
    node.mapped(f)      the node with f(child) for each child
    rewritten(node, f)  the whole tree with f applied to every node, children first
    node.but(x=...)     the node with another field
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

from .places import NOWHERE, Span

N = TypeVar("N", bound="Node")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """What all nodes have."""

    every: ClassVar[tuple[str, ...]] = ()  # names of the fields
    parts: ClassVar[tuple[str, ...]] = ()  # of those, the ones that count
    below: ClassVar[tuple[str, ...]] = ()  # of those, the ones that hold nodes
    span: Span = field(default=NOWHERE, repr=False, kw_only=True)

    def children(self) -> Iterator[Node]:
        """Yield the nodes directly below, in the order of the text."""
        for name in self.below:
            value = getattr(self, name)
            if type(value) is tuple:
                yield from value
            elif value is not None:
                yield value

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, parents first, in the order of the text."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(list(node.children())))

    def mapped(self: N, fn: Callable[[Any], Any]) -> N:
        """Return the node with `fn(child)` in each child's place; itself where nothing changes.

        In a tuple, such as the statements of a block, None leaves the child out, and a tuple puts
        several nodes in its place.
        """
        changes = {}
        for name in self.below:
            old = getattr(self, name)
            if type(old) is tuple:
                new: Any = _mapped_tuple(old, fn)
            else:
                new = None if old is None else fn(old)
            if new is not old:
                changes[name] = new
        return self.but(**changes) if changes else self

    def but(self: N, **changes: Any) -> N:
        """Return the node with other values for some of its fields."""
        new = object.__new__(type(self))  # dataclasses.replace takes twice the time
        for name in self.every:
            value = changes.pop(name) if name in changes else getattr(self, name)
            object.__setattr__(new, name, value)
        if changes:
            raise TypeError(f"{type(self).__name__} has no field {next(iter(changes))!r}")
        return new

    def __eq__(self, other: object) -> bool:
        pending: list[tuple[Any, Any]] = [(self, other)]
        while pending:  # no recursion: a sum may be hundreds of nodes deep
            a, b = pending.pop()
            if a is b:
                continue
            if type(a) is not type(b):
                return False
            if isinstance(a, Node):
                pending.extend((getattr(a, part), getattr(b, part)) for part in a.parts)
            elif type(a) is tuple:
                if len(a) != len(b):
                    return False
                pending.extend(zip(a, b, strict=True))
            elif a != b:
                return False
        return True

    def __hash__(self) -> int:
        contents: list[Any] = []
        for node in self.walk():
            contents.append(type(node))
            contents.extend(getattr(node, name) for name in node.parts if name not in node.below)
        return hash(tuple(contents))


def _mapped_tuple(old: tuple, fn: Callable[[Any], Any]) -> tuple:
    new: list[Any] = []
    for child in old:
        replacement = fn(child)
        if type(replacement) is tuple:
            new.extend(replacement)
        elif replacement is not None:
            new.append(replacement)
    same = len(new) == len(old) and all(a is b for a, b in zip(old, new, strict=True))
    return old if same else tuple(new)


def rewritten(node: Node, fn: Callable[[Any], Any]) -> Any:
    """Return the tree with `fn` applied to every node, children first.

    What `fn` may return is said at `Node.mapped`.
    """
    return fn(node.mapped(lambda child: rewritten(child, fn)))


def unshared(node: Node) -> Any:
    """Return the tree with nodes that stand in one place each, by copies of those which do not."""
    seen: set[int] = set()

    def once(child: Node) -> Node:
        first = id(child) not in seen
        seen.add(id(child))
        mapped = child.mapped(once)
        return mapped if first or mapped is not child else child.but()

    return once(node)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def node(cls: type[N]) -> type[N]:
    """Make a record of a class, and note which of its fields hold nodes."""
    made: Any = dataclass(frozen=True, slots=True, eq=False)(cls)
    plain = ("str", "bool | int | float", "tuple[str, ...]")
    made.every = tuple(f.name for f in fields(made))
    made.parts = tuple(f.name for f in fields(made) if f.name not in ("span", "written"))
    made.below = tuple(f.name for f in fields(made) if f.name != "span" and f.type not in plain)
    return made
