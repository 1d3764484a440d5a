"""Load a batch of a follower into ``raw``: all its tables in one transaction.

Readers of ``raw`` see all tables as they were before the batch, or all as they are after it: no
payment before its patient. Each table is merged as the load of a run does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from etl_pipeline.core.driver_errors import is_passing
from etl_pipeline.errors import AlteredError, GuardError, SchemaError, TransferError
from etl_pipeline.load.evolve import Alteration
from etl_pipeline.load.job import LoadJob, LoadRequest, LoadResult, RawContents
from etl_pipeline.load.merge import find_stale_chunks
from etl_pipeline.load.raw_plan import RawPlan, confirm_plan
from etl_pipeline.load.scrub import find_edited_chunks
from etl_pipeline.load.sql import GONE, INCOMING, PINNED_SETTINGS
from etl_pipeline.load.table import merge_stale
from etl_pipeline.load.write_counters import flush_counters
from etl_pipeline.replicate.read_batch import WholeTableError
from etl_pipeline.schema.names import quote_temporary
from etl_pipeline.state.records import Lease
from etl_pipeline.state.run_lease import check_warehouse_lease
from etl_pipeline.state.warehouse import read_chunks


def why_not_by_key(raw: RawPlan) -> str | None:
    """Return why batches cannot be loaded into a table of ``raw`` yet; None where they can."""
    if raw.is_new:
        return "raw does not have it yet"
    if raw.is_evolving:
        return "its table in raw has another schema than the source's"
    if raw.needs_full_compare:
        return "its table in raw is another one than was loaded"
    return None


def load_batch(
    requests: Sequence[LoadRequest],
    lease: Lease,
    analytics: psycopg.Connection,
    record: Callable[[psycopg.Connection], None],
) -> dict[str, LoadResult]:
    """Make the tables of *requests* in ``raw`` what their replicas are, and commit.

    Args:
        requests: A table each; ``why_not_by_key`` knows nothing against it.
        lease: The follower's.
        analytics: Has no open transaction.
        record: Writes, in the same transaction, what is recorded of the batch.

    Raises:
        WholeTableError: A table was refused, or is not as it was when the follower began.
        DatabaseError: Another run has taken over.
        psycopg.Error: PostgreSQL was lost, or gave way to a lock.
    """
    results: dict[str, LoadResult] = {}
    with analytics.transaction():
        check_warehouse_lease(analytics, lease)
        analytics.execute(PINNED_SETTINGS.encode())
        for request in requests:
            results[request.text.name] = _load_table(request, analytics)
        record(analytics)
        if any(result.changed for result in results.values()):
            flush_counters(analytics)
    return results


def _load_table(request: LoadRequest, analytics: psycopg.Connection) -> LoadResult:
    try:
        return _load(request, analytics)
    except (GuardError, SchemaError, TransferError) as error:
        raise WholeTableError(request.text.name, error.what) from error
    except psycopg.Error as error:
        if is_passing(error):
            raise
        raise WholeTableError(request.text.name, "PostgreSQL refused its rows") from error


def _load(request: LoadRequest, analytics: psycopg.Connection) -> LoadResult:
    raw, name = request.raw, request.text.name
    confirm_plan(analytics, raw)
    because = why_not_by_key(raw)
    if because:
        raise AlteredError(because, where=name, fix=f"etl run {name}")
    recorded = read_chunks(analytics, name)
    # Its rows are not counted: what others write there is found by runs.
    contents = RawContents(sum(digest.rows for _, digest in recorded), recorded)
    stale = find_stale_chunks(request.replicated, contents, is_evolving=False)
    job = LoadJob(
        request, analytics, Alteration(analytics, request.text, raw, request.drift.policy)
    )
    whole = {proof.chunk.ordinal for proof in stale.whole}
    if edited := find_edited_chunks(job, recorded, whole):
        stale = stale.with_whole(edited, request.proofs)
    result = merge_stale(job, stale, contents, is_whole=False)
    # The next table of the transaction makes its own.
    for temporary in (INCOMING, GONE):
        analytics.execute(f"DROP TABLE IF EXISTS {quote_temporary(temporary)}".encode())
    return result
