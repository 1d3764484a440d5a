"""The first check of a table: which chunks differ, and which of their rows are to be checked.

The source is at work meanwhile, so a row that differs here is no discrepancy yet: ``row_check``
reads it once more.
"""

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
from etl_pipeline.verify.job import (
    RawTable,
    VerifyJob,
    find_raw_table,
    read_chunk,
    reading_raw,
    reading_replica,
)
from etl_pipeline.verify.line_diff import compare_lines, count_lines
from etl_pipeline.verify.majority import DigestEvidence, RowVersions, find_wrong_copies
from etl_pipeline.verify.missed_changes import find_missed_changes
from etl_pipeline.verify.raw_rows import DifferingLine, RawKey, RawRows
from etl_pipeline.verify.recorded_chunks import (
    LoadedChunk,
    ReplicaChunk,
    is_behind,
    read_loaded_chunks,
    read_replica_chunk,
    read_replica_state,
)
from etl_pipeline.verify.result import DiscrepancyKind

MAX_ROW_CHECKS = 100_000
"""Rows of a table that are checked one by one; where more differ, they are only counted."""


@dataclass(slots=True)
class ChunkCheck:
    """The result of checking one chunk.

    Attributes:
        loaded: The chunk as it is recorded.
        checked_at: When its rows were read, UTC.
        evidence: What its digests say.
        can_ask_raw: True if ``raw`` can tell which copy is wrong: it has the chunk, and is not
            behind replication.
        is_behind: True if replication holds another state of the chunk than was loaded.
        rows: Rows that were compared; their text has *text_bytes*.
        moved: Rows that only changed at the source.
        keys: Keys of rows to check, as lines of the text of the table's keys.
        missed: Those of *keys* that changed at the source and that no run but a full one will see.
        raw_only_keys: Keys of rows to check that only ``raw`` has.
        wrong: For a table without a key: kinds of discrepancy and their rows, by place.
    """

    loaded: LoadedChunk
    checked_at: datetime
    evidence: DigestEvidence
    can_ask_raw: bool
    is_behind: bool
    rows: int = 0
    text_bytes: int = 0
    moved: int = 0
    keys: list[bytes] = field(default_factory=list)
    missed: frozenset[bytes] = frozenset()
    raw_only_keys: list[RawKey] = field(default_factory=list)
    wrong: dict[Place, Counter[DiscrepancyKind]] = field(default_factory=dict)

    @property
    def needs_row_check(self) -> bool:
        """True if rows of the chunk differ, or cannot be compared yet."""
        return bool(self.keys or self.raw_only_keys or self.wrong or self.is_behind)


@dataclass(frozen=True, slots=True)
class TableCheck:
    """The results of checking the chunks of a table.

    Attributes:
        chunks: Those that were checked; empty where the table was never loaded, or is gone.
        of_chunks: How many the table has.
        unchecked_rows: Rows that differ beyond ``MAX_ROW_CHECKS``, which are only counted.
    """

    chunks: Sequence[ChunkCheck]
    of_chunks: int = 0
    unchecked_rows: int = 0


def check_chunks(job: VerifyJob) -> TableCheck:
    """Compare the chunks of a table by their digests, and the rows of those that differ."""
    with reading_raw(job.analytics):
        loaded = read_loaded_chunks(job.analytics, job.text.name)
        raw = find_raw_table(job)
        if not loaded or raw is None:
            return TableCheck(())
        sample = _choose(loaded, job.scope.sample)
        checker = _ChunkChecker(job, raw, loaded, sample)
        checks: list[ChunkCheck] = []
        rows = unchecked_rows = 0
        for loaded_chunk in sample:
            check = checker.check(loaded_chunk)
            found = len(check.keys) + len(check.raw_only_keys)
            if rows + found > MAX_ROW_CHECKS:
                unchecked_rows += found
                check.keys.clear()
                check.raw_only_keys.clear()
            rows += len(check.keys) + len(check.raw_only_keys)
            checks.append(check)
            job.report(check.rows, check.text_bytes)
    return TableCheck(checks, len(loaded), unchecked_rows)


def _choose(loaded: Sequence[LoadedChunk], sample: float | None) -> list[LoadedChunk]:
    if sample is None:
        return list(loaded)
    count = max(1, round(len(loaded) * sample))
    return sorted(random.sample(loaded, count), key=lambda chosen: chosen.chunk.ordinal)


