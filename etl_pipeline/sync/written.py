"""A chunk on its way into a replica: what is written, how, and what is known afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from etl_pipeline.errors import TransferError
from etl_pipeline.sync.lanes import Lanes
from etl_pipeline.sync.proof import ChunkProof
from etl_pipeline.sync.replica import Identity
from etl_pipeline.transfer.load_data import insert_rows, load_data
from etl_pipeline.transfer.select import TableText
from etl_pipeline.transfer.spool import Spool

Report = Callable[[int, int], None]
"""Called after each chunk with its rows and its bytes, from the thread that did it."""


@dataclass(frozen=True, slots=True)
class WriteJob:
    """A table whose replica is written, and with what.

    Attributes:
        by_infile: Whether rows go by LOAD DATA LOCAL; by INSERT otherwise.
        identity: What the replica is to be remembered as.
    """

    text: TableText
    lanes: Lanes
    by_infile: bool
    identity: Identity
    report: Report


@dataclass(frozen=True, slots=True)
class Change:
    """Few rows of a chunk that were brought over one by one.

    Attributes:
        before: Digest of the text of what the replica held before.
        gone: Lossless lines of the rows that the replica does not have any more.
        copy_text: Lines for COPY of the rows that it has instead, as it gives them back.
        altered: Values of theirs that PostgreSQL cannot hold, by column position and kind.
    """

    before: bytes
    gone: tuple[bytes, ...]
    copy_text: bytes
    altered: Counter[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Written:
    """What was done with a chunk.

    Attributes:
        text_bytes: Size of the text that the source sent.
        altered: Values that PostgreSQL cannot hold, by column position and kind.
        change: What was written, where few rows differed; None where none did, or many.
    """

    proof: ChunkProof
    text_bytes: int
    altered: Counter[tuple[int, str]]
    change: Change | None = None


def write_rows(job: WriteJob, replication: Any, table: str, spool: Spool) -> None:
    """Send the rows of *spool* into *table*; the caller commits.

    Raises:
        TransferError: The server did not take every row; the caller rolls back.
    """
    if not spool.rows:
        return
    if job.by_infile:
        taken = load_data(replication, table, job.text, spool.blocks())
    else:
        taken = insert_rows(replication, table, job.text, spool.lines())
    if taken != spool.rows:
        raise TransferError(
            f"sent {spool.rows} rows, the replication server took {taken}", where=job.text.name
        )
