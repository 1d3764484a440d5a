"""Privileges of a MySQL user, parsed from the lines of ``SHOW GRANTS`` (no I/O).

Active roles are in them: MariaDB lists their lines, and those of PUBLIC, behind the user's; MySQL
adds their privileges to the user's own lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Everything else may change data, structure, files, users or the server.
HARMLESS = frozenset(
    {
        "SELECT",
        "USAGE",
        "SHOW VIEW",
        "SHOW DATABASES",
        "PROCESS",
        "REPLICATION CLIENT",
        "BINLOG MONITOR",
        "REPLICATION SLAVE",
        "REPLICA MONITOR",
        "SLAVE MONITOR",
        "SHOW CREATE ROUTINE",
        "SHOW_ROUTINE",
        "REFERENCES",
    }
)
_NAME = r"""(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|"(?:[^"]|"")*")"""
_GRANT = re.compile(
    rf"(?P<verb>GRANT|REVOKE) (?P<privileges>.+?) ON (?P<object>.+?) (?:TO|FROM) "
    rf"(?P<grantee>{_NAME}(?:@{_NAME})?|PUBLIC)",
    re.DOTALL,
)
_OBJECT = re.compile(r"(\*|`(?:[^`]|``)*`)\.(\*|`(?:[^`]|``)*`)")
_COLUMNS = re.compile(r"\s*\((?:`(?:[^`]|``)*`|[^)`])*\)")
_READING = frozenset({"SELECT", "ALL PRIVILEGES"})


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of ``SHOW GRANTS``.

    Attributes:
        privileges: Those on all of the target, in upper case.
        of_columns: Those on some of its columns.
        target: As the server writes it: ``*.*``, ```db`.*``, ```db`.`table` ``.
        database: A pattern where *table* is None; None for every database, and for what is
            neither database nor table.
        table: None for every table.
        grantee: As the server writes it.
        is_revoke: Whether it takes something away from a grant on everything (MySQL).
        may_grant: Whether the user may hand them on.
    """

    privileges: tuple[str, ...]
    of_columns: tuple[str, ...]
    target: str
    database: str | None
    table: str | None
    grantee: str
    is_revoke: bool = False
    may_grant: bool = False

    @property
    def reads(self) -> bool:
        """True if SELECT is among the privileges."""
        return not _READING.isdisjoint(self.privileges)


@dataclass(frozen=True, slots=True)
class GrantRules:
    """The way a server reads names in grants.

    Attributes:
        ignores_case: Whether names of databases and tables have no case there.
        has_patterns: Whether ``_`` and ``%`` stand for others; not with MySQL's
            ``partial_revokes``.
    """

    ignores_case: bool = True
    has_patterns: bool = True


def parse_grants(lines: Iterable[str]) -> tuple[Grant, ...]:
    """Parse the lines of ``SHOW GRANTS``; a line that grants a role is left out."""
    return tuple(
        _parse(match, may_grant=line.rstrip().endswith("WITH GRANT OPTION"))
        for line in lines
        if (match := _GRANT.match(line))
    )


def _parse(match: re.Match[str], *, may_grant: bool) -> Grant:
    kinds = [kind.strip().upper() for kind in _COLUMNS.sub("()", match["privileges"]).split(",")]
    found = _OBJECT.fullmatch(match["object"])
    database, table = map(_unquote, found.groups()) if found else (None, None)
    return Grant(
        tuple(kind for kind in kinds if not kind.endswith("()")),
        tuple(kind[:-2] for kind in kinds if kind.endswith("()")),
        match["object"],
        database,
        table,
        match["grantee"],
        match["verb"] == "REVOKE",
        may_grant,
    )


def _unquote(name: str) -> str | None:
    return None if name == "*" else name[1:-1].replace("``", "`")


def reads_database(grants: Iterable[Grant], database: str, rules: GrantRules) -> bool:
    """True if SELECT on every table of *database* is certain; where unsure, False.

    Of several patterns that fit, a server takes the closest alone, so each must have SELECT.
    """
    closest: dict[str, bool] = {}
    everywhere = is_revoked = False
    for grant in grants:
        if grant.target == "*.*":
            everywhere |= grant.reads
        elif grant.database is not None and grant.table is None:
            if not _fits(grant.database, database, rules):
                continue
            if grant.is_revoke:
                is_revoked |= grant.reads
            else:
                closest[grant.grantee] = closest.get(grant.grantee, True) and grant.reads
    return (everywhere and not is_revoked) or any(closest.values())


def tables_read(grants: Iterable[Grant], database: str, rules: GrantRules) -> frozenset[str]:
    """Tables of *database* with a SELECT of their own; it stays when its table is dropped."""
    literal = GrantRules(rules.ignores_case, has_patterns=False)
    return frozenset(
        grant.table
        for grant in grants
        if grant.table is not None
        and grant.database is not None
        and grant.reads
        and _fits(grant.database, database, literal)
    )


def privileges_on(lines: Iterable[str], database: str) -> frozenset[str]:
    """Privileges that lines of ``SHOW GRANTS`` give on every table of *database*."""
    held: set[str] = set()
    for grant in parse_grants(lines):
        is_whole = grant.database is not None and grant.table is None
        if grant.target == "*.*" or (
            is_whole and _fits(grant.database or "", database, GrantRules())
        ):
            held |= set(grant.privileges)
    return frozenset(held)


def _fits(pattern: str, database: str, rules: GrantRules) -> bool:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL) if rules.has_patterns else pattern
    wild = {"%": ".*", "_": "."} if rules.has_patterns else {}
    text = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    flags = re.IGNORECASE if rules.ignores_case else 0
    return re.fullmatch(text, database, re.DOTALL | flags) is not None


def parse_write_privileges(lines: Iterable[str]) -> tuple[str, ...]:
    """The privileges in lines of ``SHOW GRANTS`` that are more than reading.

    Returns:
        Texts such as ``INSERT ON `opendental`.*``, in the order of the lines, each once. A
        role that is granted without ``ON`` is none: its privileges have lines of their own when
        it is active.
    """
    found: dict[str, None] = {}
    for grant in parse_grants(lines):
        if grant.is_revoke:
            continue
        for name in (*grant.privileges, *grant.of_columns):
            if name not in HARMLESS and name != "PROXY":
                found[f"{name} ON {grant.target}"] = None
        if grant.may_grant:
            found[f"GRANT OPTION ON {grant.target}"] = None
    return tuple(found)