class _ChunkChecker:
    """Checks the chunks of a table in one transaction of ``raw``."""

    def __init__(
        self,
        job: VerifyJob,
        raw: RawTable,
        loaded: Sequence[LoadedChunk],
        sample: Sequence[LoadedChunk],
    ) -> None:
        self._job, self._raw = job, raw
        self._all_chunks = [each.chunk for each in loaded]
        self._replica_state = read_replica_state(job.replication, job.text.name)
        end_read(job.replication)
        self._raw_rows_made: RawRows | None = None
        self._raw_digests: dict[int, RawDigest] = {}
        if job.scope.compares("raw") and raw.digests_are_valid:
            self._digest(sample)

    def check(self, loaded: LoadedChunk) -> ChunkCheck:
        job = self._job
        checked_at = datetime.now(UTC)
        with reading_replica(job.replication):
            recorded = read_replica_chunk(job.replication, job.text.name, loaded.chunk)
            behind = is_behind(loaded, self._replica_state, recorded)
            is_digest_enough = job.scope.only == "raw" and not job.scope.deep and not behind
            if is_digest_enough and self._is_raw_as_loaded(loaded):
                evidence = DigestEvidence(None, raw=True)
                rows = loaded.digest.rows
                return ChunkCheck(loaded, checked_at, evidence, True, False, rows=rows)
            return self._compare(loaded, recorded, checked_at, behind=behind)

    def _compare(
        self,
        loaded: LoadedChunk,
        recorded: ReplicaChunk | None,
        checked_at: datetime,
        *,
        behind: bool,
    ) -> ChunkCheck:
        job, text, chunk = self._job, self._job.text, loaded.chunk
        with Spool(ordered=text.is_ordered) as source, Spool(ordered=text.is_ordered) as replica:
            read_chunk(job, job.source, chunk, source)
            keep = for_copy if job.scope.deep else lossless
            read_chunk(job, job.replication, chunk, replica, keep)
            is_same = source.digest() == replica.digest()
            evidence = self._find_evidence(loaded, recorded, replica, is_same=is_same)
            check = ChunkCheck(loaded, checked_at, evidence, not behind, behind)
            check.rows, check.text_bytes = source.rows, source.text_bytes
            asks_raw = not behind and self._asks_raw(loaded, evidence, replica, is_same=is_same)
            if not text.table.primary_key:
                self._check_keyless(check, source, is_same=is_same, asks_raw=asks_raw)
            else:
                self._find_differing_rows(
                    check, source, replica, is_same=is_same, asks_raw=asks_raw
                )
        return check

    def _find_evidence(
        self,
        loaded: LoadedChunk,
        recorded: ReplicaChunk | None,
        replica: Spool,
        *,
        is_same: bool,
    ) -> DigestEvidence:
        """Compare the digests with those recorded; ``raw`` is asked only where it matters."""
        is_replica_as_written: bool | None
        if recorded is not None:
            is_as_recorded = replica.digest() == recorded.text_digest
            is_replica_as_written = is_as_recorded if recorded.is_text else None
        else:
            is_as_loaded = loaded.is_text and replica.digest() == loaded.text_digest
            is_replica_as_written = True if is_as_loaded else None
        is_needed = self._job.scope.compares("raw") or (not is_replica_as_written and not is_same)
        is_raw_as_loaded = not is_needed or self._is_raw_as_loaded(loaded)
        return DigestEvidence(is_replica_as_written, raw=is_raw_as_loaded)

    def _asks_raw(
        self, loaded: LoadedChunk, evidence: DigestEvidence, replica: Spool, *, is_same: bool
    ) -> bool:
        """Return True if rows are to be compared with those of ``raw``."""
        if not is_same and not evidence.replica:
            return True
        if not self._job.scope.compares("raw"):
            return False
        is_other = loaded.is_text and replica.digest() != loaded.text_digest
        return self._job.scope.deep or not evidence.raw or is_other

    def _find_differing_rows(
        self,
        check: ChunkCheck,
        source: Spool,
        replica: Spool,
        *,
        is_same: bool,
        asks_raw: bool,
    ) -> None:
        """Fill the keys of *check*, and count the rows that only changed at the source."""
        text, chunk = self._job.text, check.loaded.chunk
        differing = self._compare_raw(chunk, replica) if asks_raw else []
        if is_same and not differing:
            return
        with Spool(ordered=text.is_ordered) as again:
            lines = replica
            if self._job.scope.deep:  # what was read is for COPY
                read_chunk(self._job, self._job.replication, chunk, again)
                lines = again
            changed = {} if is_same else compare_lines(text, source.lines(), lines.lines())
            numbers = {row.line for row in differing if row.line is not None}
            keys = {
                text.key_of(line) for number, line in enumerate(lines.lines()) if number in numbers
            }
        is_last = chunk == self._all_chunks[-1]
        check.missed = find_missed_changes(
            self._job, self._replica_state.watermark, changed, source, is_last=is_last
        )
        check.raw_only_keys = [row.key for row in differing if row.line is None]
        if check.evidence.replica is False:
            keys.update(changed)
        elif check.raw_only_keys:
            keys.update(key for key, kind in changed.items() if kind == "missing")
        keys.update(check.missed)
        check.keys = sorted(keys, key=lambda key: (len(key), key))  # 9 before 10
        check.moved = len(changed.keys() - keys)

    def _compare_raw(self, chunk: Chunk, replica: Spool) -> list[DifferingLine]:
        """Return the rows of ``raw`` that differ from the replica's."""
        if self._job.scope.deep:
            return self._raw_rows().compare_chunk(chunk, replica.blocks())
        with Spool(ordered=self._job.text.is_ordered) as copies:
            read_chunk(self._job, self._job.replication, chunk, copies, for_copy)
            return self._raw_rows().compare_chunk(chunk, copies.blocks())

    def _check_keyless(
        self, check: ChunkCheck, source: Spool, *, is_same: bool, asks_raw: bool
    ) -> None:
        """Check a table without a key, which is one chunk, as if it were one row."""
        if is_same and not asks_raw:
            return
        job, text = self._job, self._job.text
        chunk = check.loaded.chunk
        with (
            Spool(ordered=text.is_ordered) as replica,
            Spool(ordered=text.is_ordered) as replica_copy,
            Spool(ordered=text.is_ordered) as source_copy,
        ):
            read_chunk(job, job.replication, chunk, replica)
            counts: Counter[DiscrepancyKind] = Counter()
            if not is_same:
                counts = count_lines(source.lines(), replica.lines())
            versions = RowVersions(is_same)
            raw_counts: Counter[DiscrepancyKind] = Counter()
            if asks_raw:
                read_chunk(job, job.replication, chunk, replica_copy, for_copy)
                read_chunk(job, job.source, chunk, source_copy, for_copy)
                raw_counts = self._count_differing(replica_copy)
                differs_from_source = self._count_differing(source_copy)
                versions = RowVersions(is_same, not raw_counts, not differs_from_source)
            wrong = find_wrong_copies(versions, check.evidence)
        if wrong.replication:
            check.wrong["replication"] = counts
        if wrong.raw:
            check.wrong["raw"] = raw_counts
        if wrong.moved:
            check.moved = sum(counts.values())

    def _count_differing(self, spool: Spool) -> Counter[DiscrepancyKind]:
        missing, extra = self._raw_rows().count_differing(spool.blocks())
        return +Counter[DiscrepancyKind]({"missing": missing, "extra": extra})

    def _is_raw_as_loaded(self, loaded: LoadedChunk) -> bool:
        """Return True if PostgreSQL's digest of the chunk is valid and is the recorded one."""
        if not self._raw.digests_are_valid:
            return False
        if loaded.chunk.ordinal not in self._raw_digests:
            self._digest([loaded])
        return self._raw_digests[loaded.chunk.ordinal] == loaded.digest

    def _digest(self, loaded: Sequence[LoadedChunk]) -> None:
        job = self._job
        chunks = [each.chunk for each in loaded]
        digests = read_digests(
            job.analytics, self._raw.live_rows, job.text, chunks, among=self._all_chunks
        )
        for chunk, digest in zip(chunks, digests, strict=True):
            self._raw_digests[chunk.ordinal] = digest

    def _raw_rows(self) -> RawRows:
        # One pair of tables for all chunks: each that is made and dropped keeps its locks.
        if self._raw_rows_made is None:
            self._raw_rows_made = RawRows(self._job.analytics, self._job.text, self._raw.live_rows)
        return self._raw_rows_made
