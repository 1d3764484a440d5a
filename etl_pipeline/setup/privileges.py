"""Checks of the three users' privileges, with the GRANT that is missing (no I/O)."""

from __future__ import annotations

from etl_pipeline.core.grant_statements import (
    REPLICATION_PRIVILEGES,
    grant_analytics,
    grant_replication,
    grant_source,
)
from etl_pipeline.core.grants import parse_write_privileges, privileges_on
from etl_pipeline.formatting import count_of
from etl_pipeline.schema.names import quote_postgres
from etl_pipeline.setup.facts import MysqlFacts, PostgresFacts
from etl_pipeline.setup.finding import Finding, make_finding


def judge_source_privileges(facts: MysqlFacts) -> Finding:
    """Check that the source's user can read the database, and write nothing."""
    check, grant = "source.privileges", grant_source(facts.database, facts.user)
    if not facts.tables:
        return Finding(check, "failed", "the user sees no table of this database", grant)
    writes = parse_write_privileges(facts.grants)
    if writes:
        shown = ", ".join(writes[:2]) + (f" and {len(writes) - 2} more" if len(writes) > 2 else "")
        return Finding(
            check,
            "warning",
            f"the user can write: {shown}; the pipeline never does",
            f"use a user with only this privilege: {grant}",
        )
    return Finding(check, "ok", f"reads {count_of(facts.tables, 'table')}, and writes nothing")


def judge_replication_privileges(facts: MysqlFacts) -> Finding:
    """Check that the user has the privileges that a run needs in replication."""
    held = privileges_on(facts.grants, facts.database)
    lacking = [name for name in REPLICATION_PRIVILEGES if not held & {name, "ALL PRIVILEGES"}]
    return make_finding(
        "replication.privileges",
        not lacking,
        f"the user lacks {', '.join(lacking)}" if lacking else "all that a run needs",
        grant_replication(facts.database, facts.user),
    )


def judge_analytics_privileges(facts: PostgresFacts) -> Finding:
    """Check that the user has the privileges that a run needs in the warehouse."""
    check = "analytics.privileges"
    if not facts.can_make_temporary:
        return Finding(
            check,
            "failed",
            "the user may not make temporary tables",
            grant_analytics(facts.database, facts.user),
        )
    for name in ("etl", facts.schema):
        if name not in facts.schemas and not facts.can_create:
            return Finding(
                check,
                "failed",
                f"schema {name} is not there, and the user may not make it",
                grant_analytics(facts.database, facts.user),
            )
        if not facts.schemas.get(name, True):
            return Finding(
                check,
                "failed",
                f"the user may not make tables in schema {name}",
                f"GRANT CREATE, USAGE ON SCHEMA {quote_postgres(name)} "
                f"TO {quote_postgres(facts.user)}",
            )
    return Finding(check, "ok", "all that a run needs")
