"""Privileges of the source's user, and how they explain a table that is not seen (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl_pipeline.core.grant_statements import grant_source


@dataclass(frozen=True, slots=True)
class SourcePrivileges:
    """Privileges of the source's user: what it may see and write.

    Attributes:
        database: The database's name.
        account: The user, as the server lists it: ``etl_reader@%``.
        reads_all: True if SELECT on every table is certain: what is not seen is not there.
        granted: Tables with a SELECT of their own; one that is not seen is not there either.
        views: Views and their like, by name, with what they are.
        writes: What the user may write.
    """

    database: str
    account: str = ""
    reads_all: bool = True
    granted: frozenset[str] = frozenset()
    views: Mapping[str, str] = field(default_factory=dict)
    writes: tuple[str, ...] = ()

    def reads_whole(self, table: str) -> bool:
        """True if SELECT on all of *table* is certain."""
        return self.reads_all or table in self.granted

    def proves_absence(self, table: str) -> bool:
        """True if it is certain that *table*, which is not seen, is not there."""
        return self.reads_whole(table) and table not in self.views

    def explain_absence(self, table: str) -> str:
        """Say why *table* may not be seen."""
        if table in self.views:
            return f"the source has a {self.views[table]} of this name, and tables alone are copied"
        if self.proves_absence(table):
            return "the source has the table no more"
        return (
            "the source does not show the table: it was dropped, or the user may not read it any "
            "more, and the server does not say which"
        )

    def advise_absence(self, table: str) -> str:
        """Return what to do where *table* is not seen and should be there."""
        accept = f"etl run {table} --accept-drift"
        if self.proves_absence(table) or table in self.views:
            return accept
        return f"{self.grant(table)}; if it is gone: {accept}"

    def grant(self, table: str) -> str:
        """Return the statement that lets the user read *table*."""
        return grant_source(self.database, self.account, table)
