"""The first hop, source → replication: a table's replica becomes equal to the source.

What is known of a replica and the table's rules choose the pass: a replica that is known is renewed
or followed, and only rows that differ are written; any other is built.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from etl_pipeline.schema.ddl import ReplicaDdl, create_replica
from etl_pipeline.schema.drift import FOLLOW, DriftPolicy
from etl_pipeline.schema.names import incoming_name
from etl_pipeline.sync import replica
from etl_pipeline.sync.build import build_replica, settle_swap
from etl_pipeline.sync.claim import Claim
from etl_pipeline.sync.evolve_replica import evolve_replica
from etl_pipeline.sync.extract import end_read
from etl_pipeline.sync.follow import TooManyError, follow_stamps
from etl_pipeline.sync.lanes import Lane, Lanes
from etl_pipeline.sync.look import NO_LOOK, Look
from etl_pipeline.sync.mended import Mended
from etl_pipeline.sync.proof import Altered, ChunkProof
from etl_pipeline.sync.renew import CannotRenewError, renew_replica
from etl_pipeline.sync.replica import Watermark
from etl_pipeline.sync.replica_look import find_edited
from etl_pipeline.sync.rules import Choice, Known, Pass, Rules, choose_pass
from etl_pipeline.sync.stamps import Instant, ask_instant, find_doubt, next_watermark
from etl_pipeline.sync.update_times import read_now
from etl_pipeline.sync.written import Change, Report, WriteJob, Written
from etl_pipeline.transfer.select import Chunk, TableText

MOST_CHANGES = 100_000
"""Rows that changed in a table and are held in memory for the next hop; else it reads chunks."""

_NO_INFILE = (
    "local_infile is off at the replication server, so rows are sent by INSERT, which is slower; "
    "SET GLOBAL local_infile = 1 there changes it"
)


@dataclass(frozen=True, slots=True)
class Replication:
    """What a run knows of the replication database.

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
class Replicated:
    """What the first hop did.

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
        mended: What was wrong with the replica, in the order of the chunks.
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
    changes: Mapping[int, Change] = field(default_factory=dict)
    mended: tuple[Mended, ...] = ()
    is_seen_whole: bool = False
    written_until: datetime | None = None


def replicate_table(
    text: TableText,
    lanes: Lanes,
    replication: Replication,
    rules: Rules,
    claim: Claim,
    *,
    report: Report,
    drift: DriftPolicy = FOLLOW,
    look: Look = NO_LOOK,
) -> Replicated:
    """Make the replica of a table equal to the source.

    Each chunk is read completely before anything of it is written, so a slow target never holds
    a lock at the source. What is remembered of the replica is written with its rows.

    Args:
        text: The table.
        lanes: Where the work is done.
        replication: What is known of the replication database.
        rules: How the table is kept equal.
        claim: The run.
        report: Told of each chunk.
        drift: What is done where the source's schema changed.
        look: Chunks of the replica that are read again, though nothing may have changed in them.

    Raises:
        TransferError: The replication server did not take every row as it was sent.
        GuardError: More rows would be deleted than the rules allow.
        SchemaError: The source's table was altered meanwhile.
        DatabaseError: Another run has taken over.
        pymysql.err.MySQLError: A server refused or was lost.
    """
    began_at = datetime.now(UTC)
    ddl = create_replica(
        text.table, name=incoming_name(text.name), collations=replication.collations
    )
    identity = replica.identify(text, ddl, replication.versions)
    job = WriteJob(text, lanes, replication.takes_infile, identity, claim, rules, report)
    evolve_replica(job, drift, replication.collations)
    known = lanes.call(functools.partial(_look, text))
    edited = find_edited(job, known, look) if known else frozenset[Chunk]()
    choice = choose_pass(rules, known, identity, claim, began_at, is_edited=bool(edited))
    instant = lanes.call(functools.partial(_ask_instant, text, rules))
    watermark = next_watermark(rules.stamp, instant) if instant and rules.stamp else None
    choice, written = _make_pass(job, ddl, known, choice, instant, watermark, edited)
    if choice.what in (Pass.BUILD, Pass.FULL):
        proven_at: datetime | None = min(one.proof.read_at for one in written)
    else:
        proven_at = known.remembered.proven_at if known else None
    notes = [*ddl.mapped, *job.notes]
    if choice.because:
        notes.append(f"{text.name}: every row was read, since {choice.because}")
    done = Replicated(
        choice.what,
        tuple(one.proof for one in written),
        *_read_between(choice.what, began_at, written),
        proven_at,
        watermark,
        notes=tuple(notes),
        mended=tuple(sorted(job.mended, key=lambda one: one.chunk.ordinal)),
        is_seen_whole=look.every or choice.what is Pass.BUILD,
        written_until=_ask_written(lanes, known, choice, written),
    )
    return _sum_up(done, written)


def _look(text: TableText, lane: Lane) -> Known | None:
    """The replica; None where there is none, or nothing is remembered of it."""
    settle_swap(lane.replication, text.name)
    remembered = replica.read_replica(lane.replication, text.name)
    standing = replica.read_standing(lane.replication, text.name) if remembered else None
    end_read(lane.replication)
    return Known(remembered, standing) if remembered and standing else None


def _ask_instant(text: TableText, rules: Rules, lane: Lane) -> Instant | None:
    return ask_instant(text, rules.stamp, lane.source) if rules.stamp else None


def _make_pass(
    job: WriteJob,
    ddl: ReplicaDdl,
    known: Known | None,
    choice: Choice,
    instant: Instant | None,
    watermark: Watermark | None,
    edited: Collection[Chunk],
) -> tuple[Choice, list[Written]]:
    """Make the pass, or a larger one where it turns out not to be enough; which one it was."""
    if known and choice.what is Pass.STAMPED and instant and known.remembered.watermark:
        committed = known.remembered.watermark
        doubt = find_doubt(committed, instant)
        try:
            if doubt is None:
                return choice, follow_stamps(job, known, committed, instant)
        except TooManyError as error:
            doubt = str(error) or "so many rows are new that it takes less time"
            known = job.lanes.call(functools.partial(_look, job.text))
        choice = Choice(Pass.FULL, doubt)
    if known and choice.what in (Pass.FULL, Pass.TAIL):
        is_tail = choice.what is Pass.TAIL
        try:
            return choice, renew_replica(job, known, watermark, tail_only=is_tail, edited=edited)
        except CannotRenewError:
            pass
    return Choice(Pass.BUILD, choice.because), build_replica(job, ddl, known, watermark)


def _ask_written(
    lanes: Lanes, known: Known | None, choice: Choice, written: Sequence[Written]
) -> datetime | None:
    """The server's clock, where rows of the replica were written."""
    before = {(one.chunk, one.text_digest) for one in known.remembered.proofs} if known else set()
    if choice.what is not Pass.BUILD:
        now = {(one.proof.chunk, one.proof.text_digest) for one in written}
        if now == before:
            return None
    return lanes.call(lambda lane: read_now(lane.replication))


def _read_between(
    what: Pass, began_at: datetime, written: Iterable[Written]
) -> tuple[datetime, datetime]:
    """The oldest and the youngest instant of the source that a pass shows."""
    if what is Pass.STAMPED:  # its chunks are of many instants; what it claims is of its own
        return began_at, began_at
    instants = [one.proof.read_at for one in written if not one.is_kept]
    return min(instants), max(instants)


def _sum_up(done: Replicated, written: Iterable[Written]) -> Replicated:
    rows_read, text_bytes, changes = 0, 0, {}
    altered: Altered = Counter()
    for one in written:
        rows_read += one.rows_read
        text_bytes += one.bytes_read
        altered.update(one.altered)
        if one.change:
            changes[one.proof.chunk.ordinal] = one.change
    if sum(len(change.gone) + len(change.new) for change in changes.values()) > MOST_CHANGES:
        changes = {}
    return replace(
        done, rows_read=rows_read, text_bytes=text_bytes, altered=altered, changes=changes
    )
