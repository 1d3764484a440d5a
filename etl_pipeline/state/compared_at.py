"""The instants at which chunks of a replica were last compared; nothing here commits.

An instant belongs to a digest: where a chunk has another one by now, it is void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymysql.connections import Connection

_OLDEST_FIRST = (
    "FROM _etl_chunk AS chunk LEFT JOIN _etl_compared AS compared "
    "ON compared.table_name = chunk.table_name AND compared.ordinal = chunk.ordinal "
    "AND compared.text_digest = chunk.text_digest"
)


def note_compared(connection: Connection[Any], table: str, digests: Mapping[int, bytes]) -> None:
    """Record that chunks of the replica were just written, or read, with *digests*, by ordinal."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with connection.cursor() as cursor:
        cursor.executemany(
            "REPLACE INTO _etl_compared (table_name, ordinal, text_digest, compared_at) "
            "VALUES (%s, %s, %s, %s)",
            [(table, ordinal, digest, now) for ordinal, digest in digests.items()],
        )


def carry_compared(
    connection: Connection[Any], table: str, ordinal: int, before: bytes, now: bytes
) -> None:
    """Keep the instant of a chunk of which only some rows were written, under its new digest."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE _etl_compared SET text_digest = %s "
            "WHERE table_name = %s AND ordinal = %s AND text_digest = %s",
            (now, table, ordinal, before),
        )


def read_due(
    connection: Connection[Any], tables: Sequence[str], most: int
) -> list[tuple[str, int]]:
    """Return the *most* chunks of *tables* that were compared longest ago: table and ordinal.

    A chunk whose text has no digest, since single rows were written, cannot be compared.
    """
    if not tables or most < 1:
        return []
    places = ", ".join(["%s"] * len(tables))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT chunk.table_name, chunk.ordinal {_OLDEST_FIRST} "
            f"WHERE chunk.is_text_digest <> 0 AND chunk.table_name IN ({places}) "
            "ORDER BY compared.compared_at, chunk.table_name, chunk.ordinal LIMIT %s",
            (*tables, most),
        )
        return [(name, int(ordinal)) for name, ordinal in cursor.fetchall()]


def read_oldest(connection: Connection[Any]) -> dict[str, datetime | None]:
    """Return by table the oldest instant of its chunks; None where one was never compared.

    Empty where the state is of an older version, or there is none. A chunk in which single rows
    were written ages until a full pass reads all of it: it has no digest to be compared with.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE '\\_etl\\_compared'")
        if cursor.fetchone() is None:
            return {}
        cursor.execute(
            "SELECT chunk.table_name, MIN(compared.compared_at), "
            "COUNT(compared.compared_at) = COUNT(*) "
            f"{_OLDEST_FIRST} GROUP BY chunk.table_name"
        )
        return {
            name: oldest.replace(tzinfo=UTC) if is_known else None
            for name, oldest, is_known in cursor.fetchall()
        }
