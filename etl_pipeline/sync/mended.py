"""Rows of our copies that a run found wrong, and mended on its way: pure.

A run compares the source with what it left. Where a copy is not what was left, somebody else wrote
there; where a full pass brings a row that the passes before should have brought, they missed it.
Either is set right by the run, and said, since somebody will want to know why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from etl_pipeline.sync.difference import Difference
from etl_pipeline.sync.proof import ChunkProof
from etl_pipeline.sync.replica import Watermark
from etl_pipeline.sync.rules import Rules
from etl_pipeline.sync.stamps import Instant, first_stamp
from etl_pipeline.transfer.select import Chunk, TableText

KEYS_NAMED = 10
"""Rows that are named at most where something was wrong."""

Place = Literal["replication", "raw"]
Why = Literal["foreign", "missed"]


@dataclass(frozen=True, slots=True)
class Mended:
    """A chunk in which rows were wrong.

    Attributes:
        why: ``foreign``: the copy was not as it was left. ``missed``: earlier runs did not see that
            the source's rows had changed.
        rows: How many rows were written; None where that is not known.
        keys: The first of them.
    """

    place: Place
    why: Why
    chunk: Chunk
    rows: int | None = None
    keys: tuple[str, ...] = ()


def find_foreign(
    text: TableText,
    given: ChunkProof | None,
    held_digest: bytes,
    difference: Difference | None,
) -> list[Mended]:
    """Whether a chunk of the replica, which is about to be written, is not what it was given.

    Args:
        text: The table.
        given: What is remembered of the chunk; None where nothing is.
        held_digest: Of the text that the replica has.
        difference: How that differs from the source's; None where it was not found out.
    """
    if given is None or not given.is_text or given.text_digest == held_digest:
        return []
    return [_mended(text, "foreign", given.chunk, difference)]


def find_missed(
    text: TableText,
    rules: Rules,
    watermark: Watermark | None,
    chunk: Chunk,
    difference: Difference | None,
) -> list[Mended]:
    """Whether a full pass brings rows that the table's own passes had not seen change.

    Args:
        text: The table.
        rules: How it is kept equal.
        watermark: What was committed before this run.
        chunk: The chunk, which is not the last.
        difference: How the replica's rows differ from the source's.
    """
    if difference is None:
        return []
    if rules.strategy == "append_only":
        missed = difference
    elif rules.stamp and watermark and watermark.column == rules.stamp:
        horizon = first_stamp(watermark, rules.overlap, Instant(datetime.now(UTC), None, None))
        place = text.column_names.index(rules.stamp)
        gone = {text.key_of(line): line for line in difference.gone}
        new = [
            line
            for line in difference.new
            if text.key_of(line) in gone and _is_old(line.split(b"\t")[place], horizon.encode())
        ]
        missed = Difference(tuple(gone[text.key_of(line)] for line in new), tuple(new))
    else:
        return []
    return [_mended(text, "missed", chunk, missed)] if len(missed) else []


def _is_old(stamp: bytes, horizon: bytes) -> bool:
    return stamp < horizon or stamp == b"\\N"


def _mended(text: TableText, why: Why, chunk: Chunk, difference: Difference | None) -> Mended:
    if difference is None:
        return Mended("replication", why, chunk)
    lines = {text.key_of(line): line for line in (*difference.new, *difference.gone)}
    named = [text.read_key(line) for line in list(lines.values())[:KEYS_NAMED]]
    return Mended("replication", why, chunk, len(lines), tuple(dict.fromkeys(named)))


def describe_mended(mended: Sequence[Mended]) -> list[str]:
    """A sentence for each place and reason."""
    sentences = []
    for place in ("replication", "raw"):
        for why in ("foreign", "missed"):
            here = [one for one in mended if one.place == place and one.why == why]
            if here:
                sentences.append(_sentence(place, why, here))
    return sentences


def _sentence(place: str, why: str, mended: Sequence[Mended]) -> str:
    keys = [key for one in mended for key in one.keys]
    rows = sum(one.rows or 0 for one in mended)
    more = " and others" if rows > len(keys[:KEYS_NAMED]) else ""
    named = f": {_rows(rows)}, keys {', '.join(keys[:KEYS_NAMED])}{more}" if keys else ""
    if why == "missed":
        return f"{place} had missed changes of the source{named}; mended"
    chunks = sorted((one.chunk for one in mended), key=lambda chunk: chunk.ordinal)
    return f"{place} was changed by somebody else in {_ranges(chunks)}{named}; mended"


def _rows(count: int) -> str:
    return "1 row was written anew" if count == 1 else f"{count:,} rows were written anew"


def _ranges(chunks: Sequence[Chunk]) -> str:
    first = chunks[0]
    lower = "the first" if first.lower is None else f"{first.lower}"
    upper = "the last" if first.upper is None else f"{first.upper - 1}"
    span = f"the keys from {lower} to {upper}"
    rest = len(chunks) - 1
    return span + (f" and {rest} more {'range' if rest == 1 else 'ranges'}" if rest else "")
