"""Effect of a statement in the log: on a transaction, on definitions, on rows (no I/O)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from etl_pipeline.binlog.events import Xid
from etl_pipeline.core.source_keywords import FUNCTIONS, OPENING_WORDS
from etl_pipeline.core.sql_tokens import Token, TokenKind, UnclearTextError, split_tokens

ANSI_QUOTES, NO_BACKSLASH_ESCAPES = 1 << 2, 1 << 20
"""Bits of an SQL mode that changes what a quotation mark or a backslash means."""


class Kind(Enum):
    """Parts that statements play in the transactions that they stand in."""

    BEGIN = "begin"
    COMMIT = "commit"
    """The end of a transaction, also by ROLLBACK: one of those is logged for what stays."""
    XA_START = "xa start"
    XA_END = "xa end"
    XA_DECIDE = "xa commit or rollback"
    HARMLESS = "harmless"
    DEFINITION = "definition"
    CHANGE = "change"
    """Rows are changed by the statement itself, as binlog_format STATEMENT and MIXED have it."""
    UNCLEAR = "unclear"


Name = tuple[str | None, str]
"""Schema, None for the default one, and table."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the log.

    Attributes:
        tables: Tables whose definition or rows it changes; of a CHANGE, all names in it.
        ddl: Kind of a DEFINITION, such as ``ALTER TABLE``; empty where rows alone change.
        changes_rows: Whether rows of *tables* may differ afterwards.
        schema: The schema that is dropped as a whole; None for none.
        begins: Whether a transaction begins with it, in which its rows follow.
        xid: Of an XA transaction.
        calls_unknown: Whether a CHANGE calls a function that is none of the server's own.
    """

    kind: Kind
    tables: tuple[Name, ...] = ()
    ddl: str = ""
    changes_rows: bool = False
    schema: str | None = None
    begins: bool = False
    xid: Xid | None = None
    calls_unknown: bool = False


_HARMLESS = Statement(Kind.HARMLESS)
_UNCLEAR = Statement(Kind.UNCLEAR)
_PLAIN = {
    "BEGIN": Statement(Kind.BEGIN),
    "COMMIT": Statement(Kind.COMMIT),
    "ROLLBACK": Statement(Kind.COMMIT),
}
_EXECUTED_COMMENT = re.compile(r"/\*[Mm]?!\d*")
_HARMLESS_VERBS = frozenset(
    [
        "ANALYZE",
        "BINLOG",
        "CACHE",
        "CHANGE",
        "CHECK",
        "CHECKSUM",
        "FLUSH",
        "GRANT",
        "HELP",
        "INSTALL",
        "KILL",
        "LOCK",
        "PURGE",
        "RELEASE",
        "RESET",
        "REVOKE",
        "SAVEPOINT",
        "SET",
        "SHOW",
        "SHUTDOWN",
        "START",
        "STOP",
        "UNINSTALL",
        "UNLOCK",
        "USE",
        "OPTIMIZE",
    ]
)
_CHANGING_VERBS = frozenset(
    ["INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD", "WITH", "CALL", "DO", "SELECT"]
)
_OBJECTS = frozenset(
    [
        "TABLE",
        "TABLES",
        "INDEX",
        "VIEW",
        "TRIGGER",
        "PROCEDURE",
        "FUNCTION",
        "EVENT",
        "USER",
        "ROLE",
        "DATABASE",
        "SCHEMA",
        "SERVER",
        "SEQUENCE",
        "PACKAGE",
        "TABLESPACE",
        "LOGFILE",
        "UNDO",
        "RESOURCE",
        "REFERENCE",
        "LIBRARY",
        "MASKING",
    ]
)
_XID = re.compile(
    r"X'(?P<global>[0-9a-f]*)'\s*(?:,\s*X'(?P<branch>[0-9a-f]*)'\s*(?:,\s*(?P<form>\d+))?)?",
    re.IGNORECASE,
)


def read_statement(text: str | None, sql_mode: int = 0) -> Statement:
    """Return what the statement *text* does; None stands for text that is not UTF-8."""
    if text is None:
        return _UNCLEAR
    plain = _PLAIN.get(text)
    if plain is not None:
        return plain
    try:
        tokens = split_tokens(_EXECUTED_COMMENT.sub(" ", text).replace("/*+", "/*"))
    except UnclearTextError:
        return _UNCLEAR
    while tokens and tokens[-1].text in (";", "*", "/"):
        tokens.pop()
    if not tokens:
        return _HARMLESS
    statement = _read(_Words(text, tokens))
    is_plain = statement.kind is not Kind.DEFINITION and statement.kind is not Kind.CHANGE
    if sql_mode & (ANSI_QUOTES | NO_BACKSLASH_ESCAPES) and not is_plain:
        return _UNCLEAR
    return statement


class _Words:
    """Tokens of a statement, with a place among them."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.place = 0
        # Executed comments were blanked, so places in the text may have moved.
        self._text = _EXECUTED_COMMENT.sub(" ", text).replace("/*+", "/*")

    def peek(self, ahead: int = 0) -> str:
        """The word or sign *ahead*, in upper case; empty at the end and for a quoted name."""
        place = self.place + ahead
        if place >= len(self.tokens) or self.tokens[place].kind is TokenKind.QUOTED:
            return ""
        return self.tokens[place].text

    def skip(self, *words: str) -> bool:
        """Pass *words* if they come next."""
        found = all(self.peek(i) == word for i, word in enumerate(words))
        if found:
            self.place += len(words)
        return found

    def skip_past(self, *words: str) -> bool:
        """Go behind the next place where *words* stand; False, and nothing done, if nowhere."""
        start = self.place
        while self.place < len(self.tokens):
            if self.skip(*words):
                return True
            self.place += 1
        self.place = start
        return False

    def name(self) -> Name | None:
        """Take a name with or without a schema; None where none comes next."""
        first = self._part()
        if first is None:
            return None
        if self.peek() != ".":
            return None, first
        self.place += 1
        second = self._part()
        return None if second is None else (first, second)

    def _part(self) -> str | None:
        if self.place >= len(self.tokens):
            return None
        token = self.tokens[self.place]
        if token.kind not in (TokenKind.WORD, TokenKind.QUOTED):
            return None
        self.place += 1
        if token.kind is TokenKind.QUOTED:
            return token.text
        return self._text[token.start : token.end]


