"""Ask the source's clock, before anything is read, for what the next watermark may be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pymysql import err
from pymysql.connections import Connection

from etl_pipeline.replicate.extract import end_read
from etl_pipeline.replicate.watermark import Instant
from etl_pipeline.transfer.select import RenderedTable, select_next_stamp


def ask_instant(text: RenderedTable, column: str, source: Connection[Any]) -> Instant:
    """Ask the source's clock, its oldest transaction, and the highest stamp of *column*."""
    with source.cursor() as cursor:
        cursor.execute("SELECT CAST(NOW(6) AS CHAR)")
        now = datetime.fromisoformat(cursor.fetchone()[0])
        oldest = _ask_oldest_transaction(cursor)
        cursor.execute(f"SELECT CAST(({select_next_stamp(text, column, None)}) AS CHAR)")
        (highest,) = cursor.fetchone()
    end_read(source)
    return Instant(now, oldest, highest)


def _ask_oldest_transaction(cursor: Any) -> timedelta | None:
    try:
        cursor.execute(
            "SELECT MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())) FROM "
            "information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()"
        )
    except err.MySQLError:
        return None  # it takes the privilege PROCESS
    (seconds,) = cursor.fetchone()
    return timedelta(seconds=max(0, int(seconds or 0)))
