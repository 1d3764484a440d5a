"""Evolve the schema of a table of ``raw`` as its source's, in the transaction that loads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from etl_pipeline.errors import DriftError
from etl_pipeline.load.inspect_table import free_key_name
from etl_pipeline.load.raw_plan import RawPlan
from etl_pipeline.load.retype import Retyping
from etl_pipeline.load.sql import add_marks
from etl_pipeline.load.views import (
    Dependents,
    describe_others,
    name_dependents,
    read_access,
    save_dependents,
)
from etl_pipeline.schema.adopt import REPLACED_SUFFIX, Adoption
from etl_pipeline.schema.alter_raw import RawSteps
from etl_pipeline.schema.drift import DriftPolicy
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.schema.saved_view import Access, grants_on
from etl_pipeline.transfer.select import RenderedTable

LOCK_SECONDS = 20
"""How long an ALTER waits for its lock: queries that begin later wait behind it."""

_VIEWS_LOCK = 4_418_902_276_135_550  # an advisory lock; the number is arbitrary


@dataclass(slots=True)
class Alteration:
    """The alteration of a table of ``raw``, in the transaction that loads it.

    Attributes:
        raw: What the table has to follow.
        done: Statements that ran, in order, without those for views.
        refilled: The ALTER that was planned, and the statements that ran instead of it, since old
            values did not fit a new type: the merge fills the emptied columns again. None where
            they fitted.
        marked: Rows that were marked as deleted before that.
    """

    analytics: psycopg.Connection
    text: RenderedTable
    raw: RawPlan
    policy: DriftPolicy
    done: list[str] = field(default_factory=list)
    refilled: tuple[str, tuple[str, ...]] | None = None
    marked: int = 0
    _dependents: Dependents | None = None
    _access: Access | None = None
    _is_altered: bool = False
    _mark_gone: str | None = None

    @property
    def has_marks(self) -> bool:
        """True if the table has the column that marks rows as deleted by now."""
        drift = self.raw.drift
        is_there = drift is None or drift.has_marks or self._is_altered
        return self.raw.marks_deletes and (is_there or self.raw.is_new)

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
        if self._is_altered or self.raw.drift is None:
            return
        self._is_altered = True
        self._mark_gone = mark_gone
        if self.raw.drift.takes_views_away:
            # A view may show several tables that change at a time. The lock is taken before any
            # other, so that nobody who holds it waits for one of ours.
            self.analytics.execute("SELECT pg_advisory_xact_lock(%s)", (_VIEWS_LOCK,))
        if self.raw.marks_deletes and not self.raw.drift.has_marks and not self.raw.drift.is_swap:
            self.analytics.execute(add_marks(self.raw.target).encode())
        if not self.raw.drift.changes:
            return
        with _lock_timeout(self.analytics), self._explaining_refusals():
            if self.raw.drift.steps:
                self._follow(self.raw.drift.steps)
            elif self.raw.drift.adoption:
                self._adopt(self.raw.drift.adoption)

    def complete(self) -> None:
        """Give a new table what the old one had, and fill the views that were put back."""
        if self.raw.drift and self.raw.drift.is_swap:
            self._replace_old_table()
        if self._dependents:
            self._dependents.fill(self.analytics)

    def _follow(self, steps: RawSteps) -> None:
        self._run(steps.renames)
        if steps.retypes:
            self._drop_views(list(steps.retypes))
        self._unkey(steps.unkey)
        if steps.retypes:
            self._retype(steps)
        self._run(steps.others)
        if steps.rekey:
            self._rekey(steps.rekey)
        if self._dependents:
            self._dependents.put_back(self.analytics)

    def _drop_views(self, columns: Sequence[str] | None) -> None:
        self._dependents = save_dependents(self.analytics, self.raw.target, columns)
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

    def _retype(self, steps: RawSteps) -> None:
        key = {carried.raw_name for carried in self.text.key_columns}
        is_same_key = not key & steps.retypes.keys() and not (steps.unkey or steps.rekey)
        if self.raw.marks_deletes and self._mark_gone and is_same_key:
            self.marked = self.analytics.execute(self._mark_gone.encode()).rowcount
        retyping = Retyping(
            self.analytics,
            self.text.name,
            self.raw.target,
            self.raw.rows,
            key,
            self.raw.drift.actual.children if self.raw.drift else (),
            has_marks=self.raw.marks_deletes,
            knows_gone=is_same_key,
            has_kept=bool(self.raw.kept),
            accepts=self.policy.accepts,
        )
        retyping.retype(steps)
        self.done += retyping.done
        if retyping.is_refilled and steps.retype_all:
            self.refilled = steps.retype_all, tuple(retyping.done)

    def _rekey(self, statement: str) -> None:
        """Create the key, after deleting all rows if they do not fit it."""
        free_key_name(self.analytics, self.raw.names)
        try:
            with self.analytics.transaction():
                self._run([statement])
        except psycopg.IntegrityError as error:
            self.done.remove(statement)
            if self.raw.marks_deletes and not self.policy.accepts:
                raise DriftError(
                    "rows in raw do not fit the new key, and some may be marked as deleted "
                    f"({error.sqlstate})",
                    where=self.text.name,
                    fix=f"etl run {self.text.name} --accept-drift (loads the table anew)",
                ) from error
            self._run([f"DELETE FROM {self.raw.rows}", statement])

    def _adopt(self, adoption: Adoption) -> None:
        if adoption.misfits:
            self._drop_views(None)
            self._access = read_access(self.analytics, self.raw.target)
        self._run(adoption.statements)
        if adoption.rekey:
            self._rekey(adoption.rekey)

    def _replace_old_table(self) -> None:
        """Give the new table the grants and the views of the old one."""
        user = self.analytics.execute("SELECT current_user").fetchone()
        columns = {carried.raw_name for carried in self.text.columns}
        if self._access and user:
            grants = tuple(
                grant
                for grant in self._access.grants
                if grant.role != user[0] and (grant.column is None or grant.column in columns)
            )
            self._run(grants_on(self.raw.target, grants))
        if self._dependents:
            self._dependents.put_back(self.analytics)

    def _run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self.done.append(statement)
            self.analytics.execute(statement.encode())

    @contextmanager
    def _explaining_refusals(self) -> Iterator[None]:
        """Raise DriftError with what keeps the table from being altered."""
        where = self.raw.names.place
        try:
            with self.analytics.transaction():
                yield
        except (psycopg.NotSupportedError, psycopg.errors.DependentObjectsStillExist) as error:
            named = name_dependents(self.analytics, self.raw.target)
            named += describe_others(self.analytics, self.raw.target, None)
            raise DriftError(
                f"what depends on the table is in the way ({error.sqlstate}): "
                + ", ".join(named[:10]),
                where=where,
                fix=f"change or drop what uses the column, then etl run {self.text.name}",
            ) from error
        except psycopg.errors.DuplicateTable as error:
            kept = quote_postgres(self.raw.names.schema, self.text.name + REPLACED_SUFFIX)
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
                fix=f"ALTER TABLE {self.raw.target} OWNER TO {role}; owners of views need CREATE "
                "on the schemas of their views",
            ) from error


@contextmanager
def _lock_timeout(analytics: psycopg.Connection) -> Iterator[None]:
    """Wait for a lock no longer than ``LOCK_SECONDS``."""
    row = analytics.execute("SELECT current_setting('lock_timeout')").fetchone()
    analytics.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_SECONDS}s",))
    yield
    analytics.execute("SELECT set_config('lock_timeout', %s, true)", (row[0] if row else "0",))
