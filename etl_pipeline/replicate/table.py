"""The first hop, source → replication: a table's replica becomes equal to the source.

The table's rules and what is recorded of its replica choose the pass (``replicate/strategy.py``).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from etl_pipeline.core.workers import Worker, Workers
from etl_pipeline.errors import SchemaError
from etl_pipeline.replicate.append_only import compare_tail
from etl_pipeline.replicate.corrections import Correction
from etl_pipeline.replicate.evolve import evolve_replica
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.replicate.fingerprint import compare_table
from etl_pipeline.replicate.full_table import build_replica, settle_swap
from etl_pipeline.replicate.identity import design_replica
from etl_pipeline.replicate.incremental import follow_watermark
from etl_pipeline.replicate.job import (
    ChunkResult,
    LargerPassError,
    PassStart,
    Report,
    RowChanges,
    WriteJob,
)
from etl_pipeline.replicate.scrub import find_edited
from etl_pipeline.replicate.scrub_budget import NO_SCRUB_SCOPE, ScrubScope
from etl_pipeline.replicate.source_clock import ask_instant
from etl_pipeline.replicate.strategy import Pass, PassChoice, Rules, choose_pass
from etl_pipeline.replicate.update_times import read_now
from etl_pipeline.replicate.watermark import next_watermark
from etl_pipeline.schema.ddl import ReplicaDdl
from etl_pipeline.schema.drift import FOLLOW, DriftPolicy
from etl_pipeline.state import replicas
from etl_pipeline.state.records import UNKNOWN, Altered, ChunkProof, KnownReplica, Lease, Watermark
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable

MOST_CHANGES = 100_000
"""Rows that changed in a table and are held in memory for the next hop; else it reads chunks."""

_NO_INFILE = (
    "local_infile is off at the replication server, so rows are sent by INSERT, which is slower; "
    "SET GLOBAL local_infile = 1 there changes it"
)


_PASSES: Mapping[Pass, Callable[[WriteJob, PassStart, KnownReplica], list[ChunkResult]]] = {
    Pass.COMPARE: compare_table,
    Pass.STAMPED: follow_watermark,
    Pass.TAIL: compare_tail,
}
"""Passes over a replica that is there; any other is built."""


@dataclass(frozen=True, slots=True)
class Replication:
    """The replication server, as far as a run has to know it.

    Attributes:
        versions: Of the source server and of the replication server.
        collations: Names that the server knows.
        takes_infile: Whether it takes rows by LOAD DATA LOCAL; MySQL 8 does not unless told to.
    """

    versions: tuple[str, str]
    collations: Collection[str]
    takes_infile: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is slower there than it need be, once for all tables."""
        return () if self.takes_infile else (_NO_INFILE,)


@dataclass(frozen=True, slots=True)
class ReplicateRequest:
    """A table to bring to replication, and everything that its first hop needs.

    Attributes:
        text: The table.
        workers: Read the source, and write the replica.
        rules: How the table is kept equal.
        lease: The run that the proofs are stored under.
        report: Called after each chunk.
        drift: What is done where the source's schema changed.
        scope: Chunks of the replica that are read again, though nothing may have changed in them.
    """

    text: RenderedTable
    workers: Workers
    replication: Replication
    rules: Rules
    lease: Lease
    report: Report
    drift: DriftPolicy = FOLLOW
    scope: ScrubScope = NO_SCRUB_SCOPE


@dataclass(frozen=True, slots=True)
class ReplicateResult:
    """The outcome of the first hop.

    Attributes:
        what: The pass that was made.
        proofs: Of the table's chunks, in order.
        read_from: UTC; nothing that this pass compared, or took over from a run that was cut off,
            was read earlier.
        read_to: Nothing was read later.
        proven_at: The oldest instant of the last full pass, UTC; None where it is not kept.
        watermark: What of the ``incremental_column`` is committed; None without one.
        rows_read: Rows that the source sent, without keys that were read alone.
        text_bytes: Size of their text.
        altered: Values that PostgreSQL cannot hold, of the rows that were compared.
        notes: Sentences on what was replaced, is slow, or took more than was asked for.
        changes: By ordinal, for chunks in which few rows differed.
        corrections: What was wrong with the replica, in the order of the chunks.
        is_seen_whole: Whether all of the replica was read, or written.
        written_until: The replication server's clock after the last transaction that wrote to the
            replica; None where none did.
    """

    what: Pass
    proofs: tuple[ChunkProof, ...]
    read_from: datetime
    read_to: datetime
    proven_at: datetime | None = None
    watermark: Watermark | None = None
    rows_read: int = 0
    text_bytes: int = 0
    altered: Altered = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    changes: Mapping[int, RowChanges] = field(default_factory=dict)
    corrections: tuple[Correction, ...] = ()
    is_seen_whole: bool = False
    written_until: datetime | None = None


