"""Errors of servers, of the disk and of ourselves are told apart."""

from __future__ import annotations

import errno
import os

import psycopg
import pymysql
import pytest
from sqlalchemy.exc import OperationalError

from etl_pipeline.errors import SchemaError
from etl_pipeline.pipeline.explain import explained

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
    (KeyError("Smith"), "patient: a defect of this program (KeyError)"),
    (SchemaError("unsupported", where="patient.Shape", fix="x"), "patient.Shape: unsupported"),
]


@pytest.mark.parametrize(("error", "words"), ERRORS, ids=[w for _, w in ERRORS])
def test_an_error_is_explained_without_its_text(error: Exception, words: str) -> None:
    text = str(explained(error, "patient"))
    assert text.startswith(words)
    assert "\n  fix: " in text
    assert "Smith" not in text
