"""The second hop, replication → ``raw``: one transaction a table.

Readers of ``raw`` see the old rows or the new ones. A table that exists keeps its identity, so
views, grants and comments of others on it survive: what changed is brought beside it and only the
differences are applied. What changed is told by digests alone: a chunk whose text has the digest
that is recorded for ``raw`` is there already, also when an earlier run was killed between the hops.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import psycopg

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.ddl import add_raw_key, comment_raw, create_incoming, create_raw
from etl_pipeline.schema.names import postgres_name, quote_postgres
from etl_pipeline.sync import replica, state
from etl_pipeline.sync.chunks import has_wide_rows
from etl_pipeline.sync.claim import Claim, check_warehouse
from etl_pipeline.sync.drift_log import TableDrift
from etl_pipeline.sync.evolve_raw import EvolvingRaw, evolve_raw
from etl_pipeline.sync.extract import end_read
from etl_pipeline.sync.guard import judge_deletes
from etl_pipeline.sync.lanes import Lane, Lanes
from etl_pipeline.sync.mended import Mended
from etl_pipeline.sync.proof import ChunkProof, RawDigest
from etl_pipeline.sync.raw_sql import (
    GONE,
    INCOMING,
    PINNED_SETTINGS,
    add_marks,
    apply_differences,
    create_gone,
    digest_gone,
    digest_raw,
    live_rows,
    replace_rows,
)
from etl_pipeline.sync.refused import explain_refusal, refuse_altered_key
from etl_pipeline.sync.replicate import Replicated
from etl_pipeline.sync.rules import Pass, Rules
from etl_pipeline.sync.written import Change, Report
from etl_pipeline.transfer.binary import Encoder, framed
from etl_pipeline.transfer.copy import copy_text, locate_refusal
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import Chunk, TableText, select_chunk
from etl_pipeline.transfer.spool import Spool, for_copy, lossless
from etl_pipeline.transfer.twin import Rendered

log = logging.getLogger(__name__)

FEW_CHANGES, CHANGED_PART = 50, 0.1
"""With more rows changed, statistics are made anew at once; PostgreSQL's autovacuum holds the same
to be enough (autovacuum_analyze_threshold and …_scale_factor)."""

NOTHING = RawDigest(0, Decimal(0))


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows of ``raw`` the second hop changed, and what had been wrong there."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    mended: tuple[Mended, ...] = ()

    @property
    def changed(self) -> int:
        """All of them."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class _Stale:
    """What of a table in ``raw`` is not what the replica holds.

    Attributes:
        whole: Chunks that are read again as a whole.
        changes: By ordinal, of chunks of which it is known which rows changed.
        held: By ordinal of *changes*, the digest that is recorded of what ``raw`` holds.
    """

    whole: Sequence[ChunkProof]
    changes: Mapping[int, Change]
    held: Mapping[int, RawDigest]

    def __bool__(self) -> bool:
        return bool(self.whole or self.changes)

    def with_whole(self, ordinals: Collection[int], proofs: Sequence[ChunkProof]) -> _Stale:
        """The same, but the chunks of *ordinals* are read as a whole."""
        whole = {*ordinals, *(proof.chunk.ordinal for proof in self.whole)}
        changes = {k: change for k, change in self.changes.items() if k not in whole}
        return _Stale([p for p in proofs if p.chunk.ordinal in whole], changes, self.held)


class _EditedError(Exception):
    """Somebody else changed rows of these chunks, so that knowing what changed is not enough."""

    def __init__(self, ordinals: Collection[int]) -> None:
        super().__init__()
        self.ordinals = ordinals


