"""Text to tokens: one regular expression, and the search for template lists.

Tokens are three lists of one length: kinds, texts and where they start. The kind of a keyword or an
operator is its text; the others are "identifier", "number", "reserved" and "end". The brackets of
a template list have kinds of their own, "<:" and ":>", so that the parser never has to guess
whether `<` compares. Source: the WGSL specification, section "Template Lists".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from . import limits
from .places import Source
from .words import KEYWORDS, RESERVED

_BREAKS = "\n\v\f\r\u0085\u2028\u2029"
_TOKEN = re.compile(
    rf"""
    (?P<blank>[ \t\u200e\u200f{_BREAKS}]+ | //[^{_BREAKS}]*)
  | (?P<word>[^\W\d]\w*)
  | (?P<number>
        0[xX] (?: [0-9a-fA-F]*\.?[0-9a-fA-F]* ) (?: [pP][+-]?[0-9]+ )? \w*
      | (?: [0-9]+\.?[0-9]* | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? \w*
    )
  | (?P<comment>/\*)
  | (?P<operator>
        >>= | <<= | -> | && | \|\| | [=!<>]= | << | >> | \+\+ | -- | [-+*/%&|^]=
      | [-+*/%&|^=!<>~()\[\]{{}};:,.@]
    )
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ADVICE = {
    "?": ": write select(no, yes, condition) for condition ? yes : no",
    "#": ": #include, #define and #ifdef stand at the beginning of a line",
    '"': ", and no texts",
    "'": ", and no texts",
}
_COMMENT = re.compile(r"/\*|\*/")


class Tokens(NamedTuple):
    """What the parser reads."""

    kinds: list[str]
    texts: list[str]
    starts: list[int]


def tokens(source: Source) -> Tokens:
    """Return the tokens of a text. Raises: ShaderError for what is no part of WGSL."""
    text = source.text
    if len(text) > limits.TEXT:
        what = f"the text has {len(text)} characters, and at most {limits.TEXT} are allowed"
        raise source.error(what, 0)
    unmarked = Tokens([], [], [])
    kinds, texts, starts = unmarked
    position, templates = 0, False
    scan = _TOKEN.match
    while True:
        match = scan(text, position)
        if match is None:
            break
        kind, start, position = match.lastgroup, position, match.end()
        if kind == "blank":
            continue
        word = match[0]
        if kind == "word":
            if word in KEYWORDS:
                kind = word
            else:
                kind = _kind_of_word(source, word, start)
        elif kind == "operator":
            kind = word
            if word == "<" and kinds and kinds[-1] in ("identifier", "var"):
                templates = True
        elif kind == "comment":
            position = _end_of_comment(source, start)
            continue
        elif kind == "other":
            advice = _ADVICE.get(word, "")
            raise source.error(f"WGSL has no character {word!r}{advice}", start)
        kinds.append(kind or "")
        texts.append(word)
        starts.append(start)
    kinds.append("end")
    texts.append("")
    starts.append(len(text))
    return _with_templates(unmarked) if templates else unmarked


def _kind_of_word(source: Source, word: str, start: int) -> str:
    if word in RESERVED:
        return "reserved"
    if word == "_":
        return "_"
    if word.startswith("__"):
        raise source.error(f"a name cannot begin with two underscores: {word!r}", start)
    if not word.isascii() and not word.isidentifier():
        raise source.error(f"{word!r} has a character that no name can have", start)
    return "identifier"


def _end_of_comment(source: Source, start: int) -> int:
    """Return where a comment ends; there may be others inside."""
    depth = 0
    for match in _COMMENT.finditer(source.text, start):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    raise source.error("this comment has no end: '*/' is missing", start)


def _with_templates(unmarked: Tokens) -> Tokens:
    """Return the tokens with the brackets of template lists marked.

    An operator such as `>>` that closes lists is taken apart.
    """
    kinds, texts, starts = Tokens([], [], [])
    pending: list[tuple[int, int]] = []  # (index of the token "<", parentheses around it)
    depth = 0
    for kind, text, start in zip(*unmarked, strict=True):
        if kind == "<" and kinds and kinds[-1] in ("identifier", "var"):
            pending.append((len(kinds), depth))
        elif kind in ("(", "["):
            depth += 1
        elif kind in (")", "]"):
            while pending and pending[-1][1] >= depth:
                pending.pop()
            depth = max(0, depth - 1)
        elif kind in (";", "{", ":", "=") or kind in _ASSIGN:
            pending.clear()
            depth = 0
        elif kind in ("&&", "||"):
            while pending and pending[-1][1] >= depth:
                pending.pop()
        elif pending and kind in (">", ">>", ">=", ">>="):
            while kind.startswith(">") and pending and pending[-1][1] == depth:
                kinds[pending.pop()[0]] = "<:"
                kinds.append(":>")
                texts.append(">")
                starts.append(start)
                kind, text, start = kind[1:], text[1:], start + 1
            if not kind:
                continue
            if kind == "=":
                pending.clear()
                depth = 0
        kinds.append(kind)
        texts.append(text)
        starts.append(start)
    return Tokens(kinds, texts, starts)


_ASSIGN = frozenset(("+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<="))
