"""All that a table's strategy decides, and the pass that a run makes of the table (no I/O).

A further strategy is an entry of ``STRATEGIES``, a pass, and the module that makes the pass
(``_PASSES`` in ``replicate/table.py``).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from etl_pipeline.config.tables_file import TableConfig
from etl_pipeline.errors import SchemaError
from etl_pipeline.replicate.watermark import Instant, first_stamp
from etl_pipeline.schema.catalog import Column, Table
from etl_pipeline.state.records import Identity, KnownReplica, Lease, Watermark
from etl_pipeline.transfer.select import RenderedTable

_UPDATE_STAMP_TYPES = ("timestamp", "datetime")


class Pass(StrEnum):
    """The way in which a run makes a table's first hop."""

    BUILD = "build"
    """Everything is read, and a new replica takes the old one's place (``etl run --full``)."""
    COMPARE = "compare"
    """Everything is read, and what differs is written: a full pass."""
    STAMPED = "stamped"
    """Rows past the watermark and all keys are read, and what differs is written."""
    TAIL = "tail"
    """The last chunk and what has grown behind it are read, and what differs is written."""

    @property
    def is_full(self) -> bool:
        """True if every row of the source is read."""
        return self in (Pass.BUILD, Pass.COMPARE)

    @property
    def grade(self) -> str:
        """The grade of the proof that the pass reaches."""
        return {Pass.STAMPED: "keys+stamp", Pass.TAIL: "append"}.get(self, "value")


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """Changed rows of a chunk that a strategy's usual pass does not read.

    Attributes:
        is_unread: True for a line of the source that the pass does not read, while it finds rows
            that came or went, by their keys; None where it reads nothing of the chunk.
    """

    is_unread: Callable[[bytes], bool] | None


FindBlindSpot = Callable[
    ["Rules", RenderedTable, Watermark | None, bool, datetime], BlindSpot | None
]
"""Takes what ``Rules.find_blind_spot`` takes, and returns what it does."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to keep a table equal.

    Attributes:
        name: Its name in ``tables.yml``, and in what is recorded.
        usual_pass: The pass of a run, unless the table needs more; its grade is the strategy's.
        refuse: Raises SchemaError where the strategy does not fit a table and its configuration;
            None where it fits every table.
        find_blind_spot: Returns what the usual pass misses; None where that is nothing.
        misses: What is said of rows that the usual pass misses; ``{stamp}`` is the column.
        needs_incremental_column: True if it needs an ``incremental_column``.
    """

    name: str
    usual_pass: Pass
    refuse: Callable[[Table, TableConfig], None] | None = None
    find_blind_spot: FindBlindSpot | None = None
    misses: str = ""
    needs_incremental_column: bool = False

    def __str__(self) -> str:
        return self.name


def _refuse_append_only(table: Table, _config: TableConfig) -> None:
    if table.integer_key is None:
        raise SchemaError(
            "append_only needs a primary key that begins with an integer, to know what is new",
            where=table.name,
            fix=_suggest_fingerprint(table.name),
        )


def _refuse_incremental(table: Table, config: TableConfig) -> None:
    """Raise SchemaError where no column can say which rows are new."""
    if not table.primary_key:
        raise SchemaError(
            "incremental needs a primary key, to know which row is which",
            where=table.name,
            fix=_suggest_fingerprint(table.name),
        )
    name = config.incremental_column
    stamped = [column.name for column in table.columns if column.is_stamped]
    if name is None:
        raise SchemaError(
            "incremental needs an incremental_column",
            where=table.name,
            fix=_suggest_incremental(table.name, stamped),
        )
    column = next((column for column in table.columns if column.name == name), None)
    if column is None:
        near = difflib.get_close_matches(name, [c.name for c in table.columns], n=1)
        raise SchemaError(
            f"the incremental_column {name} is not at the source",
            where=table.name,
            fix=f"did you mean {near[0]}?" if near else _suggest_incremental(table.name, stamped),
        )
    fault = _describe_fault(column)
    if fault:
        raise SchemaError(
            f"the incremental_column {name} {fault}",
            where=table.name,
            fix=_suggest_incremental(table.name, stamped),
        )


