"""When each chunk of a replica was last compared, and which is due: nothing here commits.

An instant belongs to a digest: where a chunk has another one by now, it is void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_OLDEST_FIRST = (
    "FROM _etl_chunk AS c LEFT JOIN _etl_compared AS p ON p.table_name = c.table_name "
    "AND p.ordinal = c.ordinal AND p.text_digest = c.text_digest"
)


def note_compared(connection: Any, table: str, digests: Mapping[int, bytes]) -> None:
    """Note that chunks of the replica, by ordinal, were just now written, or read, as digested."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with connection.cursor() as cursor:
        cursor.executemany(
            "REPLACE INTO _etl_compared (table_name, ordinal, text_digest, compared_at) "
            "VALUES (%s, %s, %s, %s)",
            [(table, ordinal, digest, now) for ordinal, digest in digests.items()],
        )


def carry_compared(connection: Any, table: str, ordinal: int, before: bytes, now: bytes) -> None:
    """Keep the instant of a chunk whose digest was *before*, since only some rows were written."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE _etl_compared SET text_digest = %s "
            "WHERE table_name = %s AND ordinal = %s AND text_digest = %s",
            (now, table, ordinal, before),
        )


def read_due(connection: Any, tables: Sequence[str], most: int) -> list[tuple[str, int]]:
    """The *most* chunks of *tables* that were compared longest ago: table and ordinal.

    A chunk whose text has no digest, since single rows were written, cannot be compared.
    """
    if not tables or most < 1:
        return []
    places = ", ".join(["%s"] * len(tables))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.table_name, c.ordinal {_OLDEST_FIRST} "
            f"WHERE c.is_text_digest <> 0 AND c.table_name IN ({places}) "
            "ORDER BY p.compared_at, c.table_name, c.ordinal LIMIT %s",
            (*tables, most),
        )
        return [(name, int(ordinal)) for name, ordinal in cursor.fetchall()]


def read_oldest(connection: Any) -> dict[str, datetime | None]:
    """By table, when the chunk was compared that was so longest ago; None where one never was.

    Empty where the state is of an older version, or there is none. A chunk in which single rows
    were written ages until a full pass reads all of it: it has no digest to be compared with.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_compared'")
        if cursor.fetchone() is None:
            return {}
        cursor.execute(
            "SELECT c.table_name, MIN(p.compared_at), COUNT(p.compared_at) = COUNT(*) "
            f"{_OLDEST_FIRST} GROUP BY c.table_name"
        )
        return {
            name: oldest.replace(tzinfo=UTC) if is_known else None
            for name, oldest, is_known in cursor.fetchall()
        }
