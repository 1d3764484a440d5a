"""Rows of our copies that a run found wrong, and corrected (no I/O).

A run compares the source with what it left. Where a copy is not what was left, somebody else wrote
there; where a full pass brings a row that the passes before should have brought, they missed it.
Either is set right by the run, and said, since somebody will want to know why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from etl_pipeline.formatting import count_of
from etl_pipeline.replicate.difference import Difference
from etl_pipeline.replicate.strategy import BlindSpot
from etl_pipeline.state.records import ChunkProof
from etl_pipeline.transfer.chunk import Chunk
from etl_pipeline.transfer.select import RenderedTable

KEYS_NAMED = 10
"""Rows that are named at most where something was wrong."""

Place = Literal["replication", "raw"]
Why = Literal["edited", "missed"]


@dataclass(frozen=True, slots=True)
class Correction:
    """A chunk in which rows were wrong.

    Attributes:
        why: ``edited``: the copy was not as it was left. ``missed``: earlier runs did not see that
            the source's rows had changed.
        rows: How many rows were written; None where that is not known.
        keys: The first of them.
    """

    place: Place
    why: Why
    chunk: Chunk
    rows: int | None = None
    keys: tuple[str, ...] = ()


def find_edited_rows(
    text: RenderedTable,
    given: ChunkProof | None,
    held_digest: bytes,
    difference: Difference | None,
) -> list[Correction]:
    """Return what somebody else has written to a chunk of the replica that is about to be written.

    Args:
        text: The table.
        given: What is recorded of the chunk; None where nothing is.
        held_digest: Of the text that the replica has.
        difference: How that differs from the source's; None where it was not found out.
    """
    if given is None or not given.is_text or given.text_digest == held_digest:
        return []
    return [_correction(text, "edited", given.chunk, difference)]


def find_missed(
    text: RenderedTable,
    blind: BlindSpot | None,
    chunk: Chunk,
    difference: Difference | None,
) -> list[Correction]:
    """Return what a full pass brings that the table's usual passes had not seen change.

    Args:
        text: The table.
        blind: What the usual pass misses of the chunk.
        chunk: The chunk.
        difference: How the replica's rows differ from the source's.
    """
    if difference is None or blind is None:
        return []
    missed = difference
    if blind.is_unread:
        gone = {text.key_of(line): line for line in difference.gone}
        new = [
            line for line in difference.new if text.key_of(line) in gone and blind.is_unread(line)
        ]
        missed = Difference(tuple(gone[text.key_of(line)] for line in new), tuple(new))
    return [_correction(text, "missed", chunk, missed)] if len(missed) else []


def _correction(
    text: RenderedTable, why: Why, chunk: Chunk, difference: Difference | None
) -> Correction:
    if difference is None:
        return Correction("replication", why, chunk)
    lines = {text.key_of(line): line for line in (*difference.new, *difference.gone)}
    named = [text.read_key(line) for line in list(lines.values())[:KEYS_NAMED]]
    return Correction("replication", why, chunk, len(lines), tuple(dict.fromkeys(named)))


def describe_corrections(corrections: Sequence[Correction]) -> list[str]:
    """Return a sentence for each place and reason."""
    sentences = []
    for place in ("replication", "raw"):
        for why in ("edited", "missed"):
            here = [
                correction
                for correction in corrections
                if correction.place == place and correction.why == why
            ]
            if here:
                sentences.append(_sentence(place, why, here))
    return sentences


def _sentence(place: str, why: str, corrections: Sequence[Correction]) -> str:
    keys = [key for correction in corrections for key in correction.keys]
    rows = sum(correction.rows or 0 for correction in corrections)
    more = " and others" if rows > len(keys[:KEYS_NAMED]) else ""
    written = f"{count_of(rows, 'row was', 'rows were')} written anew"
    named = f": {written}, keys {', '.join(keys[:KEYS_NAMED])}{more}" if keys else ""
    if why == "missed":
        return f"{place} had missed changes of the source{named}; mended"
    chunks = sorted(
        (correction.chunk for correction in corrections), key=lambda chunk: chunk.ordinal
    )
    return f"{place} was changed by somebody else in {_ranges(chunks)}{named}; mended"


def _ranges(chunks: Sequence[Chunk]) -> str:
    first = chunks[0]
    lower = "the first" if first.lower is None else f"{first.lower}"
    upper = "the last" if first.upper is None else f"{first.upper - 1}"
    span = f"the keys from {lower} to {upper}"
    rest = len(chunks) - 1
    return span + (f" and {count_of(rest, 'more range')}" if rest else "")
