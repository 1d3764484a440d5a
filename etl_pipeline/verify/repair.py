"""Copies rows that are wrong again, from the source into replication and ``raw``, and no others.

The rows of a chunk are written in one transaction of each target, with what is recorded of it, so
that a repair which is cut off leaves what a run goes on from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from etl_pipeline.state.run_lease import check_warehouse
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import select_rows, where_keys
from etl_pipeline.transfer.spool import Spool, for_copy
from etl_pipeline.verify.compare import Comparison, RawTable, find_raw_table, read_chunk, read_rows
from etl_pipeline.verify.compare_sql import KEYS
from etl_pipeline.verify.raw_rows import RawRows
from etl_pipeline.verify.recorded import LoadedChunk
from etl_pipeline.verify.row_check import WrongRow
from etl_pipeline.verify.verdict import DiscrepancyKind, Repaired


@dataclass(frozen=True, slots=True)
class RepairCounts:
    """How many rows of ``raw`` a repair changed."""

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
    job: Comparison, lease: Lease, wrong: Iterable[tuple[LoadedChunk, Sequence[WrongRow]]]
) -> tuple[list[Repaired], RepairCounts]:
    """Make the rows of *wrong* the source's again, chunk by chunk.

    A row of the replica becomes what the source sends now. Has the source moved on, ``raw`` gets
    that row as well, so that both hold the same. A row of ``raw`` becomes the replica's.

    Args:
        job: The table; its connections are without a transaction.
        lease: The run that holds both targets.
        wrong: Rows, by the chunk that they are in.

    Returns:
        What was copied again, and what that changed in ``raw``.

    Raises:
        TransferError: A target did not take every row, or does not hold what is recorded of it
            afterwards; what was done in the chunk is rolled back.
    """
    counts: dict[Place, Counter[DiscrepancyKind]] = {"replication": Counter(), "raw": Counter()}
    total = RepairCounts()
    for loaded, rows in wrong:
        for row in rows:
            counts[row.place][row.kind] += 1
        changed = _repair_replica(job, lease, loaded.chunk, rows)
        if job.scope.compares("raw"):
            total += _repair_raw(job, lease, loaded, rows, changed)
    return [Repaired(place, kinds) for place, kinds in counts.items() if kinds], total


def _repair_replica(
    job: Comparison, lease: Lease, chunk: Chunk, rows: Sequence[WrongRow]
) -> list[bytes]:
    """Copy the replica's rows again; the keys of those that ``raw`` may have to get as well."""
    keys = [row.key for row in rows if row.place == "replication" and row.key is not None]
    if not keys:
        return []
    source = _read_source(job, keys)
    held = read_rows(job, job.replication, keys)
    lines = {key: row.line for key, row in held.items()}
    write_few(job.text, _differ(source, lines), b"", job.replication)
    _remember(job, lease, chunk)
    job.replication.commit()
    return keys


def _read_source(job: Comparison, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """The source's rows by key, which hold no character that was lost on the way."""
    text = job.text
    found: dict[bytes, bytes] = {}
    for batch in batches(job.text, keys):
        with Spool(ordered=text.is_ordered) as spool:
            where = where_keys(text, batch)
            extract_rows(text, select_rows(text, batch), where, job.source, spool, job.stop)
            found.update((text.key_of(line), line) for line in spool.lines())
    return found


def _differ(source: Mapping[bytes, bytes], held: Mapping[bytes, bytes]) -> Difference:
    gone = [line for key, line in held.items() if source.get(key) != line]
    new = [line for key, line in source.items() if held.get(key) != line]
    return Difference(tuple(gone), tuple(new))


def _remember(job: Comparison, lease: Lease, chunk: Chunk) -> None:
    """Remember of *chunk* what the replica holds now, unless that is what is remembered."""
    name = job.text.name
    replica_ = replicas.read_replica(job.replication, name)
    known = {one.proof.chunk: one for one in replica_.chunks}.get(chunk) if replica_ else None
    if known is None:
        return
    with Spool(ordered=job.text.is_ordered) as held:
        read_chunk(job, job.replication, chunk, held, for_copy)
        proof = replace(
            known.proof,
            rows=held.rows,
            text_digest=held.digest(),
            is_text=True,
            text_bytes=held.text_bytes,
            altered=held.altered,
        )
    if known.proof.is_text and known.proof.text_digest == proof.text_digest:
        return
    replicas.remember_chunks(job.replication, name, lease, [proof])
    note_compared(job.replication, name, {chunk.ordinal: proof.text_digest})


def _repair_raw(
    job: Comparison,
    lease: Lease,
    loaded: LoadedChunk,
    rows: Sequence[WrongRow],
    changed: Sequence[bytes],
) -> RepairCounts:
    """Make the rows of ``raw`` those of the replica, and commit."""
    here = [row for row in rows if row.place == "raw"]
    keys = sorted({row.key for row in here if row.key is not None}.union(changed))
    raw_keys = [row.raw_key for row in here if row.raw_key is not None]
    if not keys and not raw_keys:
        return RepairCounts()
    text, analytics = job.text, job.analytics
    with analytics.transaction():
        check_warehouse(analytics, lease)
        analytics.execute(PINNED_SETTINGS.encode())
        live = find_raw_table(job)
        if live is None:
            raise TransferError("the table in raw is gone", where=text.name)
        compared = RawRows(analytics, text, live.rows)
        held = read_rows(job, job.replication, keys)
        compared.compare_rows_at(keys, raw_keys)
        compared.compare_keys(row.copy_line for row in held.values())
        done = _apply(job, live)
        _prove(job, lease, loaded, compared, live)
    job.replication.rollback()
    return done


def _apply(job: Comparison, live: RawTable) -> RepairCounts:
    """Make the rows of ``KEYS`` in ``raw`` those that were brought; the others are not touched."""
    text, analytics = job.text, job.analytics
    names = ", ".join(quote_postgres(name) for name in text.table.primary_key)
    analytics.execute(create_gone(text).encode())
    copy_keys = (
        f"INSERT INTO {quote_temporary(GONE)} ({names}) SELECT {names} FROM {quote_temporary(KEYS)}"
    )
    analytics.execute(copy_keys.encode())
    analytics.execute(f"ANALYZE {quote_temporary(GONE)}".encode())
    statements = apply_differences(job.target, text, [], rows=live.own, has_marks=live.has_marks)
    gone, missing, updated, inserted = [
        analytics.execute(statement.encode()).rowcount for statement in statements
    ]
    return RepairCounts(inserted, updated, gone + missing)


def _prove(
    job: Comparison, lease: Lease, loaded: LoadedChunk, compared: RawRows, live: RawTable
) -> None:
    """See that ``raw`` holds the chunk that it should, and record it where that is another now."""
    text, chunk = job.text, loaded.chunk
    among = [one.chunk for one, _ in warehouse.read_chunks(job.analytics, text.name)]
    (digest,) = read_digests(job.analytics, live.rows, text, [chunk], among=among)
    proof = find_proof(job, chunk)
    if live.is_believed and (proof is None or proof.text_digest == loaded.text_digest):
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
        if is_other or compared.compare_chunk(chunk, rows.blocks()):
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


def find_proof(job: Comparison, chunk: Chunk) -> ChunkProof | None:
    """What is remembered of the replica's *chunk*; None where nothing is."""
    known: Any = replicas.read_replica(job.replication, job.text.name)
    return {proof.chunk: proof for proof in known.proofs}.get(chunk) if known else None
