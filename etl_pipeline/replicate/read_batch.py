"""Read the rows of a batch at the source, all tables in one consistent snapshot.

An event of the log may be here before the engine shows its rows: a server sends it as soon as the
log is written, before it commits. So the snapshot comes first, then the log is read as far as the
snapshot can show, and only then the rows. What is written is the source at one instant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from etl_pipeline.binlog.key_set import ChangedKeys
from etl_pipeline.binlog.position import Position
from etl_pipeline.binlog.server_log import read_position, shows, snapshot_end
from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.driver_errors import is_too_long
from etl_pipeline.core.server_version import is_mariadb
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.errors import SchemaError
from etl_pipeline.replicate.apply import batches
from etl_pipeline.replicate.batch import KeyPlan, plan_keys
from etl_pipeline.replicate.extract import extract_chunk, extract_rows, refuse_altered
from etl_pipeline.replicate.job import WriteJob
from etl_pipeline.state import replicas
from etl_pipeline.state.records import UNKNOWN, ChunkProof, Remembered
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, select_rows, where_keys
from etl_pipeline.transfer.spool import Spool

MOST_BYTES = 128 << 20
"""Row text of a batch at most: it is held in memory."""

LOOK_SECONDS = 0.05
SHOWN_SECONDS = 2.0
"""Where a server cannot tell what of its log it shows by now, so long is waited for it."""

START_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

_TABLE_CHANGED = 1412
_ALTERED_ERRORS = (ER.BAD_FIELD_ERROR, ER.NO_SUCH_TABLE, ER.BAD_TABLE_ERROR, _TABLE_CHANGED)


class WholeTableError(Exception):
    """A table cannot be followed by key now: the ordinary run has to compare it.

    Attributes:
        table: Its name.
        because: Why, for the log.
    """

    def __init__(self, table: str, because: str) -> None:
        super().__init__(f"{table}: {because}")
        self.table, self.because = table, because


@dataclass(frozen=True, slots=True)
class BatchTable:
    """A table of a batch before anything of it is read.

    Attributes:
        job: How its replica is written.
        remembered: What is recorded of its replica.
        plan: How its rows are read.
        proven: Ordinals of chunks that are read though nothing of them may have changed.
    """

    job: WriteJob
    remembered: Remembered
    plan: KeyPlan
    proven: frozenset[int] = frozenset()

    @property
    def text(self) -> RenderedTable:
        """The table."""
        return self.job.text


@dataclass(frozen=True, slots=True)
class BatchRows:
    """Rows of a table at the instant of the batch.

    Attributes:
        lines: The source's rows of single keys.
        held: The replica's rows of the same keys.
        chunks: Chunks that were read as a whole; the caller closes their spools.
        text_bytes: Size of all that the source sent.
    """

    of: BatchTable
    read_at: datetime
    lines: list[bytes] = field(default_factory=list)
    held: list[bytes] = field(default_factory=list)
    chunks: list[tuple[ChunkProof, Spool]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that the source sent."""
        return len(self.lines) + sum(proof.rows for proof, _ in self.chunks)

    @property
    def text_bytes(self) -> int:
        """Size of their text."""
        return sum(map(len, self.lines)) + sum(proof.text_bytes for proof, _ in self.chunks)


def plan_batch_table(
    job: WriteJob,
    keys: ChangedKeys | None,
    proven: frozenset[int],
    replication: Connection[Any],
) -> BatchTable:
    """Return how the rows of *keys*, and the chunks of *proven*, are read.

    Args:
        job: How the replica is written.
        keys: Keys whose rows may differ; None for none.
        proven: Ordinals of chunks that are compared in any case.
        replication: PyMySQL connection; its transaction stays open.

    Raises:
        WholeTableError: The replica is not one that rows can be written to by key.
    """
    text = job.text
    remembered = replicas.read_replica(replication, text.name)
    if remembered is None:
        raise WholeTableError(text.name, "nothing is recorded of its replica")
    if remembered.identity != job.identity:
        raise WholeTableError(text.name, "its replica is of another form, or read otherwise")
    digest = replicas.read_show_create_digest(replication, text.name)
    if remembered.show_create_digest != digest:
        raise WholeTableError(text.name, "its replica was altered by somebody else")
    if any(known.proof.text_digest == UNKNOWN for known in remembered.chunks):
        raise WholeTableError(text.name, "no run has compared all of it yet")
    has_integer = text.table.integer_key is not None
    lines = keys.lines() if keys else ()
    plan = plan_keys(lines, remembered.chunks, has_integer=has_integer)
    dense = {chunk.ordinal for chunk in plan.ranges}
    others = [
        known.proof.chunk
        for known in remembered.chunks
        if known.proof.chunk.ordinal in proven - dense
    ]
    plan = KeyPlan(plan.keys, (*plan.ranges, *others))
    return BatchTable(job, remembered, plan, frozenset(chunk.ordinal for chunk in others))


