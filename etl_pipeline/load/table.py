"""The second hop, replication → ``raw``: one transaction a table.

Readers of ``raw`` see the old rows or the new ones. A table that exists keeps its identity, so
views, grants and comments of others on it survive: what changed is brought beside it and only the
differences are applied. What changed is told by digests alone: a chunk whose text has the digest
that is recorded for ``raw`` is there already, also when an earlier run was killed between the hops.
"""

from __future__ import annotations

from dataclasses import replace

import psycopg

from etl_pipeline.core.workers import Workers
from etl_pipeline.errors import TransferError
from etl_pipeline.load.blocking_objects import explain_blocked_load
from etl_pipeline.load.create import create_table
from etl_pipeline.load.drift_log import TableDrift
from etl_pipeline.load.evolve import evolve_raw
from etl_pipeline.load.job import LoadJob, LoadResult
from etl_pipeline.load.merge import EditedError, StaleChunks, find_stale, merge_table
from etl_pipeline.load.scrub import find_edited
from etl_pipeline.load.sql import PINNED_SETTINGS
from etl_pipeline.load.write_counters import hand_in
from etl_pipeline.replicate.job import Report
from etl_pipeline.replicate.scrub_budget import NO_SCRUB_SCOPE, ScrubScope
from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.replicate.table import ReplicateResult
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.state.records import Lease
from etl_pipeline.state.run_lease import check_warehouse
from etl_pipeline.transfer.select import RenderedTable

_UNLIKE = "the table there is not the one that was loaded, or its columns mean something else"


def load_table(
    text: RenderedTable,
    schema: str,
    replicated: ReplicateResult,
    workers: Workers,
    analytics: psycopg.Connection,
    rules: Rules,
    lease: Lease,
    *,
    report: Report,
    drift: TableDrift | None = None,
    look: ScrubScope = NO_SCRUB_SCOPE,
) -> LoadResult:
    """Make the table in *schema* equal to the replica, prove it, and commit.

    What is read from the replica is digested: it must give the digest of what the source sent,
    so the read of this hop proves the first. The digests of what PostgreSQL then holds are
    stored in the same transaction. On any error the transaction is rolled back.

    Args:
        text: The table.
        schema: The schema of the analytics database, ``raw``.
        replicated: What the first hop did.
        workers: Where the replica is read, ahead of what is written.
        analytics: psycopg connection without an open transaction.
        rules: How the table is kept equal.
        lease: The run that the proofs are stored under.
        report: Told of each chunk.
        drift: What is done where the source's schema changed, and the record of it.
        look: Chunks of ``raw`` that are digested anew, though nothing may have changed in them.

    Raises:
        TransferError: The replica does not hold what the source sent, or PostgreSQL does not
            hold what it was sent.
        SchemaError: The target is a table that we did not make, or cannot follow the source.
        GuardError: More rows would be deleted than the rules allow.
        DatabaseError: Another run has taken over.
        psycopg.Error: PostgreSQL refused or was lost.
    """
    try:
        return _load(
            text, schema, replicated, workers, analytics, rules, lease, report, drift, look
        )
    except (psycopg.Error, TransferError) as error:
        named = explain_blocked_load(error, analytics, schema, text.name)
        if named is None:
            raise
        raise named from error


def _load(
    text: RenderedTable,
    schema: str,
    replicated: ReplicateResult,
    workers: Workers,
    analytics: psycopg.Connection,
    rules: Rules,
    lease: Lease,
    report: Report,
    drift: TableDrift | None,
    look: ScrubScope,
) -> LoadResult:
    """Do it, in one transaction."""
    with analytics.transaction():
        check_warehouse(analytics, lease)
        analytics.execute(PINNED_SETTINGS.encode())
        drift = drift or TableDrift()
        raw = evolve_raw(analytics, schema, text, drift.policy, marks_deletes=rules.marks_deletes)
        target = quote_postgres(schema, text.name)
        job = LoadJob(text, target, workers, analytics, rules, lease, report, raw, look)
        loaded = _bring(job, schema, replicated)
        if raw.is_unlike_recorded:
            note = f"{text.name}: every row of raw was compared, since {_UNLIKE}"
            loaded = replace(loaded, notes=(note,))
        raw.settle(lease.run_id)
        drift.record_done(analytics, lease.run_id, raw)
        if loaded.changed:
            hand_in(analytics)
        return loaded


def _bring(job: LoadJob, schema: str, replicated: ReplicateResult) -> LoadResult:
    """Bring what the table lacks; where its columns change, after what is brought was read."""
    if job.raw.is_new:
        job.raw.alter()
        return replace(create_table(job, schema, replicated.proofs), is_seen_whole=True)
    if not job.raw.needs_full_compare:
        job.raw.alter()
    rows = _count_rows(job)
    is_whole = job.rules.rebuilds or job.raw.needs_full_compare
    everything = StaleChunks(replicated.proofs, {}, {})
    stale = everything if is_whole else find_stale(job, replicated, rows)
    whole = {proof.chunk.ordinal for proof in stale.whole}
    if not job.raw.is_evolving and (edited := find_edited(job, replicated.proofs, whole)):
        stale = stale.with_whole(edited, replicated.proofs)
    is_seen = job.look.every and not job.raw.is_evolving
    is_seen = is_seen or len(stale.whole) == len(replicated.proofs)
    return replace(_apply(job, replicated, stale, rows, is_whole=is_whole), is_seen_whole=is_seen)


def _apply(
    job: LoadJob, replicated: ReplicateResult, stale: StaleChunks, rows: int, *, is_whole: bool
) -> LoadResult:
    """Load what is stale; where somebody else changed rows besides, all of their chunks."""
    if not stale:
        return LoadResult()
    try:
        with job.analytics.transaction():
            return merge_table(job, replicated, stale, rows, is_whole=is_whole)
    except EditedError as found:
        stale = stale.with_whole(found.ordinals, replicated.proofs)
    return merge_table(job, replicated, stale, rows, is_whole=is_whole)


def _count_rows(job: LoadJob) -> int:
    """Rows that the target holds."""
    row = job.analytics.execute(f"SELECT count(*) FROM {job.live} AS t".encode()).fetchone()
    return int(row[0]) if row else 0
