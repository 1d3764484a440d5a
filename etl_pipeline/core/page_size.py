"""Page size: the rows that the next statement of a table asks for: pure."""

from __future__ import annotations

SHARE = 0.25
"""Of the limit of a statement, what one is meant to take; the rest is for a slower moment."""
GROWTH = 4
MOST_ROWS = 1_000_000


def next_rows(asked: int, got: int, seconds: float, limit_seconds: float) -> int:
    """Return the rows to ask for after a statement that asked for *asked* and was answered.

    Small steps up, and down at once to what fits. An answer that was cut short by the end of the
    rows says nothing about how many would fit, so it changes nothing unless it was slow.
    """
    meant = limit_seconds * SHARE
    if seconds > meant:
        return max(1, min(asked, int(max(got, 1) * meant / seconds)))
    if got < asked:
        return asked
    factor = min(GROWTH, meant / seconds) if seconds else GROWTH
    return min(max(asked, int(asked * factor)), max(MOST_ROWS, asked))


def fewer_rows(asked: int, got: int) -> int:
    """Return the rows to ask for after a statement that the server ended at its limit.

    Args:
        asked: What it asked for.
        got: What had come by then.
    """
    return max(1, min(asked // GROWTH, got // GROWTH or asked))
