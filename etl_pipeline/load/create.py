"""Fills a table of ``raw`` that is not there yet."""

from __future__ import annotations

from collections.abc import Sequence

from etl_pipeline.load.copy_chunks import copy_chunks
from etl_pipeline.load.inspect_table import free_key_name
from etl_pipeline.load.job import LoadJob, LoadResult, expect_digests, expect_rows
from etl_pipeline.load.sql import add_marks
from etl_pipeline.schema.ddl import add_raw_key, comment_raw, create_raw
from etl_pipeline.schema.names import postgres_name
from etl_pipeline.state import warehouse
from etl_pipeline.state.records import ChunkProof, RawDigest


def create_table(job: LoadJob, schema: str, proofs: Sequence[ChunkProof]) -> LoadResult:
    """Make the table, copy every row into it, and then build its key, which is quicker."""
    text, analytics = job.text, job.analytics
    analytics.execute(create_raw(schema, text.table, text.columns).encode())
    if job.rules.marks_deletes:
        analytics.execute(add_marks(job.target).encode())
    sent = copy_chunks(job, proofs, job.target, postgres_name(text.name), ["FREEZE"])
    key = add_raw_key(schema, text.table)
    comments = comment_raw(schema, text.table, text.columns)
    if key is not None:
        free_key_name(analytics, schema, text.name)
        analytics.execute(key.encode())
    with analytics.pipeline():  # they are as many as columns: sent without waiting for each
        for statement in comments:
            analytics.execute(statement.encode())
    held = _digest_new(job, proofs, sent)
    expect_rows(text.name, held, proofs)
    analytics.execute(f"ANALYZE {job.target}".encode())
    warehouse.record_chunks(analytics, job.lease.run_id, text.name, proofs, held, of=len(proofs))
    return LoadResult(inserted=sum(proof.rows for proof in proofs))


def _digest_new(
    job: LoadJob, proofs: Sequence[ChunkProof], sent: Sequence[RawDigest | None]
) -> Sequence[RawDigest]:
    """The digests of a table that was just filled, which must be those of the rows sent.

    PostgreSQL is asked for one chunk's in the middle, where the line is one that nobody can change
    and the others are known: to ask for all of them costs a fifth of what COPY does.
    """
    middle = len(proofs) // 2
    known = [digest for digest in sent if digest is not None]
    asks_all = len(known) < len(proofs) or job.is_open
    asked = slice(None) if asks_all else slice(middle, middle + 1)
    held = job.digests(job.target, [proof.chunk for proof in proofs[asked]], proofs)
    expect_digests(job.text.name, proofs[asked], sent[asked], held)
    return held if len(held) == len(proofs) else known
