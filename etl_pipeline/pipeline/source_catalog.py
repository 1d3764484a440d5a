"""Read the source's tables, and what of them its user may see.

A server leaves out of its catalog what the user may not read, and describes half of a table that
it cannot open. Neither is a change of the schema. Grants say whether the user sees all of a table;
where they do not, the server is asked for all columns of the table, which it refuses if it hides
any.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import Engine

from etl_pipeline.core import create_connection_manager
from etl_pipeline.core.databases import Databases
from etl_pipeline.core.driver_errors import (
    explain,
    is_passing,
    is_privilege,
    is_too_long,
)
from etl_pipeline.core.grants import (
    Grant,
    GrantRules,
    parse_grants,
    parse_write_privileges,
    reads_database,
    tables_read,
)
from etl_pipeline.errors import (
    DatabaseError,
)
from etl_pipeline.pipeline.source_privileges import SourcePrivileges
from etl_pipeline.schema.catalog import Flaw, Table, read_catalog, read_others
from etl_pipeline.schema.names import quote_mysql
from etl_pipeline.schema.types import fit_replica

log = logging.getLogger(__name__)

Result = TypeVar("Result")
AskRows = Callable[[str, Mapping[str, Any] | None], Iterable[Any]]

CATALOG_ATTEMPTS = 5
_RULES = "SHOW VARIABLES WHERE Variable_name IN ('lower_case_table_names', 'partial_revokes')"


@dataclass(frozen=True, slots=True)
class SourceCatalog:
    """The source's tables by name, and what its user may see."""

    tables: dict[str, Table]
    privileges: SourcePrivileges


def read_source_of(engine: Engine) -> SourceCatalog:
    """Read the source by a connection of *engine*; as ``read_source``."""
    # A handful of statements, each once: nothing to space out.
    with create_connection_manager(engine, spacing_seconds=0) as manager:
        return read_source(manager.execute_with_retry, engine.url.database or "")


def read_source(ask: AskRows, database: str) -> SourceCatalog:
    """Read the source's tables and privileges, in a handful of statements.

    Args:
        ask: Sends a statement, with its named values or as it is, and returns rows that have
            attributes and an order.
        database: The source's.

    Raises:
        DatabaseError: The source cannot be read.
    """
    privileges = _read_privileges(ask, database)
    tables = _read_patiently(lambda: read_catalog(ask, database))
    judged = {
        name: replace(table, flaw=_find_flaw(table, privileges, ask))
        for name, table in tables.items()
    }
    log.debug("source: %d tables", len(judged))
    return SourceCatalog(judged, privileges)


def _read_privileges(ask: AskRows, database: str) -> SourcePrivileges:
    lines = [str(row[0]) for row in ask("SHOW GRANTS", None)]
    variables = {str(name): str(value) for name, value in ask(_RULES, None)}
    rules = GrantRules(
        ignores_case=variables.get("lower_case_table_names") != "0",
        has_patterns=variables.get("partial_revokes", "OFF") != "ON",
    )
    grants = parse_grants(lines)
    return SourcePrivileges(
        database,
        _find_account(grants),
        reads_database(grants, database, rules),
        tables_read(grants, database, rules),
        read_others(ask, database),
        parse_write_privileges(lines),
    )


def _find_account(grants: tuple[Grant, ...]) -> str:
    """Return the account: its own lines have a host and come first; those of a role have none."""
    names = (re.findall(r"[`'\"]([^`'\"]*)[`'\"]", grant.grantee) for grant in grants)
    return next(("@".join(parts) for parts in names if len(parts) > 1), "")


def _read_patiently(read: Callable[[], Result]) -> Result:
    """Return what *read* returns, after a few attempts where the source's limit ends one.

    A server opens every table for its catalog; those that it has open at the next attempt are
    answered at once.
    """
    for _ in range(CATALOG_ATTEMPTS - 1):
        try:
            return read()
        except DatabaseError as error:
            if not is_too_long(error):
                raise
            log.debug("source: the catalog takes longer than the limit; read again")
    return read()


def _find_flaw(table: Table, privileges: SourcePrivileges, ask: AskRows) -> Flaw | None:
    """Return why the catalog does not show all of *table*; asks the server where that is unsure."""
    is_described = bool(table.engine and not table.is_torn)
    if is_described and privileges.reads_whole(table.name):
        return None
    try:
        ask(f"SELECT * FROM {quote_mysql(table.name)} LIMIT 0", None)
    except DatabaseError as error:
        if is_privilege(error):
            return _describe_hidden(table, privileges)
        if is_passing(error):
            raise
        failure = explain(error.__cause__ or error, table.name)
        return Flaw(failure.what, failure.fix or "")
    return None if is_described else _HALF_DESCRIBED


_HALF_DESCRIBED = Flaw(
    "the server described the table by half, as it does while it is being repaired or altered",
    "run again; if it stays so: CHECK TABLE at the source",
)


def _describe_hidden(table: Table, privileges: SourcePrivileges) -> Flaw:
    """Return the flaw of a table of which the user may not read every column."""
    grant = privileges.grant(table.name)
    if not table.columns:
        return Flaw("the user may not read any column of the table", grant)
    if not table.primary_key:
        what = "the user may not read all columns of the table, and sees no whole primary key"
        return Flaw(what, grant)
    return Flaw(
        "the user may not read all columns of the table, and the server does not say which it "
        "hides",
        f"{grant}; or exclude those that it may not read, by name, in tables.yml",
        hides=True,
    )


def read_fitted_source(databases: Databases) -> SourceCatalog:
    """Read the source, with the types that the replication server has for its columns."""
    found = read_source_of(databases.source)
    source, replication = _is_mariadb(databases.source), _is_mariadb(databases.replication)
    fitted = {
        name: fit_replica(table, source_is_mariadb=source, replica_is_mariadb=replication)
        for name, table in found.tables.items()
    }
    return SourceCatalog(fitted, found.privileges)


def _is_mariadb(engine: Engine) -> bool:
    """True for MariaDB, False for MySQL. The engine was connected before."""
    dialect: Any = engine.dialect
    return bool(dialect.is_mariadb)
