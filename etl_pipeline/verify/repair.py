"""Repair rows: copy wrong rows again into replication and ``raw``, and no others.

The rows of a chunk are written in one transaction of each target, with what is recorded of it: a
run can go on from a repair that was interrupted.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from etl_pipeline.errors import TransferError
from etl_pipeline.load.digests import read_digests
from etl_pipeline.load.sql import GONE, PINNED_SETTINGS, apply_differences, create_gone
from etl_pipeline.replicate.apply import batches, write_few
from etl_pipeline.replicate.corrections import Place
from etl_pipeline.replicate.difference import Difference
from etl_pipeline.replicate.extract import extract_rows
from etl_pipeline.schema.names import quote_postgres, quote_temporary
from etl_pipeline.state import replicas, warehouse
from etl_pipeline.state.compared_at import note_compared
from etl_pipeline.state.records import ChunkProof, Lease
from etl_pipeline.state.run_lease import check_warehouse_lease
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import select_rows, where_keys
from etl_pipeline.transfer.spool import Spool, for_copy
from etl_pipeline.verify.compare_sql import KEYS
from etl_pipeline.verify.job import RawTable, VerifyJob, find_raw_table, read_chunk, read_rows
from etl_pipeline.verify.raw_rows import RawRows
from etl_pipeline.verify.recorded_chunks import LoadedChunk
from etl_pipeline.verify.result import DiscrepancyKind, Repaired
from etl_pipeline.verify.row_check import WrongRow


@dataclass(frozen=True, slots=True)
class RepairCounts:
    """Rows of ``raw`` that a repair changed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: RepairCounts) -> RepairCounts:
        return RepairCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
        )


def repair_table(
    job: VerifyJob, lease: Lease, wrong: Iterable[tuple[LoadedChunk, Sequence[WrongRow]]]
) -> tuple[list[Repaired], RepairCounts]:
    """Copy the rows of *wrong* again, chunk by chunk.

    A row of the replica becomes what the source sends now. If the source has changed it, ``raw``
    gets that row as well, so that both hold the same. A row of ``raw`` becomes the replica's.

    Args:
        job: The table; its connections have no open transaction.
        lease: The run that holds both targets.
        wrong: Rows, by the chunk that they are in.

    Returns:
        The rows that were copied again, and what that changed in ``raw``.

    Raises:
        TransferError: A target did not take every row, or does not hold what is recorded of it
            afterwards; the chunk is rolled back.
    """
    counts: dict[Place, Counter[DiscrepancyKind]] = {"replication": Counter(), "raw": Counter()}
    total = RepairCounts()
    for loaded, rows in wrong:
        for row in rows:
            counts[row.place][row.kind] += 1
        repaired_keys = _repair_replica(job, lease, loaded.chunk, rows)
        if job.scope.compares("raw"):
            total += _repair_raw(job, lease, loaded, rows, repaired_keys)
    return [Repaired(place, kinds) for place, kinds in counts.items() if kinds], total


def _repair_replica(
    job: VerifyJob, lease: Lease, chunk: Chunk, rows: Sequence[WrongRow]
) -> list[bytes]:
    """Copy rows of the replica again and commit; return the keys that ``raw`` may need as well."""
    keys = [row.key for row in rows if row.place == "replication" and row.key is not None]
    if not keys:
        return []
    source = _read_source(job, keys)
    replica = {key: row.line for key, row in read_rows(job, job.replication, keys).items()}
    write_few(job.text, _compare(source, replica), b"", job.replication)
    _record_chunk(job, lease, chunk)
    job.replication.commit()
    return keys