def load_table(
    text: TableText,
    schema: str,
    replicated: Replicated,
    lanes: Lanes,
    analytics: psycopg.Connection,
    rules: Rules,
    claim: Claim,
    *,
    report: Report,
    drift: TableDrift | None = None,
) -> Loaded:
    """Make the table in *schema* equal to the replica, prove it, and commit.

    What is read from the replica is digested: it must give the digest of what the source sent,
    so the read of this hop proves the first. The digests of what PostgreSQL then holds are
    stored in the same transaction. On any error the transaction is rolled back.

    Args:
        text: The table.
        schema: The schema of the analytics database, ``raw``.
        replicated: What the first hop did.
        lanes: Where the replica is read, ahead of what is written.
        analytics: psycopg connection without an open transaction.
        rules: How the table is kept equal.
        claim: The run that the proofs are stored under.
        report: Told of each chunk.
        drift: What is done where the source's schema changed, and the record of it.

    Raises:
        TransferError: The replica does not hold what the source sent, or PostgreSQL does not
            hold what it was sent.
        SchemaError: The target is a table that we did not make, or cannot follow the source.
        GuardError: More rows would be deleted than the rules allow.
        DatabaseError: Another run has taken over.
        psycopg.Error: PostgreSQL refused or was lost.
    """
    with analytics.transaction():
        check_warehouse(analytics, claim)
        analytics.execute(PINNED_SETTINGS.encode())
        drift = drift or TableDrift()
        raw = evolve_raw(analytics, schema, text, drift.policy, marks_deletes=rules.marks_deletes)
        target = quote_postgres(schema, text.name)
        job = _Load(text, target, lanes, analytics, rules, claim, report, raw)
        loaded = _bring(job, schema, replicated)
        raw.settle(claim.run_id)
        drift.record_done(analytics, claim.run_id, raw)
        return loaded


@dataclass(frozen=True, slots=True)
class _Load:
    """A table on its way into *target*, quoted; *analytics* is in its transaction."""

    text: TableText
    target: str
    lanes: Lanes
    analytics: psycopg.Connection
    rules: Rules
    claim: Claim
    report: Report
    raw: EvolvingRaw

    @property
    def live(self) -> str:
        """What the target's rows are read as."""
        return live_rows(self.target, has_marks=self.rules.marks_deletes)


def _bring(job: _Load, schema: str, replicated: Replicated) -> Loaded:
    """Bring what the table lacks; where its columns change, after what is brought was read."""
    if job.raw.is_new:
        job.raw.alter()
        return _load_new(job, schema, replicated.proofs)
    if not job.raw.is_void:
        job.raw.alter()
    rows = _count(job)
    is_whole = job.rules.rebuilds or job.raw.is_void
    everything = _Stale(replicated.proofs, {}, {})
    stale = everything if is_whole else _find_stale(job, replicated, rows)
    if not stale:
        return Loaded()
    try:
        with job.analytics.transaction():
            return _load_looking(job, replicated, stale, rows, is_whole=is_whole)
    except _EditedError as found:
        stale = stale.with_whole(found.ordinals, replicated.proofs)
    return _load_looking(job, replicated, stale, rows, is_whole=is_whole)


def _load_looking(
    job: _Load, replicated: Replicated, stale: _Stale, rows: int, *, is_whole: bool
) -> Loaded:
    """Load what is stale, after a look at what somebody else did to it.

    A table that is rebuilt, or whose columns are others than those that were digested, is not
    looked at.
    """
    mended = () if is_whole or job.raw.is_evolving else _find_foreign(job, stale, rows)
    loaded = _load_stale(job, replicated.proofs, stale, rows, what=replicated.what)
    return replace(loaded, mended=mended)


def _count(job: _Load) -> int:
    """Rows that the target holds."""
    row = job.analytics.execute(f"SELECT count(*) FROM {job.live} AS t".encode()).fetchone()
    return int(row[0]) if row else 0


def _load_new(job: _Load, schema: str, proofs: Sequence[ChunkProof]) -> Loaded:
    """Make the table, copy every row into it, and then build its key, which is quicker."""
    text, analytics = job.text, job.analytics
    analytics.execute(create_raw(schema, text.table, text.columns).encode())
    if job.rules.marks_deletes:
        analytics.execute(add_marks(job.target).encode())
    sent = _copy_chunks(job, proofs, job.target, postgres_name(text.name), ["FREEZE"])
    key = add_raw_key(schema, text.table)
    comments = comment_raw(schema, text.table, text.columns)
    for statement in comments if key is None else [key, *comments]:
        analytics.execute(statement.encode())
    held = _digest_new(job, proofs, sent)
    _expect_rows(text.name, held, proofs)
    analytics.execute(f"ANALYZE {job.target}".encode())
    state.record_chunks(analytics, job.claim.run_id, text.name, proofs, held, of=len(proofs))
    return Loaded(inserted=sum(proof.rows for proof in proofs))


