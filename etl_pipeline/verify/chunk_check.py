"""The first look at a table: which chunks are as they were loaded, and which rows are suspect."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl_pipeline.load.digests import read_digests
from etl_pipeline.replicate.corrections import Place
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.state.records import RawDigest
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.spool import Spool, for_copy, lossless
from etl_pipeline.verify.compare import (
    Comparison,
    RawTable,
    find_raw_table,
    read_chunk,
    reading_raw,
    reading_replica,
)
from etl_pipeline.verify.line_diff import compare_lines, count_lines
from etl_pipeline.verify.majority import DigestEvidence, RowVerdict, RowVersions, judge
from etl_pipeline.verify.missed_changes import find_stale
from etl_pipeline.verify.raw_rows import RawKey, RawRows, UnlikeLine
from etl_pipeline.verify.recorded import (
    LoadedChunk,
    ReplicaChunk,
    is_behind,
    read_loaded,
    read_written,
    read_written_chunk,
)
from etl_pipeline.verify.verdict import DiscrepancyKind

MOST_SUSPECTS = 100_000
"""Rows of a table that are looked at singly; where more differ, they are counted."""


@dataclass(slots=True)
class ChunkCheck:
    """What a look at a chunk gave.

    Attributes:
        loaded: The chunk as it is recorded.
        looked_at: When its rows were read, UTC.
        vouched: What its digests say.
        has_witness: Whether ``raw`` can be a witness: it is there, and not behind replication.
        is_behind: Whether replication holds another state than was loaded.
        rows: Rows that were compared, with *text_bytes* alike.
        moved: Rows that only changed at the source.
        keys: Suspects, as lines of the text of the table's keys.
        stale: Those of *keys* that changed at the source so that no run will see it but a full one.
        raw_keys: Suspects that ``raw`` alone has.
        wrong: In a table without a key: what is the matter, and with how many rows of each place.
    """

    loaded: LoadedChunk
    looked_at: datetime
    vouched: DigestEvidence
    has_witness: bool
    is_behind: bool
    rows: int = 0
    text_bytes: int = 0
    moved: int = 0
    keys: list[bytes] = field(default_factory=list)
    stale: frozenset[bytes] = frozenset()
    raw_keys: list[RawKey] = field(default_factory=list)
    wrong: dict[Place, Counter[DiscrepancyKind]] = field(default_factory=dict)

    @property
    def is_suspect(self) -> bool:
        """Whether a second look is needed."""
        return bool(self.keys or self.raw_keys or self.wrong or self.is_behind)


@dataclass(frozen=True, slots=True)
class TableCheck:
    """What the first look at a table gave.

    Attributes:
        chunks: Those that were looked at; empty where the table was never loaded, or is gone.
        of_chunks: How many the table has.
        uncounted: Suspects beyond ``MOST_SUSPECTS``, which are not looked at singly.
    """

    chunks: Sequence[ChunkCheck]
    of_chunks: int = 0
    uncounted: int = 0


def check_table(job: Comparison, ordinals: frozenset[int] | None = None) -> TableCheck:
    """Compare the chunks of a table by their digests, and the rows of those that differ.

    Args:
        job: The comparison.
        ordinals: The chunks to look at; None for those of the comparison's scope.
    """
    with reading_raw(job.analytics):
        loaded = read_loaded(job.analytics, job.text.name)
        live = find_raw_table(job)
        if not loaded or live is None:
            return TableCheck(())
        chosen = _choose(loaded, job.scope.sample, ordinals)
        look = _Look(job, live, loaded, chosen)
        looks: list[ChunkCheck] = []
        suspects = uncounted = 0
        for one in chosen:
            seen = look.at(one)
            found = len(seen.keys) + len(seen.raw_keys)
            if suspects + found > MOST_SUSPECTS:
                uncounted += found
                seen.keys.clear()
                seen.raw_keys.clear()
            suspects += len(seen.keys) + len(seen.raw_keys)
            looks.append(seen)
            job.report(seen.rows, seen.text_bytes)
    return TableCheck(looks, len(loaded), uncounted)


def _choose(
    loaded: Sequence[LoadedChunk], sample: float | None, ordinals: frozenset[int] | None
) -> list[LoadedChunk]:
    if ordinals is not None:
        return [one for one in loaded if one.chunk.ordinal in ordinals]
    if sample is None:
        return list(loaded)
    count = max(1, round(len(loaded) * sample))
    return sorted(random.sample(loaded, count), key=lambda one: one.chunk.ordinal)


class _Look:
    """Looks at the chunks of a table in one transaction of ``raw``."""

    def __init__(
        self,
        job: Comparison,
        live: RawTable,
        loaded: Sequence[LoadedChunk],
        chosen: Sequence[LoadedChunk],
    ) -> None:
        self._job, self._live = job, live
        self._among = [one.chunk for one in loaded]
        self._written = read_written(job.replication, job.text.name)
        end_read(job.replication)
        self._raw: RawRows | None = None
        self._digests: dict[int, RawDigest] = {}
        if job.scope.compares("raw") and live.is_believed:
            self._digest(chosen)

    def at(self, one: LoadedChunk) -> ChunkCheck:
        job = self._job
        looked_at = datetime.now(UTC)
        with reading_replica(job.replication):
            written = read_written_chunk(job.replication, job.text.name, one.chunk)
            behind = is_behind(one, self._written, written)
            is_digest_enough = job.scope.only == "raw" and not job.scope.deep and not behind
            if is_digest_enough and self._is_as_loaded(one):
                vouched = DigestEvidence(None, raw=True)
                return ChunkCheck(one, looked_at, vouched, True, False, rows=one.digest.rows)
            return self._compare(one, written, looked_at, behind=behind)

    def _compare(
        self,
        one: LoadedChunk,
        written: ReplicaChunk | None,
        looked_at: datetime,
        *,
        behind: bool,
    ) -> ChunkCheck:
        job, text, chunk = self._job, self._job.text, one.chunk
        with Spool(ordered=text.is_ordered) as sent, Spool(ordered=text.is_ordered) as held:
            read_chunk(job, job.source, chunk, sent)
            keep = for_copy if job.scope.deep else lossless
            read_chunk(job, job.replication, chunk, held, keep)
            is_same = sent.digest() == held.digest()
            vouched = self._vouch(one, written, held, is_same=is_same)
            seen = ChunkCheck(one, looked_at, vouched, not behind, behind)
            seen.rows, seen.text_bytes = sent.rows, sent.text_bytes
            asks_raw = not behind and self._asks_raw(one, vouched, held, is_same=is_same)
            if not text.table.primary_key:
                self._judge_all(seen, sent, is_same=is_same, asks_raw=asks_raw)
            else:
                self._find_suspects(seen, sent, held, is_same=is_same, asks_raw=asks_raw)
        return seen

    def _vouch(
        self, one: LoadedChunk, written: ReplicaChunk | None, held: Spool, *, is_same: bool
    ) -> DigestEvidence:
        """What the digests say of the chunk; ``raw`` is asked only where it matters."""
        if written is not None:
            replica = held.digest() == written.text_digest if written.is_text else None
        else:
            replica = True if one.is_text and held.digest() == one.text_digest else None
        is_needed = self._job.scope.compares("raw") or (not replica and not is_same)
        return DigestEvidence(replica, raw=not is_needed or self._is_as_loaded(one))

    def _asks_raw(
        self, one: LoadedChunk, vouched: DigestEvidence, held: Spool, *, is_same: bool
    ) -> bool:
        """Whether rows are to be compared with those of ``raw``."""
        if not is_same and not vouched.replica:
            return True
        if not self._job.scope.compares("raw"):
            return False
        is_other = one.is_text and held.digest() != one.text_digest
        return self._job.scope.deep or not vouched.raw or is_other

    def _find_suspects(
        self,
        seen: ChunkCheck,
        sent: Spool,
        held: Spool,
        *,
        is_same: bool,
        asks_raw: bool,
    ) -> None:
        text, chunk = self._job.text, seen.loaded.chunk
        unlike = self._find_unlike(chunk, held) if asks_raw else []
        if is_same and not unlike:
            return
        with Spool(ordered=text.is_ordered) as again:
            lines = held
            if self._job.scope.deep:  # what was read is for COPY
                read_chunk(self._job, self._job.replication, chunk, again)
                lines = again
            changed = {} if is_same else compare_lines(text, sent.lines(), lines.lines())
            numbers = {one.line for one in unlike if one.line is not None}
            suspects = {
                text.key_of(line) for number, line in enumerate(lines.lines()) if number in numbers
            }
        seen.stale = find_stale(
            self._job, seen.loaded, self._among[-1], self._written, changed, sent
        )
        seen.raw_keys = [one.key for one in unlike if one.line is None]
        if seen.vouched.replica is False:
            suspects.update(changed)
        elif seen.raw_keys:
            suspects.update(key for key, kind in changed.items() if kind == "missing")
        suspects.update(seen.stale)
        seen.keys = sorted(suspects, key=lambda key: (len(key), key))  # 9 before 10
        seen.moved = len(changed.keys() - suspects)

    def _find_unlike(self, chunk: Chunk, held: Spool) -> list[UnlikeLine]:
        """The rows of ``raw`` that are not the replica's."""
        if self._job.scope.deep:
            return self._raw_rows().compare_chunk(chunk, held.blocks())
        with Spool(ordered=self._job.text.is_ordered) as copies:
            read_chunk(self._job, self._job.replication, chunk, copies, for_copy)
            return self._raw_rows().compare_chunk(chunk, copies.blocks())

    def _judge_all(self, seen: ChunkCheck, sent: Spool, *, is_same: bool, asks_raw: bool) -> None:
        """Judge a table without a key, which is one chunk, as if it were one row."""
        if is_same and not asks_raw:
            return
        job, text = self._job, self._job.text
        chunk = seen.loaded.chunk
        with (
            Spool(ordered=text.is_ordered) as lines,
            Spool(ordered=text.is_ordered) as theirs,
            Spool(ordered=text.is_ordered) as sources,
        ):
            read_chunk(job, job.replication, chunk, lines)
            counts: Counter[DiscrepancyKind] = Counter()
            if not is_same:
                counts = count_lines(sent.lines(), lines.lines())
            row_versions = RowVersions(is_same)
            unlike_replica: Counter[DiscrepancyKind] = Counter()
            if asks_raw:
                read_chunk(job, job.replication, chunk, theirs, for_copy)
                read_chunk(job, job.source, chunk, sources, for_copy)
                unlike_replica = self._count_unlike(theirs)
                unlike_source = self._count_unlike(sources)
                row_versions = RowVersions(is_same, not unlike_replica, not unlike_source)
            row_verdict: RowVerdict = judge(row_versions, seen.vouched)
        if row_verdict.replication:
            seen.wrong["replication"] = counts
        if row_verdict.raw:
            seen.wrong["raw"] = unlike_replica
        if row_verdict.moved:
            seen.moved = sum(counts.values())

    def _count_unlike(self, spool: Spool) -> Counter[DiscrepancyKind]:
        missing, extra = self._raw_rows().count_unlike(spool.blocks())
        return +Counter[DiscrepancyKind]({"missing": missing, "extra": extra})

    def _is_as_loaded(self, one: LoadedChunk) -> bool:
        """Whether PostgreSQL's digest of the chunk is the recorded one, and says anything."""
        if not self._live.is_believed:
            return False
        if one.chunk.ordinal not in self._digests:
            self._digest([one])
        return self._digests[one.chunk.ordinal] == one.digest

    def _digest(self, chunks: Sequence[LoadedChunk]) -> None:
        job = self._job
        wanted = [one.chunk for one in chunks]
        digests = read_digests(job.analytics, self._live.rows, job.text, wanted, among=self._among)
        for one, digest in zip(chunks, digests, strict=True):
            self._digests[one.chunk.ordinal] = digest

    def _raw_rows(self) -> RawRows:
        # One pair of tables for all chunks: each that is made and dropped keeps its locks.
        if self._raw is None:
            self._raw = RawRows(self._job.analytics, self._job.text, self._live.rows)
        return self._raw
