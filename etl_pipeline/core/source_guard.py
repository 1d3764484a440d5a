"""The guard of the source, which lets reading statements through (no I/O).

``READ ONLY`` sessions are not enough: measured on MariaDB 10.11, they still let through
``SELECT … FOR UPDATE``, ``INTO OUTFILE``, ``GET_LOCK`` and ``SET GLOBAL``, and ``ANALYZE DELETE``
executes. So only forms that are known to read are allowed, and what is unclear is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl_pipeline.core.source_keywords import FUNCTIONS, OPENING_WORDS, VERBS
from etl_pipeline.core.sql_tokens import Token, TokenKind, UnclearTextError, split_tokens
from etl_pipeline.errors import StatementRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRANSACTION = r"""
      BEGIN (?: \ WORK)? | COMMIT (?: \ WORK)? | ROLLBACK (?: \ WORK)?
    | START\ TRANSACTION (?: \ WITH\ CONSISTENT\ SNAPSHOT)?
    | START\ TRANSACTION (?: \ WITH\ CONSISTENT\ SNAPSHOT\ ,)? \ READ\ ONLY
    | START\ TRANSACTION\ READ\ ONLY\ ,\ WITH\ CONSISTENT\ SNAPSHOT
"""
_SET = r"""
      SET\ NAMES\ UTF8MB4 (?: \ COLLATE\ UTF8MB4_[A-Z0-9_]+ )?
    | SET (?: \ SESSION)? \ AUTOCOMMIT\ =\ (?: <number> | ON | OFF )
    | SET (?: \ SESSION)? \ TIME_ZONE\ =\ <string>
    | SET (?: \ SESSION)? \ (?: NET_WRITE_TIMEOUT | NET_READ_TIMEOUT )\ =\ <number>
    | SET (?: \ SESSION)? \ TRANSACTION\ READ\ ONLY
    | SET (?: \ SESSION)? \ TRANSACTION\ ISOLATION\ LEVEL
      \ (?: READ\ UNCOMMITTED | READ\ COMMITTED | REPEATABLE\ READ ) (?: \ ,\ READ\ ONLY)?
