"""Records of tables, replicas and runs, as values (no I/O)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.transfer.chunk import Chunk

Altered = Counter[tuple[int, str]]
"""Values that PostgreSQL cannot hold, by column position and kind."""


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """A chunk as the source last sent it.

    Attributes:
        text_digest: 32 bytes, over the lossless text; or, where *is_text* is False, random bytes
            that no text has, because single rows were written since all of it was read.
        read_at: The instant at which the read began, UTC.
        text_bytes: Size of the text when all of it was last read.
        altered: What of it PostgreSQL cannot hold.
    """

    chunk: Chunk
    rows: int
    text_digest: bytes
    read_at: datetime
    is_text: bool = True
    text_bytes: int = 0
    altered: Altered = field(default_factory=Counter, compare=False)


@dataclass(frozen=True, slots=True)
class RawDigest:
    """PostgreSQL's own digest of a chunk's rows in ``raw``.

    Attributes:
        value: Sum of ``hash_record_extended`` over the rows; 0 for none.
    """

    rows: int
    value: Decimal


@dataclass(slots=True)
class TableOutcome:
    """The outcome of a table in a run.

    Attributes:
        rows: Rows that the table has in ``raw`` after it.
        rows_read: Rows that the source sent; of ``incremental``, its keys are not among them.
        text_bytes: Size of the row text that the source sent.
        inserted: Rows of ``raw`` that are new, with *updated* and *deleted* alike.
        read_from: The oldest instant of the source that the table shows, UTC.
        read_to: The youngest.
        proven_at: The oldest instant of the last proof of every value, UTC.
        watermark: Highest ``incremental_column`` whose rows are committed; None without one.
        altered: Values that ``raw`` cannot hold, by column and kind.
        notes: Sentences for the summary, on what was mapped or degraded.
        corrections: Sentences on rows of our copies that were wrong, and are not any more.
        finished_in: The run that did all this before it was cut off; None for this one.
        drift: Changes of the source's schema, and what was done about them.
    """

    table: str
    strategy: str
    grade: str | None = None
    rows: int = 0
    rows_read: int = 0
    text_bytes: int = 0
    seconds: float = 0.0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    read_from: datetime | None = None
    read_to: datetime | None = None
    proven_at: datetime | None = None
    watermark: str | None = None
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    corrections: list[str] = field(default_factory=list)
    drift: Sequence[DriftEvent] = ()
    error: str | None = None
    fix: str | None = None
    finished_in: int | None = None


UNKNOWN = b"\xff" * 32
"""Stands for a digest that is not known; no text has it, and nothing is equal to it."""


NO_RUN = bytes(16)
"""Token of a chunk that no run has finished."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Digests by which a replica is known to be the one whose rows were recorded.

    Attributes:
        ddl_digest: Of the statements that make the replica.
        rendering_digest: Of what decides how its rows read as text.
    """

    ddl_digest: bytes
    rendering_digest: bytes


@dataclass(frozen=True, slots=True)
class Watermark:
    """The highest value of *column* whose rows are committed, as row text."""

    column: str
    value: str


@dataclass(frozen=True, slots=True)
class KnownChunk:
    """A chunk of a replica as it is recorded.

    Attributes:
        key_digest: Digest of the text of its keys; None where it is not known.
        run_token: The run that finished it.
    """

    proof: ChunkProof
    key_digest: bytes | None
    run_token: bytes


@dataclass(frozen=True, slots=True)
class Remembered:
    """A replica as it is recorded.

    Attributes:
        show_create_digest: Of what ``SHOW CREATE TABLE`` said when it was recorded.
        chunks: In order; they tile the table.
        proven_at: The oldest instant at which the last full pass read the source, UTC; None
            where there was none.
    """

    identity: Identity
    show_create_digest: bytes
    chunks: tuple[KnownChunk, ...]
    proven_at: datetime | None
    watermark: Watermark | None

    @property
    def rows(self) -> int:
        """The rows that the replica held when it was last written."""
        return sum(known.proof.rows for known in self.chunks)

    @property
    def proofs(self) -> tuple[ChunkProof, ...]:
        """The proofs of its chunks, in order."""
        return tuple(known.proof for known in self.chunks)

    def finished_by(self, lease: Lease) -> dict[Chunk, ChunkProof]:
        """Return the proofs of the chunks that *lease*'s run has finished, or takes over."""
        return {
            k.proof.chunk: k.proof
            for k in self.chunks
            if lease.covers(k.run_token, k.proof.read_at)
        }

    @property
    def written(self) -> dict[Chunk, ChunkProof]:
        """The proofs of the chunks that some run has finished, at whatever time."""
        return {k.proof.chunk: k.proof for k in self.chunks if k.run_token != NO_RUN}