def _digest_new(
    job: _Load, proofs: Sequence[ChunkProof], sent: Sequence[RawDigest | None]
) -> Sequence[RawDigest]:
    """The digests of a table that was just filled.

    PostgreSQL is asked for one chunk's in the middle. Where it is what was expected of the rows
    that were sent, this server hashes as we do, and the others are those that were sent.
    """
    chunks = [proof.chunk for proof in proofs]
    expected = [digest for digest in sent if digest is not None]
    if len(chunks) > 1 and len(expected) == len(chunks):
        middle = len(chunks) // 2
        if _digests(job, job.target, [chunks[middle]], proofs) == [expected[middle]]:
            return expected
        log.info("%s: this server hashes rows in a way of its own", job.text.name)
    return _digests(job, job.target, chunks, proofs)


def _find_stale(job: _Load, replicated: Replicated, rows: int) -> _Stale:
    """What of the table is not as it is recorded, or not recorded as it is in the replica.

    Where rows are missing or too many, all of it is.
    """
    recorded = state.read_chunks(job.analytics, job.text.name)
    if not recorded or rows != sum(digest.rows for _, digest in recorded):
        return _Stale(replicated.proofs, {}, {})
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
    return _Stale(
        [proof for proof in other if proof.chunk.ordinal not in held],
        {ordinal: replicated.changes[ordinal] for ordinal in held},
        held,
    )


def _find_foreign(job: _Load, stale: _Stale, rows: int) -> tuple[Mended, ...]:
    """The chunks, of those that are about to be compared, that are not as they were loaded."""
    recorded = state.read_chunks(job.analytics, job.text.name)
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
        Mended("raw", "foreign", proof.chunk)
        for (proof, then), now in zip(looked_at, held, strict=True)
        if then != now
    )


def _load_stale(
    job: _Load, proofs: Sequence[ChunkProof], stale: _Stale, rows: int, *, what: Pass
) -> Loaded:
    """Bring what is stale beside the table of *rows*, apply the differences and prove them.

    Raises:
        _EditedError: Where rows changed, others were changed by somebody else.
    """
    text, analytics = job.text, job.analytics
    analytics.execute(create_incoming(INCOMING, text.columns).encode())
    incoming = quote_postgres(INCOMING)
    _copy_chunks(job, stale.whole, incoming, INCOMING)
    whole = [proof.chunk for proof in stale.whole]
    brought = _digests(job, incoming, whole, proofs)
    _expect_rows(text.name, brought, stale.whole)
    job.raw.alter()
    sent = {chunk.ordinal: digest for chunk, digest in zip(whole, brought, strict=True)}
    if text.table.primary_key:
        sent |= _bring_changes(job, proofs, stale)
        keys = ", ".join(quote_postgres(name) for name in text.table.primary_key)
        analytics.execute(f"ALTER TABLE {incoming} ADD PRIMARY KEY ({keys})".encode())
        analytics.execute(f"ANALYZE {incoming}".encode())
        has_marks = job.rules.marks_deletes
        statements = apply_differences(
            job.target, text, whole, has_marks=has_marks, kept=job.raw.kept
        )
        gone, missing, updated, inserted = _execute(job, statements)
        loaded = Loaded(inserted, updated, gone + missing)
    elif _digests(job, job.target, whole, proofs) != brought:
        deleted, inserted = _execute(job, replace_rows(job.target, text))
        loaded = Loaded(inserted, 0, deleted)
    else:
        loaded = Loaded()
    lost = loaded.deleted if text.table.primary_key else loaded.deleted - loaded.inserted
    judge_deletes(text.name, job.rules, gone=lost, rows=rows, place="raw")
    touched = [proof for proof in proofs if proof.chunk.ordinal in sent]
    # Of a pass by stamps only keys are claimed, and what is expected is recorded as it is.
    rests_on_stamps = what is Pass.STAMPED
    proven = [p for p in touched if not rests_on_stamps or p.chunk.ordinal not in stale.changes]
    held = sent | _prove(job, proofs, proven, stale, sent)
    _expect_rows(text.name, [held[proof.chunk.ordinal] for proof in touched], touched)
    if loaded.changed > FEW_CHANGES + CHANGED_PART * sum(proof.rows for proof in proofs):
        analytics.execute(f"ANALYZE {job.target}".encode())
    state.record_chunks(
        analytics,
        job.claim.run_id,
        text.name,
        touched,
        [held[p.chunk.ordinal] for p in touched],
        of=len(proofs),
    )
    return loaded


