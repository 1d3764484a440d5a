"""Copies a table without a primary key again: its rows cannot be told apart, so all of them are.

Either target's rows are exchanged in one transaction, with what is recorded of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from etl_pipeline.errors import TransferError
from etl_pipeline.load.digests import read_digests
from etl_pipeline.load.sql import INCOMING, PINNED_SETTINGS, replace_rows
from etl_pipeline.replicate.corrections import Place
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.extract import extract_chunk
from etl_pipeline.schema.ddl import create_incoming
from etl_pipeline.schema.names import quote_temporary
from etl_pipeline.state import replicas, warehouse
from etl_pipeline.state.records import ChunkProof, Lease
from etl_pipeline.state.run_lease import check_warehouse
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.copy import copy_text
from etl_pipeline.transfer.load_data import insert_rows
from etl_pipeline.transfer.select import delete_chunk
from etl_pipeline.transfer.spool import Spool, for_copy
from etl_pipeline.verify.compare import Comparison, RawTable, find_raw_table, read_chunk
from etl_pipeline.verify.recorded import LoadedChunk
from etl_pipeline.verify.repair import RepairCounts, find_proof
from etl_pipeline.verify.verdict import DiscrepancyKind, Repaired


def repair_keyless(
    job: Comparison,
    lease: Lease,
    loaded: LoadedChunk,
    wrong: Mapping[Place, Counter[DiscrepancyKind]],
) -> tuple[list[Repaired], RepairCounts]:
    """Make the rows of a table without a key the source's again in the places that are *wrong*.

    Where the replica is written, ``raw`` gets what it holds then, so that both are the same.

    Args:
        job: The table; its connections are without a transaction.
        lease: The run that holds both targets.
        loaded: The table's one chunk.
        wrong: What is the matter, by place.

    Returns:
        What was copied again, and what that changed in ``raw``.

    Raises:
        GuardError: More rows would go than the table's rules allow.
        TransferError: A target does not hold what it was sent; its transaction is rolled back.
    """
    if "replication" in wrong:
        _fill_replica(job, lease, loaded.chunk)
    change = RepairCounts()
    if job.scope.compares("raw"):
        change = _fill_raw(job, lease, loaded.chunk)
    return [Repaired(place, kinds) for place, kinds in wrong.items()], change


def _fill_replica(job: Comparison, lease: Lease, chunk: Chunk) -> None:
    """Exchange the replica's rows for the source's, see that it holds them, and commit."""
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


def _fill_raw(job: Comparison, lease: Lease, chunk: Chunk) -> RepairCounts:
    """Make the rows of ``raw`` the replica's, see that it holds them, and commit."""
    text, analytics = job.text, job.analytics
    with analytics.transaction():
        check_warehouse(analytics, lease)
        analytics.execute(PINNED_SETTINGS.encode())
        live = find_raw_table(job)
        if live is None:
            raise TransferError("the table in raw is gone", where=text.name)
        proof = find_proof(job, chunk)
        _bring(job, chunk, proof)
        change = _exchange(job, chunk, live)
        if proof:
            (digest,) = read_digests(analytics, live.own, text, [chunk])
            warehouse.record_chunks(analytics, lease.run_id, text.name, [proof], [digest], of=1)
    job.replication.rollback()
    return change


def _bring(job: Comparison, chunk: Chunk, proof: ChunkProof | None) -> None:
    """Bring the replica's rows beside those of ``raw``."""
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


def _exchange(job: Comparison, chunk: Chunk, live: RawTable) -> RepairCounts:
    """Exchange the rows of ``raw`` for those that were brought, where they are others."""
    text, analytics = job.text, job.analytics
    (brought,) = read_digests(analytics, quote_temporary(INCOMING), text, [chunk])
    (held,) = read_digests(analytics, live.own, text, [chunk])
    if held == brought:
        return RepairCounts()
    guard_deletes(text.name, job.rules, gone=held.rows - brought.rows, rows=held.rows, place="raw")
    statements = replace_rows(job.target, text, rows=live.own)
    deleted, inserted = [analytics.execute(one.encode()).rowcount for one in statements]
    if read_digests(analytics, live.own, text, [chunk]) != [brought]:
        raise TransferError("raw does not hold the rows that were sent", where=text.name)
    return RepairCounts(inserted=inserted, deleted=deleted)
