"""Names of tables and columns, quoted: the one place that does it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

LOADED_AT = "_etl_loaded_at"
"""A column of ours in ``raw``: when the row was last written there."""

DELETED_AT = "_etl_deleted_at"
"""Another, where rows that the source does not have any more stay in ``raw``: since when."""

PREFIX = "_etl_"
"""Begins the names of our own tables in replication, and so of no table of the source."""

INCOMING_PREFIX = "_etl_incoming_"
REPLACED_PREFIX = "_etl_replaced_"
REHEARSED_PREFIX = "_etl_rehearsed_"
MYSQL_NAME_CHARACTERS = 64
POSTGRES_NAME_BYTES = 63


def quote_mysql(*parts: str) -> str:
    """The dotted name *parts* (database, table; or a column) as MySQL reads it back unchanged."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def quote_postgres(*parts: str) -> str:
    """The dotted name *parts* (schema, table; or a column) as PostgreSQL reads it back.

    Names too long for PostgreSQL are those of ``postgres_name``. A ``%`` stays single, so a
    statement that holds such a name is executed without parameters.
    """
    return ".".join('"' + postgres_name(part).replace('"', '""') + '"' for part in parts)


def quote_temporary(table: str) -> str:
    """The name of a temporary table, which is not taken for another, whatever the search path."""
    return quote_postgres("pg_temp", table)


def postgres_name(name: str) -> str:
    """Return *name* for PostgreSQL: the same, or shortened to 63 bytes with a hash.

    PostgreSQL cuts a longer name without a word, and two names may become one.
    """
    encoded = name.encode()
    if len(encoded) <= POSTGRES_NAME_BYTES:
        return name
    mark = hashlib.sha256(encoded).hexdigest()[:8]
    start = encoded[: POSTGRES_NAME_BYTES - 9].decode(errors="ignore")
    return f"{start}_{mark}"


def raw_key_name(table: str) -> str:
    """The name of the primary key of *table* in ``raw``, and so of its index.

    PostgreSQL's own choice, ``a_pkey``, may be the name of another table of the source.
    """
    return postgres_name(f"_etl_key_{table}")


@dataclass(frozen=True, slots=True)
class RawNames:
    """The names of a table of ``raw``.

    Attributes:
        schema: Its schema.
        source: The table's name at the source.
        table: The same in PostgreSQL, which may be shorter.
        target: Schema and table, quoted.
        key: Its primary key, and so the index.
    """

    schema: str
    source: str
    table: str
    target: str
    key: str

    @property
    def place(self) -> str:
        """The table in an error."""
        return f"{self.schema}.{self.source}"


def name_raw(schema: str, table: str) -> RawNames:
    """Return the names of *table* of the source in *schema*."""
    target = quote_postgres(schema, table)
    return RawNames(schema, table, postgres_name(table), target, raw_key_name(table))


def freed_key_name(number: int) -> str:
    """The name of a key that had another table's; *number* is the oid of its index."""
    return f"{PREFIX}old_key_{number}"


def quote_text(value: str) -> str:
    """*value* as a string literal of PostgreSQL, whatever the session's settings say.

    Those are ``standard_conforming_strings`` and ``backslash_quote``.
    """
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def quote_mysql_text(value: str) -> str:
    """*value* as a string literal of MySQL in a session without ``NO_BACKSLASH_ESCAPES``."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"


def incoming_name(table: str) -> str:
    """The replica's name while it is being filled; no longer than MySQL allows."""
    return _prefixed(INCOMING_PREFIX, table)


def replaced_name(table: str) -> str:
    """The old replica's name between the swap and its removal."""
    return _prefixed(REPLACED_PREFIX, table)


def rehearsed_name(table: str) -> str:
    """An empty table like the replica, at which an alteration is tried first."""
    return _prefixed(REHEARSED_PREFIX, table)


def is_ours(table: str) -> bool:
    """True if a table of the replication database is one of our temporary ones."""
    return table.startswith((INCOMING_PREFIX, REPLACED_PREFIX, REHEARSED_PREFIX))


def is_reserved(table: str) -> bool:
    """True if no table of the source may be called so: a server may take a name in any case."""
    return table.lower().startswith(PREFIX)


def _prefixed(prefix: str, table: str) -> str:
    room = MYSQL_NAME_CHARACTERS - len(prefix)
    if len(table) <= room:
        return prefix + table
    mark = hashlib.sha256(table.encode()).hexdigest()[:12]
    return f"{prefix}{table[: room - 13]}_{mark}"
