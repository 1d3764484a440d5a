"""Brings what a table of ``raw`` lacks beside it, and applies the differences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from etl_pipeline.errors import TransferError
from etl_pipeline.load.copy_chunks import copy_chunks, explaining
from etl_pipeline.load.digests import NOTHING, read_digests, read_sums
from etl_pipeline.load.job import LoadJob, LoadResult, expect_digests, expect_rows
from etl_pipeline.load.refused_rows import refuse_altered_key
from etl_pipeline.load.sql import (
    GONE,
    INCOMING,
    apply_differences,
    create_gone,
    digest_gone,
    replace_rows,
)
from etl_pipeline.replicate.corrections import Correction
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.job import RowChanges
from etl_pipeline.replicate.strategy import Pass
from etl_pipeline.replicate.table import ReplicateResult
from etl_pipeline.schema.ddl import add_key, create_incoming
from etl_pipeline.schema.names import quote_temporary
from etl_pipeline.state import warehouse
from etl_pipeline.state.records import ChunkProof, RawDigest
from etl_pipeline.transfer.copy import copy_text

FEW_CHANGES, CHANGED_PART = 50, 0.1
"""With more rows changed, statistics are made anew at once; PostgreSQL's autovacuum holds the same
to be enough (autovacuum_analyze_threshold and …_scale_factor)."""


@dataclass(frozen=True, slots=True)
class StaleChunks:
    """What of a table in ``raw`` is not what the replica holds.

    Attributes:
        whole: Chunks that are read again as a whole.
        changes: By ordinal, of chunks of which it is known which rows changed.
        held: By ordinal of *changes*, the digest that is recorded of what ``raw`` holds.
    """

    whole: Sequence[ChunkProof]
    changes: Mapping[int, RowChanges]
    held: Mapping[int, RawDigest]

    def __bool__(self) -> bool:
        return bool(self.whole or self.changes)

    def with_whole(self, ordinals: Collection[int], proofs: Sequence[ChunkProof]) -> StaleChunks:
        """The same, but the chunks of *ordinals* are read as a whole."""
        whole = {*ordinals, *(proof.chunk.ordinal for proof in self.whole)}
        changes = {k: change for k, change in self.changes.items() if k not in whole}
        return StaleChunks([p for p in proofs if p.chunk.ordinal in whole], changes, self.held)


class EditedError(Exception):
    """Somebody else changed rows of these chunks, so that knowing what changed is not enough."""

    def __init__(self, ordinals: Collection[int]) -> None:
        super().__init__()
        self.ordinals = ordinals


def find_stale(job: LoadJob, replicated: ReplicateResult, rows: int) -> StaleChunks:
    """What of the table is not as it is recorded, or not recorded as it is in the replica.

    Where rows are missing or too many, all of it is.
    """
    recorded = warehouse.read_chunks(job.analytics, job.text.name)
    if not recorded or rows != sum(digest.rows for _, digest in recorded):
        return StaleChunks(replicated.proofs, {}, {})
    digests = {proof.chunk: (proof.text_digest, raw) for proof, raw in recorded}
    other = [
        proof
        for proof in replicated.proofs
        if digests.get(proof.chunk, (b"",))[0] != proof.text_digest
    ]
    few = {} if job.raw.is_evolving else replicated.changes
    held = {
        proof.chunk.ordinal: digests[proof.chunk][1]
        for proof in other
        if (change := few.get(proof.chunk.ordinal))
        and digests.get(proof.chunk, (b"",))[0] == change.before
    }
    return StaleChunks(
        [proof for proof in other if proof.chunk.ordinal not in held],
        {ordinal: replicated.changes[ordinal] for ordinal in held},
        held,
    )


def merge_table(
    job: LoadJob, replicated: ReplicateResult, stale: StaleChunks, rows: int, *, is_whole: bool
) -> LoadResult:
    """Load what is stale, after a look at what somebody else did to it.

    A table that is rebuilt, or whose columns are others than those that were digested, is not
    looked at.
    """
    corrections = () if is_whole or job.raw.is_evolving else _find_foreign(job, stale, rows)
    loaded = _load(job, replicated.proofs, stale, rows, what=replicated.what)
    return replace(loaded, corrections=corrections)


def _find_foreign(job: LoadJob, stale: StaleChunks, rows: int) -> tuple[Correction, ...]:
    """The chunks, of those that are about to be compared, that are not as they were loaded."""
    recorded = warehouse.read_chunks(job.analytics, job.text.name)
    compared = {proof.chunk for proof in stale.whole}
    is_other = rows != sum(digest.rows for _, digest in recorded)
    looked_at = [(p, digest) for p, digest in recorded if is_other or p.chunk in compared]
    held = read_digests(
        job.analytics,
        job.live,
        job.text,
        [proof.chunk for proof, _ in looked_at],
        among=[proof.chunk for proof, _ in recorded],
    )
    return tuple(
        Correction("raw", "foreign", proof.chunk)
        for (proof, then), now in zip(looked_at, held, strict=True)
        if then != now
    )


def _load(
    job: LoadJob, proofs: Sequence[ChunkProof], stale: StaleChunks, rows: int, *, what: Pass
) -> LoadResult:
    """Bring what is stale beside the table of *rows*, apply the differences and prove them.

    Raises:
        EditedError: Where rows changed, others were changed by somebody else.
    """
    text, analytics = job.text, job.analytics
    analytics.execute(create_incoming(INCOMING, text.columns).encode())
    incoming = quote_temporary(INCOMING)
    known = copy_chunks(job, stale.whole, incoming, INCOMING)
    whole = [proof.chunk for proof in stale.whole]
    brought = job.digests(incoming, whole, proofs)
    expect_rows(text.name, brought, stale.whole)
    expect_digests(text.name, stale.whole, known, brought)
    has_marks = job.rules.marks_deletes
    statements = apply_differences(
        job.target,
        text,
        whole,
        rows=job.rows,
        has_marks=has_marks,
        kept=job.raw.kept,
        filled=job.raw.filled,
    )
    job.raw.alter(mark_gone=statements[1] if has_marks and text.table.primary_key else None)
    sent = {chunk.ordinal: digest for chunk, digest in zip(whole, brought, strict=True)}
    if text.table.primary_key:
        sent |= _bring_changes(job, proofs, stale)
        analytics.execute(add_key(incoming, text.name, text.table.primary_key).encode())
        analytics.execute(f"ANALYZE {incoming}".encode())
        gone, missing, updated, inserted = job.execute(statements)
        loaded = LoadResult(inserted, updated, gone + missing + job.raw.marked)
    elif job.digests(job.rows, whole, proofs) != brought:
        deleted, inserted = job.execute(replace_rows(job.target, text, rows=job.rows))
        loaded = LoadResult(inserted, 0, deleted)
    else:
        loaded = LoadResult()
    lost = loaded.deleted if text.table.primary_key else loaded.deleted - loaded.inserted
    guard_deletes(text.name, job.rules, gone=lost, rows=rows, place="raw")
    touched = [proof for proof in proofs if proof.chunk.ordinal in sent]
    # Of a pass by stamps only keys are claimed, and what is expected is recorded as it is.
    rests_on_stamps = what is Pass.STAMPED
    proven = [p for p in touched if not rests_on_stamps or p.chunk.ordinal not in stale.changes]
    held = sent | _prove(job, proofs, proven, stale, sent)
    expect_rows(text.name, [held[proof.chunk.ordinal] for proof in touched], touched)
    if loaded.changed > FEW_CHANGES + CHANGED_PART * sum(proof.rows for proof in proofs):
        analytics.execute(f"ANALYZE {job.target}".encode())
    warehouse.record_chunks(
        analytics,
        job.lease.run_id,
        text.name,
        touched,
        [held[p.chunk.ordinal] for p in touched],
        of=len(proofs),
        unseen={p.chunk.ordinal for p in touched} - {p.chunk.ordinal for p in proven},
    )
    return loaded


def _prove(
    job: LoadJob,
    proofs: Sequence[ChunkProof],
    touched: Sequence[ChunkProof],
    stale: StaleChunks,
    sent: Mapping[int, RawDigest],
) -> dict[int, RawDigest]:
    """PostgreSQL's digests of the chunks that were written, which must be those of *sent*."""
    held = job.digests(job.live, [proof.chunk for proof in touched], proofs)
    found = {proof.chunk.ordinal: digest for proof, digest in zip(touched, held, strict=True)}
    others = {ordinal for ordinal, digest in found.items() if digest != sent[ordinal]}
    if edited := others & stale.changes.keys():
        raise EditedError(edited)
    if others:
        raise TransferError("raw does not hold the rows that were sent", where=job.text.name)
    return found


