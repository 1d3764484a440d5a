"""The first hop, source → replication: a table's replica becomes equal to the source.

A replica that is known is renewed: each chunk is compared, and only rows that differ are written.
A replica that is new, or not what is remembered of it, is built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from etl_pipeline.schema.ddl import ReplicaDdl, create_replica
from etl_pipeline.schema.names import incoming_name
from etl_pipeline.sync import replica
from etl_pipeline.sync.build import build_replica
from etl_pipeline.sync.lanes import Lanes
from etl_pipeline.sync.proof import ChunkProof
from etl_pipeline.sync.renew import renew_replica
from etl_pipeline.sync.written import Change, Report, WriteJob, Written
from etl_pipeline.transfer.select import TableText

MOST_CHANGES = 100_000
"""Rows that changed in a table and are held in memory for the next hop; else it reads chunks."""

_NO_INFILE = (
    "local_infile is off at the replication server, so rows are sent by INSERT, which is slower; "
    "SET GLOBAL local_infile = 1 there changes it"
)


@dataclass(frozen=True, slots=True)
class Replication:
    """What a run knows of the replication database.

    Attributes:
        versions: Of the source server and of the replication server.
        collations: Names that the server knows.
        takes_infile: Whether it takes rows by LOAD DATA LOCAL; MySQL 8 does not unless told to.
    """

    versions: tuple[str, str]
    collations: Collection[str]
    takes_infile: bool


@dataclass(frozen=True, slots=True)
class Replicated:
    """What the first hop did.

    Attributes:
        proofs: Of the table's chunks, in order.
        text_bytes: Size of the text that the source sent.
        altered: Values that PostgreSQL cannot hold, by column position and kind.
        notes: Sentences on what was replaced or is slow.
        changes: By ordinal, for chunks in which few rows differed.
    """

    proofs: tuple[ChunkProof, ...]
    text_bytes: int
    altered: Counter[tuple[int, str]]
    notes: tuple[str, ...]
    changes: Mapping[int, Change] = field(default_factory=dict)


def replicate_table(
    text: TableText,
    lanes: Lanes,
    replication: Replication,
    *,
    rebuild: bool,
    report: Report,
) -> Replicated:
    """Make the replica of a table equal to the source.

    Each chunk is read completely before anything of it is written, so a slow target never holds
    a lock at the source. What is remembered of the replica is written with its rows.

    Args:
        text: The table.
        lanes: Where the work is done.
        replication: What is known of the replication database.
        rebuild: Whether the replica is built anew in any case.
        report: Told of each chunk.

    Raises:
        TransferError: The replication server did not take every row as it was sent.
        SchemaError: The source's table was altered meanwhile.
        pymysql.err.MySQLError: A server refused or was lost.
    """
    ddl = create_replica(
        text.table, name=incoming_name(text.name), collations=replication.collations
    )
    identity = replica.identify(text, ddl, replication.versions)
    job = WriteJob(text, lanes, replication.takes_infile, identity, report)
    written = None if rebuild else renew_replica(job)
    if written is None:
        written = build_replica(job, ddl)
    return _sum_up(written, ddl, replication)


def _sum_up(written: Iterable[Written], ddl: ReplicaDdl, replication: Replication) -> Replicated:
    proofs, text_bytes, changes = [], 0, {}
    altered: Counter[tuple[int, str]] = Counter()
    for one in written:
        proofs.append(one.proof)
        text_bytes += one.text_bytes
        altered.update(one.altered)
        if one.change:
            changes[one.proof.chunk.ordinal] = one.change
    if sum(len(change.gone) for change in changes.values()) > MOST_CHANGES:
        changes = {}
    notes = ddl.mapped if replication.takes_infile else (*ddl.mapped, _NO_INFILE)
    return Replicated(tuple(proofs), text_bytes, altered, notes, changes)
