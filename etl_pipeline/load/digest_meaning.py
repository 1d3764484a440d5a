"""The meaning of a table's digests: what must stay the same for them to be valid (no I/O).

A digest of row text proves nothing by itself: the same bytes are other values under other names,
of other types, or in another table. So the recorded digests of ``raw`` are valid as long as their
meaning is the recorded one; else every row is compared by value.
"""

from __future__ import annotations

import hashlib
import json

from etl_pipeline.schema.actual_table import ActualTable
from etl_pipeline.transfer.select import RenderedTable

MEANING = 1
"""Version of the code that makes values of ``raw`` from row text; raised when the same text would
become other values."""

_CURRENT_CHARSETS = {"utf8": "utf8mb3"}  # the same under the name that newer servers give it


def digest_meaning(text: RenderedTable, actual: ActualTable) -> str:
    """Return the SHA-256, as hexadecimal digits, of what gives a row text its values in ``raw``.

    Those are the columns' names and their order, their types and character sets, what is asked of
    the source for each, how its text is rendered, its type in ``raw`` and how it is compared
    there; the key; and which table of PostgreSQL, and which of its columns, hold them. No value
    depends on versions of servers, on collations, comments and lengths, so they are left out.

    Args:
        text: The table, as its text is read.
        actual: The table in ``raw``, of which columns that are not in *text* do not matter.
    """
    columns = []
    for carried in text.columns:
        source, held = carried.column, actual.columns.get(carried.raw_name)
        columns.append(
            [
                source.name,
                source.data_type,
                _CURRENT_CHARSETS.get(source.charset or "", source.charset),
                carried.select,
                int(carried.mode),
                carried.postgres_type,
                carried.compare,
                [held.number, held.type] if held else None,
            ]
        )
    parts = [MEANING, text.name, list(text.table.primary_key), actual.number, columns]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
