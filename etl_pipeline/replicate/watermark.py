"""The watermark of ``incremental``: how far it moves, and where an extract starts (no I/O)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from etl_pipeline.state.records import Watermark

_STAMP_FORM = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Instant:
    """The source's clock and stamps before anything was read.

    Attributes:
        now: In the session's time zone, UTC.
        oldest_transaction: How long the oldest open transaction has been open; None where the
            user may not see it.
        highest: The highest stamp of all; None in an empty table.
    """

    now: datetime
    oldest_transaction: timedelta | None
    highest: str | None


def next_watermark(column: str, instant: Instant) -> Watermark | None:
    """Return the watermark once all that is there at *instant* is committed.

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
    """Return the lowest stamp that an extract reads: as far behind the watermark as rows are late.

    A row gets its stamp when it is written, and is seen when its transaction commits.
    """
    late = overlap + (instant.oldest_transaction or timedelta(0))
    try:
        return (datetime.fromisoformat(watermark.value) - late).strftime(_STAMP_FORM)
    except OverflowError:
        return "0001-01-01 00:00:00"


def find_doubt(watermark: Watermark, instant: Instant) -> str | None:
    """Return why *watermark* says nothing of the source at *instant*; None where it does."""
    if instant.now < datetime.fromisoformat(watermark.value):
        return "the source's clock went back behind the watermark"
    if instant.highest is None or instant.highest < watermark.value:
        return (
            "the source has no stamp as high as the watermark any more: it was restored from a "
            "backup, or its newest rows were deleted"
        )
    return None
