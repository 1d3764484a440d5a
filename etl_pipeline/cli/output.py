"""Words to people: results on stdout, everything else on stderr."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import textwrap
from contextlib import suppress
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
        sys.stdout.write(fold(printable(result), terminal_width(sys.stdout)) + "\n")
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
        sys.stderr.write(fold(printable(words), terminal_width(sys.stderr)) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        _close(sys.stderr)


def terminal_width(stream: TextIO | None) -> int | None:
    """Columns of the terminal that *stream* writes to; None where it is no terminal."""
    if stream is None or not stream.isatty():
        return None
    return shutil.get_terminal_size().columns


def stdout_width() -> int | None:
    """Columns of the terminal that results go to; None where they go elsewhere."""
    return terminal_width(sys.stdout)


_KEPT_WHOLE = re.compile(r"\s*(fix:|(plan )?(raw|replication):|SELECT |-- )")
"""Lines that are there to be pasted."""
_LAST_CELL = re.compile(r"(?:.*\S)?\s{2,}(?=\S)")


def fold(text: str, width: int | None) -> str:
    """*text* with lines that are longer than *width* folded between words.

    What follows stands below the line's last cell. Lines to be pasted stay whole.
    """
    if width is None:
        return text
    return "\n".join(folded for line in text.split("\n") for folded in _fold_line(line, width))


def _fold_line(line: str, width: int) -> list[str]:
    if len(line) <= width or _KEPT_WHOLE.match(line):
        return [line]
    cell = _LAST_CELL.match(line)
    indent = cell.end() if cell and cell.end() <= width // 2 else 2
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        drop_whitespace=True,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
