"""Merge stale chunks into a table of ``raw``, within the transaction of ``load/table.py``.

1. ``find_stale_chunks``: compare the recorded digests of ``raw`` with those of the replica.
2. ``_copy_whole``, ``_copy_changes``: COPY rows of the replica into temporary tables.
3. ``_apply``: execute ``apply_differences`` of ``load/sql.py``: delete, update, insert.
4. ``_prove``: digest the chunks in ``raw``; they must be what was copied.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from etl_pipeline.errors import TransferError
from etl_pipeline.load.copy_chunks import copy_chunks, explaining_refusals
from etl_pipeline.load.digests import EMPTY, read_sums
from etl_pipeline.load.job import LoadJob, LoadResult, RawContents, expect_digests, expect_rows
from etl_pipeline.load.refused_rows import refuse_altered_key
from etl_pipeline.load.sql import (
    GONE,
    INCOMING,
    MergeStatements,
    digest_gone,
    plan_merge,
)
from etl_pipeline.replicate.corrections import Correction
from etl_pipeline.replicate.delete_guard import guard_deletes
from etl_pipeline.replicate.job import RowChanges
from etl_pipeline.replicate.strategy import Pass
from etl_pipeline.replicate.table import ReplicateResult
from etl_pipeline.schema.names import quote_temporary
from etl_pipeline.state import warehouse
from etl_pipeline.state.records import ChunkProof, RawDigest
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.copy import copy_text

FEW_CHANGES, CHANGED_PART = 50, 0.1
"""With more rows changed than the sum of both, the table is analyzed at once; the figures are those
of PostgreSQL's autovacuum (autovacuum_analyze_threshold and …_scale_factor)."""


@dataclass(frozen=True, slots=True)
class StaleChunks:
    """Chunks of a table of ``raw`` that do not hold what the replica holds.

    Attributes:
        whole: Chunks that are read again as a whole.
        changes: By ordinal, the changed rows of chunks for which they are known.
        recorded: By ordinal of *changes*, the recorded digest of what ``raw`` holds.
    """

    whole: Sequence[ChunkProof]
    changes: Mapping[int, RowChanges]
    recorded: Mapping[int, RawDigest]

    def __bool__(self) -> bool:
        return bool(self.whole or self.changes)

    def with_whole(self, ordinals: Collection[int], proofs: Sequence[ChunkProof]) -> StaleChunks:
        """Return the same, but read the chunks of *ordinals* as a whole."""
        whole = {*ordinals, *(proof.chunk.ordinal for proof in self.whole)}
        changes = {
            ordinal: change for ordinal, change in self.changes.items() if ordinal not in whole
        }
        chosen = [proof for proof in proofs if proof.chunk.ordinal in whole]
        return StaleChunks(chosen, changes, self.recorded)


class EditedError(Exception):
    """Others edited rows of these chunks besides, so that applying known changes is not enough."""

    def __init__(self, ordinals: Collection[int]) -> None:
        super().__init__()
        self.ordinals = ordinals


def find_stale_chunks(
    replicated: ReplicateResult, contents: RawContents, *, is_evolving: bool
) -> StaleChunks:
    """Return the chunks whose record in ``raw`` is not that of the replica (no I/O).

    All chunks are stale where ``raw`` holds another number of rows than is recorded. Where its
    schema changes, single changed rows are not enough.
    """
    if not contents.recorded or not contents.is_counted_as_recorded:
        return StaleChunks(replicated.proofs, {}, {})
    texts = {proof.chunk: proof.text_digest for proof, _ in contents.recorded}
    digests = {proof.chunk: digest for proof, digest in contents.recorded}
    stale = [
        proof for proof in replicated.proofs if texts.get(proof.chunk, b"") != proof.text_digest
    ]
    known = {} if is_evolving else replicated.changes
    by_rows = {
        proof.chunk.ordinal: digests[proof.chunk]
        for proof in stale
        if (change := known.get(proof.chunk.ordinal))
        and texts.get(proof.chunk, b"") == change.before
    }
    return StaleChunks(
        [proof for proof in stale if proof.chunk.ordinal not in by_rows],
        {ordinal: replicated.changes[ordinal] for ordinal in by_rows},
        by_rows,
    )


