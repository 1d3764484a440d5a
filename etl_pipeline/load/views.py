"""Drop the views on a table of ``raw`` before an ALTER, and create them again as they were.

This happens in the caller's transaction; nothing here commits.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import psycopg

from etl_pipeline.errors import DriftError
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.schema.saved_view import (
    Access,
    SavedGrant,
    SavedView,
    drop_view,
    fill_view,
    put_back,
)


@functools.cache
def _queries() -> dict[str, str]:
    """Return the queries of ``views.sql`` by name."""
    script = resources.files(__package__).joinpath("views.sql").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in script.split("\n-- ")[1:])
    return {head.partition(":")[0]: query for head, _, query in parts if ":" in head}


@dataclass(frozen=True, slots=True)
class Dependents:
    """Saved views, in an order in which they can be created.

    Attributes:
        place: Name of the table, for errors.
    """

    place: str
    views: Sequence[SavedView] = field(default_factory=tuple)

    def drop(self, analytics: psycopg.Connection) -> None:
        """Drop the views.

        Raises:
            DriftError: Another object that cannot be put back depends on one of them.
        """
        for view in reversed(self.views):
            with _explaining(self.place, view, "something else depends on it"):
                _execute(analytics, drop_view(view))

    def put_back(self, analytics: psycopg.Connection) -> None:
        """Create the views as they were; materialized ones are empty until ``fill``.

        Raises:
            DriftError: A view cannot be created over the table as it is now.
        """
        for view in self.views:
            with _explaining(self.place, view, "it cannot be made over the table as it is now"):
                _execute(analytics, put_back(view))

    def fill(self, analytics: psycopg.Connection) -> None:
        """Fill the materialized views.

        Raises:
            DriftError: The query of one fails.
        """
        for view in self.views:
            with _explaining(self.place, view, "it cannot be filled"):
                _execute(analytics, fill_view(view))


def name_dependents(
    analytics: psycopg.Connection, relation: str, columns: Sequence[str] | None = None
) -> list[str]:
    """Return the views on *columns* of *relation* (on any for None), as ``schema.name``."""
    return [f"{schema}.{name}" for _, schema, name, _ in _find(analytics, relation, columns)]


def save_dependents(
    analytics: psycopg.Connection, relation: str, columns: Sequence[str] | None
) -> Dependents:
    """Save the views on *columns* of *relation* (on any for None), and the views on those.

    Raises:
        DriftError: One belongs to a role that the user is no member of, so it could not be put
            back as it was.
    """
    views = []
    with _names_in_full(analytics):
        for oid, *_ in _find(analytics, relation, columns):
            views.append(_save(analytics, oid, relation))
    return Dependents(relation.replace('"', ""), tuple(views))


def describe_others(
    analytics: psycopg.Connection, relation: str, columns: Sequence[str] | None
) -> list[str]:
    """Return what else depends on *columns* of *relation*, in PostgreSQL's words."""
    rows = _ask(analytics, "others", _oid(analytics, relation), columns=columns)
    return [words for (words,) in rows if not words.startswith("rule _RETURN on")]


def read_access(analytics: psycopg.Connection, relation: str) -> Access:
    """Return the owner and the grants of *relation*, which is quoted."""
    return _read_access(analytics, _oid(analytics, relation))


def _find(analytics: psycopg.Connection, relation: str, columns: Sequence[str] | None) -> list[Any]:
    oid = _oid(analytics, relation)
    named = None if columns is None else list(columns)
    return [] if oid is None else _ask(analytics, "views", oid, columns=named)


def _oid(analytics: psycopg.Connection, relation: str) -> int | None:
    row = analytics.execute("SELECT to_regclass(%s)::oid", (relation,)).fetchone()
    return row[0] if row else None


def _save(analytics: psycopg.Connection, oid: int, relation: str) -> SavedView:
    ((schema, name, is_materialized, is_populated, query, options, space, *owner),) = _ask(
        analytics, "relation", oid
    )
    role, _, is_member = owner
    if not is_member:
        user = analytics.execute("SELECT current_user").fetchone()
        raise DriftError(
            f"the view {schema}.{name} would have to be put back, and belongs to {role}",
            where=relation.replace('"', ""),
            fix=f"GRANT {quote_postgres(role)} TO {quote_postgres(user[0] if user else '')}",
        )
    columns = _ask(analytics, "columns", oid)
    comments = {
        f"{what} {quote_postgres(s, n)}": text
        for what, s, n, text in _ask(analytics, "comments", oid)
    }
    comments |= {
        f"COLUMN {quote_postgres(schema, name, column)}": text
        for column, text, _ in columns
        if text is not None
    }
    return SavedView(
        schema,
        name,
        is_materialized,
        tuple(column for column, *_ in columns),
        query,
        _read_access(analytics, oid),
        tuple(options),
        space,
        {column: default for column, _, default in columns if default is not None},
        tuple(definition for (definition,) in _ask(analytics, "definitions", oid)),
        comments,
        is_populated,
    )


def _read_access(analytics: psycopg.Connection, oid: int | None) -> Access:
    ((*_, owner, is_default, _),) = _ask(analytics, "relation", oid)
    grants = (SavedGrant(*row) for row in _ask(analytics, "grants", oid))
    given = (role for (role,) in _ask(analytics, "given", oid))
    return Access(owner, tuple(grants), is_default, tuple(given))


def _ask(analytics: psycopg.Connection, name: str, oid: int | None, **values: Any) -> list[Any]:
    return analytics.execute(_queries()[name].encode(), {"relation": oid, **values}).fetchall()


@contextmanager
def _names_in_full(analytics: psycopg.Connection) -> Iterator[None]:
    """Make PostgreSQL write names with their schema: it leaves out those of the search path."""
    row = analytics.execute("SELECT current_setting('search_path')").fetchone()
    analytics.execute("SELECT set_config('search_path', '', true)")
    yield
    analytics.execute("SELECT set_config('search_path', %s, true)", (row[0] if row else "",))


def _execute(analytics: psycopg.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        analytics.execute(statement.encode())


@contextmanager
def _explaining(place: str, view: SavedView, what: str) -> Iterator[None]:
    """Raise DriftError with the view that cannot be dropped, created or filled."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege:
        raise
    except (
        psycopg.ProgrammingError,
        psycopg.errors.DependentObjectsStillExist,
        psycopg.DataError,
        psycopg.IntegrityError,
        psycopg.NotSupportedError,
    ) as error:
        raise DriftError(
            f"the view {view.shown} is in the way: {what} ({error.sqlstate})",
            where=place,
            fix=f"change or drop {view.what.lower()} {view.shown}, then run again",
        ) from error
