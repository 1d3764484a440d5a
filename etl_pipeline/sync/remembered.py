"""The first hop left out: what is remembered of a replica, for a run that only loads."""

from __future__ import annotations

from etl_pipeline.errors import SchemaError
from etl_pipeline.schema.ddl import create_replica
from etl_pipeline.schema.names import incoming_name
from etl_pipeline.sync import replica
from etl_pipeline.sync.extract import end_read
from etl_pipeline.sync.lanes import Lane, Lanes
from etl_pipeline.sync.replicate import Replicated, Replication
from etl_pipeline.sync.rules import Known, Pass
from etl_pipeline.transfer.select import TableText


def recall_table(text: TableText, lanes: Lanes, replication: Replication) -> Replicated:
    """What earlier runs brought to replication; the source is not asked.

    Raises:
        SchemaError: Nothing is remembered of the replica, or not of all of it, or it is not what
            it would have to be.
    """
    ddl = create_replica(
        text.table, name=incoming_name(text.name), collations=replication.collations
    )
    wanted = replica.identify(text, ddl, replication.versions)
    known = lanes.call(lambda lane: _look(text, lane))
    if known is None:
        raise _refuse(text, "no run has brought the table to replication yet")
    remembered = known.remembered
    if known.standing.definition != remembered.stands_as:
        raise _refuse(text, "its copy in replication was altered by somebody else")
    if wanted != remembered.identity:
        raise _refuse(text, "its copy in replication is of another form than the source's table")
    if any(one.proof.text_digest == replica.UNKNOWN for one in remembered.chunks):
        raise _refuse(text, "the run that brings it to replication did not come to its end")
    instants = [one.proof.read_at for one in remembered.chunks]
    return Replicated(
        Pass.FULL,
        tuple(one.proof for one in remembered.chunks),
        min(instants),
        max(instants),
        remembered.proven_at,
        remembered.watermark,
    )


def _look(text: TableText, lane: Lane) -> Known | None:
    found = replica.read_replica(lane.replication, text.name)
    standing = replica.read_standing(lane.replication, text.name) if found else None
    end_read(lane.replication)
    return Known(found, standing) if found and standing else None


def _refuse(text: TableText, what: str) -> SchemaError:
    return SchemaError(what, where=text.name, fix=f"etl run {text.name}")
