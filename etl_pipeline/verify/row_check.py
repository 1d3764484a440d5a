"""Check again, row by row, the rows that differed in the first check.

A while has passed: a row that only changed at the source meanwhile is told from a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl_pipeline.replicate.corrections import KEYS_NAMED, Place
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.verify.chunk_check import ChunkCheck
from etl_pipeline.verify.job import (
    Row,
    VerifyJob,
    find_raw_table,
    read_rows,
    reading_raw,
    reading_replica,
)
from etl_pipeline.verify.line_diff import differing_columns, show_line
from etl_pipeline.verify.majority import RowVersions, WrongCopies, find_wrong_copies
from etl_pipeline.verify.raw_rows import DifferingRow, RawKey, RawRows
from etl_pipeline.verify.recorded_chunks import (
    is_behind,
    read_loaded_chunks,
    read_replica_chunk,
    read_replica_state,
)
from etl_pipeline.verify.result import DiscrepancyKind, RowDifference, SideBySide


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row of a copy that is wrong.

    Attributes:
        key: A line of the text of the table's keys; None where only ``raw`` has the row.
        raw_only_key: Its key then.
        is_missed: True if the row is as it was loaded, and the source's has changed in a way that
            no run but a full one sees.
    """

    place: Place
    kind: DiscrepancyKind
    key: bytes | None
    raw_only_key: RawKey | None = None
    is_missed: bool = False


@dataclass(slots=True)
class RowCheck:
    """The result of checking rows one by one.

    Attributes:
        checked_at: UTC.
        wrong: Rows, by ordinal of their chunk.
        named: The first of them, for people, by place and by ``WrongRow.is_missed``.
        moved: Rows that only changed at the source.
        written_meanwhile: Chunks that a run wrote meanwhile, so that their rows were not checked.
        behind: Chunks that replication still has in another state than ``raw``.
    """

    checked_at: datetime
    wrong: dict[int, list[WrongRow]] = field(default_factory=dict)
    named: dict[tuple[Place, bool], list[RowDifference]] = field(default_factory=dict)
    moved: int = 0
    written_meanwhile: int = 0
    behind: int = 0

    def name(self, group: tuple[Place, bool], difference: RowDifference) -> None:
        """Add *difference* to the rows that are named, which are at most ``KEYS_NAMED``."""
        named = self.named.setdefault(group, [])
        if len(named) < KEYS_NAMED:
            named.append(difference)


def check_rows(job: VerifyJob, chunk_checks: Sequence[ChunkCheck]) -> RowCheck:
    """Read the rows that differed in *chunk_checks* again, and return those that are wrong."""
    result = RowCheck(datetime.now(UTC))
    with reading_raw(job.analytics):
        recorded = {
            loaded.chunk: loaded for loaded in read_loaded_chunks(job.analytics, job.text.name)
        }
        raw = find_raw_table(job)
        raw_rows = RawRows(job.analytics, job.text, raw.live_rows) if raw else None
        for check in chunk_checks:
            if raw_rows is None or recorded.get(check.loaded.chunk) != check.loaded:
                result.written_meanwhile += 1
                continue
            behind = _is_behind(job, check)
            result.behind += behind
            checker = _RowChecker(job, result, check, raw_rows, is_behind=behind)
            result.wrong[check.loaded.chunk.ordinal] = checker.find_wrong()
    return result


def _is_behind(job: VerifyJob, check: ChunkCheck) -> bool:
    name = job.text.name
    chunk = read_replica_chunk(job.replication, name, check.loaded.chunk)
    behind = is_behind(check.loaded, read_replica_state(job.replication, name), chunk)
    end_read(job.replication)
    return behind


@dataclass(frozen=True, slots=True)
class _RawDifferences:
    """Differences of rows of ``raw``, and their values, by the number of the key."""

    rows: Mapping[int, DifferingRow]
    values: Mapping[int, SideBySide]