def _describe_fault(column: Column) -> str | None:
    """Return why *column* cannot be an incremental_column; None where it can."""
    if column.data_type not in _UPDATE_STAMP_TYPES:
        return f"is of type {column.column_type}, not a timestamp or datetime"
    if column.is_nullable:
        return "can be NULL, and such a row would never be past a watermark"
    return None


def _suggest_incremental(table: str, stamped: list[str]) -> str:
    if not stamped:
        return _suggest_fingerprint(table)
    return f"{table}: {{extraction_strategy: incremental, incremental_column: {stamped[0]}}}"


def _suggest_fingerprint(table: str) -> str:
    return f"{table}: {{extraction_strategy: fingerprint}}    in tables.yml"


def _find_old_update_stamps(
    rules: Rules, text: RenderedTable, watermark: Watermark | None, _is_last: bool, now: datetime
) -> BlindSpot | None:
    """Rows that changed and kept a stamp from before the overlap, or have none."""
    if (
        rules.incremental_column is None
        or watermark is None
        or watermark.column != rules.incremental_column
    ):
        return None
    horizon = first_stamp(watermark, rules.overlap, Instant(now, None, None)).encode()
    place = text.column_names.index(rules.incremental_column)

    def is_unread(line: bytes) -> bool:
        stamp = line.split(b"\t")[place]
        return stamp < horizon or stamp == b"\\N"

    return BlindSpot(is_unread)


def _find_all_but_the_last(
    _rules: Rules, _text: RenderedTable, _: Watermark | None, is_last: bool, _now: datetime
) -> BlindSpot | None:
    return None if is_last else BlindSpot(None)


FULL_TABLE = Strategy("full_table", Pass.BUILD)
FINGERPRINT = Strategy("fingerprint", Pass.COMPARE)
INCREMENTAL = Strategy(
    "incremental",
    Pass.STAMPED,
    _refuse_incremental,
    _find_old_update_stamps,
    misses="changed at the source without a new {stamp}, unseen by incremental",
    needs_incremental_column=True,
)
APPEND_ONLY = Strategy(
    "append_only",
    Pass.TAIL,
    _refuse_append_only,
    _find_all_but_the_last,
    misses="changed at the source, which append_only does not read again",
)

STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy for strategy in (FULL_TABLE, FINGERPRINT, INCREMENTAL, APPEND_ONLY)
}
"""Every strategy, by its name."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules by which one table is kept equal.

    Attributes:
        strategy: Of ``STRATEGIES``.
        incremental_column: Of ``incremental``; None for the others.
        overlap: How far behind the watermark an extract starts.
        verify_every: When the last full pass is older, the next run makes one.
        max_delete_fraction: The part of a table's rows that may go in a run.
        allows_deletes: True if more may go in this run.
        marks_deletes: True if rows that are gone stay in ``raw``, marked.
        batch_rows: Rows of a chunk at most; None for the default.
        by_servers: True if the servers hash the rows of chunks that may be as they were.
        warnings: Sentences on what is doubtful, or slow, about them.
    """

    strategy: Strategy = FINGERPRINT
    incremental_column: str | None = None
    overlap: timedelta = timedelta(hours=1)
    verify_every: timedelta = timedelta(days=7)
    max_delete_fraction: float = 0.2
    allows_deletes: bool = False
    marks_deletes: bool = False
    batch_rows: int | None = None
    by_servers: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def rebuilds(self) -> bool:
        """True if both targets are made anew in each run."""
        return self.strategy.usual_pass is Pass.BUILD

    @property
    def misses(self) -> str:
        """Return the rows that the usual pass misses, as the end of a sentence."""
        return self.strategy.misses.format(stamp=self.incremental_column)

    def next_full_pass(self, proven_at: datetime | None, now: datetime) -> datetime | None:
        """Return when a full pass is due; None where each run makes one.

        Args:
            proven_at: The oldest instant of the last full pass; None where there was none.
            now: Is returned where there was none.
        """
        if self.strategy.usual_pass.is_full:
            return None
        return now if proven_at is None else proven_at + self.verify_every

    def find_blind_spot(
        self, text: RenderedTable, watermark: Watermark | None, *, is_last: bool, now: datetime
    ) -> BlindSpot | None:
        """Return what the usual pass misses of a chunk; None where it misses nothing.

        Args:
            text: The table.
            watermark: What is committed; None without one.
            is_last: True for the table's last chunk.
            now: UTC.
        """
        find = self.strategy.find_blind_spot
        return find(self, text, watermark, is_last, now) if find else None