def _read(words: _Words) -> Statement:
    verb = words.peek()
    if verb in ("BEGIN", "COMMIT", "ROLLBACK", "START"):
        return _read_transaction(words)
    if verb == "XA":
        return _read_xa(words)
    if verb in _CHANGING_VERBS:
        return _read_change(words)
    reader = _DEFINING_VERBS.get(verb)
    if reader is not None:
        words.place += 1
        return reader(words)
    return _HARMLESS if verb in _HARMLESS_VERBS else _UNCLEAR


def _read_transaction(words: _Words) -> Statement:
    verb = words.peek()
    if verb == "ROLLBACK" and "TO" in (words.peek(1), words.peek(2)):
        return _HARMLESS
    if verb == "START":
        return _PLAIN["BEGIN"] if words.peek(1) == "TRANSACTION" else _HARMLESS
    return _PLAIN[verb]


def _read_xa(words: _Words) -> Statement:
    action = words.peek(1)
    start = words.tokens[min(2, len(words.tokens) - 1)].start
    found = _XID.search(words._text, start)  # noqa: SLF001 - of the same module
    xid = None
    if found is not None:
        parts = (bytes.fromhex(found[name] or "") for name in ("global", "branch"))
        xid = (int(found["form"] or 1), *parts)
    kinds = {"START": Kind.XA_START, "BEGIN": Kind.XA_START, "END": Kind.XA_END}
    kinds |= dict.fromkeys(("COMMIT", "ROLLBACK"), Kind.XA_DECIDE)
    kind = kinds.get(action, Kind.UNCLEAR)
    return Statement(kind, xid=xid)  # type: ignore[arg-type]


def _read_change(words: _Words) -> Statement:
    names: list[Name] = []
    calls_unknown = words.peek() in ("CALL", "DO", "SELECT")
    while words.place < len(words.tokens):
        name = words.name()
        if name is None:
            words.place += 1
            continue
        if words.peek() == "(":
            plain = name[1].upper()
            is_known = name[0] is None and (plain in FUNCTIONS or plain in OPENING_WORDS)
            calls_unknown |= not is_known and not _follows_into(words)
        names.append(name)
    return Statement(Kind.CHANGE, tuple(names), changes_rows=True, calls_unknown=calls_unknown)


