"""Load a table from its replica into ``raw``: the second hop, in one transaction.

Readers of ``raw`` see the old rows or the new ones. A table that exists keeps its identity, so
views, grants and comments of others on it survive: rows are copied into a temporary table beside
it, and only the differences are applied. Which chunks differ is told by digests: a chunk whose
text has the digest that is recorded for ``raw`` is not read, also after a run that was killed
between the hops.
"""

from __future__ import annotations

from dataclasses import replace

import psycopg

from etl_pipeline.errors import TransferError
from etl_pipeline.load.blocking_objects import explain_blocked_load
from etl_pipeline.load.create import create_table
from etl_pipeline.load.evolve import Alteration
from etl_pipeline.load.job import LoadJob, LoadRequest, LoadResult, RawContents
from etl_pipeline.load.merge import EditedError, StaleChunks, find_stale_chunks, merge_table
from etl_pipeline.load.raw_plan import confirm_plan, record_loaded
from etl_pipeline.load.scrub import find_edited_chunks
from etl_pipeline.load.sql import PINNED_SETTINGS
from etl_pipeline.load.write_counters import flush_counters
from etl_pipeline.state.run_lease import check_warehouse_lease
from etl_pipeline.state.warehouse import read_chunks

_IS_OTHER = "the table there is not the one that was loaded, or its columns mean something else"


def load_table(request: LoadRequest, analytics: psycopg.Connection) -> LoadResult:
    """Make the table in ``raw`` equal to the replica, prove it, and commit.

    What is read from the replica is digested: it must give the digest of what the source sent,
    so the read of this hop proves the first. The digests of what PostgreSQL then holds are
    stored in the same transaction. On any error the transaction is rolled back.

    Args:
        request: The table.
        analytics: Has no open transaction.

    Raises:
        TransferError: The replica does not hold what the source sent, or PostgreSQL does not
            hold what it was sent.
        AlteredError: The table in ``raw`` is not as it was when its load was planned.
        SchemaError: It cannot follow the source.
        GuardError: More rows would be deleted than the rules allow.
        DatabaseError: Another run has taken over.
        psycopg.Error: PostgreSQL refused or was lost.
    """
    try:
        return _load(request, analytics)
    except (psycopg.Error, TransferError) as error:
        explained = explain_blocked_load(error, analytics, request.raw.names)
        if explained is None:
            raise
        raise explained from error


def _load(request: LoadRequest, analytics: psycopg.Connection) -> LoadResult:
    text, raw, drift, run_id = request.text, request.raw, request.drift, request.lease.run_id
    with analytics.transaction():
        check_warehouse_lease(analytics, request.lease)
        analytics.execute(PINNED_SETTINGS.encode())
        confirm_plan(analytics, raw)
        alteration = Alteration(analytics, text, raw, drift.policy)
        result = _create_or_merge(LoadJob(request, analytics, alteration))
        if raw.is_other_than_recorded:
            note = f"{text.name}: every row of raw was compared, since {_IS_OTHER}"
            result = replace(result, notes=(note,))
        if raw.needs_full_compare and not raw.is_new:
            analytics.execute(f"ANALYZE {raw.target}".encode())
        alteration.complete()
        record_loaded(analytics, raw, text, run_id)
        drift.record_done(analytics, run_id, text.name, alteration.refilled)
        if result.changed:
            flush_counters(analytics)
        return result


def _create_or_merge(job: LoadJob) -> LoadResult:
    raw, proofs, scrub = job.raw, job.request.proofs, job.request.scrub
    if raw.ddl:
        job.alteration.alter()
        return replace(create_table(job, raw.ddl), is_seen_whole=True)
    if not raw.needs_full_compare:
        # Else the table is altered later, when the rows have been copied beside it.
        job.alteration.alter()
    contents = _read_contents(job)
    is_whole = job.request.rules.rebuilds or raw.needs_full_compare
    stale = StaleChunks(proofs, {}, {})
    if not is_whole:
        replicated = job.request.replicated
        stale = find_stale_chunks(replicated, contents, is_evolving=raw.is_evolving)
    ordinals = {proof.chunk.ordinal for proof in stale.whole}
    if not raw.is_evolving and (edited := find_edited_chunks(job, contents.recorded, ordinals)):
        stale = stale.with_whole(edited, proofs)
    is_seen_whole = (scrub.every and not raw.is_evolving) or len(stale.whole) == len(proofs)
    result = merge_stale(job, stale, contents, is_whole=is_whole)
    return replace(result, is_seen_whole=is_seen_whole)


def merge_stale(
    job: LoadJob, stale: StaleChunks, contents: RawContents, *, is_whole: bool
) -> LoadResult:
    """Merge *stale*; where others edited further rows of its chunks, all rows of those chunks."""
    if not stale:
        return LoadResult()
    try:
        with job.analytics.transaction():
            return merge_table(job, stale, contents, is_whole=is_whole)
    except EditedError as error:
        stale = stale.with_whole(error.ordinals, job.request.proofs)
    return merge_table(job, stale, contents, is_whole=is_whole)


def _read_contents(job: LoadJob) -> RawContents:
    row = job.analytics.execute(f"SELECT count(*) FROM {job.live} AS raw_row".encode()).fetchone()
    return RawContents(int(row[0]) if row else 0, read_chunks(job.analytics, job.text.name))