def _read_source(job: VerifyJob, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the source's rows by key, after checking that no character was lost on the way."""
    text = job.text
    found: dict[bytes, bytes] = {}
    for batch in batches(job.text, keys):
        with Spool(ordered=text.is_ordered) as spool:
            where = where_keys(text, batch)
            extract_rows(text, select_rows(text, batch), where, job.source, spool, job.stop)
            found.update((text.key_of(line), line) for line in spool.lines())
    return found


def _compare(source: Mapping[bytes, bytes], replica: Mapping[bytes, bytes]) -> Difference:
    gone = [line for key, line in replica.items() if source.get(key) != line]
    new = [line for key, line in source.items() if replica.get(key) != line]
    return Difference(tuple(gone), tuple(new))


def _record_chunk(job: VerifyJob, lease: Lease, chunk: Chunk) -> None:
    """Record what the replica holds of *chunk* now, if that has changed; the caller commits."""
    name = job.text.name
    recorded = find_proof(job, chunk)
    if recorded is None:
        return
    with Spool(ordered=job.text.is_ordered) as held:
        read_chunk(job, job.replication, chunk, held, for_copy)
        proof = replace(
            recorded,
            rows=held.rows,
            text_digest=held.digest(),
            is_text=True,
            text_bytes=held.text_bytes,
            altered=held.altered,
        )
    if recorded.is_text and recorded.text_digest == proof.text_digest:
        return
    replicas.remember_chunks(job.replication, name, lease, [proof])
    note_compared(job.replication, name, {chunk.ordinal: proof.text_digest})


def _repair_raw(
    job: VerifyJob,
    lease: Lease,
    loaded: LoadedChunk,
    rows: Sequence[WrongRow],
    repaired_keys: Sequence[bytes],
) -> RepairCounts:
    """Make rows of ``raw`` those of the replica, and commit.

    Args:
        job: The table.
        lease: The run that holds both targets.
        loaded: The chunk.
        rows: The wrong rows of the chunk, of both places.
        repaired_keys: Keys of rows that were just copied again in the replica.
    """
    here = [row for row in rows if row.place == "raw"]
    keys = sorted({row.key for row in here if row.key is not None}.union(repaired_keys))
    raw_only_keys = [row.raw_only_key for row in here if row.raw_only_key is not None]
    if not keys and not raw_only_keys:
        return RepairCounts()
    with repairing_raw(job, lease) as raw:
        raw_rows = RawRows(job.analytics, job.text, raw.live_rows)
        replica = read_rows(job, job.replication, keys)
        raw_rows.choose_keys(keys, raw_only_keys)
        raw_rows.compare_keys(row.copy_line for row in replica.values())
        counts = _merge(job, raw)
        _prove(job, lease, loaded, raw_rows, raw)
    return counts


@contextlib.contextmanager
def repairing_raw(job: VerifyJob, lease: Lease) -> Iterator[RawTable]:
    """Open the transaction that repairs ``raw``, and commit it; ends that of the replica's reads.

    Raises:
        DatabaseError: Another run has taken over.
        TransferError: The table in ``raw`` is gone.
    """
    with job.analytics.transaction():
        check_warehouse_lease(job.analytics, lease)
        job.analytics.execute(PINNED_SETTINGS.encode())
        raw = find_raw_table(job)
        if raw is None:
            raise TransferError("the table in raw is gone", where=job.text.name)
        yield raw
    job.replication.rollback()


def _merge(job: VerifyJob, raw: RawTable) -> RepairCounts:
    """Make the rows of ``KEYS`` in ``raw`` those of ``INCOMING``; the others are not touched."""
    text, analytics = job.text, job.analytics
    names = ", ".join(quote_postgres(name) for name in text.table.primary_key)
    analytics.execute(create_gone(text).encode())
    copy_keys = (
        f"INSERT INTO {quote_temporary(GONE)} ({names}) SELECT {names} FROM {quote_temporary(KEYS)}"
    )
    analytics.execute(copy_keys.encode())
    analytics.execute(f"ANALYZE {quote_temporary(GONE)}".encode())
    statements = apply_differences(job.target, text, [], rows=raw.own_rows, has_marks=raw.has_marks)
    gone, missing, updated, inserted = [
        analytics.execute(statement.encode()).rowcount for statement in statements
    ]
    return RepairCounts(inserted, updated, gone + missing)


def _prove(
    job: VerifyJob, lease: Lease, loaded: LoadedChunk, raw_rows: RawRows, raw: RawTable
) -> None:
    """Verify that ``raw`` holds the chunk now, and record it where its digest has changed."""
    text, chunk = job.text, loaded.chunk
    among = [proof.chunk for proof, _ in warehouse.read_chunks(job.analytics, text.name)]
    (digest,) = read_digests(job.analytics, raw.live_rows, text, [chunk], among=among)
    proof = find_proof(job, chunk)
    if raw.digests_are_valid and (proof is None or proof.text_digest == loaded.text_digest):
        if digest != loaded.digest:
            raise TransferError(
                "raw does not hold what it was loaded with, after the repair",
                where=text.name,
                fix=f"etl run {text.name} --full",
            )
        return
    with Spool(ordered=text.is_ordered) as rows:
        read_chunk(job, job.replication, chunk, rows, for_copy)
        is_other = proof and proof.is_text and proof.text_digest != rows.digest()
        if is_other or raw_rows.compare_chunk(chunk, rows.blocks()):
            raise TransferError(
                "raw does not hold what replication does, after the repair",
                where=text.name,
                fix=f"etl run {text.name}",
            )
    if proof:
        proven = [replace(proof, read_at=loaded.read_at)]
        warehouse.record_chunks(
            job.analytics, lease.run_id, text.name, proven, [digest], of=len(among)
        )


def find_proof(job: VerifyJob, chunk: Chunk) -> ChunkProof | None:
    """Return what is recorded of the replica's *chunk*; None where nothing is."""
    replica = replicas.read_replica(job.replication, job.text.name)
    return {proof.chunk: proof for proof in replica.proofs}.get(chunk) if replica else None
