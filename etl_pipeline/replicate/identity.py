"""The replica that a table is to have, and what tells it from another (no I/O)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from etl_pipeline.schema.catalog import Table
from etl_pipeline.schema.ddl import ReplicaDdl, create_replica
from etl_pipeline.schema.names import incoming_name
from etl_pipeline.state.records import Identity
from etl_pipeline.transfer.select import RenderedTable

RENDERING = 2
"""Version of the row text; raised when the same rows would read otherwise."""


@dataclass(frozen=True, slots=True)
class ReplicaDesign:
    """The replica that a table is to have.

    Attributes:
        ddl: Makes it, under the name of ``incoming_name``.
        identity: What it is recorded as.
    """

    ddl: ReplicaDdl
    identity: Identity


def design_replica(
    text: RenderedTable, versions: Sequence[str], collations: Collection[str]
) -> ReplicaDesign:
    """Return the replica of *text*.

    Args:
        text: The table.
        versions: Of the source server and of the replication server.
        collations: Names that the replication server knows.
    """
    ddl = write_ddl(text.table, collations)
    selects = [f"{carried.select} {carried.mode:d}" for carried in text.columns]
    rendering = _digest([str(RENDERING), *versions, *selects])
    return ReplicaDesign(ddl, Identity(_digest_ddl(ddl), rendering))


def define_replica(table: Table, collations: Collection[str]) -> bytes:
    """Return the digest of the definition that the replica of *table* is to have."""
    return _digest_ddl(write_ddl(table, collations))


def write_ddl(table: Table, collations: Collection[str]) -> ReplicaDdl:
    """Return the statements that make the replica of *table*, under its incoming name."""
    return create_replica(table, name=incoming_name(table.name), collations=collations)


def _digest_ddl(ddl: ReplicaDdl) -> bytes:
    return _digest([ddl.create, *ddl.indexes])


def _digest(parts: Iterable[str]) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