def merge_table(
    job: LoadJob, stale: StaleChunks, contents: RawContents, *, is_whole: bool
) -> LoadResult:
    """Merge *stale* into the table of *contents*, after looking for edits by others in it.

    A table that is rebuilt, or whose columns are others than those that were digested, is not
    searched for edits (*is_whole*).

    Raises:
        EditedError: In a chunk of known changes, others edited further rows.
    """
    corrections = () if is_whole or job.raw.is_evolving else _find_edits(job, stale, contents)
    return replace(_merge(job, stale, contents.rows), corrections=corrections)


def _find_edits(job: LoadJob, stale: StaleChunks, contents: RawContents) -> tuple[Correction, ...]:
    """Return the chunks, of those that are about to be compared, that are not as loaded."""
    compared = {proof.chunk for proof in stale.whole}
    candidates = [
        (proof, digest)
        for proof, digest in contents.recorded
        if proof.chunk in compared or not contents.is_counted_as_recorded
    ]
    chunks = [proof.chunk for proof, _ in candidates]
    held = job.digests(job.live, chunks, [proof for proof, _ in contents.recorded])
    return tuple(
        Correction("raw", "edited", proof.chunk)
        for (proof, then), now in zip(candidates, held, strict=True)
        if then != now
    )


def _merge(job: LoadJob, stale: StaleChunks, rows: int) -> LoadResult:
    text, proofs = job.text, job.request.proofs
    whole = [proof.chunk for proof in stale.whole]
    statements = plan_merge(
        job.target,
        text,
        whole,
        rows=job.rows,
        has_marks=job.raw.marks_deletes,
        kept=job.raw.kept,
        filled=job.raw.filled,
    )
    incoming = _copy_whole(job, stale, statements)
    job.alteration.alter(statements.mark_gone)
    expected = {chunk.ordinal: digest for chunk, digest in zip(whole, incoming, strict=True)}
    if statements.create_gone and statements.add_key:
        expected |= _copy_changes(job, stale, statements.create_gone)
        result = _apply(job, statements.add_key, statements.changes)
        gone = result.deleted
    else:
        result = _replace_all(job, whole, incoming, statements.changes)
        gone = result.deleted - result.inserted
    guard_deletes(text.name, job.request.rules, gone=gone, rows=rows, place="raw")
    _prove(job, stale, expected)
    if result.changed > FEW_CHANGES + CHANGED_PART * sum(proof.rows for proof in proofs):
        job.analytics.execute(f"ANALYZE {job.target}".encode())
    return result


def _copy_whole(job: LoadJob, stale: StaleChunks, statements: MergeStatements) -> list[RawDigest]:
    """Copy the chunks of ``stale.whole`` into ``INCOMING``; return PostgreSQL's digests of them."""
    text = job.text
    job.analytics.execute(statements.create_incoming.encode())
    incoming = quote_temporary(INCOMING)
    sent = copy_chunks(job, stale.whole, incoming, INCOMING)
    whole = [proof.chunk for proof in stale.whole]
    copied = job.digests(incoming, whole, job.request.proofs)
    expect_rows(text.name, copied, stale.whole)
    expect_digests(text.name, stale.whole, sent, copied)
    return copied


def _apply(job: LoadJob, add_key: str, changes: Collection[str]) -> LoadResult:
    """Apply the differences to a table that has a key."""
    job.analytics.execute(add_key.encode())
    job.analytics.execute(f"ANALYZE {quote_temporary(INCOMING)}".encode())
    gone, missing, updated, inserted = job.change_rows(changes)
    return LoadResult(inserted, updated, gone + missing + job.alteration.marked)


def _replace_all(
    job: LoadJob, chunks: Sequence[Chunk], incoming: Sequence[RawDigest], changes: Collection[str]
) -> LoadResult:
    """Replace the rows of a table without a key, if they are others than the *incoming* ones."""
    if job.digests(job.rows, chunks, job.request.proofs) == incoming:
        return LoadResult()
    deleted, inserted = job.change_rows(changes)
    return LoadResult(inserted, 0, deleted)


