"""Errors of servers, of the disk and of ourselves are told apart."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import psycopg
import pymysql
import pytest
from pymysql.protocol import MysqlPacket
from sqlalchemy.exc import OperationalError

import etl_pipeline
from etl_pipeline.core.any_error import explained
from etl_pipeline.errors import SchemaError, TransferError
from etl_pipeline.transfer import spool
from etl_pipeline.transfer.kernel_python import Rendered

PACKAGE = Path(etl_pipeline.__file__).parent

ERRORS = [
    (pymysql.err.OperationalError(1205, "Smith"), "patient: the statement met a lock and gave way"),
    (psycopg.errors.DiskFull("Smith"), "patient: the server's disk is full (53100)"),
    (
        OperationalError("SELECT 'Smith'", {}, pymysql.err.OperationalError(1045, "Smith")),
        "patient: the server refused the login (1045)",
    ),
    (
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/var/tmp/x"),
        "/var/tmp/x: No space left on device",
    ),
    (OSError(errno.EIO, os.strerror(errno.EIO)), "patient: Input/output error"),
    (MemoryError("Smith"), "patient: this machine has no memory left for the program"),
    (KeyError("Smith"), "patient: a defect of this program (KeyError)"),
    (SchemaError("unsupported", where="patient.Shape", fix="x"), "patient.Shape: unsupported"),
]


@pytest.mark.parametrize(("error", "words"), ERRORS, ids=[w for _, w in ERRORS])
def test_an_error_is_explained_without_its_text(error: Exception, words: str) -> None:
    text = str(explained(error, "patient"))
    assert text.startswith(words)
    assert "\n  fix: " in text
    assert "Smith" not in text


@pytest.mark.parametrize("packet", [b"\xfe", b"\xfc\x01", b"\xfd"])
def test_what_a_driver_cannot_read_is_no_defect_of_ours(packet: bytes) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        MysqlPacket(packet, "utf-8").read_length_coded_string()  # type: ignore[no-untyped-call]
    assert "what a server sent cannot be understood" in str(explained(caught.value, "patient"))


def test_a_full_folder_for_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 0)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: Path("/dev/full").open("wb"))  # noqa: SIM115
    for size in (100, 100_000):
        blocks = [Rendered(text=b"x" * size + b"\n", rows=1)]
        with spool.Spool(ordered=True) as full, pytest.raises(TransferError) as caught:
            full.fill(blocks, lambda: None)
        text = str(explained(caught.value, "patient"))
        assert "No space left on device" in text
        assert "TMPDIR" in text


def test_no_file_of_ours_is_read_in_the_encoding_of_the_day() -> None:
    """Nor is what a process says: a server of a bare image is run under LC_ALL=POSIX."""
    wrong = []
    for file in sorted(PACKAGE.rglob("*.py")):
        calls = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        wrong += [
            f"{file.name}:{call.lineno}"
            for call in calls
            if isinstance(call, ast.Call) and _is_text(call)
        ]
    assert wrong == []


def _is_text(call: ast.Call) -> bool:
    """Whether *call* opens a file or a process as text and names no encoding."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = {word.arg: word.value for word in call.keywords}
    if "encoding" in given:
        return False
    if "text" in given or "universal_newlines" in given:
        return name in ("run", "Popen", "check_output")
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name == "open" and not (isinstance(owner, ast.Name) and owner.id == "os"):
        mode = given.get("mode") or (call.args[-1] if call.args else None)
        return not (isinstance(mode, ast.Constant) and "b" in str(mode.value))
    # Row text is read by a function of that name, too.
    return name == "write_text" or (name == "read_text" and owner is not None and not call.args)
