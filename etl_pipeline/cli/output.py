"""Words to people: results on stdout, everything else on stderr."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TextIO

from etl_pipeline.errors import EtlError


def show(result: str) -> None:
    """Print *result* on stdout.

    A reader that has gone away (``etl run --json | head -1``) has read enough: nothing is raised,
    and the exit code goes on telling how the command ended.

    Raises:
        EtlError: It could not be written, because a disk is full for example.
    """
    if sys.stdout is None:  # started with stdout closed
        return
    try:
        sys.stdout.write(printable(result) + "\n")
        sys.stdout.flush()
    except OSError as error:
        _close(sys.stdout)
        if error.errno != errno.EPIPE:
            raise EtlError(
                f"the result could not be written ({error.strerror})",
                where="stdout",
                fix="free space, or send the output elsewhere; what the command did stays done",
            ) from None


def say(words: str) -> None:
    """Print *words* on stderr at once; from any thread, and never an error of its own."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(printable(words) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        _close(sys.stderr)


def count_of(number: int, noun: str) -> str:
    """``1 table``, ``2,000 tables``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def age_of(span: timedelta) -> str:
    """*span* in the largest unit that it has one of: ``40 s``, ``12 min``, ``5 h``, ``3 days``."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit if count > 1 or unit != 'days' else 'day'}"
    return f"{seconds} s"


def align(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """A line a row, its cells in columns; of the columns in *right* the ends stand in line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def printable(text: str) -> str:
    r"""*text* as a terminal may get it: other control characters than newline read ``\x1b``.

    Names and keys come from databases, and could move the cursor or hide what follows.
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _close(stream: TextIO) -> None:
    """Let what is still buffered for *stream* go nowhere, quietly."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
