"""Make a replica follow its source's schema, in an order that survives a kill between any steps.

1. What is to be done is written down, and the digests of rows that it may change are voided, in
   one transaction.
2. The statements run, each committed by the server.
3. What the replica is now is remembered, and what was written down is deleted, in one transaction.

A run that finds step 2 half done goes on where it stands: it is known in advance what the table
looks like after each statement, since they were tried on an empty one. Where it looks like
none of it, or a statement does not fit the rows, the replica is built anew, as it is whenever its
definition is not the one that is remembered.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pymysql import err
from pymysql.connections import Connection

from etl_pipeline.core.workers import Worker
from etl_pipeline.replicate.alteration import forget_proof, is_alterable
from etl_pipeline.replicate.full_table import settle_swap
from etl_pipeline.replicate.identity import define_replica, write_ddl
from etl_pipeline.replicate.job import WriteJob
from etl_pipeline.replicate.ownership import drop_ours
from etl_pipeline.replicate.unsupported import (
    describe_left_out,
    find_refused,
    read_indexes,
    refuse_column,
    refuse_unsupported,
)
from etl_pipeline.schema.alter_replica import ReplicaSteps, alter_replica
from etl_pipeline.schema.catalog import Column, Index, Table
from etl_pipeline.schema.drift import ChangeKind, DriftPolicy, SchemaChange, find_changes
from etl_pipeline.schema.names import quote_mysql, rehearsed_name
from etl_pipeline.state import replicas
from etl_pipeline.state.records import Identity, PendingAlteration, Remembered
from etl_pipeline.state.replica_schema import (
    forget_begun,
    forget_other_schemas,
    note_schema,
    read_begun,
    read_ddl_digest,
    read_schema,
    write_begun,
)
from etl_pipeline.state.run_lease import check_replication_lease

# Rows do not fit what the column becomes: NULL, a duplicate key, out of range, cut, invalid, of a
# type that is not made into the other.
_MISFITS = frozenset(
    {1048, 1062, 1138, 1264, 1265, 1292, 1366, 1406, 1411, 1416, 3140, 4025, 4078, 6136, 6138}
)


@dataclass(frozen=True, slots=True)
class ReplicaDrift:
    """Changes that the replica has still to follow; none where it is built anew anyway."""

    changes: Sequence[SchemaChange]
    steps: ReplicaSteps


def find_replica_drift(
    connection: Connection[Any], source: Table, policy: DriftPolicy, collations: Collection[str]
) -> ReplicaDrift | None:
    """The changes since the replica of *source* was made or altered; None where none are known.

    An alteration that was begun counts as done: it is finished before anything else.

    Raises:
        SchemaError: ``renamed_from`` names what it cannot mean.
    """
    definition = read_ddl_digest(connection, source.name)
    if definition is None:
        return None
    begun = read_begun(connection, source.name, definition)
    definition = begun.ddl_digest if begun else definition
    if definition == define_replica(source, collations):
        return None
    loaded = read_schema(connection, source.name, definition)
    if loaded is None or define_replica(loaded, collations) != definition:
        return None  # made by another version of this program, or for another server
    changes = find_changes(loaded, source, policy)
    steps = alter_replica(changes, source, name=source.name, collations=collations)
    return ReplicaDrift(changes, steps)


def find_left_out(connection: Connection[Any], table: str) -> tuple[Index, ...]:
    """Indexes that the replica of *table*, which stands as it was left, was to have and has not."""
    definition = read_ddl_digest(connection, table)
    loaded = read_schema(connection, table, definition) if definition else None
    if loaded is None or not loaded.indexes:
        return ()
    held = read_indexes(connection, table)
    return tuple(index for index in loaded.indexes if index.name not in held)


def evolve_replica(job: WriteJob, policy: DriftPolicy, collations: Collection[str]) -> None:
    """Alter the replica where that makes it follow; the rest is for whoever renews or builds it.

    Where the replica is made anew in each run, it is only noted what the next one is made for.

    Raises:
        DatabaseError: Another run has taken over.
    """
    job.workers.call(functools.partial(_evolve, job, policy, collations))


def _evolve(
    job: WriteJob, policy: DriftPolicy, collations: Collection[str], worker: Worker
) -> None:
    connection, source, wanted = worker.replication, job.text.table, job.identity.ddl_digest
    known = None
    if not job.rules.rebuilds and not _is_as_wanted(connection, source.name, wanted):
        settle_swap(connection, source.name)
        known = replicas.read_replica(connection, source.name)
    if known is not None:
        known = _finish_begun(job, connection, known)
    note_schema(connection, source, wanted)
    if known is None or known.identity.ddl_digest == wanted:
        connection.commit()
        return
    drift = find_replica_drift(connection, source, policy, collations)
    show_create_digest = replicas.read_show_create_digest(connection, source.name)
    steps = drift.steps if drift else None
    if drift is None or not is_alterable(job.rules, known, show_create_digest, wanted, steps):
        connection.commit()
        return
    try:
        refused = _find_refused(connection, source, drift.changes, collations)
        steps_at = functools.partial(
            _steps_at, drift.changes, source, collations, refused, connection
        )
        digests = _try_steps(connection, source, steps_at)
    except err.MySQLError as error:
        if _is_misfit(error):  # whatever the rows are: it is built
            replicas.forget(connection, source.name)
            connection.commit()
            return
        refuse_unsupported(source, error)
        refuse_column(connection, job.text, write_ddl(source, collations), error)
        raise
    statements = steps_at(source.name).statements
    job.notes.extend(describe_left_out(source.name, *each) for each in refused.items())
    check_replication_lease(connection, job.lease)
    ddl_digest_before = known.identity.ddl_digest
    begun = PendingAlteration(wanted, statements, tuple(digests))
    write_begun(connection, source.name, ddl_digest_before, begun)
    if drift.steps.is_void:
        replicas.void_chunks(connection, source.name, known.chunks)
        known = forget_proof(known, drift.steps, known.identity)
        _remember(connection, source.name, known, ddl_digest_before)
    connection.commit()
    if _run(connection, source.name, statements):
        _finish(job, connection, known, wanted)


def _is_as_wanted(connection: Connection[Any], table: str, wanted: bytes) -> bool:
    """True if the replica is as wanted; most runs of most tables ask no more."""
    is_wanted = read_ddl_digest(connection, table) == wanted
    return is_wanted and read_begun(connection, table, wanted) is None


def _finish_begun(
    job: WriteJob, connection: Connection[Any], known: Remembered
) -> Remembered | None:
    """Do what is left of an alteration that was begun; what is remembered then, if anything is."""
    table = job.text.name
    begun = read_begun(connection, table, known.identity.ddl_digest)
    if begun is None:
        return known
    now = replicas.read_show_create_digest(connection, table)
    stages = [known.show_create_digest, *begun.show_create_digests]
    if now not in stages:
        forget_begun(connection, table)
        connection.commit()
        return None
    # A statement may change nothing that is shown: the last stage that looks like it is meant.
    done = len(stages) - 1 - stages[::-1].index(now)
    if not _run(connection, table, begun.statements[done:]):
        return None
    return _finish(job, connection, known, begun.ddl_digest)


def _steps_at(
    changes: Sequence[SchemaChange],
    source: Table,
    collations: Collection[str],
    refused: Collection[str],
    connection: Connection[Any],
    name: str,
) -> ReplicaSteps:
    """The steps for the replica, or for the table *name* that is like it."""
    lacking = _find_lacking(connection, source.name, changes)
    return alter_replica(
        changes,
        source,
        name=name,
        collations=collations,
        lacking=lacking,
        refused=refused,
        to_drop=set(refused) - {index.name for index in _added(changes)},
    )


def _find_refused(
    connection: Connection[Any],
    source: Table,
    changes: Sequence[SchemaChange],
    collations: Collection[str],
) -> dict[str, int]:
    """Indexes that the server does not take, with the numbers by which it says so.

    They are new, or the replica has them, and a column of theirs becomes too long for them.
    """
    added = _added(changes)
    is_retyped = any(isinstance(c.before, Column) and isinstance(c.after, Column) for c in changes)
    if not added and not is_retyped:
        return {}
    with _empty_copy(connection, source) as name:
        held = read_indexes(connection, name) - {"PRIMARY"}
        if held:
            drops = ", ".join(f"DROP KEY {quote_mysql(index)}" for index in sorted(held))
            _execute(connection, [f"ALTER TABLE {quote_mysql(name)} {drops}"])
        steps = alter_replica(
            changes,
            source,
            name=name,
            collations=collations,
            lacking={change.subject or "" for change in changes},
            refused=[index.name for index in added],
        )
        _execute(connection, steps.statements)
        wanted = {index.name: index for index in source.indexes if index.name in held}
        wanted |= {index.name: index for index in added}
        return find_refused(connection, list(wanted.values()), name)


def _added(changes: Sequence[SchemaChange]) -> list[Index]:
    return [
        c.after for c in changes if c.kind is ChangeKind.INDEX_ADDED and isinstance(c.after, Index)
    ]


def _find_lacking(
    connection: Connection[Any], table: str, changes: Sequence[SchemaChange]
) -> frozenset[str]:
    """Indexes that were dropped at the source, and that *table* never had."""
    dropped = {c.subject for c in changes if c.kind is ChangeKind.INDEX_DROPPED and c.subject}
    return frozenset(dropped - read_indexes(connection, table)) if dropped else frozenset()


def _try_steps(
    connection: Connection[Any], source: Table, steps_at: Callable[[str], ReplicaSteps]
) -> list[bytes]:
    """Return the SHOW CREATE digest after each step, found by altering an empty table like it."""
    seen = []
    with _empty_copy(connection, source) as name, connection.cursor() as cursor:
        for statement in steps_at(name).statements:
            cursor.execute(statement)
            show_create_digest = replicas.read_show_create_digest(connection, name)
            seen.append(show_create_digest or b"")
    return seen


@contextlib.contextmanager
def _empty_copy(connection: Connection[Any], source: Table) -> Iterator[str]:
    """An empty table like the replica, for a block; an error leaves it to the next run."""
    name = rehearsed_name(source.name)
    drop_ours(connection, name)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {quote_mysql(name)} LIKE {quote_mysql(source.name)}")
        yield name
        cursor.execute(f"DROP TABLE {quote_mysql(name)}")


def _run(connection: Connection[Any], table: str, statements: Sequence[str]) -> bool:
    """Run *statements*; False where the rows do not fit, so that the replica is to be built."""
    try:
        _execute(connection, statements)
    except err.MySQLError as error:
        if not _is_misfit(error):
            raise
        replicas.forget(connection, table)
        forget_begun(connection, table)
        connection.commit()
        return False
    return True


def _execute(connection: Connection[Any], statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _is_misfit(error: err.MySQLError) -> bool:
    return bool(error.args) and error.args[0] in _MISFITS


def _finish(
    job: WriteJob, connection: Connection[Any], known: Remembered, definition: bytes
) -> Remembered:
    """The replica stands as *definition* says."""
    table = job.text.name
    check_replication_lease(connection, job.lease)
    _remember(connection, table, known, definition)
    forget_begun(connection, table)
    forget_other_schemas(connection, table, [definition])
    connection.commit()
    return replace(known, identity=Identity(definition, known.identity.rendering_digest))


def _remember(
    connection: Connection[Any], table: str, known: Remembered, definition: bytes
) -> None:
    """Remember *known* of the table, which stands as it is now, as being of *definition*."""
    replicas.remember_table(
        connection,
        table,
        Identity(definition, known.identity.rendering_digest),
        proven_at=known.proven_at,
        watermark=known.watermark,
    )
