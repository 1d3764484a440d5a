"""A session in which the same SQL always writes the same rows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl_pipeline.demo.server_databases import MySqlConnection

_KEPT = (
    "sql_log_bin",
    "sql_mode",
    "time_zone",
    "autocommit",
    "default_storage_engine",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
)


@contextmanager
def practice_session(
    connection: MySqlConnection, *, seed: int, now: str, is_logged: bool = True
) -> Iterator[None]:
    """Give the session OpenDental's settings and a clock that stands still at *now* (UTC).

    Commits at the end, rolls back when an error leaves, and puts the settings back in both cases.
    An error may leave temporary tables behind: close the connection then.

    Args:
        connection: An administrator's; no transaction is open.
        seed: Of the random numbers.
        now: The session's clock.
        is_logged: Write to the server's binary log what the session does.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"@@SESSION.{name}" for name in _KEPT))
        before = cursor.fetchone()
        assert before is not None
        if not is_logged:
            cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute("SET NAMES utf8mb4")
        # OpenDental runs with an empty sql_mode: columns without a default get their type's. The
        # two modes keep a key of 0 as it is and let differences of unsigned numbers be negative.
        cursor.execute(
            "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_UNSIGNED_SUBTRACTION',"
            " time_zone = '+00:00', autocommit = 0"
        )
        cursor.execute("SET @seed = %s, timestamp = UNIX_TIMESTAMP(%s)", (seed, now))
    try:
        yield
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET timestamp = DEFAULT")
            for name, value in zip(_KEPT, before, strict=True):
                cursor.execute(f"SET SESSION {name} = %s", (value,))
