"""Choice of the next page's size: the rows that one SELECT at the source asks for (no I/O).

``Throttle.learn_rows`` remembers it by table; ``replicate/pages.py`` reads the pages.
"""

from __future__ import annotations

TARGET_SHARE = 0.25
"""Share of a statement's time limit that a page should take; the rest is for slower moments."""
GROWTH = 4
"""Most that a page grows by at once; after a time-out it shrinks by as much."""
MAX_ROWS = 1_000_000


def next_page_rows(asked: int, got: int, seconds: float, limit_seconds: float) -> int:
    """Return the rows to ask for after a statement that was answered in time.

    A slow answer shrinks the page at once to what would have fitted; a quick one lets it grow by
    ``GROWTH`` at most. Fewer rows than asked for (the end of the chunk) do not show how many would
    fit, so the page stays as it is unless the answer was slow.

    Args:
        asked: Rows that the statement asked for.
        got: Rows that it returned.
        seconds: Time that it took.
        limit_seconds: Time after which the server would have ended it.
    """
    meant = limit_seconds * TARGET_SHARE
    if seconds > meant:
        return max(1, min(asked, int(max(got, 1) * meant / seconds)))
    if got < asked:
        return asked
    factor = min(GROWTH, meant / seconds) if seconds else GROWTH
    return min(max(asked, int(asked * factor)), max(MAX_ROWS, asked))


def rows_after_timeout(asked: int, got: int) -> int:
    """Return the rows to ask for after a statement that the server ended at its limit.

    Args:
        asked: Rows that the statement asked for.
        got: Rows that had arrived by then.
    """
    return max(1, min(asked // GROWTH, got // GROWTH or asked))
