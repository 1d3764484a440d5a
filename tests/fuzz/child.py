"""The fuzzer's inner process: the sanitized kernel and its twin on one case after the other.

Started by ``fuzzer.py``. The number of the case at hand stands in a file before the kernel is
called, so that it is known whatever the call does to the process.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_pipeline.errors import TransferError
from etl_pipeline.schema.types import Mode
from etl_pipeline.transfer import kernel, kernel_python
from etl_pipeline.transfer.kernel_python import Rendered, ServerErrorPacket
from tests.fuzz.cases import SMALL_PACKET, Case, Cases
from tests.fuzz.sanitized import load_module
from tests.transfer import packets

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER_BYTES = 8
DIFFERENT = 3
_ESCAPED = frozenset({Mode.TEXT, Mode.BINARY, Mode.GEOMETRY})  # the modes that hide a newline
_SLACK = 16  # small buffers of ctypes lie inside an object, where nothing watches their ends


def main(arguments: list[str]) -> int:
    """Try cases of a seed until the time is over; see ``fuzzer.py`` for the arguments."""
    real, small, seed, first, last, seconds, number_file = arguments
    modules = {False: load_module("_kernel", real), True: load_module("_kernel", small)}
    cases = Cases(int(seed))
    deadline = time.monotonic() + float(seconds)
    number = int(first)
    with Path(number_file).open("r+b", buffering=0) as file:
        while number < int(last) and time.monotonic() < deadline:
            os.pwrite(file.fileno(), number.to_bytes(NUMBER_BYTES, "little"), 0)
            case = cases.case(number)
            difference = try_case(case, modules[case.is_small_packet])
            if difference:
                print(difference)
                return DIFFERENT
            number += 1
    print(number - int(first))
    return 0


def try_case(case: Case, module: Any) -> str | None:
    """What kernel and twin differ in, or None."""
    with _full_packet(SMALL_PACKET if case.is_small_packet else packets.FULL):
        expected = _outcome(
            lambda: kernel_python.render(case.block, case.layout, with_copy=case.with_copy)
        )
    kernel._compiled = module
    block = _tight(case.block)
    found = _outcome(lambda: kernel.render(block, case.layout, with_copy=case.with_copy))
    if found != expected:
        return f"kernel: {found!r}\ntwin:   {expected!r}"
    with_tuples = _outcome(
        lambda: kernel.render(block, case.layout, with_copy=case.with_copy, kinds=case.kinds)
    )
    if isinstance(found, Rendered) and isinstance(with_tuples, Rendered):
        tuples, hashes = with_tuples.tuples, with_tuples.hashes
        if tuples is not None and not _are_tuples(tuples, found.rows, len(case.layout.forms)):
            return f"no tuples of {found.rows} rows: {tuples!r}"
        with_tuples = replace(with_tuples, tuples=None, hashes=0)
        if tuples is None and hashes:
            return "hashes without tuples"
    if found != with_tuples:
        return f"kernel:      {found!r}\nwith tuples: {with_tuples!r}"
    if isinstance(found, Rendered):
        for text in (found.text, found.copy_text):
            if _ESCAPED.issuperset(case.layout.modes) and text.count(b"\n") != found.rows:
                return f"{found.rows} rows have another number of lines"
    return None


def _are_tuples(tuples: bytes, rows: int, columns: int) -> bool:
    try:
        found = packets.read_tuples(tuples)
    except (AssertionError, struct.error):
        return False
    return [len(fields) for fields in found] == [columns] * rows


@contextmanager
def _full_packet(size: int) -> Iterator[None]:
    """The twin with another size of full packets, as the kernel was compiled with."""
    real = kernel_python._FULL_PACKET
    kernel_python._FULL_PACKET = size
    try:
        yield
    finally:
        kernel_python._FULL_PACKET = real


def _outcome(render: Any) -> Rendered | tuple[str, object]:
    try:
        rendered: Rendered = render()
    except ServerErrorPacket as error:
        return "server error", error.payload
    except TransferError as error:
        return "malformed", error.what
    return rendered


def _tight(data: bytes) -> Any:
    """*data* in memory that ends with its last byte; bytes objects have one more."""
    size = len(data)
    memory = memoryview((ctypes.c_char * (size + _SLACK))()).cast("B")[_SLACK:]
    memory[:] = data
    return memory


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