"""
_FIXED_FORMS = re.compile(rf"{_TRANSACTION} | {_SET} | KILL\ QUERY\ <number>", re.VERBOSE)
_DESCRIBED_TABLE = re.compile(r"<name>( \. <name>)?( <name>| <string>)?")
_SELECTING = ("SELECT", "WITH", "(")
_EXPLAINING = ("EXPLAIN", "DESCRIBE", "DESC")
_WRITING_WORDS = frozenset({"INTO", "OUTFILE", "DUMPFILE", "UPDATE", "DELETE", "CALL", "PROCEDURE"})
_WRITING_UNLESS_CALLED = frozenset({"INSERT", "REPLACE"})
_LOCKING_PAIRS = frozenset(
    {("FOR", "UPDATE"), ("FOR", "SHARE"), ("LOCK", "IN"), ("NEXT", "VALUE"), ("FOR", "CONNECTION")}
)


def check_statement(statement: str | bytes) -> None:
    """Let *statement* pass if it is one statement of a form that only reads.

    Allowed are SELECT (also WITH … SELECT) that locks nothing, writes nowhere and calls only
    known functions; SHOW; DESCRIBE; EXPLAIN of a SELECT; the start and end of a transaction; SET
    of a few session variables; ``KILL QUERY n``.

    Raises:
        StatementRefusedError: It is anything else, or unclear. The error names the form only.
    """
    try:
        text = statement if isinstance(statement, str) else statement.decode("utf-8")
        tokens = split_tokens(text)
    except UnclearTextError as error:
        raise _refuse(f"a statement with {error}") from None
    except UnicodeDecodeError:
        raise _refuse("a statement that is not UTF-8") from None
    if tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        raise _refuse("an empty statement")
    if any(token.text == ";" and token.kind is TokenKind.SIGN for token in tokens):
        raise _refuse("a second statement after a semicolon")
    if not _FIXED_FORMS.fullmatch(_canonical(tokens)):
        _check_reading_form(tokens)


def is_reading(statement: str) -> bool:
    """True if *statement* certainly leaves nothing behind in its session or transaction.

    False for SET and for the start of a transaction: a fresh connection would lack them.
    """
    try:
        check_statement(statement)
    except StatementRefusedError:
        return False
    return _read_word(split_tokens(statement)[0]) in (*_SELECTING, "SHOW", *_EXPLAINING)


def _check_reading_form(tokens: Sequence[Token]) -> None:
    first = _read_word(tokens[0])
    verb = next((_read_word(token) for token in tokens if token.text != "("), "")
    if first == "SHOW":
        _check_words(tokens, _WRITING_WORDS - {"PROCEDURE"})
    elif first in _EXPLAINING:
        _check_explain(tokens)
    elif first in _SELECTING and verb in _SELECTING:
        _check_select(tokens)
    else:
        raise _refuse(first if first in VERBS else "an unknown form")
    _check_calls(tokens)


def _check_explain(tokens: Sequence[Token]) -> None:
    rest = list(tokens[1:])
    words = [_read_word(token) for token in rest]
    if words[:1] in (["EXTENDED"], ["PARTITIONS"]):
        rest, words = rest[1:], words[1:]
    elif words[:2] == ["FORMAT", "="]:
        rest, words = rest[3:], words[3:]
    _check_words(rest, _WRITING_WORDS)
    if words[:1] == ["ANALYZE"]:
        raise _refuse("EXPLAIN ANALYZE, which executes,")
    if words and words[0] in _SELECTING:
        _check_select(rest)
    elif not _DESCRIBED_TABLE.fullmatch(" ".join(_described(token) for token in rest)):
        raise _refuse("EXPLAIN of something other than a SELECT")


def _check_select(tokens: Sequence[Token]) -> None:
    if not any(token.kind is TokenKind.WORD and token.text == "SELECT" for token in tokens):
        raise _refuse("WITH without SELECT")
    _check_words(tokens, _WRITING_WORDS)


def _check_words(tokens: Sequence[Token], refused: frozenset[str]) -> None:
    for index, token in enumerate(tokens):
        if token.kind is not TokenKind.WORD or _is_qualified(tokens, index):
            continue
        follower = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if (token.text, follower) in _LOCKING_PAIRS:
            raise _refuse(f"{token.text} {follower}")
        is_called = follower == "("
        if token.text in refused or (token.text in _WRITING_UNLESS_CALLED and not is_called):
            raise _refuse(f"a statement with {token.text}")


def _is_qualified(tokens: Sequence[Token], index: int) -> bool:
    """True if the word is a name because a qualifier and a dot stand right before it."""
    if index < 2:
        return False
    qualifier, dot, word = tokens[index - 2 : index + 1]
    return (
        dot.text == "."
        and dot.kind is TokenKind.SIGN
        and qualifier.kind in (TokenKind.WORD, TokenKind.QUOTED)
        and qualifier.end == dot.start
        and dot.end == word.start
    )


def _check_calls(tokens: Sequence[Token]) -> None:
    for index, token in enumerate(tokens[:-1]):
        follower = tokens[index + 1]
        if follower.text != "(" or token.kind not in (TokenKind.WORD, TokenKind.QUOTED):
            continue
        before = tokens[index - 1].text if index else ""
        if before in (".", "@"):
            raise _refuse("a call of a stored function")
        if token.kind is TokenKind.WORD and token.text in OPENING_WORDS:
            continue
        name = token.text.upper()
        if name in FUNCTIONS:
            continue
        if before in ("WITH", "RECURSIVE", ",") and _names_expression(tokens, index + 1):
            continue
        raise _refuse("a call of a function that is not on the list")


def _names_expression(tokens: Sequence[Token], opening: int) -> bool:
    """True if the parenthesis holds the columns of a common table expression: ``) AS (``."""
    for index in range(opening + 1, len(tokens) - 2):
        token = tokens[index]
        if token.text == ")":
            return [token.text for token in tokens[index + 1 : index + 3]] == ["AS", "("]
        if token.kind not in (TokenKind.WORD, TokenKind.QUOTED) and token.text != ",":
            return False
    return False


def _described(token: Token) -> str:
    if token.kind in (TokenKind.WORD, TokenKind.QUOTED):
        return "<name>"
    return "<string>" if token.kind is TokenKind.STRING else token.text or "<value>"


def _canonical(tokens: Sequence[Token]) -> str:
    spelled = {
        TokenKind.STRING: "<string>",
        TokenKind.NUMBER: "<number>",
        TokenKind.QUOTED: "<name>",
    }
    return " ".join(spelled.get(token.kind, token.text) for token in tokens)


def _read_word(token: Token) -> str:
    """The word or sign itself; empty for a quoted name, which is never a keyword."""
    return token.text if token.kind in (TokenKind.WORD, TokenKind.SIGN) else ""


def _refuse(form: str) -> StatementRefusedError:
    return StatementRefusedError(
        f"{form} is not let through to the read-only source; nothing was sent",
        where="source",
        fix="read with SELECT, SHOW, DESCRIBE or EXPLAIN",
    )
