"""Renews a replica that is known: reads every chunk of the source, writes what differs."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from etl_pipeline.errors import TransferError
from etl_pipeline.sync import replica
from etl_pipeline.sync.chunks import (
    ask_integer,
    grow_chunks,
    has_wide_rows,
    is_badly_cut,
    may_have_grown,
    plan_chunks,
)
from etl_pipeline.sync.difference import Difference, find_difference
from etl_pipeline.sync.extract import (
    ColumnState,
    end_read,
    extract_chunk,
    read_columns,
    refuse_altered,
)
from etl_pipeline.sync.lanes import Lane
from etl_pipeline.sync.proof import ChunkProof
from etl_pipeline.sync.written import Change, WriteJob, Written, write_rows
from etl_pipeline.transfer.load_data import insert_rows
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import (
    Chunk,
    TableText,
    delete_chunk,
    delete_rows,
    select_chunk,
    select_rows,
)
from etl_pipeline.transfer.spool import Spool

FEW_ROWS = 2_000
"""Where more lines of a chunk differ, the chunk is written anew."""
_ROWS_PER_STATEMENT = 500


class _CannotRenewError(Exception):
    """A chunk differs in a way that only building the replica anew can mend."""


@dataclass(frozen=True, slots=True)
class _Start:
    """What is compared with what.

    Attributes:
        chunks: The table, cut as it is remembered, with new chunks at its end.
        columns: The source's columns before the first chunk; None where there is one chunk only.
        believed: Digests of what the replica holds, by chunk.
        is_reread: Whether the digests that are remembered are of another rendering.
    """

    chunks: Sequence[Chunk]
    columns: list[ColumnState] | None
    believed: Mapping[Chunk, bytes]
    is_reread: bool


def renew_replica(job: WriteJob) -> list[Written] | None:
    """Compare every chunk with what is remembered, and bring over the rows that differ.

    Each chunk is committed by itself. Where the replica's digests cannot be believed (rows are
    missing or too many, or other versions of the servers read them otherwise) its rows are
    compared themselves.

    Returns:
        What was done with each chunk; None where the replica is not what is remembered, or
        differs so that it must be built anew.
    """
    start = job.lanes.call(functools.partial(_begin, job))
    if start is None:
        return None
    try:
        renew = functools.partial(_renew_chunk, job, start)
        singly = has_wide_rows(job.text.table)
        written = list(job.lanes.each(renew, start.chunks, singly=singly))
    except _CannotRenewError:
        return None

    def finish(lane: Lane) -> None:
        refuse_altered(job.text, lane.source, start.columns)
        if start.is_reread:
            proofs = [one.proof for one in written]
            replica.remember(lane.replication, job.text.name, job.identity, proofs)
            lane.replication.commit()

    job.lanes.call(finish)
    return written


def _begin(job: WriteJob, lane: Lane) -> _Start | None:
    """What to compare; None where the replica is not what is remembered, or not what is wanted."""
    text = job.text
    known = replica.read_replica(lane.replication, text.name)
    standing = replica.read_standing(lane.replication, text.name) if known else None
    end_read(lane.replication)
    if known is None or standing is None or standing.definition != known.stands_as:
        return None
    if job.identity.definition != known.identity.definition:
        return None
    chunks = _cut_anew(text, known.proofs, lane)
    columns = read_columns(text, lane.source) if len(chunks) > 1 else None
    reads_alike = job.identity == known.identity
    is_believed = reads_alike and standing.rows == known.rows
    digests = {proof.chunk: proof.text_digest for proof in known.proofs}
    return _Start(chunks, columns, digests if is_believed else {}, not reads_alike)


def _cut_anew(text: TableText, proofs: Sequence[ChunkProof], lane: Lane) -> list[Chunk]:
    """The table's chunks: as they are remembered, or as its rows want them cut now."""
    remembered = [proof.chunk for proof in proofs]
    rows = [proof.rows for proof in proofs]
    chunks = remembered
    if text.table.integer_key and is_badly_cut(text.table, rows):
        chunks = plan_chunks(text, ask_integer(lane.source))
    elif may_have_grown(text.table, rows):
        chunks = grow_chunks(text, remembered, ask_integer(lane.source))
    end_read(lane.source)
    if chunks != remembered:
        replica.retile(lane.replication, text.name, proofs, chunks)
        lane.replication.commit()
    return chunks


def _renew_chunk(job: WriteJob, start: _Start, lane: Lane, chunk: Chunk) -> Written:
    """Read a chunk; where it is not what the replica holds, write what differs and commit."""
    text, stop = job.text, job.lanes.stop
    with Spool(ordered=text.is_ordered) as sent:
        proof = extract_chunk(text, chunk, lane.source, sent, stop)
        done = Written(proof, sent.text_bytes, sent.altered)
        if start.believed.get(chunk) != proof.text_digest:
            if not text.table.primary_key:
                raise _CannotRenewError
            change = _mend_chunk(job, chunk, sent, lane.replication)
            replica.remember_chunks(lane.replication, text.name, [proof])
            lane.replication.commit()
            done = replace(done, change=change)
        job.report(sent.rows, sent.text_bytes)
        return done


def _mend_chunk(job: WriteJob, chunk: Chunk, sent: Spool, replication: Any) -> Change | None:
    """Make the replica's rows of *chunk* those of *sent*; what was changed, if it is little."""
    text, stop = job.text, job.lanes.stop
    with Spool(ordered=text.is_ordered) as held:
        held.fill(read_text(replication, select_chunk(text, chunk), text.modes), stop.check)
        if sent.is_small and held.is_small:
            difference = find_difference(sent.lines(), held.lines())
            if len(difference) <= FEW_ROWS:
                return _write_few(job, difference, held.digest(), replication)
    if text.table.integer_key is None:
        raise _CannotRenewError
    _write_anew(job, chunk, sent, replication)
    return None


def _write_few(job: WriteJob, difference: Difference, before: bytes, replication: Any) -> Change:
    """Write the rows of *difference*, and read them back: they must be what was sent."""
    text = job.text
    for lines in _batches(difference.gone):
        with replication.cursor() as cursor:
            deleted = cursor.execute(delete_rows(text, lines))
        _expect(text.name, deleted, len(lines))
    taken = insert_rows(replication, text.name, text, difference.new)
    _expect(text.name, taken, len(difference.new))
    copy_text = []
    held: set[bytes] = set()
    altered: Counter[tuple[int, str]] = Counter()
    for lines in _batches(difference.new):
        statement = select_rows(text, lines)
        for block in read_text(replication, statement, text.modes, with_copy=True):
            held.update(block.text.split(b"\n")[:-1])
            copy_text.append(block.copy_text)
            altered.update(block.altered)
    if held != set(difference.new):
        raise TransferError(
            "the replica does not hold what the source sent",
            where=text.name,
            fix=f"etl run {text.name}",
        )
    return Change(before, difference.gone, b"".join(copy_text), altered)


def _write_anew(job: WriteJob, chunk: Chunk, sent: Spool, replication: Any) -> None:
    """Delete the rows of *chunk* and write those of *sent*; the next hop's read proves them."""
    with replication.cursor() as cursor:
        cursor.execute(delete_chunk(job.text, chunk))
    write_rows(job, replication, job.text.name, sent)


def _batches(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(lines), _ROWS_PER_STATEMENT):
        yield lines[start : start + _ROWS_PER_STATEMENT]


def _expect(table: str, rows: int, expected: int) -> None:
    if rows != expected:
        raise TransferError(
            f"the replication server changed {rows} rows where {expected} were meant", where=table
        )
