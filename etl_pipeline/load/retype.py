"""Change the types of columns of ``raw``, also where old values do not fit the new type.

Every row of the source is compared afterwards, in the same transaction. So a column whose values
do not fit is emptied, and the merge fills it again; but it cannot fill rows that the source no
longer has.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import psycopg

from etl_pipeline.errors import DriftError
from etl_pipeline.schema.alter_raw import RawSteps, Retype
from etl_pipeline.schema.names import DELETED_AT, quote_postgres

_MISFITS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.CannotCoerce,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.UndefinedFunction,
)


@dataclass(slots=True)
class Retyping:
    """A change of columns' types in a table of ``raw``, in the caller's transaction.

    Attributes:
        table: The source's name, for errors.
        target: The table, quoted.
        rows: SQL for its own rows, to delete them.
        key: Names of the primary key's columns in ``raw``.
        children: Tables of others that inherit from it.
        has_marks: True if rows that the source no longer has stay, marked as deleted.
        knows_gone: True if they are marked already; where the key changes, too, they are not.
        has_kept: True if it has columns that the source no longer has.
        accepts: True if values that only ``raw`` has may be lost.
        done: Statements that ran, in order.
        is_refilled: True if a column was emptied, to be filled by the merge.
    """

    analytics: psycopg.Connection
    table: str
    target: str
    rows: str
    key: Collection[str]
    children: Sequence[str]
    has_marks: bool
    knows_gone: bool
    has_kept: bool
    accepts: bool
    done: list[str] = field(default_factory=list)
    is_refilled: bool = False
    _is_emptied: bool = False

    def retype(self, steps: RawSteps) -> None:
        """Change the types of the columns of ``steps.retypes``.

        Raises:
            DriftError: Values that only ``raw`` has would be lost, and may not be.
        """
        if steps.retype_all is None or self._try(steps.retype_all) is None:
            return
        for name, retype in steps.retypes.items():
            error = self._try(retype.alter)
            if error is not None:
                self._refill(name, retype, error)

    def _refill(self, name: str, retype: Retype, error: psycopg.Error) -> None:
        """Empty the column, but keep values that fit in rows that are marked as deleted."""
        self.is_refilled = True
        what = f"{name} {retype.before} → {retype.after} ({error.sqlstate})"
        if self.children:
            raise DriftError(
                f"old values do not fit, and tables of others inherit them: {what}",
                where=self.table,
                fix=f"ALTER TABLE {self.children[0]} NO INHERIT {self.target}; then "
                f"etl run {self.table}",
            ) from error
        if self.has_marks and not self.knows_gone:
            self._refuse(f"old values do not fit, and the key changed, too: {what}", error)
        if name in self.key and not self._is_emptied:
            if self.has_kept:
                self._refuse(f"old values of the key do not fit: {what}", error)
            self._run(f"DELETE FROM {self.rows}")
            self._is_emptied = True
        if self.has_marks and self._holds_gone(name):
            if self._try(retype.keep_marked) is None:
                return
            self._refuse(f"rows that are marked as deleted hold what does not fit: {what}", error)
        self._run(retype.empty)

    def _holds_gone(self, name: str) -> bool:
        """Return True if a row that is marked as deleted has a value in the column."""
        marked = f"{quote_postgres(DELETED_AT)} IS NOT NULL AND {quote_postgres(name)} IS NOT NULL"
        query = f"SELECT EXISTS (SELECT FROM {self.rows} WHERE {marked})"
        row = self.analytics.execute(query.encode()).fetchone()
        return bool(row and row[0])

    def _refuse(self, what: str, error: psycopg.Error) -> None:
        if self.accepts:
            return
        raise DriftError(
            what,
            where=self.table,
            fix=f"etl run {self.table} --accept-drift (what only raw has of it is lost)",
        ) from error

    def _try(self, statement: str) -> psycopg.Error | None:
        """Run *statement*; return its error where values do not fit, or no cast exists."""
        try:
            with self.analytics.transaction():
                self._run(statement)
        except _MISFITS as error:
            self.done.remove(statement)
            return error
        return None

    def _run(self, statement: str) -> None:
        self.done.append(statement)
        self.analytics.execute(statement.encode())
