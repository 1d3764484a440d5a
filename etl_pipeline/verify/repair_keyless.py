"""Repair a table without a primary key: copy all its rows again, since none can be addressed.

The rows of a target are replaced in one transaction, with what is recorded of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from etl_pipeline.errors import TransferError
from etl_pipeline.load.digests import read_digests
from etl_pipeline.load.sql import INCOMING, replace_rows
from etl_pipeline.replicate.corrections import Place
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.extract import extract_chunk
from etl_pipeline.schema.ddl import create_incoming
from etl_pipeline.schema.names import quote_temporary
from etl_pipeline.state import replicas, warehouse
from etl_pipeline.state.records import ChunkProof, Lease
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.copy import copy_text
from etl_pipeline.transfer.load_data import insert_rows
from etl_pipeline.transfer.select import delete_chunk
from etl_pipeline.transfer.spool import Spool, for_copy
from etl_pipeline.verify.job import RawTable, VerifyJob, read_chunk
from etl_pipeline.verify.recorded_chunks import LoadedChunk
from etl_pipeline.verify.repair import RepairCounts, find_proof, repairing_raw
from etl_pipeline.verify.result import DiscrepancyKind, Repaired


def repair_keyless(
    job: VerifyJob,
    lease: Lease,
    loaded: LoadedChunk,
    wrong: Mapping[Place, Counter[DiscrepancyKind]],
) -> tuple[list[Repaired], RepairCounts]:
    """Copy a table without a key again into the places that are *wrong*.

    Where the replica is written, ``raw`` gets the same rows.

    Args:
        job: The table; its connections have no open transaction.
        lease: The run that holds both targets.
        loaded: The table's one chunk.
        wrong: The kinds of discrepancy and their rows, by place.

    Returns:
        The rows that were copied again, and what that changed in ``raw``.

    Raises:
        GuardError: More rows would go than the table's rules allow.
        TransferError: A target does not hold what it was sent; its transaction is rolled back.
    """
    if "replication" in wrong:
        _replace_replica(job, lease, loaded.chunk)
    counts = RepairCounts()
    if job.scope.compares("raw"):
        counts = _replace_raw(job, lease, loaded.chunk)
    return [Repaired(place, kinds) for place, kinds in wrong.items()], counts


def _replace_replica(job: VerifyJob, lease: Lease, chunk: Chunk) -> None:
    """Replace the replica's rows with the source's, verify them, and commit."""
    text, replication = job.text, job.replication
    with Spool(ordered=text.is_ordered) as sent, Spool(ordered=text.is_ordered) as held:
        proof = extract_chunk(text, chunk, job.source, sent, job.stop)
        with replication.cursor() as cursor:
            gone = cursor.execute(delete_chunk(text, chunk))
        guard_deletes(text.name, job.rules, gone=gone - proof.rows, rows=gone, place="replication")
        taken = insert_rows(replication, text.name, text, sent.lines())
        read_chunk(job, replication, chunk, held)
        if taken != proof.rows or held.digest() != proof.text_digest:
            raise TransferError(
                "the replica does not hold what the source sent",
                where=text.name,
                fix=f"etl run {text.name}",
            )
        proof = replace(proof, altered=held.altered)
    if find_proof(job, chunk):
        replicas.remember_chunks(replication, text.name, lease, [proof])
    replication.commit()


def _replace_raw(job: VerifyJob, lease: Lease, chunk: Chunk) -> RepairCounts:
    """Replace the rows of ``raw`` with the replica's, verify them, and commit."""
    text, analytics = job.text, job.analytics
    with repairing_raw(job, lease) as raw:
        proof = find_proof(job, chunk)
        _copy_incoming(job, chunk, proof)
        counts = _merge(job, chunk, raw)
        if proof:
            (digest,) = read_digests(analytics, raw.own_rows, text, [chunk])
            warehouse.record_chunks(analytics, lease.run_id, text.name, [proof], [digest], of=1)
    return counts


def _copy_incoming(job: VerifyJob, chunk: Chunk, proof: ChunkProof | None) -> None:
    """Copy the replica's rows into ``INCOMING``, if they are those of *proof*."""
    text, analytics = job.text, job.analytics
    analytics.execute(create_incoming(INCOMING, text.columns).encode())
    with Spool(ordered=text.is_ordered) as rows:
        read_chunk(job, job.replication, chunk, rows, for_copy)
        is_other = proof and proof.is_text and proof.text_digest != rows.digest()
        taken = copy_text(analytics, quote_temporary(INCOMING), text.column_names, rows.blocks())
        if is_other or taken != rows.rows:
            raise TransferError(
                "the replica does not hold what it was given, or PostgreSQL did not take it",
                where=text.name,
                fix=f"etl verify {text.name}",
            )


def _merge(job: VerifyJob, chunk: Chunk, raw: RawTable) -> RepairCounts:
    """Replace the rows of ``raw`` with those of ``INCOMING``, if they differ."""
    text, analytics = job.text, job.analytics
    (incoming,) = read_digests(analytics, quote_temporary(INCOMING), text, [chunk])
    (held,) = read_digests(analytics, raw.own_rows, text, [chunk])
    if held == incoming:
        return RepairCounts()
    gone = held.rows - incoming.rows
    guard_deletes(text.name, job.rules, gone=gone, rows=held.rows, place="raw")
    statements = replace_rows(job.target, text, rows=raw.own_rows)
    deleted, inserted = [analytics.execute(statement.encode()).rowcount for statement in statements]
    if read_digests(analytics, raw.own_rows, text, [chunk]) != [incoming]:
        raise TransferError("raw does not hold the rows that were sent", where=text.name)
    return RepairCounts(inserted=inserted, deleted=deleted)
