"""Segments of a chunk: digests that tell where in the chunk rows changed (no I/O).

A segment is a range of keys within a chunk, with the digest of its rows' text. Where a chunk is not
what it was, only the segments that differ are read from the copy; a few rows that changed are
spread over few of them.

A *body* is the row text of a whole chunk or of several segments: complete lines in the key's order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from etl_pipeline.transfer.chunk import Chunk, tile
from etl_pipeline.transfer.select import RenderedTable

MOST_SEGMENTS = 128
LEAST_BYTES = 8 << 10
"""Text of a segment at least."""
GROWN = 4
"""A segment that has become so many times as large as it would be cut now is cut anew."""

_KEY_BYTES, _DIGEST_BYTES = 9, 16
_SEGMENT_BYTES = _KEY_BYTES + _DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a chunk.

    Attributes:
        keys: The range; its ordinal is the segment's within the chunk.
        digest: 16 bytes, of the lossless text of its rows.
    """

    keys: Chunk
    digest: bytes


def cut_segments(text: RenderedTable, chunk: Chunk, body: bytes) -> list[Segment]:
    """Cut *chunk* into segments, equally large as far as its rows' keys let them be.

    Rows that share the first column of a composite key stay in one segment. Empty where there would
    be one segment only, or the lines are not in one order everywhere.
    """
    size = _size(body)
    if not text.is_ordered or len(body) < 2 * size:
        return []
    place = _key_place(text)
    first = _key(body, 0, place)
    starts = (body.rfind(b"\n", 0, at) + 1 for at in range(size, len(body), size))
    bounds = sorted({_key(body, start, place) for start in starts} - {first})
    ranges = tile(bounds, chunk) if bounds else []
    return [Segment(keys, _digest(part)) for keys, part in _parts(text, ranges, body)]


def find_other(text: RenderedTable, segments: Sequence[Segment], body: bytes) -> list[Segment]:
    """Return those of *segments*, which are in order, whose rows differ from those of *body*."""
    ranges = [segment.keys for segment in segments]
    parts = zip(segments, _parts(text, ranges, body), strict=True)
    return [segment for segment, (_, part) in parts if _digest(part) != segment.digest]


def update_segments(
    text: RenderedTable,
    chunk: Chunk,
    segments: Sequence[Segment],
    other: Sequence[Segment],
    body: bytes,
) -> list[Segment]:
    """Return *segments* as they are of *body*, the chunk's rows; only those of *other* differ."""
    parts = list(_parts(text, [segment.keys for segment in other], body))
    if any(len(part) > GROWN * _size(body) for _, part in parts):
        return cut_segments(text, chunk, body)
    digests = {keys.ordinal: _digest(part) for keys, part in parts}
    return [
        replace(segment, digest=digests.get(segment.keys.ordinal, segment.digest))
        for segment in segments
    ]


def lines_of(text: RenderedTable, segments: Sequence[Segment], body: bytes) -> Iterator[bytes]:
    """Yield the lines of *body* that belong to *segments*, which are in order."""
    for _, part in _parts(text, [segment.keys for segment in segments], body):
        yield from bytes(part).split(b"\n")[:-1]


def pack(segments: Sequence[Segment]) -> bytes:
    """Return *segments* as bytes: of each its lower bound (0 for the first) and its digest."""
    return b"".join(
        (segment.keys.lower or 0 if segment.keys.ordinal else 0).to_bytes(
            _KEY_BYTES, "big", signed=True
        )
        + segment.digest
        for segment in segments
    )


def unpack(packed: bytes, chunk: Chunk) -> list[Segment]:
    """Return the segments of *chunk* from the bytes that ``pack`` made."""
    parts = [packed[at : at + _SEGMENT_BYTES] for at in range(0, len(packed), _SEGMENT_BYTES)]
    bounds = [int.from_bytes(part[:_KEY_BYTES], "big", signed=True) for part in parts[1:]]
    ranges = tile(bounds, chunk)
    return [Segment(keys, part[_KEY_BYTES:]) for keys, part in zip(ranges, parts, strict=True)]


def _size(body: bytes) -> int:
    return max(LEAST_BYTES, -(-len(body) // MOST_SEGMENTS))


def _parts(
    text: RenderedTable, ranges: Sequence[Chunk], body: bytes
) -> Iterator[tuple[Chunk, memoryview]]:
    """Yield each of *ranges*, which are in order, with its rows."""
    place, view, end = _key_place(text), memoryview(body), 0
    for keys in ranges:
        start = 0 if keys.lower is None else _find(body, end, keys.lower, place)
        end = len(body) if keys.upper is None else _find(body, start, keys.upper, place)
        yield keys, view[start:end]


def _find(body: bytes, low: int, key: int, place: int) -> int:
    """Return where the first line begins, from *low* on, whose key is not below *key*."""
    high = len(body)
    while low < high:
        start = max(low, body.rfind(b"\n", low, (low + high) // 2) + 1)
        if _key(body, start, place) < key:
            low = body.index(b"\n", start) + 1
        else:
            high = start
    return low


def _key(body: bytes, start: int, place: int) -> int:
    """Return the key of the line that begins at *start*: its field of number *place*."""
    line = body[start : body.index(b"\n", start)]
    return int(line.split(b"\t", place + 1)[place])


def _key_place(text: RenderedTable) -> int:
    return text.column_names.index(text.table.primary_key[0])


def _digest(part: memoryview) -> bytes:
    return hashlib.sha256(part).digest()[:_DIGEST_BYTES]
