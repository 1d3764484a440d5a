"""A view that is dropped and created again: its saved definition and statements (no I/O)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from etl_pipeline.schema.names import quote_postgres, quote_text

PUBLIC = ""
"""Stands for everybody where a role is named."""


@dataclass(frozen=True, slots=True)
class SavedGrant:
    """A privilege on a relation or, where *column* is named, on one column."""

    role: str
    privilege: str
    column: str | None = None
    is_grantable: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """Owner and privileges of a relation.

    Attributes:
        is_default: Whether nobody ever granted or revoked anything on it.
        given: Roles that a new relation of the owner's gives privileges to, by ALTER DEFAULT
            PRIVILEGES.
    """

    owner: str
    grants: tuple[SavedGrant, ...] = ()
    is_default: bool = True
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view, or a materialized view, as it was.

    Attributes:
        query: What it shows, every name in it with its schema.
        options: As in ``WITH (…)``.
        defaults: By column, of a view.
        definitions: Of indexes, triggers, rules and statistics on it, whole statements.
        comments: By the words that name what they are on: ``COLUMN x``.
        is_populated: Whether a materialized view has rows.
    """

    schema: str
    name: str
    is_materialized: bool
    columns: tuple[str, ...]
    query: str
    access: Access
    options: tuple[str, ...] = ()
    tablespace: str | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    definitions: tuple[str, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)
    is_populated: bool = True

    @property
    def shown(self) -> str:
        """Schema and name for people."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """Schema and name for PostgreSQL."""
        return quote_postgres(self.schema, self.name)

    @property
    def what(self) -> str:
        """``VIEW`` or ``MATERIALIZED VIEW``."""
        return "MATERIALIZED VIEW" if self.is_materialized else "VIEW"


def become(role: str) -> str:
    """Return the statement that acts as *role* until the end of the transaction."""
    return f"SET LOCAL ROLE {quote_postgres(role)}"


BE_ONESELF = "SET LOCAL ROLE NONE"


def drop_view(view: SavedView) -> list[str]:
    """The statements that take *view* away; what depends on it must be gone."""
    return [become(view.access.owner), f"DROP {view.what} {view.quoted}", BE_ONESELF]


def put_back(view: SavedView) -> list[str]:
    """The statements that make *view* as it was, as its owner; a materialized one has no rows."""
    columns = ", ".join(quote_postgres(name) for name in view.columns)
    options = f"\n  WITH ({', '.join(view.options)})" if view.options else ""
    place = f"\n  TABLESPACE {quote_postgres(view.tablespace)}" if view.tablespace else ""
    query = view.query.strip().rstrip(";")
    create = f"CREATE {view.what} {view.quoted} ({columns}){options}{place} AS\n{query}"
    defaults = [
        f"ALTER VIEW {view.quoted} ALTER COLUMN {quote_postgres(name)} SET DEFAULT {value}"
        for name, value in view.defaults.items()
    ]
    comments = [f"COMMENT ON {on} IS {quote_text(text)}" for on, text in view.comments.items()]
    return [
        become(view.access.owner),
        create + ("\n  WITH NO DATA" if view.is_materialized else ""),
        *defaults,
        *view.definitions,
        *comments,
        *grant_access(view.quoted, view.access),
        BE_ONESELF,
    ]


def fill_view(view: SavedView) -> list[str]:
    """The statements that give a materialized view its rows; none for any other."""
    if not view.is_materialized or not view.is_populated:
        return []
    refresh = f"REFRESH MATERIALIZED VIEW {view.quoted}"
    return [become(view.access.owner), refresh, f"ANALYZE {view.quoted}", BE_ONESELF]


def grant_access(relation: str, access: Access) -> list[str]:
    """The statements that let *relation*, new and its owner's, be used by whoever might before."""
    if access.is_default and not access.given:
        return grants_on(relation, access.grants)
    named = [PUBLIC, access.owner, *access.given]
    roles = ", ".join(_role(role) for role in dict.fromkeys(named))
    found = [f"REVOKE ALL ON {relation} FROM {roles}"]
    if access.is_default:
        found.append(f"GRANT ALL ON {relation} TO {_role(access.owner)}")
    return [*found, *grants_on(relation, access.grants)]


def grants_on(relation: str, grants: Sequence[SavedGrant]) -> list[str]:
    """A statement for each of *grants*."""
    found = []
    for grant in grants:
        column = f" ({quote_postgres(grant.column)})" if grant.column else ""
        option = " WITH GRANT OPTION" if grant.is_grantable else ""
        found.append(
            f"GRANT {grant.privilege}{column} ON {relation} TO {_role(grant.role)}{option}"
        )
    return found


def _role(role: str) -> str:
    return quote_postgres(role) if role != PUBLIC else "PUBLIC"
