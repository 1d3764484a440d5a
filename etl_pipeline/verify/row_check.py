"""The second look at suspects: row by row, a while later, since the source is at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl_pipeline.replicate.corrections import KEYS_NAMED, Place
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.verify.chunk_check import ChunkCheck
from etl_pipeline.verify.compare import (
    Comparison,
    Row,
    find_raw_table,
    read_rows,
    reading_raw,
    reading_replica,
)
from etl_pipeline.verify.line_diff import show_line, unlike_columns
from etl_pipeline.verify.majority import RowVerdict, RowVersions, judge
from etl_pipeline.verify.raw_rows import RawKey, RawRows, UnlikeKey
from etl_pipeline.verify.recorded import is_behind, read_loaded, read_written, read_written_chunk
from etl_pipeline.verify.verdict import DiscrepancyKind, RowDifference, SideBySide


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that is not as it should be.

    Attributes:
        key: A line of the text of the table's keys; None where only ``raw`` has the row.
        raw_key: Its key then.
        is_stale: Whether it is as it was loaded, and the source's row has changed unseen.
    """

    place: Place
    kind: DiscrepancyKind
    key: bytes | None
    raw_key: RawKey | None = None
    is_stale: bool = False


@dataclass(slots=True)
class RowCheck:
    """What the second look at a table's suspects gave.

    Attributes:
        wrong: By ordinal of the chunk.
        named: The first of them, for people, by place and by whether they are stale.
        moved: Suspects that only changed at the source.
        unsettled: Chunks that were written meanwhile, so that nothing was judged.
        behind: Chunks that replication still has in another state than ``raw``.
        looked_at: UTC.
    """

    looked_at: datetime
    wrong: dict[int, list[WrongRow]] = field(default_factory=dict)
    named: dict[tuple[Place, bool], list[RowDifference]] = field(default_factory=dict)
    moved: int = 0
    unsettled: int = 0
    behind: int = 0


def check_rows(job: Comparison, looks: Sequence[ChunkCheck]) -> RowCheck:
    """Look at the suspects of *looks* once more, and judge each."""
    seen = RowCheck(datetime.now(UTC))
    with reading_raw(job.analytics):
        loaded = {one.chunk: one for one in read_loaded(job.analytics, job.text.name)}
        live = find_raw_table(job)
        rows = RawRows(job.analytics, job.text, live.rows) if live else None
        for look in looks:
            if rows is None or loaded.get(look.loaded.chunk) != look.loaded:
                seen.unsettled += 1
                continue
            seen.behind += _is_behind(job, look)
            seen.wrong[look.loaded.chunk.ordinal] = _look_at_rows(job, seen, look, rows)
    return seen


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of some keys, and how those of ``raw`` differ from either, by the key's number."""

    source: Mapping[bytes, Row]
    replica: Mapping[bytes, Row]
    unlike_replica: Mapping[int, UnlikeKey]
    unlike_source: Mapping[int, UnlikeKey]
    shown_replica: Mapping[int, SideBySide]
    shown_source: Mapping[int, SideBySide]


def _look_at_rows(
    job: Comparison,
    seen: RowCheck,
    look: ChunkCheck,
    raw: RawRows,
) -> list[WrongRow]:
    keys, raw_keys = look.keys, look.raw_keys
    behind = _is_behind(job, look)
    with reading_replica(job.replication):
        replica = read_rows(job, job.replication, keys)
    source = read_rows(job, job.source, keys)
    raw.compare_rows_at(keys, raw_keys)
    unlike_source = raw.compare_keys(row.copy_line for row in source.values())
    shown_source = _show(job, seen, raw, unlike_source)
    unlike_replica = raw.compare_keys(row.copy_line for row in replica.values())
    shown_replica = _show(job, seen, raw, unlike_replica)
    rows = _Rows(source, replica, unlike_replica, unlike_source, shown_replica, shown_source)
    has_witness = look.has_witness and not behind
    wrong: list[WrongRow] = []
    for number, key in enumerate(keys):
        row_verdict = judge(_row_versions(rows, number, key, has_witness=has_witness), look.vouched)
        is_stale = row_verdict.moved and key in look.stale
        seen.moved += row_verdict.moved and not is_stale
        wrong += _name(job, seen, rows, number, key, row_verdict, is_stale=is_stale)
    for number, raw_key in enumerate(raw_keys, start=len(keys)):
        if number in unlike_replica and has_witness and job.scope.compares("raw"):
            values = shown_replica.get(number)
            words = job.text.show_key(raw_key, shows_text=job.scope.show_values)
            difference = RowDifference(words, "extra", values=values)
            _add(seen, ("raw", False), difference)
            wrong.append(WrongRow("raw", "extra", None, raw_key))
    return wrong