def _bring_changes(
    job: LoadJob, proofs: Sequence[ChunkProof], stale: StaleChunks
) -> dict[int, RawDigest]:
    """Bring the rows that changed, and the keys of those that went, beside the table.

    Over a line that anybody may change they go twice, and PostgreSQL must make the same of both.

    Returns:
        By ordinal, the digest that ``raw`` will have of the chunk: what it has, without the rows
        that went, and with those that came.
    """
    text = job.text
    refuse_altered_key(text, (one for c in stale.changes.values() for one in c.altered))
    chunks = [proof for proof in proofs if proof.chunk.ordinal in stale.changes]
    job.analytics.execute(create_gone(text).encode())
    rehearsed = None
    if job.is_open:
        with job.analytics.transaction(force_rollback=True):
            rehearsed = _send_changes(job, proofs, chunks, stale)
    went, came = _send_changes(job, proofs, chunks, stale)
    if rehearsed is not None:
        expect_digests(text.name, chunks, rehearsed[0], went)
        expect_digests(text.name, chunks, rehearsed[1], came)
    expected = {}
    for proof, gone, new in zip(chunks, went, came, strict=True):
        old = stale.held[proof.chunk.ordinal]
        expected[proof.chunk.ordinal] = RawDigest(
            old.rows - gone.rows + new.rows, old.value - gone.value + new.value
        )
    return expected


def _send_changes(
    job: LoadJob, proofs: Sequence[ChunkProof], chunks: Sequence[ChunkProof], stale: StaleChunks
) -> tuple[list[RawDigest], list[RawDigest]]:
    """PostgreSQL's digests, of each of *chunks*, of the rows that went, and of those that came."""
    text, analytics = job.text, job.analytics
    lines = [
        text.copy_key(text.key_of(line))
        for change in stale.changes.values()
        for line in change.gone
    ]
    copy_text(analytics, quote_temporary(GONE), text.table.primary_key, [b"".join(lines)])
    incoming = quote_temporary(INCOMING)
    news = b"".join(
        line + b"\n" for change in stale.changes.values() for line in change.new.values()
    )
    with explaining(job, INCOMING, lambda: news.split(b"\n")):
        copy_text(analytics, incoming, text.column_names, [news])
    went = read_sums(analytics, digest_gone(job.live, text, [proof.chunk for proof in proofs]))
    came = job.digests(incoming, [proof.chunk for proof in chunks], proofs)
    return [went.get(proof.chunk.ordinal, NOTHING) for proof in chunks], came
