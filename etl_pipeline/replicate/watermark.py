"""Stamps of ``incremental``: what the source's clock says, and the watermark that follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymysql import err

from etl_pipeline.replicate.extract import end_read
from etl_pipeline.state.replicas import Watermark
from etl_pipeline.transfer.select import RenderedTable, select_next_stamp

_STAMP_FORM = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Instant:
    """What the source's clock said before anything was read.

    Attributes:
        now: In the session's time zone, UTC.
        oldest_transaction: How long the oldest open transaction has been open; None where the
            user may not see it.
        highest: The highest stamp of all; None in an empty table.
    """

    now: datetime
    oldest_transaction: timedelta | None
    highest: str | None


def ask_instant(text: RenderedTable, column: str, source: Any) -> Instant:
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


def next_watermark(column: str, instant: Instant) -> Watermark | None:
    """The watermark once all that is there at *instant* is committed.

    A stamp of the future would hide every row that is stamped until then, so the server's clock
    is the highest that a watermark gets.

    Returns:
        None where no row has a stamp that is a date.
    """
    now = instant.now.strftime(_STAMP_FORM)
    highest = min(instant.highest or "", now)
    try:
        datetime.fromisoformat(highest)
    except ValueError:
        return None
    return Watermark(column, highest)


def first_stamp(watermark: Watermark, overlap: timedelta, instant: Instant) -> str:
    """The lowest stamp that an extract reads: so far behind the watermark as rows can be late.

    A row gets its stamp when it is written, and is seen when its transaction commits.
    """
    late = overlap + (instant.oldest_transaction or timedelta(0))
    try:
        return (datetime.fromisoformat(watermark.value) - late).strftime(_STAMP_FORM)
    except OverflowError:
        return "0001-01-01 00:00:00"


def find_doubt(watermark: Watermark, instant: Instant) -> str | None:
    """Why the watermark says nothing of the source as it is at *instant*; None where it does."""
    if instant.now < datetime.fromisoformat(watermark.value):
        return "the source's clock went back behind the watermark"
    if instant.highest is None or instant.highest < watermark.value:
        return (
            "the source has no stamp as high as the watermark any more: it was restored from a "
            "backup, or its newest rows were deleted"
        )
    return None
