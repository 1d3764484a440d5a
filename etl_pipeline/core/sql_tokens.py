"""MySQL's tokens, as far as one must know them to say what a statement does.

Assumes a session without ``ANSI_QUOTES`` and ``NO_BACKSLASH_ESCAPES`` and text in utf8mb4. Where
the servers' lexers have quirks (``1.e``, ``0x41INTO``, executable comments), the text is refused
instead of being imitated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class TokenKind(Enum):
    """Kinds of tokens."""

    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; *text* is upper case for a word, the name for a quoted one, empty for values."""

    kind: TokenKind
    text: str
    start: int
    end: int


class UnclearTextError(ValueError):
    """The text cannot be cut into tokens beyond doubt; the message says why, without the text."""


# As a range up to the last character of Unicode it would take the program's start 14 ms longer.
_NOT_ASCII = r"[^\x00-\x7f]"
_TOKEN = re.compile(
    rf"""
      (?P<space>  [ \t\n\v\f\r]+ )
    | (?P<dashes> --(?=[ \t\n\v\f\r]|\Z) [^\n]* )
    | (?P<hash>   \# [^\n]* )
    | (?P<magic>  /\* (?: ! | \+ | [Mm]! ) )
    | (?P<comment> /\* .*? \*/ )
    | (?P<string> '(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.|"")*+" )
    | (?P<quoted> `(?:[^`]|``)*+` )
    | (?P<number> 0[xX][0-9a-fA-F]+ | 0[bB][01]+
                | (?:[0-9]+\.?[0-9]*|\.[0-9]+) (?:[eE][+-]?[0-9]+)? )
    | (?P<word>   (?: [A-Za-z_$] | {_NOT_ASCII} ) (?: [A-Za-z0-9_$] | {_NOT_ASCII} )* )
    | (?P<sign>   [-+*%=<>!~^|&(),.;:@?{{}}] | /(?!\*) )
    """,
    re.VERBOSE | re.DOTALL,
)
_AFTER_NUMBER = re.compile(rf"[A-Za-z0-9_$'\"`]|{_NOT_ASCII}")


def split_tokens(text: str) -> list[Token]:
    """The tokens of *text* without comments and white space.

    Raises:
        UnclearTextError: The text holds a comment that the server may execute, something that is
            never closed, a character of no use, or a number that runs into a word.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnclearTextError("an open quotation or comment, or an unknown character")
        kind, found = str(match.lastgroup), match.group()
        if kind == "magic":
            raise UnclearTextError("a comment that the server executes or takes as a hint")
        if kind in ("dashes", "hash", "comment") and "\0" in found:
            raise UnclearTextError("a comment with a NUL character")
        position = match.end()
        if kind == "number" and _AFTER_NUMBER.match(text, position):
            raise UnclearTextError("a number that runs into a word")
        if kind in ("space", "dashes", "hash", "comment"):
            continue
        tokens.append(Token(TokenKind(kind), _simplify(kind, found), match.start(), position))
    return tokens


def _simplify(kind: str, found: str) -> str:
    if kind == "word":
        return found.upper()
    if kind == "quoted":
        return found[1:-1].replace("``", "`")
    return found if kind == "sign" else ""