def _prove(
    job: _Load,
    proofs: Sequence[ChunkProof],
    touched: Sequence[ChunkProof],
    stale: _Stale,
    sent: Mapping[int, RawDigest],
) -> dict[int, RawDigest]:
    """PostgreSQL's digests of the chunks that were written, which must be those of *sent*."""
    held = _digests(job, job.live, [proof.chunk for proof in touched], proofs)
    found = {proof.chunk.ordinal: digest for proof, digest in zip(touched, held, strict=True)}
    others = {ordinal for ordinal, digest in found.items() if digest != sent[ordinal]}
    if edited := others & stale.changes.keys():
        raise _EditedError(edited)
    if others:
        raise TransferError("raw does not hold the rows that were sent", where=job.text.name)
    return found


def _bring_changes(job: _Load, proofs: Sequence[ChunkProof], stale: _Stale) -> dict[int, RawDigest]:
    """Bring the rows that changed, and the keys of those that went, beside the table.

    Returns:
        By ordinal, the digest that ``raw`` will have of the chunk: what it has, without the rows
        that went, and with those that came.
    """
    text, analytics = job.text, job.analytics
    analytics.execute(create_gone(text).encode())
    lines = [
        text.copy_key(text.key_of(line))
        for change in stale.changes.values()
        for line in change.gone
    ]
    copy_text(analytics, quote_postgres(GONE), text.table.primary_key, [b"".join(lines)])
    incoming = quote_postgres(INCOMING)
    chunks = [proof.chunk for proof in proofs if proof.chunk.ordinal in stale.changes]
    refuse_altered_key(text, (one for c in stale.changes.values() for one in c.altered))
    news = b"".join(
        line + b"\n" for change in stale.changes.values() for line in change.new.values()
    )
    with _explaining(job, INCOMING, lambda: news.split(b"\n")):
        copy_text(analytics, incoming, text.column_names, [news])
    went = _read(analytics, digest_gone(job.live, text, [proof.chunk for proof in proofs]))
    came = _digests(job, incoming, chunks, proofs)
    expected = {}
    for chunk, new in zip(chunks, came, strict=True):
        old, gone = stale.held[chunk.ordinal], went.get(chunk.ordinal, NOTHING)
        expected[chunk.ordinal] = RawDigest(
            old.rows - gone.rows + new.rows, old.value - gone.value + new.value
        )
    return expected


def _copy_chunks(
    job: _Load,
    proofs: Sequence[ChunkProof],
    destination: str,
    relation: str,
    options: Sequence[str] = (),
) -> list[RawDigest | None]:
    """Copy chunks of the replica, which are read and proven ahead, into *destination*.

    Returns:
        What the digest of each must be in PostgreSQL, where that is known.
    """
    text = job.text
    digests: list[RawDigest | None] = []
    is_wide = has_wide_rows(text.table)
    # Of a row that takes much memory one form is enough.
    read = functools.partial(_read_chunk, text, None if is_wide else Encoder(text))
    for proof, sent in zip(proofs, job.lanes.each(read, proofs, singly=is_wide), strict=True):
        blocks = framed(sent.spool.blocks()) if sent.is_binary else sent.spool.blocks()
        form = ["FORMAT binary"] if sent.is_binary else []
        reread = functools.partial(_reread, job, proof)
        with sent.spool, _explaining(job, relation, reread, is_binary=sent.is_binary):
            copied = copy_text(
                job.analytics, destination, text.column_names, blocks, [*form, *options]
            )
        if copied != proof.rows:
            raise TransferError(
                f"sent {proof.rows} rows, PostgreSQL took {copied}", where=text.name
            )
        job.report(proof.rows, 0)
        digests.append(sent.digest)
    return digests


