"""Builds a replica beside the old one and swaps it in."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from etl_pipeline.schema.ddl import ReplicaDdl
from etl_pipeline.schema.names import incoming_name, quote_mysql, replaced_name
from etl_pipeline.sync import replica
from etl_pipeline.sync.chunks import ask_integer, has_wide_rows, plan_chunks
from etl_pipeline.sync.extract import (
    ColumnState,
    end_read,
    extract_chunk,
    read_columns,
    refuse_altered,
)
from etl_pipeline.sync.lanes import Lane
from etl_pipeline.sync.proof import ChunkProof
from etl_pipeline.sync.replica import Identity
from etl_pipeline.sync.written import WriteJob, Written, write_rows
from etl_pipeline.transfer.select import Chunk
from etl_pipeline.transfer.spool import Spool


def build_replica(job: WriteJob, ddl: ReplicaDdl) -> list[Written]:
    """Build the replica from the source, and remember it.

    Its readers see the old table until the new one is complete; both change places in one step.
    On an error the old one stands.
    """
    text = job.text
    columns, chunks = job.lanes.call(functools.partial(_begin, job, ddl))
    copy = functools.partial(_copy_chunk, job)
    written = list(job.lanes.each(copy, chunks, singly=has_wide_rows(text.table)))

    def finish(lane: Lane) -> None:
        refuse_altered(text, lane.source, columns)
        proofs = [one.proof for one in written]
        _swap_in(lane.replication, text.name, ddl, job.identity, proofs)

    job.lanes.call(finish)
    return written


def _begin(
    job: WriteJob, ddl: ReplicaDdl, lane: Lane
) -> tuple[list[ColumnState] | None, list[Chunk]]:
    """Cut the table and make an empty incoming table; what a killed run left of it is dropped."""
    text = job.text
    columns = read_columns(text, lane.source)
    chunks = plan_chunks(text, ask_integer(lane.source))
    end_read(lane.source)
    leftovers = quote_mysql(incoming_name(text.name)), quote_mysql(replaced_name(text.name))
    _run(lane.replication, [f"DROP TABLE IF EXISTS {', '.join(leftovers)}", ddl.create])
    return (columns if len(chunks) > 1 else None), chunks


def _copy_chunk(job: WriteJob, lane: Lane, chunk: Chunk) -> Written:
    """Read a chunk, write it, commit it."""
    with Spool(ordered=job.text.is_ordered) as spool:
        proof = extract_chunk(job.text, chunk, lane.source, spool, job.lanes.stop)
        write_rows(job, lane.replication, incoming_name(job.text.name), spool)
        lane.replication.commit()
        job.report(spool.rows, spool.text_bytes)
        return Written(proof, spool.text_bytes, spool.altered)


def _swap_in(
    replication: Any,
    table: str,
    ddl: ReplicaDdl,
    identity: Identity,
    proofs: Sequence[ChunkProof],
) -> None:
    """Index the incoming table, let it take the replica's place in one RENAME, and remember it.

    The old replica is forgotten first: after a kill in between nothing is remembered, and the
    next run builds anew.
    """
    target, incoming, replaced = (
        quote_mysql(name) for name in (table, incoming_name(table), replaced_name(table))
    )
    _run(replication, ddl.indexes)
    replica.forget(replication, table)
    replication.commit()
    if _exists(replication, table):
        swap = [
            f"RENAME TABLE {target} TO {replaced}, {incoming} TO {target}",
            f"DROP TABLE {replaced}",
        ]
    else:
        swap = [f"RENAME TABLE {incoming} TO {target}"]
    _run(replication, swap)
    replica.remember(replication, table, identity, proofs)
    replication.commit()


def _exists(replication: Any, table: str) -> bool:
    with replication.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name = %s",
            (table,),
        )
        return cursor.fetchone() is not None


def _run(connection: Any, statements: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
