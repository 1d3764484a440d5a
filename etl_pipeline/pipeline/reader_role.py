"""Privileges that a role needs to read the models, also after later builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from etl_pipeline.config import Settings
from etl_pipeline.errors import DatabaseError, EtlError
from etl_pipeline.pipeline.session import open_warehouse
from etl_pipeline.schema.names import quote_postgres

_LOCK_TIMEOUT = "20s"
"""A build that is at work holds some relations until it ends."""

# What a role has by way of another, or of PUBLIC, it does not need again.
_READ_MISSING = """
SELECT namespace.nspname,
       has_schema_privilege(reader.oid, namespace.oid, 'USAGE'),
       NOT EXISTS (
           SELECT FROM pg_class AS relation
           WHERE relation.relnamespace = namespace.oid
             AND relation.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND NOT has_table_privilege(reader.oid, relation.oid, 'SELECT')),
       pg_has_role(reader.oid, current_user, 'USAGE') OR EXISTS (
           SELECT FROM pg_default_acl AS later CROSS JOIN aclexplode(later.defaclacl) AS given
           WHERE later.defaclrole = current_user::regrole AND later.defaclobjtype = 'r'
             AND later.defaclnamespace IN (0, namespace.oid) AND given.privilege_type = 'SELECT'
             AND (given.grantee = 0 OR pg_has_role(reader.oid, given.grantee, 'USAGE')))
FROM pg_namespace AS namespace CROSS JOIN pg_roles AS reader
WHERE namespace.nspname = ANY(%s) AND reader.rolname = %s
"""


@dataclass(frozen=True, slots=True)
class MissingGrants:
    """Privileges that a role lacks to read *schemas*.

    Attributes:
        statements: GRANT and ALTER DEFAULT PRIVILEGES, to be run in this order; empty if it has
            all of them.
    """

    reader: str
    schemas: Sequence[str]
    statements: Sequence[str]


def let_read(
    settings: Settings, reader: str, schemas: Sequence[str] = (), *, apply: bool = False
) -> MissingGrants:
    """Return what *reader* lacks to read the marts and *schemas*, and give it with *apply*.

    Args:
        settings: The settings that say where the warehouse is.
        reader: Name of a role, as PostgreSQL keeps it.
        schemas: Other schemas: ``staging``, ``intermediate``, ``raw``, or any other name.
        apply: Run the statements, all or none.

    Raises:
        EtlError: The role or a schema is not there.
        DatabaseError: The user of the warehouse may not grant that.
    """
    asked = _name_schemas(settings, schemas)
    with open_warehouse(settings) as connection:
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        missing = _find_missing(connection, reader, asked)
        if apply and missing.statements:
            try:
                for statement in missing.statements:
                    connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege as error:
                raise _may_not(missing, connection.info.user) from error
            except psycopg.errors.LockNotAvailable as error:
                raise DatabaseError(
                    "a build is at work on the models",
                    fix="wait until it has ended, then run again",
                ) from error
            # Where a user may grant some of it, PostgreSQL only warns.
            if _find_missing(connection, reader, asked).statements:
                raise _may_not(missing, connection.info.user)
            connection.commit()
        return missing


def _name_schemas(settings: Settings, schemas: Sequence[str]) -> list[str]:
    """Return the names of the marts' schema and of *schemas*; a layer may have another name."""
    layers = {
        "raw": settings.get_analytics_connection_config(),
        "staging": settings.get_analytics_staging_connection_config(),
        "intermediate": settings.get_analytics_intermediate_connection_config(),
        "marts": settings.get_analytics_marts_connection_config(),
    }
    names = {layer: str(config["schema"]) for layer, config in layers.items()}
    return list(dict.fromkeys(names.get(name, name) for name in ("marts", *schemas)))


def _find_missing(
    connection: psycopg.Connection, reader: str, schemas: Sequence[str]
) -> MissingGrants:
    role, user = quote_postgres(reader), quote_postgres(connection.info.user)
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (reader,)).fetchone()
    if not found:
        raise EtlError(
            "there is no such role in the warehouse",
            where=reader,
            fix=f"as an administrator: CREATE ROLE {role} LOGIN; then its password: "
            f"\\password {role}",
        )
    rows = {
        name: rest
        for name, *rest in connection.execute(_READ_MISSING, (list(schemas), reader)).fetchall()
    }
    statements = []
    for name in schemas:
        if name not in rows:
            raise EtlError(
                "there is no such schema in the warehouse",
                where=name,
                fix="etl transform, which makes those of the models; or name another",
            )
        schema, (uses, reads, will_read) = quote_postgres(name), rows[name]
        if not uses:
            statements.append(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        if not reads:
            statements.append(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
        if not will_read:
            statements.append(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {user} IN SCHEMA {schema} "
                f"GRANT SELECT ON TABLES TO {role}"
            )
    return MissingGrants(reader, schemas, statements)


def _may_not(missing: MissingGrants, user: str) -> DatabaseError:
    return DatabaseError(
        "the user may not grant that",
        where=f"user {user}",
        fix="as an administrator: " + " ".join(f"{text};" for text in missing.statements),
    )
