"""The plan of a load: decided before it, confirmed when it begins, recorded when it ends."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from etl_pipeline.errors import AlteredError
from etl_pipeline.load.digest_meaning import digest_meaning
from etl_pipeline.load.drift import RawDrift, RawFacts, decide_raw_drift
from etl_pipeline.load.inspect_table import read_actual_table
from etl_pipeline.load.sql import own_rows
from etl_pipeline.schema.ddl import RawDdl, create_raw
from etl_pipeline.schema.drift import ChangeKind, DriftPolicy
from etl_pipeline.schema.loaded import loaded_with
from etl_pipeline.schema.names import RawNames, name_raw, postgres_name
from etl_pipeline.state.raw_schema import read_loaded, write_loaded
from etl_pipeline.transfer.select import RenderedTable


@dataclass(frozen=True, slots=True)
class RawPlan:
    """The plan of a load: what the table of ``raw`` has to follow, besides new rows.

    Attributes:
        names: Its names; the schema is that of the analytics database, ``raw``.
        facts: What *drift* was decided by.
        drift: The changes that it has to follow; None where it does not exist.
        ddl: Makes a new table; None for one that stays.
        marks_deletes: Mark rows that the source no longer has, instead of deleting them.
    """

    names: RawNames
    facts: RawFacts
    drift: RawDrift | None
    ddl: RawDdl | None
    marks_deletes: bool

    @property
    def target(self) -> str:
        """The table, quoted."""
        return self.names.target

    @property
    def is_new(self) -> bool:
        """True if a table is to be created."""
        return self.ddl is not None

    @property
    def needs_full_compare(self) -> bool:
        """True if every row has to be compared by value."""
        return self.drift is not None and self.drift.needs_full_compare

    @property
    def is_evolving(self) -> bool:
        """True if the table's schema changes in this load."""
        return self.drift is not None and bool(self.drift.changes)

    @property
    def is_other_than_recorded(self) -> bool:
        """True if the recorded digests have another meaning that no change of schema explains."""
        before = self.drift.before if self.drift else None
        is_known = before is not None and before.meaning is not None
        return is_known and self.needs_full_compare and not self.is_evolving

    @property
    def rows(self) -> str:
        """SQL for the table's own rows, to read and to write."""
        is_partitioned = self.drift is not None and self.drift.actual.is_partitioned
        return own_rows(self.target, is_partitioned=is_partitioned and not self.is_new)

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns that the source does not have: NULL in each row that is written."""
        return tuple(self.drift.kept) if self.drift else ()

    @property
    def filled(self) -> tuple[str, ...]:
        """Columns that are new, or of another type: a row may differ in them and be unchanged."""
        if self.drift is None or self.drift.steps is None:
            return ()
        added = (
            change.subject
            for change in self.drift.changes
            if change.kind is ChangeKind.COLUMN_ADDED
        )
        return (*self.drift.steps.retypes, *(postgres_name(name) for name in added if name))


def plan_raw_table(
    analytics: psycopg.Connection,
    schema: str,
    text: RenderedTable,
    policy: DriftPolicy,
    *,
    marks_deletes: bool,
) -> RawPlan:
    """Plan the load of the table of *text* into *schema*; nothing is changed.

    Raises:
        SchemaError: The relation is no table, or one that we did not make, or that others altered.
    """
    names = name_raw(schema, text.name)
    facts = _read_facts(analytics, names)
    drift = decide_raw_drift(facts, schema, text, policy, marks_deletes=marks_deletes)
    is_new = drift is None or drift.is_swap
    ddl = create_raw(schema, text.table, text.columns) if is_new else None
    return RawPlan(names, facts, drift, ddl, marks_deletes)


def confirm_plan(analytics: psycopg.Connection, raw: RawPlan) -> None:
    """Raise AlteredError if the table is not as it was when *raw* was planned; it is read again."""
    if _read_facts(analytics, raw.names) != raw.facts:
        raise AlteredError(
            f"others altered the table in {raw.names.schema} while its rows were read",
            where=raw.names.source,
            fix=f"etl run {raw.names.source}",
        )


def _read_facts(analytics: psycopg.Connection, names: RawNames) -> RawFacts:
    actual = read_actual_table(analytics, names)
    return RawFacts(actual, read_loaded(analytics, names.source) if actual else None)


def record_loaded(
    analytics: psycopg.Connection, raw: RawPlan, text: RenderedTable, run_id: int
) -> None:
    """Record what the table was loaded with, if that is not what is recorded."""
    drift = raw.drift
    kept = drift.kept if drift and not drift.is_swap else {}
    meaning = _find_meaning(analytics, raw, text)
    loaded = loaded_with(text.table, text.columns, kept, meaning)
    before = drift.before if drift else None
    if before is None or not loaded.is_recorded_as(before):
        write_loaded(analytics, loaded, run_id)


def _find_meaning(analytics: psycopg.Connection, raw: RawPlan, text: RenderedTable) -> str | None:
    """Return the meaning of the digests that this load records."""
    if raw.drift and raw.drift.digests_are_valid and not raw.drift.changes:
        return raw.drift.meaning
    actual = read_actual_table(analytics, raw.names)
    return digest_meaning(text, actual) if actual else None
