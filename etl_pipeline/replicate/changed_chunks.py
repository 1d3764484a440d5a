"""Write single rows of a replica, and record of each chunk that some of its rows were written."""

from __future__ import annotations

import bisect
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pymysql.connections import Connection

from etl_pipeline.replicate.apply import write_few
from etl_pipeline.replicate.difference import Difference
from etl_pipeline.replicate.job import RowChanges, WriteJob
from etl_pipeline.state import replicas
from etl_pipeline.state.compared_at import carry_compared
from etl_pipeline.state.records import KnownChunk
from etl_pipeline.transfer.select import RenderedTable


@dataclass(slots=True)
class ChangedChunks:
    """The chunks in their order, as the pass changes them.

    Attributes:
        changes: What was written, by ordinal.
        rows_read: Rows that the source sent.
        bytes_read: Size of their text.
    """

    chunks: list[KnownChunk]
    changes: dict[int, RowChanges] = field(default_factory=dict)
    rows_read: int = 0
    bytes_read: int = 0
    _lowers: list[int] = field(init=False)

    def __post_init__(self) -> None:
        """Keep the bounds, which do not change."""
        self._lowers = [known.proof.chunk.lower or 0 for known in self.chunks[1:]]

    def find(self, key: bytes) -> int:
        """Return the ordinal of the chunk that holds the row of *key*, a line of the keys' text."""
        if not self._lowers:
            return 0
        return bisect.bisect_right(self._lowers, int(key.split(b"\t")[0]))

    def note(self, ordinal: int, change: RowChanges, known: KnownChunk) -> None:
        """Take over *change*, which was written, and *known*, what is recorded of the chunk now."""
        before = self.changes.get(ordinal)
        self.changes[ordinal] = before.then(change) if before else change
        self.chunks[ordinal] = known


def write_changes(
    job: WriteJob,
    difference: Difference,
    progress: ChangedChunks,
    replication: Connection[Any],
    keys: Mapping[int, bytes | None] | None = None,
) -> None:
    """Write *difference*, and record of each chunk that some of its rows were written.

    Args:
        job: The table.
        difference: Rows of any chunks.
        progress: Is told of the change.
        replication: PyMySQL connection; the caller commits.
        keys: By ordinal, digests of the keys that chunks have now; others keep theirs where only
            rows of the same keys came and went.
    """
    if not len(difference):
        return
    change = write_few(job.text, difference, b"", replication)
    parts = _split(job.text, change, progress)
    now = []
    for ordinal, part in parts.items():
        known = progress.chunks[ordinal]
        proof = replace(
            known.proof,
            rows=known.proof.rows - len(part.gone) + len(part.new),
            text_digest=os.urandom(32),
            is_text=False,
            read_at=datetime.now(UTC),
        )
        digest = (keys or {}).get(ordinal)
        if keys is None and _has_same_keys(job.text, part):
            digest = known.key_digest
        now.append(KnownChunk(proof, digest, job.lease.token))
        before = known.proof.text_digest
        carry_compared(replication, job.text.name, ordinal, before, proof.text_digest)
        progress.note(ordinal, part, now[-1])
    replicas.remember_chunks(
        replication,
        job.text.name,
        job.lease,
        [chunk.proof for chunk in now],
        {chunk.proof.chunk.ordinal: chunk.key_digest for chunk in now},
    )


def _split(
    text: RenderedTable, change: RowChanges, progress: ChangedChunks
) -> dict[int, RowChanges]:
    """Return the parts of *change*, by the chunks that their rows belong to."""
    gone: dict[int, list[bytes]] = defaultdict(list)
    new: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    for line in change.gone:
        gone[progress.find(text.key_of(line))].append(line)
    for line, copy in change.new.items():
        new[progress.find(text.key_of(line))][line] = copy
    # Altered values are only ever summed up over the table.
    altered = iter([change.altered])
    return {
        ordinal: RowChanges(
            progress.chunks[ordinal].proof.text_digest,
            tuple(gone[ordinal]),
            new[ordinal],
            next(altered, Counter()),
        )
        for ordinal in sorted(gone.keys() | new.keys())
    }


def _has_same_keys(text: RenderedTable, change: RowChanges) -> bool:
    return {*map(text.key_of, change.gone)} == {*map(text.key_of, change.new)}
