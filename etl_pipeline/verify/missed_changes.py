"""Rows that changed at the source so that the table's strategy does not see it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from etl_pipeline.replicate.watermark import Instant, first_stamp
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.spool import Spool
from etl_pipeline.verify.compare import Comparison
from etl_pipeline.verify.recorded import LoadedChunk, ReplicaRecord
from etl_pipeline.verify.verdict import DiscrepancyKind


def find_stale(
    job: Comparison,
    loaded: LoadedChunk,
    last: Chunk,
    written: ReplicaRecord,
    changed: Mapping[bytes, DiscrepancyKind],
    sent: Spool,
) -> frozenset[bytes]:
    """Which of the *changed* rows of a chunk no run will bring, until a full pass.

    ``incremental`` reads every key, and rows whose stamp is past the watermark minus the overlap:
    it misses a row that changed and kept an older stamp. ``append_only`` reads the *last* chunk
    and what comes behind it. The other strategies read everything.

    Args:
        job: The comparison.
        loaded: The chunk.
        last: The table's last chunk.
        written: What is remembered of the replica.
        changed: How the replica's rows differ from the source's, by key.
        sent: The source's rows.
    """
    if job.rules.strategy == "append_only":
        is_behind = loaded.chunk != last
        return frozenset(changed) if is_behind else frozenset()
    stamp, watermark = job.rules.stamp, written.watermark
    if stamp is None or watermark is None or watermark.column != stamp:
        return frozenset()
    now = Instant(datetime.now(UTC), None, None)
    horizon = first_stamp(watermark, job.rules.overlap, now).encode()
    place = job.text.column_names.index(stamp)
    return frozenset(
        key
        for line in sent.lines()
        if changed.get(key := job.text.key_of(line)) == "differs"
        and ((value := line.split(b"\t")[place]) < horizon or value == b"\\N")
    )
