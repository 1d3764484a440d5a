"""Compares a table in the three databases and names what differs; writes nothing that stays.

The source is at work while it is compared. Rows that changed there since they were loaded are no
discrepancy; each row that seems to be one is looked at again after a pause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from etl_pipeline.replicate.corrections import Place
from etl_pipeline.state.runs import is_at_work
from etl_pipeline.verify.chunk_check import MOST_SUSPECTS, ChunkCheck, TableCheck, check_table
from etl_pipeline.verify.comparable import refuse_drifted
from etl_pipeline.verify.compare import Comparison
from etl_pipeline.verify.recorded import LoadedChunk
from etl_pipeline.verify.row_check import RowCheck, WrongRow, check_rows
from etl_pipeline.verify.verdict import Discrepancy, DiscrepancyKind, Verdict, count_words

PAUSE_SECONDS = 2.0
"""How long after the first look at a suspect it is looked at again."""

_PLACES: tuple[Place, ...] = ("replication", "raw")
_GROUPS: tuple[tuple[Place, bool], ...] = (
    ("replication", False),
    ("replication", True),
    ("raw", False),
)


@dataclass(frozen=True, slots=True)
class Findings:
    """A verdict, and what a repair needs to know.

    Attributes:
        wrong: Rows to be copied again, by their chunk.
        whole: What is the matter with a table without a key, by place, if it is to be copied again.
        cannot_repair: Why some of what was found cannot be mended row by row; None if all can.
    """

    verdict: Verdict
    wrong: Sequence[tuple[LoadedChunk, Sequence[WrongRow]]] = ()
    cannot_repair: str | None = None
    whole: tuple[LoadedChunk, Mapping[Place, Counter[DiscrepancyKind]]] | None = None


def verify_table(job: Comparison) -> Findings:
    """Compare source, replica and ``raw``, chunk by chunk.

    Source and replica are compared by the digests of what both send now, and ``raw`` by
    PostgreSQL's digest against the one recorded when it was loaded; with ``scope.deep`` every row
    is also sent again and compared by value. The rows of chunks that differ are compared
    themselves, and those that are not what was loaded are looked at again.

    Raises:
        SchemaError: The table's schema is another than it was loaded with.
        pymysql.err.MySQLError, psycopg.Error: A server refused or was lost.
    """
    refuse_drifted(job)
    verdict = Verdict(job.text.name)
    first = check_table(job)
    if not first.chunks:
        what = "the table was never loaded, or is gone"
        verdict.discrepancies.append(Discrepancy("raw", what, fix=f"etl run {job.text.name}"))
        return Findings(verdict, cannot_repair="there is nothing to compare with")
    _sum_up(verdict, first)
    suspects = [look for look in first.chunks if look.is_suspect]
    if not suspects:
        return _settle(job, verdict, first, [], None)
    job.stop.wait(PAUSE_SECONDS)
    if job.text.table.primary_key:
        return _settle(job, verdict, first, suspects, check_rows(job, suspects))
    return _settle_keyless(job, verdict, suspects)


def _sum_up(verdict: Verdict, first: TableCheck) -> None:
    verdict.rows = sum(look.rows for look in first.chunks)
    verdict.text_bytes = sum(look.text_bytes for look in first.chunks)
    verdict.chunks, verdict.of_chunks = len(first.chunks), first.of_chunks
    _add_moved(verdict, first.chunks)


def _add_moved(verdict: Verdict, looks: Iterable[ChunkCheck]) -> None:
    moved = [look for look in looks if look.moved]
    verdict.moved += sum(look.moved for look in moved)
    instants = [look.loaded.read_at for look in moved]
    if verdict.moved_since is not None:
        instants.append(verdict.moved_since)
    verdict.moved_since = min(instants, default=None)


def _settle(
    job: Comparison,
    verdict: Verdict,
    first: TableCheck,
    suspects: Sequence[ChunkCheck],
    second: RowCheck | None,
) -> Findings:
    name, cannot_repair = job.text.name, None
    wrong: list[tuple[ChunkCheck, Sequence[WrongRow]]] = []
    if second:
        verdict.moved += second.moved
        if second.moved and verdict.moved_since is None:
            verdict.moved_since = min(look.loaded.read_at for look in suspects)
        found = ((look, second.wrong.get(look.loaded.chunk.ordinal, ())) for look in suspects)
        wrong = [(look, rows) for look, rows in found if rows]
        for place, is_stale in _GROUPS:
            verdict.discrepancies += _describe(job, place, wrong, second, is_stale=is_stale)
        if second.unsettled:
            verdict.notes.append(
                f"a run wrote {_chunks(second.unsettled)} meanwhile, which could not be judged"
            )
    if first.uncounted:
        cannot_repair = f"more than {MOST_SUSPECTS:,} rows differ"
        is_replica = any(look.vouched.replica is False for look in first.chunks)
        verdict.discrepancies.append(
            Discrepancy(
                "replication" if is_replica else "raw",
                f"{first.uncounted:,} more rows differ, which were not looked at singly",
                count=first.uncounted,
                fix=f"etl run {name} --full",
            )
        )
    if second and second.behind and job.scope.compares("raw"):
        what = f"replication has {_chunks(second.behind)} that raw has not got yet"
        if not job.scope.repair and is_at_work(job.analytics):
            verdict.notes.append(f"{what}: a run is at work")
        else:
            cannot_repair = cannot_repair or "raw is behind replication"
            verdict.discrepancies.append(Discrepancy("raw", what, fix=f"etl run {name}"))
    return Findings(verdict, [(look.loaded, rows) for look, rows in wrong], cannot_repair)


def _describe(
    job: Comparison,
    place: Place,
    wrong: Sequence[tuple[ChunkCheck, Sequence[WrongRow]]],
    second: RowCheck,
    *,
    is_stale: bool,
) -> list[Discrepancy]:
    """The rows of *place* that are wrong, or *is_stale*, as a discrepancy, if there are any."""
    here = [
        (look, [row for row in rows if row.place == place and row.is_stale == is_stale])
        for look, rows in wrong
    ]
    looks = [look for look, rows in here if rows]
    kinds: Counter[DiscrepancyKind] = Counter(row.kind for _, rows in here for row in rows)
    if not looks:
        return []
    return [
        Discrepancy(
            place,
            _missed(job, kinds) if is_stale else _not_as_loaded(kinds),
            tuple(second.named[place, is_stale]),
            sum(kinds.values()),
            min(look.loaded.read_at for look in looks),
            (min(look.looked_at for look in looks), second.looked_at),
            f"etl verify {job.text.name} --repair",
        )
    ]


def _not_as_loaded(kinds: Counter[DiscrepancyKind]) -> str:
    count = sum(kinds.values())
    rows = "1 row is" if count == 1 else f"{count:,} rows are"
    return f"{rows} not as loaded: {count_words(kinds)}"


def _missed(job: Comparison, kinds: Counter[DiscrepancyKind]) -> str:
    count = sum(kinds.values())
    rows = "1 row" if count == 1 else f"{count:,} rows"
    if job.rules.stamp is None:
        return f"{rows} changed at the source, which append_only does not read again"
    return f"{rows} changed at the source without a new {job.rules.stamp}, unseen by incremental"


def _settle_keyless(job: Comparison, verdict: Verdict, suspects: Sequence[ChunkCheck]) -> Findings:
    """Look at a table without a key as a whole once more; it is one chunk."""
    first_at: datetime = suspects[0].looked_at
    name, cannot_repair, whole = job.text.name, None, None
    verdict.moved, verdict.moved_since = 0, None
    again = check_table(job).chunks
    _add_moved(verdict, again)
    for look in again:
        if look.is_behind and job.scope.compares("raw"):
            what = "replication has rows that raw has not got yet"
            if not job.scope.repair and is_at_work(job.analytics):
                verdict.notes.append(f"{what}: a run is at work")
            else:
                cannot_repair = "raw is behind replication"
                verdict.discrepancies.append(Discrepancy("raw", what, fix=f"etl run {name}"))
        wrong = {p: look.wrong[p] for p in _PLACES if p in look.wrong and job.scope.compares(p)}
        verdict.discrepancies += [
            Discrepancy(
                place,
                _not_as_loaded(kinds),
                count=sum(kinds.values()),
                read_at=look.loaded.read_at,
                looked_at=(first_at, look.looked_at),
                fix=f"etl verify {name} --repair",
            )
            for place, kinds in wrong.items()
        ]
        if wrong and not cannot_repair:
            whole = look.loaded, wrong
    return Findings(verdict, cannot_repair=cannot_repair, whole=whole)


def _chunks(count: int) -> str:
    return "1 chunk" if count == 1 else f"{count:,} chunks"
