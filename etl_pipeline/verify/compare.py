"""What is compared with what, and how the rows of the three databases are read for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from etl_pipeline.core.cancellation import Cancellation
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
from etl_pipeline.schema.names import DELETED_AT, quote_postgres
from etl_pipeline.state.raw_schema import read_loaded as read_loaded_schema
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.kernel_python import Rendered
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, select_chunk, select_rows
from etl_pipeline.transfer.spool import Spool, lossless


@dataclass(frozen=True, slots=True)
class Scope:
    """How a comparison is made.

    Attributes:
        deep: Whether every row is sent again and compared with ``raw`` by value.
        only: The one place that is compared; None for both.
        sample: The part of each table's chunks that is compared; None for all.
        show_values: Whether the values of rows that differ are wanted.
        repair: Whether those rows are copied again.
    """

    deep: bool = False
    only: Place | None = None
    sample: float | None = None
    show_values: bool = False
    repair: bool = False

    def compares(self, place: Place) -> bool:
        """Whether *place* is compared."""
        return self.only in (None, place)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table that is compared.

    Attributes:
        schema: The schema of the analytics database, ``raw``.
        source: PyMySQL connection; every read of it is ended at once.
        replication: PyMySQL connection.
        analytics: psycopg connection without an open transaction.
        rules: How the table is kept equal.
        drift: What is done where its schema changed.
    """

    text: RenderedTable
    schema: str
    source: Any
    replication: Any
    analytics: psycopg.Connection
    rules: Rules
    scope: Scope
    stop: Cancellation
    report: Report
    drift: DriftPolicy = FOLLOW

    @property
    def target(self) -> str:
        """The table in ``raw``, quoted."""
        return quote_postgres(self.schema, self.text.name)


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table of ``raw`` as it stands.

    Attributes:
        own: What its rows are read and written as.
        rows: What those are read as that are not marked as deleted.
        has_marks: Whether rows of it can be marked.
        is_believed: Whether the digests that are recorded of it are of this table, and of what its
            text means now. Where they are not, its rows are compared by value.
    """

    own: str
    rows: str
    has_marks: bool
    is_believed: bool


def find_raw_table(job: Comparison) -> RawTable | None:
    """The table in ``raw``; None where there is none."""
    actual = read_actual_table(job.analytics, job.schema, job.text.name)
    if actual is None:
        return None
    loaded = read_loaded_schema(job.analytics, job.text.name)
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
    """A transaction of PostgreSQL that sees one moment and is rolled back at the end.

    A run may commit in between, and the recorded digests and the rows must be of one moment.
    """
    with analytics.transaction(force_rollback=True):
        analytics.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        analytics.execute(PINNED_SETTINGS.encode())
        yield


@contextlib.contextmanager
def reading_replica(replication: Any) -> Iterator[None]:
    """A transaction of the replication server that sees one moment; likewise."""
    with replication.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    yield
    end_read(replication)


def read_chunk(
    job: Comparison,
    connection: Any,
    chunk: Chunk,
    spool: Spool,
    keep: Callable[[Rendered], bytes] = lossless,
) -> None:
    """Read all rows of *chunk* into *spool*; a read of the source is ended."""
    text = job.text
    with_copy = keep is not lossless
    if connection is job.source:
        blocks = read_pages(text, chunk, connection, with_copy=with_copy)
    else:
        blocks = read_text(connection, select_chunk(text, chunk), text.modes, with_copy=with_copy)
    spool.fill(blocks, job.stop.check, keep)
    if connection is job.source:
        end_read(connection)


@dataclass(frozen=True, slots=True)
class Row:
    """A row's lossless line, and its line for COPY."""

    line: bytes
    copy_line: bytes


def read_rows(job: Comparison, connection: Any, keys: Sequence[bytes]) -> dict[bytes, Row]:
    """The rows that have *keys*, lines of the text of the table's keys, by key; likewise."""
    text = job.text
    found: dict[bytes, Row] = {}
    for batch in batches(text, keys):
        statement = select_rows(text, batch)
        for block in read_text(connection, statement, text.modes, with_copy=True):
            job.stop.check()
            lines, copies = block.text.split(b"\n")[:-1], block.copy_text.split(b"\n")[:-1]
            for line, copy_line in zip(lines, copies, strict=True):
                found[text.key_of(line)] = Row(line, copy_line)
        if connection is job.source:
            end_read(connection)
    return found