class _RowChecker:
    """Checks the rows of one chunk."""

    def __init__(
        self,
        job: VerifyJob,
        result: RowCheck,
        check: ChunkCheck,
        raw_rows: RawRows,
        *,
        is_behind: bool,
    ) -> None:
        self._job, self._result, self._check = job, result, check
        self._can_ask_raw = check.can_ask_raw and not is_behind
        with reading_replica(job.replication):
            self._replica = read_rows(job, job.replication, check.keys)
        self._source = read_rows(job, job.source, check.keys)
        raw_rows.choose_keys(check.keys, check.raw_only_keys)
        self._from_source = self._compare(raw_rows, self._source)
        self._from_replica = self._compare(raw_rows, self._replica)

    def find_wrong(self) -> list[WrongRow]:
        """Return the rows that are wrong in the places that are compared."""
        job, check = self._job, self._check
        wrong: list[WrongRow] = []
        for number, key in enumerate(check.keys):
            copies = find_wrong_copies(self._versions(number, key), check.evidence)
            is_missed = copies.moved and key in check.missed
            self._result.moved += copies.moved and not is_missed
            wrong += self._name_replica(key, copies, is_missed=is_missed)
            wrong += self._name_raw(number, key, copies)
        for number, raw_key in enumerate(check.raw_only_keys, start=len(check.keys)):
            is_wrong = number in self._from_replica.rows and self._can_ask_raw
            if is_wrong and job.scope.compares("raw"):
                values = self._from_replica.values.get(number)
                words = job.text.show_key(raw_key, shows_text=job.scope.show_values)
                self._result.name(("raw", False), RowDifference(words, "extra", values=values))
                wrong.append(WrongRow("raw", "extra", None, raw_key))
        return wrong

    def _compare(self, raw_rows: RawRows, rows: Mapping[bytes, Row]) -> _RawDifferences:
        """Compare ``raw`` with *rows*, with the values of the first that differ if asked for."""
        differing = raw_rows.compare_keys(row.copy_line for row in rows.values())
        if not self._job.scope.show_values:
            return _RawDifferences(differing, {})
        room = KEYS_NAMED - len(self._result.named.get(("raw", False), ()))
        values = {}
        for number in list(differing)[:room]:
            sent, held = raw_rows.show(number)
            row = differing[number]
            values[number] = SideBySide(
                self._job.text.column_names,
                sent if row.was_sent else None,
                held if row.in_raw else None,
            )
        return _RawDifferences(differing, values)

    def _versions(self, number: int, key: bytes) -> RowVersions:
        source, replica = self._source.get(key), self._replica.get(key)
        is_same = (source and source.line) == (replica and replica.line)
        if not self._can_ask_raw:
            return RowVersions(is_same)
        return RowVersions(
            is_same, number not in self._from_replica.rows, number not in self._from_source.rows
        )

    def _name_replica(self, key: bytes, copies: WrongCopies, *, is_missed: bool) -> list[WrongRow]:
        job, text = self._job, self._job.text
        if not (copies.replication or is_missed) or not job.scope.compares("replication"):
            return []
        source, replica = self._source.get(key), self._replica.get(key)
        kind = _kind(expects=source is not None, holds=replica is not None)
        columns: tuple[str, ...] = ()
        if source and replica:
            columns = differing_columns(text, source.line, replica.line)
        values = None
        if job.scope.show_values:
            values = SideBySide(
                text.column_names,
                show_line(source.line) if source else None,
                show_line(replica.line) if replica else None,
            )
        is_missed = not copies.replication
        difference = RowDifference(self._show_key(key), kind, columns, values)
        self._result.name(("replication", is_missed), difference)
        return [WrongRow("replication", kind, key, is_missed=is_missed)]

    def _name_raw(self, number: int, key: bytes, copies: WrongCopies) -> list[WrongRow]:
        if not copies.raw or not self._job.scope.compares("raw"):
            return []
        # Where the replica is wrong as well, the source says what raw should hold.
        differences = self._from_source if copies.replication else self._from_replica
        row, values = differences.rows[number], differences.values.get(number)
        kind = _kind(expects=row.was_sent, holds=row.in_raw)
        columns = tuple(self._job.text.column_names[position] for position in row.positions)
        difference = RowDifference(self._show_key(key), kind, columns, values)
        self._result.name(("raw", False), difference)
        return [WrongRow("raw", kind, key)]

    def _show_key(self, key: bytes) -> str:
        return self._job.text.keys.read_key(key, shows_text=self._job.scope.show_values)


def _kind(*, expects: bool, holds: bool) -> DiscrepancyKind:
    if expects and holds:
        return "differs"
    return "missing" if expects else "extra"
