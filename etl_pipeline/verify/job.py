"""The table that a verification compares, and how its rows are read in the three databases."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from pymysql.connections import Connection

from etl_pipeline.core.cancellation import Cancellation
from etl_pipeline.core.source_connection import SourceConnection
from etl_pipeline.load.digest_meaning import digest_meaning
from etl_pipeline.load.inspect_table import read_actual_table
from etl_pipeline.load.sql import PINNED_SETTINGS, live_rows, own_rows
from etl_pipeline.replicate.apply import batches
from etl_pipeline.replicate.corrections import Place
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.replicate.job import Report
from etl_pipeline.replicate.pages import read_pages
from etl_pipeline.replicate.strategy import Rules
from etl_pipeline.schema.drift import FOLLOW, DriftPolicy
from etl_pipeline.schema.names import DELETED_AT, name_raw, quote_postgres
from etl_pipeline.state.raw_schema import read_loaded
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.kernel_python import Rendered
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, select_chunk, select_rows
from etl_pipeline.transfer.spool import Spool, lossless


@dataclass(frozen=True, slots=True)
class VerifyScope:
    """The extent of a verification.

    Attributes:
        deep: Send every row again and compare it with ``raw`` by value.
        only: The one place that is compared; None for both.
        sample: The part of each table's chunks that is compared, 0 to 1; None for all.
        show_values: Give the values of rows that differ.
        repair: Copy those rows again.
    """

    deep: bool = False
    only: Place | None = None
    sample: float | None = None
    show_values: bool = False
    repair: bool = False

    def compares(self, place: Place) -> bool:
        """Return True if *place* is compared."""
        return self.only in (None, place)


@dataclass(frozen=True, slots=True)
class VerifyJob:
    """A table that is compared, repaired or backfilled.

    Attributes:
        schema: The schema of the analytics database, ``raw``.
        source: Every read of it is ended at once.
        analytics: Has no open transaction.
        rules: How the table is kept equal.
        drift: How its copies follow a changed schema.
    """

    text: RenderedTable
    schema: str
    source: SourceConnection
    replication: Connection[Any]
    analytics: psycopg.Connection
    rules: Rules
    scope: VerifyScope
    stop: Cancellation
    report: Report
    drift: DriftPolicy = FOLLOW

    @property
    def target(self) -> str:
        """The table in ``raw``, quoted."""
        return quote_postgres(self.schema, self.text.name)


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table of ``raw`` as PostgreSQL has it.

    Attributes:
        own_rows: SQL for the table's own rows, to read and to write (``load.sql.own_rows``).
        live_rows: SQL for those of them that are not marked as deleted, to read.
        has_marks: True if it has the column that marks rows as deleted.
        digests_are_valid: True if the recorded digests are of this table, and of what its text
            means now. Where they are not, its rows are compared by value.
    """

    own_rows: str
    live_rows: str
    has_marks: bool
    digests_are_valid: bool


def find_raw_table(job: VerifyJob) -> RawTable | None:
    """Return the table in ``raw``; None where there is none."""
    actual = read_actual_table(job.analytics, name_raw(job.schema, job.text.name))
    if actual is None:
        return None
    loaded = read_loaded(job.analytics, job.text.name)
    has_marks = DELETED_AT in actual.columns
    own = own_rows(job.target, is_partitioned=actual.is_partitioned)
    return RawTable(
        own,
        live_rows(own, has_marks=has_marks),
        has_marks,
        loaded is not None and loaded.meaning == digest_meaning(job.text, actual),
    )


@contextlib.contextmanager
def reading_raw(analytics: psycopg.Connection) -> Iterator[None]:
    """Open a transaction of PostgreSQL that sees one snapshot, and roll it back at the end.

    A run may commit meanwhile, and the recorded digests and the rows must be of one instant.
    """
    with analytics.transaction(force_rollback=True):
        analytics.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        analytics.execute(PINNED_SETTINGS.encode())
        yield


@contextlib.contextmanager
def reading_replica(replication: Connection[Any]) -> Iterator[None]:
    """Open a transaction of the replication server that sees one snapshot, and end it."""
    with replication.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    yield
    end_read(replication)


def read_chunk(
    job: VerifyJob,
    connection: Connection[Any],
    chunk: Chunk,
    spool: Spool,
    keep: Callable[[Rendered], bytes] = lossless,
) -> None:
    """Read all rows of *chunk* into *spool*; the transaction of a read of the source is ended."""
    text = job.text
    with_copy = keep is not lossless
    if connection is job.source:
        blocks = read_pages(text, chunk, job.source, with_copy=with_copy)
    else:
        blocks = read_text(connection, select_chunk(text, chunk), text.modes, with_copy=with_copy)
    spool.fill(blocks, job.stop.check, keep)
    if connection is job.source:
        end_read(connection)


@dataclass(frozen=True, slots=True)
class Row:
    """The lossless line of a row, and its line for COPY."""

    line: bytes
    copy_line: bytes


def read_rows(
    job: VerifyJob, connection: Connection[Any], keys: Sequence[bytes]
) -> dict[bytes, Row]:
    """Return the rows that have *keys*, by key; the transaction of a read of the source is ended.

    Args:
        job: The table.
        connection: To the source, or to replication.
        keys: Lines of the text of the table's keys.
    """
    text = job.text
    found: dict[bytes, Row] = {}
    for batch in batches(text, keys):
        statement = select_rows(text, batch)
        found.update(read_keyed_rows(job, connection, statement))
        if connection is job.source:
            end_read(connection)
    return found


def read_keyed_rows(
    job: VerifyJob, connection: Connection[Any], statement: bytes
) -> dict[bytes, Row]:
    """Return the rows of *statement*, a SELECT of all columns of the table, by key."""
    found: dict[bytes, Row] = {}
    for block in read_text(connection, statement, job.text.modes, with_copy=True):
        job.stop.check()
        lines, copies = block.text.split(b"\n")[:-1], block.copy_text.split(b"\n")[:-1]
        for line, copy_line in zip(lines, copies, strict=True):
            found[job.text.key_of(line)] = Row(line, copy_line)
    return found