@dataclass(frozen=True, slots=True)
class ActualReplica:
    """A replica as the server has it now.

    Attributes:
        show_create_digest: Of what ``SHOW CREATE TABLE`` says.
    """

    show_create_digest: bytes
    rows: int


RESUME_SECONDS = 3600.0
"""What a run that was cut off has read is taken over where it is no older, else read again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A run's right to write to both targets, and the name by which they know it.

    Attributes:
        run_id: Its number in ``etl.run``.
        token: 16 random bytes: numbers begin anew when the state is lost, these do not.
        continued: Tokens of the runs that were cut off and that this one goes on with; what they
            finished is not read again while it is fresh.
        began_at: When this one began, UTC; None where it goes on with none.
    """

    run_id: int
    token: bytes
    continued: frozenset[bytes] = frozenset()
    began_at: datetime | None = None

    def covers(self, token: bytes, read_at: datetime) -> bool:
        """Return True if this run takes over what the run of *token* read at *read_at*."""
        return token == self.token or (token in self.continued and self.is_fresh(read_at))

    def is_fresh(self, read_at: datetime) -> bool:
        """Return True if what was read at *read_at*, UTC, is young enough to be taken over.

        The age is that of the reading, however many runs have taken it over since. An instant
        after the run's beginning is from another clock, and tells nothing.
        """
        if self.began_at is None:
            return False
        return timedelta(0) <= self.began_at - read_at <= timedelta(seconds=RESUME_SECONDS)


@dataclass(frozen=True, slots=True)
class PendingAlteration:
    """An alteration of a replica that was begun.

    Attributes:
        ddl_digest: Of the replica's statements, when all is done.
        statements: In their order.
        show_create_digests: Of what ``SHOW CREATE TABLE`` says after each of them.
    """

    ddl_digest: bytes
    statements: tuple[str, ...]
    show_create_digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KnownReplica:
    """A replica as it is recorded, and as the server has it now."""

    remembered: Remembered
    actual: ActualReplica

    @property
    def is_complete(self) -> bool:
        """True if the replica has as many rows as it was given."""
        return self.actual.rows == self.remembered.rows


@dataclass(frozen=True, slots=True)
class Selection:
    """Tables and hops that a run was asked for; only a run that asks for the same continues it."""

    tables: tuple[str, ...] = ()
    full: bool = False
    importance: tuple[str, ...] = ()
    only: str | None = None

    def as_json(self, what: str = "run") -> str:
        """For the record; what was not asked for is left out."""
        asked: dict[str, object] = {"tables": sorted(self.tables), "full": self.full}
        if self.importance:
            asked["importance"] = sorted(self.importance)
        if self.only:
            asked["only"] = self.only
        if what != "run":
            asked["what"] = what
        return json.dumps(asked)


@dataclass(frozen=True, slots=True)
class KnownTables:
    """The source's tables, as they are recorded.

    Attributes:
        first_runs: The run that first saw each of them.
        gone: Those that a run missed, and none has seen since.
        columns: Of each loaded table, every column that was ever loaded, by the table's name.
    """

    first_runs: Mapping[str, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def later(self) -> frozenset[str]:
        """Tables that came after the first run of all."""
        first = min(self.first_runs.values(), default=0)
        return frozenset(name for name, run in self.first_runs.items() if run > first)
