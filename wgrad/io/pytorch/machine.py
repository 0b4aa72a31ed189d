"""A reader of pickles that runs nothing: it knows data, and the few names it is given.

Python's own unpickler calls whatever a pickle names, and makes room for as much as it claims to
need. Here the opcodes are read by pickletools and done one by one.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any

from ...errors import FileError, shown

MOST = 20_000_000  # opcodes of one pickle: a parameter takes about 40
_PLAIN = (type(None), bool, int, float, str)
_PUSHED = frozenset(  # opcodes whose argument is what they push
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class Name:
    """A name that a pickle may use, and what calling it gives; None: it cannot be called."""

    def __init__(self, name: str, call: Callable[..., Any] | None = None, value: Any = None):
        self.name = name
        self.call = call
        self.value = value

    def __repr__(self) -> str:
        return self.name


class Machine:
    """Reads one pickle after the other from a file, with `names` and references from outside."""

    def __init__(
        self,
        names: Mapping[str, Name],
        persistent: Callable[[Any], Any],
        where: str,
    ):
        self.names, self.persistent, self.where = names, persistent, where
        self.operations = 0

    def load(self, file: IO[bytes]) -> Any:
        """Return what the next pickle of a file holds.

        Raises: FileError for names that are not among the known ones, and for what is no pickle.
        """
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        try:
            for opcode, argument, _ in pickletools.genops(file):
                self.operations += 1
                if self.operations > MOST:
                    raise FileError(f"{self.where} has more than {MOST} operations in its pickle")
                if opcode.name == "STOP":
                    break
                self._do(opcode.name, argument)
            value = self._pop()
        except FileError:
            raise
        except (
            *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
            *(RecursionError, MemoryError),
        ) as error:
            said = " ".join(str(error).split())[:100]
            raise FileError(
                f"{self.where} has a pickle that is cut off or corrupt ({said})"
            ) from None
        return value

    def _do(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _PUSHED:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in _TUPLES:
            items = [self._pop() for _ in range(_TUPLES[name])]
            stack.append(tuple(reversed(items)))
        else:
            act = getattr(self, f"_{name.lower()}", None)
            if act is None:
                raise FileError(
                    f"{self.where} has a pickle with {name}, which no state dict needs: it "
                    "was not run"
                )
            act(argument)

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value is needed")
        return value

    def _marked(self) -> list[Any]:
        """Take all from the last mark on."""
        items = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def _top(self, kind: type) -> Any:
        value = self.stack[-1]
        if type(value) is not kind:
            raise ValueError(f"a {type(value).__name__} where a {kind.__name__} is needed")
        return value

    # What holds others.
    def _mark(self, argument: Any) -> None:
        self.stack.append(_MARK)

    def _pop_mark(self, argument: Any) -> None:
        self._marked()

    def _tuple(self, argument: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def _list(self, argument: Any) -> None:
        self.stack.append(self._marked())

    def _dict(self, argument: Any) -> None:
        items = self._marked()
        self.stack.append({})
        self._set(items)

    def _append(self, argument: Any) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _appends(self, argument: Any) -> None:
        items = self._marked()
        self._top(list).extend(items)

    def _setitem(self, argument: Any) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _setitems(self, argument: Any) -> None:
        self._set(self._marked())

    def _set(self, items: list[Any]) -> None:
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Hashing tuples of tuples of ... may take forever.
            flat = type(key) is tuple and all(type(k) in _PLAIN for k in key)
            if not flat and type(key) not in _PLAIN:
                raise ValueError(f"a key of type {type(key).__name__}")
            target[key] = value

    # The memo.
    def _binput(self, argument: int) -> None:
        self.memo[argument] = self.stack[-1]

    _long_binput = _put = _binput

    def _memoize(self, argument: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _binget(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    _long_binget = _get = _binget

    # Names and what is made by them.
    def _global(self, argument: str) -> None:
        name = ".".join(argument.split(" "))
        if name not in self.names:
            raise FileError(
                f"{self.where} asks for {shown(name)}, and only tensors and plain data are read: "
                "nothing was run; a file of torch.save(model.state_dict(), path) is needed"
            )
        self.stack.append(self.names[name])

    def _stack_global(self, argument: Any) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no text")
        self._global(f"{module} {name}")

    def _reduce(self, argument: Any) -> None:
        given, name = self._pop(), self._pop()
        if not isinstance(name, Name) or name.call is None or type(given) is not tuple:
            raise FileError(f"{self.where} calls {shown(name)}, which is no way to make a tensor")
        self.stack.append(name.call(*given))

    _newobj = _reduce

    def _build(self, argument: Any) -> None:
        """Take the attributes of an object, which dicts and tensors do not have here."""
        self._pop()
        if not self.stack:
            raise ValueError("attributes of nothing")

    def _binpersid(self, argument: Any) -> None:
        self.stack.append(self.persistent(self._pop()))

    # What says nothing.
    def _proto(self, argument: Any) -> None:
        pass

    def _frame(self, argument: Any) -> None:
        pass