def _prove(job: LoadJob, stale: StaleChunks, expected: Mapping[int, RawDigest]) -> None:
    """Compare the chunks that were written with their *expected* digests, and record them."""
    proofs = job.request.proofs
    written = [proof for proof in proofs if proof.chunk.ordinal in expected]
    # A pass by stamps proves keys only, and the digest that is expected is recorded as it is.
    by_update_stamp = job.request.replicated.what is Pass.STAMPED
    compared = [p for p in written if not by_update_stamp or p.chunk.ordinal not in stale.changes]
    compared_ordinals = {proof.chunk.ordinal for proof in compared}
    held = job.digests(job.live, [proof.chunk for proof in compared], proofs)
    differing = {
        proof.chunk.ordinal
        for proof, digest in zip(compared, held, strict=True)
        if digest != expected[proof.chunk.ordinal]
    }
    if edited := differing & stale.changes.keys():
        raise EditedError(edited)
    if differing:
        raise TransferError("raw does not hold the rows that were sent", where=job.text.name)
    digests = [expected[proof.chunk.ordinal] for proof in written]
    expect_rows(job.text.name, digests, written)
    warehouse.record_chunks(
        job.analytics,
        job.request.lease.run_id,
        job.text.name,
        written,
        digests,
        of=len(proofs),
        unseen={proof.chunk.ordinal for proof in written} - compared_ordinals,
    )


def _copy_changes(job: LoadJob, stale: StaleChunks, create_gone: str) -> dict[int, RawDigest]:
    """Copy new rows into ``INCOMING``, and the keys of deleted and changed ones into ``GONE``.

    Over a line on which somebody could change them they are sent twice, and PostgreSQL's digests
    of both must agree.

    Returns:
        By ordinal, the digest that ``raw`` will have of the chunk: the recorded one, less the rows
        that go, plus those that come.
    """
    text = job.text
    altered = (column for change in stale.changes.values() for column in change.altered)
    refuse_altered_key(text, altered)
    chunks = [proof for proof in job.request.proofs if proof.chunk.ordinal in stale.changes]
    job.analytics.execute(create_gone.encode())
    first_digests = None
    if job.is_open:
        with job.analytics.transaction(force_rollback=True):
            first_digests = _send_changes(job, chunks, stale)
    gone_digests, new_digests = _send_changes(job, chunks, stale)
    if first_digests is not None:
        expect_digests(text.name, chunks, first_digests[0], gone_digests)
        expect_digests(text.name, chunks, first_digests[1], new_digests)
    expected = {}
    for proof, gone, new in zip(chunks, gone_digests, new_digests, strict=True):
        old = stale.recorded[proof.chunk.ordinal]
        expected[proof.chunk.ordinal] = RawDigest(
            old.rows - gone.rows + new.rows, old.value - gone.value + new.value
        )
    return expected


def _send_changes(
    job: LoadJob, chunks: Sequence[ChunkProof], stale: StaleChunks
) -> tuple[list[RawDigest], list[RawDigest]]:
    """Send the changes; return PostgreSQL's digests, for each of *chunks*, of old and new rows."""
    text, analytics, proofs = job.text, job.analytics, job.request.proofs
    keys = [
        text.copy_key(text.key_of(line))
        for change in stale.changes.values()
        for line in change.gone
    ]
    copy_text(analytics, quote_temporary(GONE), text.table.primary_key, [b"".join(keys)])
    # Else PostgreSQL expects thousands of keys, and reads all of the table for a few.
    analytics.execute(f"ANALYZE {quote_temporary(GONE)}".encode())
    incoming = quote_temporary(INCOMING)
    lines = b"".join(
        line + b"\n" for change in stale.changes.values() for line in change.new.values()
    )
    with explaining_refusals(job, INCOMING, lambda: lines.split(b"\n")):
        copy_text(analytics, incoming, text.column_names, [lines])
    gone = read_sums(analytics, digest_gone(job.live, text, [proof.chunk for proof in proofs]))
    new = job.digests(incoming, [proof.chunk for proof in chunks], proofs)
    return [gone.get(proof.chunk.ordinal, EMPTY) for proof in chunks], new