def _follows_into(words: _Words) -> bool:
    """True if the name before the parenthesis is a table: its columns follow."""
    return words.peek(-2) in ("INTO", "INSERT", "REPLACE", "TABLE", "IGNORE")


def _find_object(words: _Words) -> str:
    """Go to what is created, altered or dropped, and return its kind; empty if it is unclear."""
    while words.place < len(words.tokens):
        word = words.peek()
        words.place += 1
        if word in _OBJECTS:
            return word
    return ""


def _definition(ddl: str, *tables: Name | None, changes_rows: bool = True) -> Statement:
    """Return a statement that defines *tables* anew; None among them is an unclear name."""
    names = tuple(name for name in tables if name is not None)
    if len(names) < len(tables):
        return _UNCLEAR
    return Statement(Kind.DEFINITION, names, ddl, changes_rows)


def _read_create(words: _Words) -> Statement:
    start = words.place
    kind = _find_object(words)
    before = {token.text for token in words.tokens[start : words.place]}
    if kind == "INDEX":
        return _read_index(words, "CREATE INDEX")
    if kind != "TABLE":
        return _HARMLESS if kind else _UNCLEAR
    if "TEMPORARY" in before:
        return _HARMLESS
    words.skip("IF", "NOT", "EXISTS")
    made = _definition("CREATE TABLE", words.name())
    begins = [token.text for token in words.tokens[-2:]] == ["START", "TRANSACTION"]
    if begins:
        return Statement(made.kind, made.tables, made.ddl, made.changes_rows, begins=True)
    return made


def _read_alter(words: _Words) -> Statement:
    kind = _find_object(words)
    if kind != "TABLE":
        return _HARMLESS if kind else _UNCLEAR
    words.skip("IF", "EXISTS")
    names = [words.name()]
    if words.peek() in ("DISABLE", "ENABLE") and words.peek(1) == "KEYS":
        return _HARMLESS
    after = words.place
    while words.skip_past("RENAME"):
        if words.peek() not in ("COLUMN", "INDEX", "KEY", "CONSTRAINT"):
            words.skip("TO") or words.skip("AS") or words.skip("=")
            names.append(words.name())
    words.place = after
    if words.skip_past("WITH", "TABLE"):
        names.append(words.name())
    return _definition("ALTER TABLE", *names)


def _read_drop(words: _Words) -> Statement:
    start = words.place
    kind = _find_object(words)
    before = {token.text for token in words.tokens[start : words.place]}
    if kind in ("DATABASE", "SCHEMA"):
        words.skip("IF", "EXISTS")
        name = words.name()
        return _UNCLEAR if name is None else Statement(Kind.DEFINITION, schema=name[1])
    if kind == "INDEX":
        return _read_index(words, "DROP INDEX")
    if kind not in ("TABLE", "TABLES"):
        return _HARMLESS if kind else _UNCLEAR
    if "TEMPORARY" in before:
        return _HARMLESS
    words.skip("IF", "EXISTS")
    names = [words.name()]
    while words.skip(","):
        names.append(words.name())
    return _definition("DROP TABLE", *names)


def _read_index(words: _Words, ddl: str) -> Statement:
    return _definition(ddl, words.name(), changes_rows=False) if words.skip_past("ON") else _UNCLEAR


def _read_rename(words: _Words) -> Statement:
    if not (words.skip("TABLE") or words.skip("TABLES")):
        return _HARMLESS
    words.skip("IF", "EXISTS")
    names = [words.name()]
    while words.place < len(words.tokens):
        if words.skip("TO") or words.skip(","):
            names.append(words.name())
        else:
            # WAIT n and NOWAIT of MariaDB stand between the names.
            words.place += 1
    return _definition("RENAME TABLE", *names)


def _read_truncate(words: _Words) -> Statement:
    words.skip("TABLE")
    return _definition("", words.name())


def _read_repair(words: _Words) -> Statement:
    _find_object(words)
    names = [words.name()]
    while words.skip(","):
        names.append(words.name())
    return _definition("", *names)


_DEFINING_VERBS = {
    "CREATE": _read_create,
    "ALTER": _read_alter,
    "DROP": _read_drop,
    "RENAME": _read_rename,
    "TRUNCATE": _read_truncate,
    "REPAIR": _read_repair,
}
