"""Rows that changed at the source in a way that the table's strategy does not see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from etl_pipeline.replicate.watermark import Instant, first_stamp
from etl_pipeline.state.records import Watermark
from etl_pipeline.transfer.spool import Spool
from etl_pipeline.verify.job import VerifyJob
from etl_pipeline.verify.result import DiscrepancyKind


def find_missed_changes(
    job: VerifyJob,
    watermark: Watermark | None,
    changed: Mapping[bytes, DiscrepancyKind],
    source: Spool,
    *,
    is_last: bool,
) -> frozenset[bytes]:
    """Return the keys of *changed* rows of a chunk that only a full pass will bring.

    ``incremental`` reads every key, and the rows whose stamp is past the watermark minus the
    overlap: it misses a row that changed and kept an older stamp. ``append_only`` reads the last
    chunk and what comes behind it. The other strategies read everything.

    Args:
        job: The table.
        watermark: What is remembered of the replica.
        changed: How the replica's rows differ from the source's, by key.
        source: The source's rows.
        is_last: True if this is the table's last chunk.
    """
    if job.rules.strategy == "append_only":
        return frozenset() if is_last else frozenset(changed)
    stamp = job.rules.stamp
    if stamp is None or watermark is None or watermark.column != stamp:
        return frozenset()
    now = Instant(datetime.now(UTC), None, None)
    first = first_stamp(watermark, job.rules.overlap, now).encode()
    position = job.text.column_names.index(stamp)
    return frozenset(
        key
        for line in source.lines()
        if changed.get(key := job.text.key_of(line)) == "differs"
        and ((value := line.split(b"\t")[position]) < first or value == b"\\N")
    )
