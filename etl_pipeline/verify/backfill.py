"""Read a range of rows at the source again, and copy what differs in replication or ``raw``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from etl_pipeline.errors import SchemaError, TransferError
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.extract import extract_rows
from etl_pipeline.state.records import Lease
from etl_pipeline.transfer.spool import Spool
from etl_pipeline.verify.drift_check import refuse_drifted
from etl_pipeline.verify.job import (
    Row,
    VerifyJob,
    find_raw_table,
    read_keyed_rows,
    reading_raw,
    reading_replica,
)
from etl_pipeline.verify.key_range import RowRange, clip_chunks, select_range, where_range
from etl_pipeline.verify.raw_rows import RawRows
from etl_pipeline.verify.recorded_chunks import (
    LoadedChunk,
    is_behind,
    read_loaded_chunks,
    read_replica_chunk,
    read_replica_state,
)
from etl_pipeline.verify.repair import RepairCounts, repair_table
from etl_pipeline.verify.row_check import WrongRow


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """Rows that a backfill read and wrote.

    Attributes:
        rows: Rows that the source has in the range.
        text_bytes: Size of their text.
        replica_rows: Rows of the replica that were copied again.
        raw_counts: Rows of ``raw`` that changed.
    """

    rows: int = 0
    text_bytes: int = 0
    replica_rows: int = 0
    raw_counts: RepairCounts = field(default_factory=RepairCounts)


def backfill_table(job: VerifyJob, lease: Lease, row_range: RowRange) -> BackfillResult:
    """Copy the rows of a range again where a target differs from the source, chunk by chunk.

    A row that was in the range when it was copied, and has left it since, is read again as well.

    Raises:
        SchemaError: The table has no key, was never loaded, or with another schema.
        GuardError: More rows would be deleted than the table's rules allow.
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
        loaded = read_loaded_chunks(job.analytics, text.name)
        if not loaded or find_raw_table(job) is None:
            raise SchemaError(
                "the table was never loaded, or is gone",
                where=text.name,
                fix=f"etl run {text.name}",
            )
    chunks = clip_chunks([each.chunk for each in loaded], row_range, text.table.integer_key)
    table_rows = sum(each.digest.rows for each in loaded)
    result = BackfillResult()
    gone = 0
    for loaded_chunk in loaded:
        if loaded_chunk.chunk not in chunks:
            continue
        found = _compare_range(job, loaded_chunk, row_range)
        in_replica = [row for row in found.wrong if row.place == "replication"]
        gone += sum(row.kind == "extra" for row in in_replica)
        guard_deletes(text.name, job.rules, gone=gone, rows=table_rows, place="replication")
        counts = RepairCounts()
        if found.wrong:
            _, counts = repair_table(job, lease, [(loaded_chunk, found.wrong)])
        result = BackfillResult(
            result.rows + found.rows,
            result.text_bytes + found.text_bytes,
            result.replica_rows + len(in_replica),
            result.raw_counts + counts,
        )
        job.report(found.rows, found.text_bytes)
    return result


@dataclass(frozen=True, slots=True)
class _RangeCheck:
    """The source's rows of a chunk that are in the range, and the wrong rows of the targets."""

    rows: int
    text_bytes: int
    wrong: Sequence[WrongRow]


def _compare_range(job: VerifyJob, loaded: LoadedChunk, row_range: RowRange) -> _RangeCheck:
    text, chunk = job.text, loaded.chunk
    with Spool(ordered=text.is_ordered) as sent:
        statement = select_range(text, chunk, row_range)
        where = where_range(text, chunk, row_range)
        extract_rows(text, statement, where, job.source, sent, job.stop)
        source = {text.key_of(line): line for line in sent.lines()}
        rows, text_bytes = sent.rows, sent.text_bytes
    replica = _read_replica(job, loaded, statement)
    wrong: list[WrongRow] = []
    for key in sorted(source.keys() | replica.keys(), key=lambda key: (len(key), key)):
        expected, held = source.get(key), replica.get(key)
        if expected is None:
            wrong.append(WrongRow("replication", "extra", key))
        elif held is None:
            wrong.append(WrongRow("replication", "missing", key))
        elif expected != held.line:
            wrong.append(WrongRow("replication", "differs", key))
    return _RangeCheck(rows, text_bytes, [*wrong, *_compare_raw(job, replica)])


def _read_replica(job: VerifyJob, loaded: LoadedChunk, statement: bytes) -> dict[bytes, Row]:
    text = job.text
    with reading_replica(job.replication):
        state = read_replica_state(job.replication, text.name)
        chunk = read_replica_chunk(job.replication, text.name, loaded.chunk)
        if is_behind(loaded, state, chunk):
            raise TransferError(
                "raw has not got yet what replication has",
                where=text.name,
                fix=f"etl run {text.name}",
            )
        return read_keyed_rows(job, job.replication, statement)


def _compare_raw(job: VerifyJob, replica: dict[bytes, Row]) -> list[WrongRow]:
    """Return the rows of ``raw`` that differ from *replica*, the replica's rows in the range."""
    if not replica:
        return []
    keys = list(replica)
    with reading_raw(job.analytics):
        raw = find_raw_table(job)
        raw_rows = RawRows(job.analytics, job.text, raw.live_rows if raw else job.target)
        raw_rows.choose_keys(keys, ())
        differing = raw_rows.compare_keys(row.copy_line for row in replica.values())
    return [
        WrongRow("raw", "differs" if row.in_raw else "missing", keys[number])
        for number, row in differing.items()
    ]