def choose_rules(
    table: Table,
    config: TableConfig,
    *,
    full: bool = False,
    allows_deletes: bool = False,
    by_servers: bool = False,
) -> Rules:
    """Return the rules of *table*.

    Args:
        table: As the source declares it.
        config: What tables.yml says of it.
        full: ``etl run --full``: the strategy is ``FULL_TABLE``, whatever *config* says.
        allows_deletes: True if as many rows may go in this run as will.
        by_servers: True if the servers hash the rows of chunks that may be as they were.

    Raises:
        SchemaError: The strategy does not fit the table.
    """
    configured = STRATEGIES[config.extraction_strategy or FINGERPRINT.name]
    strategy = FULL_TABLE if full else configured
    if strategy.refuse:
        strategy.refuse(table, config)
    if config.deletes == "mark" and not table.primary_key:
        raise SchemaError(
            "'deletes: mark' needs a primary key, to know which row is gone",
            where=table.name,
            fix=f"take 'deletes: mark' of {table.name} out of tables.yml",
        )
    column = config.incremental_column if strategy.needs_incremental_column else None
    return Rules(
        strategy,
        column,
        timedelta(minutes=config.overlap),
        timedelta(days=config.verify_every),
        config.max_delete_fraction,
        allows_deletes,
        config.deletes == "mark",
        config.batch_size,
        by_servers,
        tuple(_warn_of_column(table, column)) if column else (),
    )


def _warn_of_column(table: Table, column: str) -> Iterator[str]:
    """Yield sentences on what is doubtful, or slow, about an ``incremental_column``."""
    if not table.column(column).is_stamped:
        yield (
            f"{table.name}: the server does not set {column} by itself, so an edit that "
            "does not move it is found by the next full pass only"
        )
    if not any(index.parts[0].column == column for index in table.indexes):
        yield (
            f"{table.name}: no index begins with {column}, so each run reads the table "
            "through at the source; fingerprint proves more and costs little more"
        )


@dataclass(frozen=True, slots=True)
class PassChoice:
    """The pass of a table, and why it is more than its strategy asks for; None where it is not."""

    what: Pass
    because: str | None = None


def choose_pass(
    rules: Rules,
    known: KnownReplica | None,
    wanted: Identity,
    lease: Lease,
    now: datetime,
    *,
    is_edited: bool = False,
) -> PassChoice:
    """Return the pass that this run makes of a table.

    Args:
        rules: How it is kept equal.
        known: Its replica; None where there is none, or nothing is recorded of it.
        wanted: What its replica has to be.
        lease: The run.
        now: UTC.
        is_edited: True if the replica was found to hold other rows than it was given.
    """
    if known is None:
        return PassChoice(Pass.BUILD)
    remembered = known.remembered
    is_finished = len(remembered.finished_by(lease)) == len(remembered.chunks)
    if rules.rebuilds and not is_finished:
        return PassChoice(Pass.BUILD)
    if known.actual.show_create_digest != remembered.show_create_digest:
        return PassChoice(Pass.BUILD, "its copy was altered by somebody else")
    if wanted.ddl_digest != remembered.identity.ddl_digest:
        return PassChoice(Pass.BUILD)
    due_at = rules.next_full_pass(remembered.proven_at, now)
    if due_at is None:
        return PassChoice(Pass.COMPARE)
    if wanted != remembered.identity:
        return PassChoice(Pass.COMPARE, "another version of a server or of this program is at work")
    if is_edited:
        return PassChoice(Pass.COMPARE, "rows of its copy were changed by somebody else")
    if not known.is_complete:
        return PassChoice(Pass.COMPARE, "its copy has other rows in number than it was given")
    if now >= due_at:
        return PassChoice(Pass.COMPARE, "its full pass was due")
    watermark = remembered.watermark
    if rules.incremental_column and (
        watermark is None or watermark.column != rules.incremental_column
    ):
        return PassChoice(Pass.COMPARE, f"there is no watermark of {rules.incremental_column} yet")
    return PassChoice(rules.strategy.usual_pass)
