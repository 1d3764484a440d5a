"""Compare a table in the three databases and name the rows that differ; change nothing.

The source is at work while it is compared. Rows that changed there since they were loaded are no
discrepancy, so each row that differs is read again after a pause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from etl_pipeline.formatting import count_of
from etl_pipeline.replicate.corrections import Place
from etl_pipeline.state.runs import is_at_work
from etl_pipeline.verify.chunk_check import MAX_ROW_CHECKS, ChunkCheck, TableCheck, check_chunks
from etl_pipeline.verify.drift_check import refuse_drifted
from etl_pipeline.verify.job import VerifyJob
from etl_pipeline.verify.recorded_chunks import LoadedChunk
from etl_pipeline.verify.result import Discrepancy, DiscrepancyKind, VerifyResult, count_words
from etl_pipeline.verify.row_check import RowCheck, WrongRow, check_rows

PAUSE_SECONDS = 2.0
"""Time between the two reads of a row that differs."""

_PLACES: tuple[Place, ...] = ("replication", "raw")
_GROUPS: tuple[tuple[Place, bool], ...] = (
    ("replication", False),
    ("replication", True),
    ("raw", False),
)


@dataclass(frozen=True, slots=True)
class TableFindings:
    """The result for a table, and what a repair of it needs.

    Attributes:
        wrong: Rows to copy again, by their chunk.
        whole: For a table without a key that is to be copied again: its chunk, and the kinds of
            discrepancy by place.
        cannot_repair: Why some discrepancies cannot be repaired row by row; None if all can.
    """

    result: VerifyResult
    wrong: Sequence[tuple[LoadedChunk, Sequence[WrongRow]]] = ()
    cannot_repair: str | None = None
    whole: tuple[LoadedChunk, Mapping[Place, Counter[DiscrepancyKind]]] | None = None


def verify_table(job: VerifyJob) -> TableFindings:
    """Compare source, replica and ``raw``, chunk by chunk.

    Source and replica are compared by the digests of what both send now, and ``raw`` by
    PostgreSQL's digest against the one recorded when it was loaded; with ``scope.deep`` every row
    is also sent again and compared by value. In chunks that differ the rows are compared, and
    those that are not what was loaded are read again after ``PAUSE_SECONDS``.

    Raises:
        SchemaError: The table's schema is another than it was loaded with.
        pymysql.err.MySQLError, psycopg.Error: A server refused or was lost.
    """
    refuse_drifted(job)
    result = VerifyResult(job.text.name)
    checked = check_chunks(job)
    if not checked.chunks:
        what = "the table was never loaded, or is gone"
        result.discrepancies.append(Discrepancy("raw", what, fix=f"etl run {job.text.name}"))
        return TableFindings(result, cannot_repair="there is nothing to compare with")
    _sum_up(result, checked)
    to_check = [check for check in checked.chunks if check.needs_row_check]
    if to_check:
        job.stop.wait(PAUSE_SECONDS)
        if not job.text.table.primary_key:
            return _check_keyless_again(job, result, to_check)
    row_check = check_rows(job, to_check) if to_check else None
    return _find_discrepancies(job, result, checked, to_check, row_check)


def _sum_up(result: VerifyResult, checked: TableCheck) -> None:
    result.rows = sum(check.rows for check in checked.chunks)
    result.text_bytes = sum(check.text_bytes for check in checked.chunks)
    result.chunks, result.of_chunks = len(checked.chunks), checked.of_chunks
    _add_moved(result, checked.chunks)


def _add_moved(result: VerifyResult, checks: Iterable[ChunkCheck]) -> None:
    moved = [check for check in checks if check.moved]
    result.moved += sum(check.moved for check in moved)
    instants = [check.loaded.read_at for check in moved]
    if result.moved_since is not None:
        instants.append(result.moved_since)
    result.moved_since = min(instants, default=None)


def _find_discrepancies(
    job: VerifyJob,
    result: VerifyResult,
    checked: TableCheck,
    to_check: Sequence[ChunkCheck],
    row_check: RowCheck | None,
) -> TableFindings:
    cannot_repair = None
    wrong: list[tuple[ChunkCheck, Sequence[WrongRow]]] = []
    if row_check:
        result.moved += row_check.moved
        if row_check.moved and result.moved_since is None:
            result.moved_since = min(check.loaded.read_at for check in to_check)
        rows_of = row_check.wrong
        found = ((check, rows_of.get(check.loaded.chunk.ordinal, ())) for check in to_check)
        wrong = [(check, rows) for check, rows in found if rows]
        for place, is_missed in _GROUPS:
            result.discrepancies += _describe(job, place, wrong, row_check, is_missed=is_missed)
        if row_check.written_meanwhile:
            chunks = count_of(row_check.written_meanwhile, "chunk")
            result.notes.append(f"a run wrote {chunks} meanwhile, which could not be judged")
    if checked.unchecked_rows:
        cannot_repair = f"more than {MAX_ROW_CHECKS:,} rows differ"
        result.discrepancies.append(_describe_unchecked(job, checked))
    if row_check and row_check.behind and job.scope.compares("raw"):
        what = f"replication has {count_of(row_check.behind, 'chunk')} that raw has not got yet"
        if _note_behind(job, result, what):
            cannot_repair = cannot_repair or _RAW_IS_BEHIND
    return TableFindings(result, [(check.loaded, rows) for check, rows in wrong], cannot_repair)


_RAW_IS_BEHIND = "raw is behind replication"


def _note_behind(job: VerifyJob, result: VerifyResult, what: str) -> bool:
    """Add *what*, a note while a run is at work, else a discrepancy; return True for the latter."""
    if not job.scope.repair and is_at_work(job.analytics):
        result.notes.append(f"{what}: a run is at work")
        return False
    result.discrepancies.append(Discrepancy("raw", what, fix=f"etl run {job.text.name}"))
    return True


def _describe_unchecked(job: VerifyJob, checked: TableCheck) -> Discrepancy:
    is_replica = any(check.evidence.replica is False for check in checked.chunks)
    return Discrepancy(
        "replication" if is_replica else "raw",
        f"{checked.unchecked_rows:,} more rows differ, which were not looked at singly",
        count=checked.unchecked_rows,
        fix=f"etl run {job.text.name} --full",
    )


def _describe(
    job: VerifyJob,
    place: Place,
    wrong: Sequence[tuple[ChunkCheck, Sequence[WrongRow]]],
    row_check: RowCheck,
    *,
    is_missed: bool,
) -> list[Discrepancy]:
    """Return the wrong rows of *place* as a discrepancy, if there are any.

    Args:
        job: The table.
        place: The place.
        wrong: Rows, by the check of their chunk.
        row_check: What names the rows.
        is_missed: True for rows that runs miss, False for those that are not as loaded.
    """
    here = [
        (check, [row for row in rows if row.place == place and row.is_missed == is_missed])
        for check, rows in wrong
    ]
    checks = [check for check, rows in here if rows]
    kinds: Counter[DiscrepancyKind] = Counter(row.kind for _, rows in here for row in rows)
    if not checks:
        return []
    return [
        Discrepancy(
            place,
            _describe_missed(job, kinds) if is_missed else _not_as_loaded(kinds),
            tuple(row_check.named[place, is_missed]),
            sum(kinds.values()),
            min(check.loaded.read_at for check in checks),
            (min(check.checked_at for check in checks), row_check.checked_at),
            f"etl verify {job.text.name} --repair",
        )
    ]


def _not_as_loaded(kinds: Counter[DiscrepancyKind]) -> str:
    rows = count_of(sum(kinds.values()), "row is", "rows are")
    return f"{rows} not as loaded: {count_words(kinds)}"


def _describe_missed(job: VerifyJob, kinds: Counter[DiscrepancyKind]) -> str:
    return f"{count_of(sum(kinds.values()), 'row')} {job.rules.misses}"


def _check_keyless_again(
    job: VerifyJob, result: VerifyResult, to_check: Sequence[ChunkCheck]
) -> TableFindings:
    """Check a table without a key, which is one chunk, a second time and as a whole."""
    first_checked_at: datetime = to_check[0].checked_at
    cannot_repair, whole = None, None
    result.moved, result.moved_since = 0, None
    again = check_chunks(job).chunks
    _add_moved(result, again)
    for check in again:
        if check.is_behind and job.scope.compares("raw"):
            what = "replication has rows that raw has not got yet"
            if _note_behind(job, result, what):
                cannot_repair = _RAW_IS_BEHIND
        wrong = {p: check.wrong[p] for p in _PLACES if p in check.wrong and job.scope.compares(p)}
        result.discrepancies += [
            Discrepancy(
                place,
                _not_as_loaded(kinds),
                count=sum(kinds.values()),
                read_at=check.loaded.read_at,
                looked_at=(first_checked_at, check.checked_at),
                fix=f"etl verify {job.text.name} --repair",
            )
            for place, kinds in wrong.items()
        ]
        if wrong and not cannot_repair:
            whole = check.loaded, wrong
    return TableFindings(result, cannot_repair=cannot_repair, whole=whole)
