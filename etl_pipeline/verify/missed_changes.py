"""Rows that changed at the source in a way that the table's strategy does not see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

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

    Args:
        job: The table.
        watermark: What is recorded of the replica.
        changed: How the replica's rows differ from the source's, by key.
        source: The source's rows.
        is_last: True if this is the table's last chunk.
    """
    blind = job.rules.find_blind_spot(job.text, watermark, is_last=is_last, now=datetime.now(UTC))
    if blind is None:
        return frozenset()
    is_unread = blind.is_unread
    if is_unread is None:
        return frozenset(changed)
    return frozenset(
        key
        for line in source.lines()
        if changed.get(key := job.text.key_of(line)) == "differs" and is_unread(line)
    )
