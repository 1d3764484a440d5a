"""The kernel that is at hand: compiled where a compiler was found, else in Python."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Any

from etl_pipeline.transfer import kernel_python
from etl_pipeline.transfer.kernel_python import (
    NEGATIVE_ZEROS,
    NUL_CHARACTERS,
    ZERO_DATES,
    Rendered,
    ServerErrorPacket,
)
from etl_pipeline.transfer.layout import Layout
from etl_pipeline.transfer.row_values import malformed_row

try:
    _compiled: Any = importlib.import_module("etl_pipeline.transfer._kernel")
except ImportError:
    _compiled = None

IS_COMPILED = _compiled is not None
_KINDS = (ZERO_DATES, NUL_CHARACTERS, NEGATIVE_ZEROS)
_SERVER_ERROR, _MALFORMED = 2, 3


def render(
    block: bytes | bytearray, layout: Layout, *, with_copy: bool, kinds: bytes | None = None
) -> Rendered:
    """Return the lines of the complete rows at the start of *block*.

    Errors are raised as by ``kernel_python.render``.

    Args:
        block: What the server sent.
        layout: The columns.
        with_copy: Whether the lines for COPY are wanted too.
        kinds: The kinds of ``transfer/binary.py``, a byte for each column, where the rows' tuples
            are wanted too.
    """
    if _compiled is None:
        return kernel_python.render(block, layout, with_copy=with_copy)
    text, copy_text, tuples, high, low, rows, consumed, status, error, altered = _compiled.render(
        block, layout.packed, with_copy, kinds
    )
    if status == _SERVER_ERROR:
        raise ServerErrorPacket(error)
    if status == _MALFORMED:
        raise malformed_row()
    counts = Counter({(column, _KINDS[kind]): count for column, kind, count in altered})
    same = text if copy_text is None else copy_text
    hashes = (high << 32) + low
    return Rendered(text, same, rows, consumed, status == 1, counts, tuples, hashes)
