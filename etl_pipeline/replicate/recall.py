"""The first hop left out: what is remembered of a replica, for a run that only loads."""

from __future__ import annotations

from etl_pipeline.core.workers import Worker, Workers
from etl_pipeline.errors import SchemaError
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.replicate.strategy import KnownReplica, Pass
from etl_pipeline.replicate.table import ReplicateResult, Replication
from etl_pipeline.schema.ddl import create_replica
from etl_pipeline.schema.names import incoming_name
from etl_pipeline.state import replicas
from etl_pipeline.transfer.select import RenderedTable


def recall_table(
    text: RenderedTable, workers: Workers, replication: Replication
) -> ReplicateResult:
    """What earlier runs brought to replication; the source is not asked.

    Raises:
        SchemaError: Nothing is remembered of the replica, or not of all of it, or it is not what
            it would have to be.
    """
    ddl = create_replica(
        text.table, name=incoming_name(text.name), collations=replication.collations
    )
    wanted = replicas.identify(text, ddl, replication.versions)
    known = workers.call(lambda worker: _look(text, worker))
    if known is None:
        raise _refuse(text, "no run has brought the table to replication yet")
    remembered = known.remembered
    if known.actual.definition != remembered.stands_as:
        raise _refuse(text, "its copy in replication was altered by somebody else")
    if wanted != remembered.identity:
        raise _refuse(text, "its copy in replication is of another form than the source's table")
    if any(one.proof.text_digest == replicas.UNKNOWN for one in remembered.chunks):
        raise _refuse(text, "the run that brings it to replication did not come to its end")
    instants = [one.proof.read_at for one in remembered.chunks]
    return ReplicateResult(
        Pass.FULL,
        tuple(one.proof for one in remembered.chunks),
        min(instants),
        max(instants),
        remembered.proven_at,
        remembered.watermark,
    )


def _look(text: RenderedTable, worker: Worker) -> KnownReplica | None:
    found = replicas.read_replica(worker.replication, text.name)
    actual = replicas.read_actual(worker.replication, text.name) if found else None
    end_read(worker.replication)
    return KnownReplica(found, actual) if found and actual else None


def _refuse(text: RenderedTable, what: str) -> SchemaError:
    return SchemaError(what, where=text.name, fix=f"etl run {text.name}")
