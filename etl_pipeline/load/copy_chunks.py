"""Copy chunks of the replica to PostgreSQL; workers read and prove them ahead."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import psycopg

from etl_pipeline.core.workers import Worker
from etl_pipeline.errors import TransferError
from etl_pipeline.formatting import count_of
from etl_pipeline.load.digests import hashes_like_kernel, read_digests
from etl_pipeline.load.job import LoadJob
from etl_pipeline.load.refused_rows import explain_refused_row, refuse_altered_key
from etl_pipeline.replicate.chunking import has_wide_rows
from etl_pipeline.replicate.extract import end_read
from etl_pipeline.schema.ddl import create_incoming
from etl_pipeline.schema.names import quote_temporary
from etl_pipeline.state import replicas
from etl_pipeline.state.records import ChunkProof, RawDigest
from etl_pipeline.transfer.binary import Encoder, framed
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.copy import copy_text, locate_refusal
from etl_pipeline.transfer.kernel_python import Rendered
from etl_pipeline.transfer.reader import read_text
from etl_pipeline.transfer.select import RenderedTable, select_chunk
from etl_pipeline.transfer.spool import Spool, for_copy, lossless

log = logging.getLogger(__name__)

_DIGESTED = "_etl_digested"


def copy_chunks(
    job: LoadJob,
    proofs: Sequence[ChunkProof],
    destination: str,
    relation: str,
    options: Sequence[str] = (),
) -> list[RawDigest | None]:
    """Copy chunks of the replica, which are read and proven ahead, into *destination*.

    Over a line on which somebody could change it, a chunk whose digest is not known is sent twice,
    the first time only to be digested.

    Args:
        job: The table.
        proofs: The chunks.
        destination: The table that takes the rows, quoted.
        relation: Its name, as PostgreSQL's errors say it.
        options: More options of COPY.

    Returns:
        For each chunk, its digest in PostgreSQL where that is known, else None.
    """
    text = job.text
    is_known = hashes_like_kernel(job.analytics)
    if not is_known:
        log.info("%s: this server hashes rows in a way of its own", text.name)
    digests: list[RawDigest | None] = []
    is_wide = has_wide_rows(text.table)
    # A wide row is read as text only: two forms of it would take twice the memory.
    read = functools.partial(_read_chunk, text, None if is_wide else Encoder(text))
    for proof, sent in zip(
        proofs, job.request.workers.each(read, proofs, singly=is_wide), strict=True
    ):
        reread = functools.partial(_reread, job, proof)
        expected = sent.digest if is_known else None
        with sent.spool, explaining_refusals(job, relation, reread, is_binary=sent.is_binary):
            if expected is None and job.is_open:
                expected = _digest_first(job, sent)
            copied = _copy(job, destination, sent, options)
        if copied != proof.rows:
            raise TransferError(
                f"sent {count_of(proof.rows, 'row')}, PostgreSQL took {copied}", where=text.name
            )
        job.request.report(proof.rows, 0)
        digests.append(expected)
    return digests


def _copy(job: LoadJob, destination: str, sent: _Sent, options: Sequence[str] = ()) -> int:
    """Send a chunk into *destination*; return the number of rows that PostgreSQL took."""
    blocks = framed(sent.spool.blocks()) if sent.is_binary else sent.spool.blocks()
    form = ["FORMAT binary"] if sent.is_binary else []
    columns = job.text.column_names
    return copy_text(job.analytics, destination, columns, blocks, [*form, *options])


def _digest_first(job: LoadJob, sent: _Sent) -> RawDigest:
    """Send a chunk to be digested only; return PostgreSQL's digest of it."""
    with job.analytics.transaction(force_rollback=True):
        job.analytics.execute(create_incoming(_DIGESTED, job.text.columns).encode())
        destination = quote_temporary(_DIGESTED)
        _copy(job, destination, sent)
        (digest,) = read_digests(job.analytics, destination, job.text, [Chunk(0)])
    return digest


@contextlib.contextmanager
def explaining_refusals(
    job: LoadJob,
    relation: str,
    read_lines: Callable[[], Iterable[bytes]],
    *,
    is_binary: bool = False,
) -> Iterator[None]:
    """Raise an error that names the row by its key where PostgreSQL refuses one.

    Args:
        job: The table.
        relation: The name of the table that takes the rows.
        read_lines: Reads the lines that were sent once more.
        is_binary: True if they were sent in PostgreSQL's binary form.
    """
    try:
        yield
    except psycopg.Error as error:
        refusal = locate_refusal(error, job.text, relation, is_binary=is_binary)
        if refusal is None:
            raise
        raise explain_refused_row(job.text, read_lines(), refusal) from error


def _reread(job: LoadJob, proof: ChunkProof) -> Iterator[bytes]:
    with job.request.workers.call(
        lambda worker: _read_proven(job.text, worker, proof, lossless)
    ) as spool:
        yield from spool.lines()


@dataclass(frozen=True, slots=True)
class _Sent:
    """A chunk to send, as tuples of binary COPY or as text.

    Attributes:
        digest: The digest that it must have in PostgreSQL; None where it is sent as text.
    """

    spool: Spool
    digest: RawDigest | None = None

    @property
    def is_binary(self) -> bool:
        return self.digest is not None


def _read_chunk(
    text: RenderedTable, encoder: Encoder | None, worker: Worker, proof: ChunkProof
) -> _Sent:
    """Read and prove a chunk of the replica; as text if not all rows have a binary form."""
    kinds = encoder.kinds if encoder else None
    if encoder and kinds:
        hashes = 0

        def keep(block: Rendered) -> bytes:
            nonlocal hashes
            tuples, more = encoder.take(block)
            hashes += more
            return tuples

        spool = _read_proven(text, worker, proof, keep, kinds)
        if encoder.kinds:
            return _Sent(spool, RawDigest(spool.rows, Decimal(hashes)))
        spool.close()
    return _Sent(_read_proven(text, worker, proof, for_copy))


def _read_proven(
    text: RenderedTable,
    worker: Worker,
    proof: ChunkProof,
    keep: Callable[[Rendered], bytes],
    kinds: bytes | None = None,
) -> Spool:
    """Read a chunk of the replica and compare its digest with *proof*.

    Args:
        text: The table.
        worker: Its replication connection is used, and committed.
        proof: The chunk, and what the source sent of it.
        keep: Makes of a block of rows what goes into the spool.
        kinds: An ``Encoder``'s: rows have tuples then, and no text for COPY.

    Raises:
        TransferError: The replica does not hold what the source sent.
    """
    spool = Spool(ordered=text.is_ordered)
    statement = select_chunk(text, proof.chunk)
    blocks = read_text(
        worker.replication, statement, text.modes, with_copy=kinds is None, kinds=kinds
    )
    spool.fill(blocks, worker.stop.check, keep)
    end_read(worker.replication)
    refuse_altered_key(text, spool.altered)
    if spool.rows != proof.rows or (proof.is_text and spool.digest() != proof.text_digest):
        # Somebody else wrote there: the next run builds the replica anew.
        replicas.forget(worker.replication, text.name)
        worker.replication.commit()
        raise TransferError(
            "the replica does not hold what the source sent",
            where=text.name,
            fix=f"etl run {text.name}",
        )
    return spool