@contextlib.contextmanager
def _explaining(
    job: _Load,
    relation: str,
    read_lines: Callable[[], Iterable[bytes]],
    *,
    is_binary: bool = False,
) -> Iterator[None]:
    """Name the row by its key, from the lines that were sent, where PostgreSQL refuses one."""
    try:
        yield
    except psycopg.Error as error:
        refusal = locate_refusal(error, job.text, relation, is_binary=is_binary)
        if refusal is None:
            raise
        raise explain_refusal(job.text, read_lines(), refusal) from error


def _reread(job: _Load, proof: ChunkProof) -> Iterator[bytes]:
    with job.lanes.call(lambda lane: _read_proven(job.text, lane, proof, lossless)) as spool:
        yield from spool.lines()


@dataclass(frozen=True, slots=True)
class _Sent:
    """A chunk on its way: tuples of binary COPY, or text.

    Attributes:
        digest: What PostgreSQL must hold of it afterwards; None where it goes as text.
    """

    spool: Spool
    digest: RawDigest | None = None

    @property
    def is_binary(self) -> bool:
        return self.digest is not None


def _read_chunk(text: TableText, encoder: Encoder | None, lane: Lane, proof: ChunkProof) -> _Sent:
    """The replica's rows of a chunk, proven; as text if there is no binary form of them all."""
    if encoder and encoder.can_encode():
        hashes = 0

        def keep(block: Rendered) -> bytes:
            nonlocal hashes
            tuples, more = encoder.encode(block.copy_text)
            hashes += more
            return tuples

        spool = _read_proven(text, lane, proof, keep)
        if encoder.can_encode():
            return _Sent(spool, RawDigest(spool.rows, Decimal(hashes)))
        spool.close()
    return _Sent(_read_proven(text, lane, proof, for_copy))


def _read_proven(
    text: TableText, lane: Lane, proof: ChunkProof, keep: Callable[[Rendered], bytes]
) -> Spool:
    """What *keep* makes of the replica's rows of a chunk; raises if they are not the source's."""
    spool = Spool(ordered=text.is_ordered)
    statement = select_chunk(text, proof.chunk)
    blocks = read_text(lane.replication, statement, text.modes, with_copy=True)
    spool.fill(blocks, lane.stop.check, keep)
    end_read(lane.replication)
    refuse_altered_key(text, spool.altered)
    if spool.rows != proof.rows or (proof.is_text and spool.digest() != proof.text_digest):
        # Somebody else wrote there: the next run builds the replica anew.
        replica.forget(lane.replication, text.name)
        lane.replication.commit()
        raise TransferError(
            "the replica does not hold what the source sent",
            where=text.name,
            fix=f"etl run {text.name}",
        )
    return spool


def read_digests(
    analytics: psycopg.Connection,
    target: str,
    text: TableText,
    chunks: Sequence[Chunk],
    *,
    among: Sequence[Chunk] | None = None,
) -> list[RawDigest]:
    """PostgreSQL's digest of every chunk of *target* that is in *chunks*, in their order.

    The settings of ``PINNED_SETTINGS`` must be in force, that is, a transaction is open.

    Args:
        analytics: psycopg connection.
        target: The table, quoted.
        text: The table and its columns.
        chunks: What is digested.
        among: All chunks of the table; None where *chunks* are all.
    """
    if not chunks:
        return []
    found = _read(analytics, digest_raw(target, text, chunks, among or chunks))
    return [found.get(chunk.ordinal, NOTHING) for chunk in chunks]


def _digests(
    job: _Load, target: str, chunks: Sequence[Chunk], proofs: Sequence[ChunkProof]
) -> list[RawDigest]:
    among = [proof.chunk for proof in proofs]
    return read_digests(job.analytics, target, job.text, chunks, among=among)


def _read(analytics: psycopg.Connection, query: str) -> dict[int, RawDigest]:
    return {
        ordinal: RawDigest(rows, value)
        for ordinal, rows, value in analytics.execute(query.encode())
    }


def _execute(job: _Load, statements: Collection[str]) -> list[int]:
    """The number of rows that each of *statements* changed."""
    return [job.analytics.execute(statement.encode()).rowcount for statement in statements]


def _expect_rows(table: str, held: Sequence[RawDigest], proofs: Sequence[ChunkProof]) -> None:
    if [digest.rows for digest in held] != [proof.rows for proof in proofs]:
        raise TransferError("PostgreSQL holds other rows than were sent", where=table)