def replicate_table(request: ReplicateRequest) -> ReplicateResult:
    """Make the replica of a table equal to the source.

    Each chunk is read completely before anything of it is written, so a slow target never holds
    a lock at the source. What is recorded of the replica is written with its rows.

    Raises:
        TransferError: The replication server did not take every row as it was sent.
        GuardError: More rows would be deleted than the rules allow.
        SchemaError: The source's table was altered meanwhile.
        DatabaseError: Another run has taken over.
        pymysql.err.MySQLError: A server refused or was lost.
    """
    text, workers, rules = request.text, request.workers, request.rules
    replication, began_at = request.replication, datetime.now(UTC)
    design = design_replica(text, replication.versions, replication.collations)
    job = WriteJob(
        text,
        workers,
        replication.takes_infile,
        design.identity,
        request.lease,
        rules,
        request.report,
    )
    evolve_replica(job, request.drift, replication.collations)
    known = workers.call(functools.partial(_settle, text))
    start = _start_pass(job, design.ddl, known, request.scope)
    choice = choose_pass(
        rules, known, design.identity, request.lease, began_at, is_edited=bool(start.edited)
    )
    choice, written = _make_pass(job, start, known, choice)
    if choice.what.is_full:
        proven_at: datetime | None = min(result.proof.read_at for result in written)
    else:
        proven_at = known.remembered.proven_at if known else None
    notes = [*design.ddl.mapped, *job.notes]
    if choice.because:
        notes.append(f"{text.name}: every row was read, since {choice.because}")
    done = ReplicateResult(
        choice.what,
        tuple(result.proof for result in written),
        *_read_between(choice.what, began_at, written),
        proven_at,
        start.watermark,
        notes=tuple(notes),
        corrections=tuple(sorted(job.corrections, key=lambda correction: correction.chunk.ordinal)),
        is_seen_whole=request.scope.every or choice.what is Pass.BUILD,
        written_until=_ask_written(workers, known, choice, written),
    )
    return _sum_up(done, written)


def recall_table(
    text: RenderedTable, workers: Workers, replication: Replication
) -> ReplicateResult:
    """Return what earlier runs brought to replication; the source is not asked.

    Raises:
        SchemaError: Nothing is recorded of the replica, or not of all of it, or it is not what it
            would have to be.
    """
    design = design_replica(text, replication.versions, replication.collations)
    known = workers.call(functools.partial(_read_known, text))
    if known is None:
        raise _refuse(text, "no run has brought the table to replication yet")
    remembered = known.remembered
    if known.actual.show_create_digest != remembered.show_create_digest:
        raise _refuse(text, "its copy in replication was altered by somebody else")
    if design.identity != remembered.identity:
        raise _refuse(text, "its copy in replication is of another form than the source's table")
    if any(proof.text_digest == UNKNOWN for proof in remembered.proofs):
        raise _refuse(text, "the run that brings it to replication did not come to its end")
    instants = [proof.read_at for proof in remembered.proofs]
    return ReplicateResult(
        Pass.COMPARE,
        remembered.proofs,
        min(instants),
        max(instants),
        remembered.proven_at,
        remembered.watermark,
    )


def _refuse(text: RenderedTable, what: str) -> SchemaError:
    return SchemaError(what, where=text.name, fix=f"etl run {text.name}")


def _settle(text: RenderedTable, worker: Worker) -> KnownReplica | None:
    """Finish a swap that a kill interrupted; return the replica as ``_read_known`` does."""
    settle_swap(worker.replication, text.name)
    return _read_known(text, worker)


def _read_known(text: RenderedTable, worker: Worker) -> KnownReplica | None:
    """Return the replica; None where there is none, or nothing is recorded of it."""
    known = replicas.read_known(worker.replication, text.name)
    end_read(worker.replication)
    return known


def _start_pass(
    job: WriteJob, ddl: ReplicaDdl, known: KnownReplica | None, scope: ScrubScope
) -> PassStart:
    edited = find_edited(job, known, scope) if known else frozenset[Chunk]()
    column = job.rules.incremental_column
    if column is None:
        return PassStart(ddl, None, None, edited)
    instant = job.workers.call(lambda worker: ask_instant(job.text, column, worker.source))
    return PassStart(ddl, instant, next_watermark(column, instant), edited)


def _make_pass(
    job: WriteJob, start: PassStart, known: KnownReplica | None, choice: PassChoice
) -> tuple[PassChoice, list[ChunkResult]]:
    """Make the pass, or a larger one where it turns out not to be enough; return which it was."""
    while known and choice.what in _PASSES:
        try:
            return choice, _PASSES[choice.what](job, start, known)
        except LargerPassError as error:
            choice = PassChoice(error.larger, error.because or choice.because)
            known = job.workers.call(functools.partial(_read_known, job.text))
    return PassChoice(Pass.BUILD, choice.because), build_replica(job, start, known)


def _ask_written(
    workers: Workers, known: KnownReplica | None, choice: PassChoice, written: Sequence[ChunkResult]
) -> datetime | None:
    """Return the server's clock if rows of the replica were written; else None."""
    before = (
        {(proof.chunk, proof.text_digest) for proof in known.remembered.proofs} if known else set()
    )
    if choice.what is not Pass.BUILD:
        now = {(result.proof.chunk, result.proof.text_digest) for result in written}
        if now == before:
            return None
    return workers.call(lambda worker: read_now(worker.replication))


def _read_between(
    what: Pass, began_at: datetime, written: Iterable[ChunkResult]
) -> tuple[datetime, datetime]:
    """Return the oldest and the youngest instant of the source that a pass shows."""
    if what is Pass.STAMPED:  # its chunks are of many instants; what it claims is of its own
        return began_at, began_at
    instants = [result.proof.read_at for result in written if not result.is_kept]
    return min(instants), max(instants)


def _sum_up(done: ReplicateResult, written: Iterable[ChunkResult]) -> ReplicateResult:
    rows_read, text_bytes, changes = 0, 0, {}
    altered: Altered = Counter()
    for result in written:
        rows_read += result.rows_read
        text_bytes += result.bytes_read
        altered.update(result.altered)
        if result.change:
            changes[result.proof.chunk.ordinal] = result.change
    if sum(len(change.gone) + len(change.new) for change in changes.values()) > MOST_CHANGES:
        changes = {}
    return replace(
        done, rows_read=rows_read, text_bytes=text_bytes, altered=altered, changes=changes
    )