def _is_behind(job: Comparison, look: ChunkCheck) -> bool:
    name = job.text.name
    chunk = read_written_chunk(job.replication, name, look.loaded.chunk)
    behind = is_behind(look.loaded, read_written(job.replication, name), chunk)
    end_read(job.replication)
    return behind


def _show(
    job: Comparison, seen: RowCheck, raw: RawRows, unlike: Mapping[int, UnlikeKey]
) -> dict[int, SideBySide]:
    """The values of the first rows of *unlike*, if they are wanted."""
    if not job.scope.show_values:
        return {}
    room = KEYS_NAMED - len(seen.named.get(("raw", False), ()))
    shown = {}
    for number in list(unlike)[:room]:
        sent, held = raw.show(number)
        one = unlike[number]
        shown[number] = SideBySide(
            job.text.column_names, sent if one.is_sent else None, held if one.is_held else None
        )
    return shown


def _row_versions(rows: _Rows, number: int, key: bytes, *, has_witness: bool) -> RowVersions:
    ours, theirs = rows.source.get(key), rows.replica.get(key)
    is_same = (ours and ours.line) == (theirs and theirs.line)
    if not has_witness:
        return RowVersions(is_same)
    return RowVersions(is_same, number not in rows.unlike_replica, number not in rows.unlike_source)


def _name(
    job: Comparison,
    seen: RowCheck,
    rows: _Rows,
    number: int,
    key: bytes,
    row_verdict: RowVerdict,
    *,
    is_stale: bool,
) -> list[WrongRow]:
    """What is wrong with the rows of a key, in the places that are compared."""
    text, wrong = job.text, []
    words = text.keys.read_key(key, shows_text=job.scope.show_values)
    if (row_verdict.replication or is_stale) and job.scope.compares("replication"):
        ours, theirs = rows.source.get(key), rows.replica.get(key)
        kind = _kind(expects=ours is not None, holds=theirs is not None)
        columns = unlike_columns(text, ours.line, theirs.line) if ours and theirs else ()
        values = None
        if job.scope.show_values:
            values = SideBySide(
                text.column_names,
                show_line(ours.line) if ours else None,
                show_line(theirs.line) if theirs else None,
            )
        is_stale = not row_verdict.replication
        _add(seen, ("replication", is_stale), RowDifference(words, kind, columns, values))
        wrong.append(WrongRow("replication", kind, key, is_stale=is_stale))
    if row_verdict.raw and job.scope.compares("raw"):
        # Where the replica is wrong as well, it is the source that says what raw should hold.
        if row_verdict.replication:
            unlike, shown = rows.unlike_source[number], rows.shown_source
        else:
            unlike, shown = rows.unlike_replica[number], rows.shown_replica
        kind = _kind(expects=unlike.is_sent, holds=unlike.is_held)
        columns = tuple(text.column_names[position] for position in unlike.positions)
        _add(seen, ("raw", False), RowDifference(words, kind, columns, shown.get(number)))
        wrong.append(WrongRow("raw", kind, key))
    return wrong


def _kind(*, expects: bool, holds: bool) -> DiscrepancyKind:
    if expects and holds:
        return "differs"
    return "missing" if expects else "extra"


def _add(seen: RowCheck, group: tuple[Place, bool], difference: RowDifference) -> None:
    named = seen.named.setdefault(group, [])
    if len(named) < KEYS_NAMED:
        named.append(difference)
