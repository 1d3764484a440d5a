"""Compressed events: MariaDB's, one by one, and MySQL's, a transaction at a time (no I/O)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from etl_pipeline.binlog.buffer import Buffer, damaged
from etl_pipeline.binlog.events import HEADER_BYTES
from etl_pipeline.errors import LogError

_MARK, _MARK_BITS, _SIZE_BITS = 0x80, 0xE0, 0x07
_BLOCK_BYTES = 1 << 20
LARGEST_EVENT = 1 << 30
"""Bytes of an event at most: a server's max_allowed_packet is no larger."""


def inflate(data: bytes) -> bytes:
    """Return the content of what MariaDB has compressed: a mark, the size, and zlib's bytes.

    Raises:
        LogError: It is not that.
    """
    if not data or data[0] & _MARK_BITS != _MARK:
        raise damaged("compressed rows are not compressed")
    size_bytes = data[0] & _SIZE_BITS
    size = int.from_bytes(data[1 : 1 + size_bytes], "big")
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data[1 + size_bytes :], min(size, LARGEST_EVENT) + 1)
    except zlib.error as error:
        raise damaged("compressed rows cannot be inflated") from error
    if len(content) != size:
        raise damaged("compressed rows have another size than they say")
    return content


_END, _SIZE, _TYPE = 0, 1, 2
_ZSTD, _NONE = 0, 255


def read_payload(event: bytes) -> Iterator[bytes]:
    """Yield the events that a transaction payload event of MySQL carries.

    They are inflated as they are taken, so memory holds no more than the largest of them.

    Raises:
        LogError: The payload is damaged, or compressed in a way that is not known, or nothing that
            inflates it is installed.
    """
    body = Buffer(event, HEADER_BYTES)
    compression = _NONE
    size: int | None = None
    while (field := body.length()) != _END:
        value = Buffer(body.take(body.length()))
        if field == _SIZE:
            size = value.length()
        elif field == _TYPE:
            compression = value.length()
    payload = body.take(body.left if size is None else size)
    if compression == _NONE:
        blocks: Iterator[bytes] = iter((payload,))
    elif compression == _ZSTD:
        blocks = _inflate_zstd(payload)
    else:
        raise damaged("a transaction is compressed in an unknown way")
    return _split(blocks)


def _split(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the events that *blocks* hold one after the other."""
    rest = b""
    for block in blocks:
        rest = rest + block if rest else block
        start = 0
        while len(rest) - start >= HEADER_BYTES:
            size = int.from_bytes(rest[start + 9 : start + 13], "little")
            if not HEADER_BYTES <= size <= LARGEST_EVENT:
                raise damaged("an event is not as long as it says")
            if len(rest) - start < size:
                break
            yield rest[start : start + size]
            start += size
        rest = rest[start:]
    if rest:
        raise damaged("an event is cut off")


def _inflate_zstd(payload: bytes) -> Iterator[bytes]:
    zstd = _find_zstd()
    while payload:
        inflater = zstd.ZstdDecompressor()
        data = payload
        while not inflater.eof:
            try:
                block = inflater.decompress(data, _BLOCK_BYTES)
            except zstd.ZstdError as error:
                raise damaged("a transaction cannot be inflated") from error
            data = b""
            if block:
                yield block
            elif inflater.needs_input:
                raise damaged("a transaction is cut off")
        payload = inflater.unused_data


def _find_zstd() -> Any:
    """Return the library for zstd: Python's own since 3.14, or the same for older ones."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        try:
            from backports import zstd  # type: ignore[import-not-found, unused-ignore, no-redef]
        except ImportError:
            raise LogError(
                "the source compresses its log (binlog_transaction_compression), and nothing that "
                "inflates it is installed",
                where="source",
                fix="pip install 'etl_pipeline[follow]'",
            ) from None
    return zstd