@contextlib.contextmanager
def holding_snapshot(source: SourceConnection) -> Iterator[None]:
    """Open a consistent snapshot of all tables of InnoDB, and end it after the block."""
    source.query(START_SNAPSHOT)
    try:
        yield
    finally:
        with contextlib.suppress(pymysql.err.Error):
            source.rollback()


def read_shown_position(source: SourceConnection, wait: Callable[[float], None]) -> Position:
    """Return a place in the log of which the source shows all that was committed before it.

    Whoever reads rows after this, and follows the log from there, misses nothing.

    Args:
        source: Has no open transaction.
        wait: Waits for so many seconds; may raise.
    """
    if is_mariadb(source.server_version):
        with holding_snapshot(source):
            return min(snapshot_end(source), read_position(source), key=lambda end: end.place)
    position = read_position(source)
    for _ in range(int(SHOWN_SECONDS / LOOK_SECONDS)):
        is_shown = shows(source, position)
        source.rollback()
        if is_shown:
            break
        wait(LOOK_SECONDS)
    return position


def read_batch(
    tables: Sequence[BatchTable],
    source: SourceConnection,
    replication: Connection[Any],
    stop: Cancellation,
    opened: contextlib.ExitStack,
) -> list[BatchRows]:
    """Read the rows of *tables*, at the source in the snapshot that is open, and in the replica.

    Args:
        tables: What is to be read.
        source: In a snapshot, which is ended.
        replication: PyMySQL connection; its transaction stays open.
        stop: Ends the read.
        opened: Closes the spools.

    Raises:
        WholeTableError: A table was altered, or its rows are too much for a batch.
        pymysql.err.MySQLError: A server refused or was lost.
    """
    read = []
    total = 0
    for batch_table in tables:
        name = batch_table.text.name
        rows = BatchRows(batch_table, datetime.now(UTC))
        with _naming_table(name):
            for lines, held in _read_keys(batch_table, source, replication, stop):
                rows.lines.extend(lines)
                rows.held.extend(held)
                total += sum(map(len, lines)) + sum(map(len, held))
                if total > MOST_BYTES:
                    raise WholeTableError(name, "its changed rows are too large for a batch")
            for chunk in batch_table.plan.ranges:
                text = batch_table.text
                spool = opened.enter_context(Spool(ordered=text.is_ordered))
                proof = extract_chunk(text, chunk, source, spool, stop, keeps_snapshot=True)
                rows.chunks.append((proof, spool))
        read.append(rows)
    for batch_table in tables:
        text = batch_table.text
        try:
            refuse_altered(text, source, None)
        except SchemaError as error:
            raise WholeTableError(text.name, error.what) from error
        except pymysql.err.MySQLError as error:
            if error.args[0] in _ALTERED_ERRORS:
                raise WholeTableError(text.name, "its schema has changed") from error
            raise
    return read


@contextlib.contextmanager
def _naming_table(name: str) -> Iterator[None]:
    """Raise WholeTableError where the source's table is not as it was, or is too slow by key."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        if error.args and error.args[0] in _ALTERED_ERRORS:
            raise WholeTableError(name, "its schema has changed") from error
        if is_too_long(error):
            because = "the source did not find its changed rows within the limit of a statement"
            raise WholeTableError(name, because) from error
        raise


def _read_keys(
    batch_table: BatchTable,
    source: SourceConnection,
    replication: Connection[Any],
    stop: Cancellation,
) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Yield lines of the source and of the replica, for one batch of keys after the other."""
    text = batch_table.text
    for some in batches(text, batch_table.plan.keys):
        lines = _read_source(batch_table, some, source, stop)
        held = _read_lines(batch_table, select_rows(text, some), replication)
        if not text.has_plain_key:
            # The replica's collation may find other rows by the same key.
            found = {text.key_of(line) for line in lines}
            other = [key for line in held if (key := text.key_of(line)) not in found]
            for more in batches(text, other):
                lines += _read_source(batch_table, more, source, stop)
        yield lines, held


def _read_source(
    batch_table: BatchTable, keys: Sequence[bytes], source: SourceConnection, stop: Cancellation
) -> list[bytes]:
    text = batch_table.text
    with Spool(ordered=False) as sent:
        where, statement = where_keys(text, keys), select_rows(text, keys)
        extract_rows(text, statement, where, source, sent, stop, keeps_snapshot=True)
        return list(sent.lines())


def _read_lines(
    batch_table: BatchTable, statement: bytes, replication: Connection[Any]
) -> list[bytes]:
    lines: list[bytes] = []
    for block in read_text(replication, statement, batch_table.text.modes):
        lines += block.text.split(b"\n")[:-1]
    return lines
