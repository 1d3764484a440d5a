"""Reads a range of rows at the source again, and copies what differs in replication or ``raw``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from etl_pipeline.errors import SchemaError, TransferError
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.extract import extract_rows
from etl_pipeline.state.records import Lease
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.spool import Spool
from etl_pipeline.verify.comparable import refuse_drifted
from etl_pipeline.verify.compare import (
    Comparison,
    Row,
    find_raw_table,
    reading_raw,
    reading_replica,
)
from etl_pipeline.verify.key_range import RowRange, clip_chunks, select_range, where_range
from etl_pipeline.verify.raw_rows import RawRows
from etl_pipeline.verify.recorded import (
    LoadedChunk,
    is_behind,
    read_loaded,
    read_written,
    read_written_chunk,
)
from etl_pipeline.verify.repair import RepairCounts, repair_table
from etl_pipeline.verify.row_check import WrongRow


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What a backfill did.

    Attributes:
        rows: Rows that the source has in the range.
        text_bytes: Size of their text.
        replica_rows: Rows of the replica that were written anew.
        change: What changed in ``raw``.
    """

    rows: int = 0
    text_bytes: int = 0
    replica_rows: int = 0
    change: RepairCounts = field(default_factory=RepairCounts)


def backfill_table(job: Comparison, lease: Lease, wanted: RowRange) -> Backfilled:
    """Make the rows of a range the source's in both targets, chunk by chunk.

    A row that was in the range when it was copied, and is not any more, is read again as well.

    Raises:
        SchemaError: The table has no key, was never loaded, or with another schema.
        GuardError: More rows would go than the table's rules allow.
        TransferError: A target does not hold what it should.
    """
    text = job.text
    if not text.table.primary_key:
        raise SchemaError(
            "a table without a primary key has no ranges",
            where=text.name,
            fix=f"etl run {text.name}",
        )
    refuse_drifted(job)
    with reading_raw(job.analytics):
        loaded = read_loaded(job.analytics, text.name)
        if not loaded or find_raw_table(job) is None:
            raise SchemaError(
                "the table was never loaded, or is gone",
                where=text.name,
                fix=f"etl run {text.name}",
            )
    chunks = clip_chunks([one.chunk for one in loaded], wanted, text.table.integer_key)
    held_rows = sum(one.digest.rows for one in loaded)
    done = Backfilled()
    gone = 0
    for one in loaded:
        if one.chunk not in chunks:
            continue
        found = _read_again(job, one, wanted)
        gone += sum(row.kind == "extra" for row in found.wrong if row.place == "replication")
        guard_deletes(text.name, job.rules, gone=gone, rows=held_rows, place="replication")
        change = RepairCounts()
        if found.wrong:
            _, change = repair_table(job, lease, [(one, found.wrong)])
        done = Backfilled(
            done.rows + found.rows,
            done.text_bytes + found.text_bytes,
            done.replica_rows + sum(row.place == "replication" for row in found.wrong),
            done.change + change,
        )
        job.report(found.rows, found.text_bytes)
    return done


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows of a chunk that are in the range, and those of the targets that differ."""

    rows: int
    text_bytes: int
    wrong: Sequence[WrongRow]


def _read_again(job: Comparison, one: LoadedChunk, wanted: RowRange) -> _Found:
    text, chunk = job.text, one.chunk
    with Spool(ordered=text.is_ordered) as sent:
        statement = select_range(text, chunk, wanted)
        where = where_range(text, chunk, wanted)
        extract_rows(text, statement, where, job.source, sent, job.stop)
        source = {text.key_of(line): line for line in sent.lines()}
        rows, text_bytes = sent.rows, sent.text_bytes
    replica = _read_replica(job, one, statement)
    wrong: list[WrongRow] = []
    for key in sorted(source.keys() | replica.keys(), key=lambda key: (len(key), key)):
        ours, theirs = source.get(key), replica.get(key)
        if ours is None:
            wrong.append(WrongRow("replication", "extra", key))
        elif theirs is None:
            wrong.append(WrongRow("replication", "missing", key))
        elif ours != theirs.line:
            wrong.append(WrongRow("replication", "differs", key))
    return _Found(rows, text_bytes, [*wrong, *_compare_raw(job, replica)])


def _read_replica(job: Comparison, one: LoadedChunk, statement: bytes) -> dict[bytes, Row]:
    text, found = job.text, {}
    with reading_replica(job.replication):
        written = read_written(job.replication, text.name)
        chunk = read_written_chunk(job.replication, text.name, one.chunk)
        if is_behind(one, written, chunk):
            raise TransferError(
                "raw has not got yet what replication has",
                where=text.name,
                fix=f"etl run {text.name}",
            )
        for block in read_text(job.replication, statement, text.modes, with_copy=True):
            job.stop.check()
            lines, copies = block.text.split(b"\n")[:-1], block.copy_text.split(b"\n")[:-1]
            for line, copy_line in zip(lines, copies, strict=True):
                found[text.key_of(line)] = Row(line, copy_line)
    return found


def _compare_raw(job: Comparison, replica: dict[bytes, Row]) -> list[WrongRow]:
    """The rows of ``raw`` that are not the replica's, of those that it has in the range."""
    if not replica:
        return []
    keys = list(replica)
    with reading_raw(job.analytics):
        live = find_raw_table(job)
        raw = RawRows(job.analytics, job.text, live.rows if live else job.target)
        raw.compare_rows_at(keys, ())
        unlike = raw.compare_keys(row.copy_line for row in replica.values())
    return [
        WrongRow("raw", "differs" if one.is_held else "missing", keys[number])
        for number, one in unlike.items()
    ]
