"""Stop a table from which suspiciously many rows would go."""

from __future__ import annotations

import threading

from etl_pipeline.errors import GuardError
from etl_pipeline.replicate.strategy import Rules

FREE_ROWS = 100
"""So many rows may go from any table in a run."""


def guard_deletes(table: str, rules: Rules, *, gone: int, rows: int, place: str) -> None:
    """Raise GuardError if more of a table's rows would go than its rules allow.

    Args:
        table: Its name.
        rules: How it is kept equal.
        gone: Rows that would be deleted, or marked.
        rows: Rows that it holds.
        place: Where, for the message: ``replication`` or ``raw``.
    """
    if rules.allows_deletes or gone <= FREE_ROWS or gone <= rules.max_delete_fraction * rows:
        return
    share, most = gone / rows if rows else 1.0, rules.max_delete_fraction
    digits = next((n for n in range(4) if f"{share:.{n}%}" != f"{most:.{n}%}"), 4)
    raise GuardError(
        f"{gone:,} of {rows:,} rows ({share:.{digits}%}) would be deleted in {place}, more than "
        f"max_delete_fraction ({most:.{digits}%}); the table was stopped before that",
        where=table,
        fix=f"look at the source; if they are to go: etl run {table} --allow-deletes {table}",
    )


class DeleteGuard:
    """Counts the rows that would go in one pass over a table, from several threads.

    Until ``FREE_ROWS`` are reached, rows may go at once; from then on a chunk that has rows to
    delete is put off until every chunk is counted.
    """

    def __init__(self, table: str, rules: Rules, rows: int) -> None:
        self._table, self._rules, self._rows = table, rules, rows
        self._gone = 0
        self._lock = threading.Lock()

    def may_go(self, rows: int) -> bool:
        """Count *rows* that would go; return True if they may at once."""
        with self._lock:
            self._gone += rows
            return not rows or self._rules.allows_deletes or self._gone <= FREE_ROWS

    def judge(self) -> None:
        """Raise GuardError if all that was counted is too much."""
        guard_deletes(
            self._table, self._rules, gone=self._gone, rows=self._rows, place="replication"
        )
