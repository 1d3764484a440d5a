"""Create a table of ``raw`` and fill it."""

from __future__ import annotations

from collections.abc import Sequence

from etl_pipeline.load.copy_chunks import copy_chunks
from etl_pipeline.load.inspect_table import free_key_name
from etl_pipeline.load.job import LoadJob, LoadResult, expect_digests, expect_rows
from etl_pipeline.load.sql import add_marks
from etl_pipeline.schema.ddl import RawDdl
from etl_pipeline.state import warehouse
from etl_pipeline.state.records import RawDigest


def create_table(job: LoadJob, ddl: RawDdl) -> LoadResult:
    """Create the table, copy every row into it, and then build its key, which is faster."""
    text, analytics, request = job.text, job.analytics, job.request
    proofs = request.proofs
    analytics.execute(ddl.create.encode())
    if request.rules.marks_deletes:
        analytics.execute(add_marks(job.target).encode())
    sent = copy_chunks(job, proofs, job.target, job.raw.names.table, ["FREEZE"])
    if ddl.key is not None:
        free_key_name(analytics, job.raw.names)
        analytics.execute(ddl.key.encode())
    with analytics.pipeline():  # one per column: sent without waiting for each
        for statement in ddl.comments:
            analytics.execute(statement.encode())
    held = _digest_new(job, sent)
    expect_rows(text.name, held, proofs)
    analytics.execute(f"ANALYZE {job.target}".encode())
    run_id = request.lease.run_id
    warehouse.record_chunks(analytics, run_id, text.name, proofs, held, of=len(proofs))
    return LoadResult(inserted=sum(proof.rows for proof in proofs))


def _digest_new(job: LoadJob, sent: Sequence[RawDigest | None]) -> Sequence[RawDigest]:
    """Return the digests of the new table, after comparing them with those of the rows *sent*.

    If all digests of *sent* are known and nobody can change what is on the line, PostgreSQL
    computes the one of the middle chunk only: all of them cost a fifth of what COPY does.
    """
    proofs = job.request.proofs
    middle = len(proofs) // 2
    known = [digest for digest in sent if digest is not None]
    asks_all = len(known) < len(proofs) or job.is_open
    asked = slice(None) if asks_all else slice(middle, middle + 1)
    held = job.digests(job.target, [proof.chunk for proof in proofs[asked]], proofs)
    expect_digests(job.text.name, proofs[asked], sent[asked], held)
    return held if len(held) == len(proofs) else known
