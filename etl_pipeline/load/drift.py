"""Decide how a table of ``raw`` follows its source, and if its digests are valid (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from etl_pipeline.errors import SchemaError
from etl_pipeline.load.digest_meaning import digest_meaning
from etl_pipeline.schema.actual_table import ActualTable, find_differences
from etl_pipeline.schema.adopt import Adoption, adopt_table
from etl_pipeline.schema.alter_raw import RawSteps, RawTarget, alter_raw, with_raw_changes
from etl_pipeline.schema.drift import DriftPolicy, SchemaChange, find_changes
from etl_pipeline.schema.loaded import LoadedTable, loaded_with
from etl_pipeline.schema.names import DELETED_AT, postgres_name, quote_postgres
from etl_pipeline.transfer.select import RenderedTable


@dataclass(frozen=True, slots=True)
class RawFacts:
    """A table of ``raw`` as it is and as it was loaded; None each for what is not there."""

    actual: ActualTable | None
    loaded: LoadedTable | None


@dataclass(frozen=True, slots=True)
class RawDrift:
    """The changes of schema that a table of ``raw`` has not followed yet.

    Attributes:
        actual: The table as PostgreSQL has it.
        meaning: What its digests would mean now (``load/digest_meaning.py``).
        steps: How it follows; None where it is adopted, or has nothing to follow.
        adoption: How it is taken over; None where it is ours.
        before: What it was loaded with; None where that is not known.
        has_marks: True if it has the column that marks rows as deleted.
    """

    actual: ActualTable
    meaning: str
    changes: Sequence[SchemaChange] = ()
    steps: RawSteps | None = None
    adoption: Adoption | None = None
    before: LoadedTable | None = None
    has_marks: bool = False

    @property
    def kept(self) -> Mapping[str, str]:
        """Columns that the source does not have, with their types, after the table followed."""
        found = self.steps or self.adoption
        return found.kept if found else (self.before.kept if self.before else {})

    @property
    def is_swap(self) -> bool:
        """True if a new table takes the place of this one."""
        return bool(self.adoption and self.adoption.misfits)

    @property
    def takes_views_away(self) -> bool:
        """True if views on the table may be dropped and created again."""
        return self.adoption is not None or bool(
            self.steps and (self.steps.retypes or self.steps.unkey)
        )

    @property
    def digests_are_valid(self) -> bool:
        """True if the recorded digests are of this table, and of what its text means now."""
        return self.before is not None and self.before.meaning == self.meaning

    @property
    def needs_full_compare(self) -> bool:
        """True if every row has to be compared by value."""
        return not self.digests_are_valid or self.adoption is not None


def decide_raw_drift(
    facts: RawFacts,
    schema: str,
    text: RenderedTable,
    policy: DriftPolicy,
    *,
    marks_deletes: bool,
) -> RawDrift | None:
    """Return what the table of *facts*, in *schema*, has not followed; None if it does not exist.

    Raises:
        SchemaError: We did not make it, or others altered it, or *policy* cannot be meant.
    """
    actual, loaded = facts.actual, facts.loaded
    if actual is None:
        return None
    has_marks = DELETED_AT in actual.columns
    if has_marks and not marks_deletes:
        _refuse_marks(schema, text.name)
    actual = replace(
        actual,
        columns={name: column for name, column in actual.columns.items() if name != DELETED_AT},
    )
    meaning = digest_meaning(text, actual)
    if loaded:
        # Somebody may have dropped a column that was kept.
        kept = {name: actual.columns[name].type for name in loaded.kept if name in actual.columns}
        loaded = replace(loaded, kept=kept)
    before = loaded or loaded_with(text.table, text.columns, {})
    differences = find_differences(
        actual, before.raw_types, [postgres_name(name) for name in before.table.primary_key]
    )
    if differences:
        if policy.adopts:
            adoption = adopt_table(text.table, text.columns, actual, schema=schema)
            return RawDrift(actual, meaning, (adoption.change,), None, adoption, loaded, has_marks)
        raise SchemaError(
            "the table exists with other columns: " + "; ".join(differences),
            where=f"{schema}.{text.name}",
            fix=f"etl run {text.name} --adopt",
        )
    if loaded is None:
        return RawDrift(actual, meaning, has_marks=has_marks)
    target = RawTarget(schema, text.table, text.columns, loaded, actual)
    changes = with_raw_changes(find_changes(loaded.table, text.table, policy), target, policy)
    steps = alter_raw(changes, target, policy)
    return RawDrift(actual, meaning, changes, steps, None, loaded, has_marks)


def _refuse_marks(schema: str, table: str) -> None:
    target, column = quote_postgres(schema, table), quote_postgres(DELETED_AT)
    raise SchemaError(
        "rows of it are marked as deleted, and tables.yml does not say 'deletes: mark'",
        where=f"{schema}.{table}",
        fix=f"DELETE FROM ONLY {target} WHERE {column} IS NOT NULL; "
        f"ALTER TABLE {target} DROP COLUMN {column};  or mark again",
    )
