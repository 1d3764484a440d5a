"""Evolve the schema of a table of ``raw`` as its source's, in the transaction that loads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from etl_pipeline.errors import DriftError
from etl_pipeline.load.digest_meaning import digest_meaning
from etl_pipeline.load.drift import RawDrift, find_raw_drift
from etl_pipeline.load.inspect_table import free_key_name, read_actual_table
from etl_pipeline.load.retype import Retyping
from etl_pipeline.load.sql import add_marks, own_rows
from etl_pipeline.load.views import (
    Dependents,
    describe_others,
    name_dependents,
    read_access,
    save_dependents,
)
from etl_pipeline.schema.adopt import REPLACED_SUFFIX, Adoption
from etl_pipeline.schema.alter_raw import RawSteps
from etl_pipeline.schema.drift import ChangeKind, DriftPolicy
from etl_pipeline.schema.loaded import LoadedTable, loaded_with, table_json
from etl_pipeline.schema.names import postgres_name, quote_postgres
from etl_pipeline.schema.saved_view import Access, grants_on
from etl_pipeline.state.raw_schema import write_loaded
from etl_pipeline.transfer.select import RenderedTable

LOCK_SECONDS = 20
"""How long an ALTER waits for its lock: queries that begin later wait behind it."""

_VIEWS_LOCK = 4_418_902_276_135_550  # an advisory lock; the number is arbitrary


@dataclass(slots=True)
class EvolvingRaw:
    """A table of ``raw`` that follows changes of schema, in the load's transaction.

    Attributes:
        marks_deletes: Mark rows that the source no longer has, instead of deleting them.
        drift: The changes; None where the table does not exist.
        done: Statements that ran, in order, without those for views.
        refilled_by: Statements that ran instead of one ALTER, since old values did not fit a new
            type; the merge fills the emptied columns again.
        marked: Rows that were marked as deleted before that.
    """

    analytics: psycopg.Connection
    schema: str
    text: RenderedTable
    policy: DriftPolicy
    marks_deletes: bool
    drift: RawDrift | None
    done: list[str] = field(default_factory=list)
    refilled_by: tuple[str, ...] = ()
    _dependents: Dependents | None = None
    _access: Access | None = None
    marked: int = 0
    _is_altered: bool = False
    _mark_gone: str | None = None

    @property
    def is_new(self) -> bool:
        """True if a table is to be created."""
        return self.drift is None or self.drift.is_swap

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
    def has_marks(self) -> bool:
        """True if the table has the column that marks rows as deleted by now."""
        is_there = self.drift is None or self.drift.has_marks or self._is_altered
        return self.marks_deletes and (is_there or self.is_new)

    @property
    def rows(self) -> str:
        """SQL for the table's own rows, to read and to write."""
        is_partitioned = self.drift is not None and self.drift.actual.is_partitioned
        return own_rows(self._target, is_partitioned=is_partitioned and not self.is_new)

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

    def alter(self, mark_gone: str | None = None) -> None:
        """Alter the table as the new rows need it; a second call does nothing.

        From here to the end of the transaction nobody can read the table, so rows are copied
        beside it before.

        Args:
            mark_gone: Marks the rows that the source no longer has. It runs before columns get
                another type, since the values of such rows are nowhere else.

        Raises:
            SchemaError: Old values do not fit, or something is in the way.
        """
        if self._is_altered or self.drift is None:
            return
        self._is_altered = True
        self._mark_gone = mark_gone
        if self.drift.takes_views_away:
            # A view may show several tables that change at a time. The lock is taken before any
            # other, so that nobody who holds it waits for one of ours.
            self.analytics.execute("SELECT pg_advisory_xact_lock(%s)", (_VIEWS_LOCK,))
        if self.marks_deletes and not self.drift.has_marks and not self.drift.is_swap:
            self.analytics.execute(add_marks(self._target).encode())
        if not self.drift.changes:
            return
        with _lock_timeout(self.analytics), self._explaining_refusals():
            if self.drift.steps:
                self._follow(self.drift.steps)
            elif self.drift.adoption:
                self._adopt(self.drift.adoption)

    def finish(self, run_id: int) -> None:
        """Fill the views that were put back, and record what the table was loaded with."""
        if self.drift and self.drift.is_swap:
            self._replace_old_table()
        if self.needs_full_compare and not self.is_new:
            self.analytics.execute(f"ANALYZE {self._target}".encode())
        if self._dependents:
            self._dependents.fill(self.analytics)
        kept = self.drift.kept if self.drift and not self.drift.is_swap else {}
        loaded = loaded_with(self.text.table, self.text.columns, kept, self._find_meaning())
        before = self.drift.before if self.drift else None
        if before is None or _schema_of(loaded) != _schema_of(before):
            write_loaded(self.analytics, loaded, run_id)

    def _find_meaning(self) -> str | None:
        """Return the meaning of the digests that this load records."""
        if self.drift and self.drift.digests_are_valid and not self.drift.changes:
            return self.drift.meaning
        actual = read_actual_table(self.analytics, self.schema, self.text.name)
        return digest_meaning(self.text, actual) if actual else None

    @property
    def _target(self) -> str:
        return quote_postgres(self.schema, self.text.name)

    def _follow(self, steps: RawSteps) -> None:
        self._run(steps.renames)
        if steps.retypes:
            self._drop_views(list(steps.retypes))
        self._unkey(steps.unkey)
        if steps.retypes:
            self._retype(steps.retypes)
        self._run(steps.others)
        if steps.rekey:
            self._rekey(steps.rekey)
        if self._dependents:
            self._dependents.put_back(self.analytics)

    def _drop_views(self, columns: Sequence[str] | None) -> None:
        self._dependents = save_dependents(self.analytics, self._target, columns)
        self._dependents.drop(self.analytics)

    def _unkey(self, statements: Sequence[str]) -> None:
        """Drop the key, with all views where one needs it: to group by it alone."""
        try:
            with self.analytics.transaction():
                self._run(statements)
        except psycopg.errors.DependentObjectsStillExist:
            self.done = [statement for statement in self.done if statement not in statements]
            if self._dependents:
                self._dependents.put_back(self.analytics)
            self._drop_views(None)
            self._run(statements)

    def _retype(self, retypes: Mapping[str, tuple[str, str]]) -> None:
        key = {postgres_name(name) for name in self.text.table.primary_key}
        steps = self.drift.steps if self.drift else None
        is_same_key = not key & retypes.keys() and not (steps and (steps.unkey or steps.rekey))
        if self.marks_deletes and self._mark_gone and is_same_key:
            self.marked = self.analytics.execute(self._mark_gone.encode()).rowcount
        retyping = Retyping(
            self.analytics,
            self.text.name,
            self._target,
            self.rows,
            key,
            self.drift.actual.children if self.drift else (),
            has_marks=self.marks_deletes,
            knows_gone=is_same_key,
            has_kept=bool(self.kept),
            accepts=self.policy.accepts,
        )
        retyping.retype(retypes)
        self.done += retyping.done
        if retyping.is_refilled:
            self.refilled_by = tuple(retyping.done)

    def _rekey(self, statement: str) -> None:
        """Create the key, after deleting all rows if they do not fit it."""
        free_key_name(self.analytics, self.schema, self.text.name)
        try:
            with self.analytics.transaction():
                self._run([statement])
        except psycopg.IntegrityError as error:
            self.done.remove(statement)
            if self.marks_deletes and not self.policy.accepts:
                raise DriftError(
                    "rows in raw do not fit the new key, and some may be marked as deleted "
                    f"({error.sqlstate})",
                    where=self.text.name,
                    fix=f"etl run {self.text.name} --accept-drift (loads the table anew)",
                ) from error
            self._run([f"DELETE FROM {self.rows}", statement])

    def _adopt(self, adoption: Adoption) -> None:
        if adoption.misfits:
            self._drop_views(None)
            self._access = read_access(self.analytics, self._target)
        self._run(adoption.statements)
        if adoption.rekey:
            self._rekey(adoption.rekey)

    def _replace_old_table(self) -> None:
        """Give the new table the grants and the views of the old one."""
        user = self.analytics.execute("SELECT current_user").fetchone()
        columns = {postgres_name(name) for name in self.text.column_names}
        if self._access and user:
            grants = tuple(
                grant
                for grant in self._access.grants
                if grant.role != user[0] and (grant.column is None or grant.column in columns)
            )
            self._run(grants_on(self._target, grants))
        if self._dependents:
            self._dependents.put_back(self.analytics)

    def _run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self.done.append(statement)
            self.analytics.execute(statement.encode())

    @contextmanager
    def _explaining_refusals(self) -> Iterator[None]:
        """Raise DriftError with what keeps the table from being altered."""
        where = f"{self.schema}.{self.text.name}"
        try:
            with self.analytics.transaction():
                yield
        except (psycopg.NotSupportedError, psycopg.errors.DependentObjectsStillExist) as error:
            named = name_dependents(self.analytics, self._target)
            named += describe_others(self.analytics, self._target, None)
            raise DriftError(
                f"what depends on the table is in the way ({error.sqlstate}): "
                + ", ".join(named[:10]),
                where=where,
                fix=f"change or drop what uses the column, then etl run {self.text.name}",
            ) from error
        except psycopg.errors.DuplicateTable as error:
            kept = quote_postgres(self.schema, self.text.name + REPLACED_SUFFIX)
            raise DriftError(
                "it would stay under the name of a relation that is there already "
                f"({error.sqlstate}): {self.text.name}{REPLACED_SUFFIX}",
                where=where,
                fix=f"DROP TABLE {kept}, or rename it; then etl run {self.text.name} --adopt",
            ) from error
        except psycopg.errors.InsufficientPrivilege as error:
            user = self.analytics.execute("SELECT current_user").fetchone()
            role = quote_postgres(user[0]) if user else "…"
            raise DriftError(
                f"the table, or a view on it, cannot be altered by this user ({error.sqlstate})",
                where=where,
                fix=f"ALTER TABLE {self._target} OWNER TO {role}; owners of views need CREATE "
                "on the schemas of their views",
            ) from error


def evolve_raw(
    analytics: psycopg.Connection,
    schema: str,
    text: RenderedTable,
    policy: DriftPolicy,
    *,
    marks_deletes: bool,
) -> EvolvingRaw:
    """Return the table of *text* in *schema* with what it has to follow; nothing is changed yet.

    Raises: as ``find_raw_drift``.
    """
    drift = find_raw_drift(analytics, schema, text, policy, marks_deletes=marks_deletes)
    return EvolvingRaw(analytics, schema, text, policy, marks_deletes, drift)


def _schema_of(loaded: LoadedTable) -> tuple[object, ...]:
    return table_json(loaded.table), dict(loaded.types), dict(loaded.kept), loaded.meaning


@contextmanager
def _lock_timeout(analytics: psycopg.Connection) -> Iterator[None]:
    """Wait for a lock no longer than ``LOCK_SECONDS``."""
    row = analytics.execute("SELECT current_setting('lock_timeout')").fetchone()
    analytics.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_SECONDS}s",))
    yield
    analytics.execute("SELECT set_config('lock_timeout', %s, true)", (row[0] if row else "0",))
