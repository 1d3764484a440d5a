"""A chunk's row text, held until it has been read completely."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import IO

from etl_pipeline.errors import TransferError
from etl_pipeline.transfer.kernel_python import Rendered

MEMORY_BYTES = 16 << 20
BLOCK_BYTES = 1 << 18


class UnorderedDigest:
    """Digest of lines in any order: the sum of the lines' SHA-256, modulo 2**256.

    A sum, unlike an exclusive or, tells one copy of a line from three.
    """

    def __init__(self) -> None:
        self._sum = 0

    def update(self, text: bytes) -> None:
        """Add the complete lines of *text*."""
        for line in text.split(b"\n")[:-1]:
            self._sum += int.from_bytes(hashlib.sha256(line).digest(), "big")

    def digest(self) -> bytes:
        """32 bytes."""
        return (self._sum & (1 << 256) - 1).to_bytes(32, "big")


class Digest:
    """Digest of a chunk's lossless text.

    Args:
        ordered: Whether the lines come in one order everywhere, so that one hash runs over all of
            the text; otherwise the order makes no difference.
    """

    def __init__(self, *, ordered: bool) -> None:
        self._hash = hashlib.sha256() if ordered else UnorderedDigest()

    def update(self, text: bytes) -> None:
        """Add a block of complete lines."""
        self._hash.update(text)

    def value(self) -> bytes:
        """32 bytes."""
        return self._hash.digest()


def lossless(block: Rendered) -> bytes:
    """The block's text for LOAD DATA."""
    return block.text


def for_copy(block: Rendered) -> bytes:
    """The block's text for COPY."""
    return block.copy_text


@contextlib.contextmanager
def _naming_folder() -> Iterator[None]:
    """Say of an error that a temporary file is its cause, and where that lies."""
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        raise TransferError(
            f"rows are kept in a temporary file in {folder} meanwhile, and it could not be "
            f"written: {os.strerror(error.errno or 0)}",
            where=folder,
            fix="free space there, or name a folder with room: export TMPDIR=/…",
        ) from error


class Spool(AbstractContextManager["Spool"]):
    """Row text in memory, and past ``MEMORY_BYTES`` in a private temporary file without a name.

    Attributes:
        rows: Lines held.
        text_bytes: Size of the text.
        altered: Values that PostgreSQL cannot hold, by column position and kind.
    """

    def __init__(self, *, ordered: bool) -> None:
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._digest = Digest(ordered=ordered)
        self.rows = 0
        self.text_bytes = 0
        self.altered: Counter[tuple[int, str]] = Counter()

    def fill(
        self,
        blocks: Iterable[Rendered],
        check: Callable[[], None],
        keep: Callable[[Rendered], bytes] = lossless,
    ) -> None:
        """Take all of *blocks*.

        Args:
            blocks: What a reader gives.
            check: Called between two blocks; may raise to stop.
            keep: What is held of a block; the digest is of the lossless text in any case.
        """
        for block in blocks:
            check()
            self._digest.update(block.text)
            self.rows += block.rows
            self.text_bytes += len(block.text)
            self.altered.update(block.altered)
            kept = keep(block)
            del block  # before the next one is made: either may be as large as the largest row
            with _naming_folder():
                self._hold(kept)
            del kept
        if self._file is not None:
            with _naming_folder():
                self._file.flush()

    def _hold(self, text: bytes) -> None:
        if self._file is None and self._held_bytes + len(text) <= MEMORY_BYTES:
            self._held.append(text)
            self._held_bytes += len(text)
            return
        if self._file is None:
            # The file has no name and mode 600: what it holds is gone with the process.
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            self._file.writelines(self._held)
            self._held.clear()
        self._file.write(text)

    @property
    def is_small(self) -> bool:
        """True if all of the text is in memory."""
        return self._file is None

    def body(self) -> bytes | None:
        """All of the text; None where it is not in memory."""
        return b"".join(self._held) if self.is_small else None

    def blocks(self) -> Iterator[bytes]:
        """The text from its beginning, in blocks that may end within a line."""
        if self._file is None:
            yield from self._held
            return
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            yield block

    def lines(self) -> Iterator[bytes]:
        """The lines from the first, without their newlines."""
        if self._file is None:
            for block in self._held:
                yield from block.split(b"\n")[:-1]
            return
        self._file.seek(0)
        for line in self._file:
            yield line[:-1]

    def digest(self) -> bytes:
        """Return the digest of the text, 32 bytes."""
        return self._digest.value()

    def close(self) -> None:
        """Let go of the text."""
        self._held.clear()
        if self._file is not None:
            with contextlib.suppress(OSError):  # of a full disk, which was told
                self._file.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
