"""Errors are read by number; no text of a server is repeated."""

from __future__ import annotations

import socket
import ssl

import psycopg
import pymysql
import pytest
from psycopg.errors import lookup
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from etl_pipeline.core.driver_errors import explain, is_passing
from etl_pipeline.errors import DatabaseError, LostWorkError

QUOTED = "Duplicate entry 'Muster' for key 'SSN'"


@pytest.mark.parametrize(
    ("number", "what", "passing"),
    [
        (1045, "refused the login", False),
        (1049, "no such database", False),
        (2003, "does not answer", True),
        (2002, "does not answer", True),
        (2006, "connection was lost", True),
        (2013, "connection was lost", True),
        (0, "connection was lost", True),
        (1927, "connection was lost", True),
        (1142, "lacks a privilege", False),
        (1044, "may not use this database", False),
        (1146, "no such table", False),
        (1064, "does not understand", False),
        (1205, "met a lock", True),
        (1213, "met a lock", True),
        (1021, "disk is full", False),
        (1969, "time limit", False),
        (3024, "time limit", False),
        (1317, "ended the statement", False),
        (1040, "no more connections", True),
        (9999, "reported an error", False),
    ],
)
def test_mysql_numbers(number: int, what: str, passing: bool) -> None:
    driver_error = pymysql.err.OperationalError(number, QUOTED)
    wrapped = OperationalError("SELECT 'Muster'", {"a": "Muster"}, driver_error)
    for error in (driver_error, wrapped):
        explained = explain(error, "source")
        assert what in str(explained)
        assert "Muster" not in str(explained)
        assert "Muster" not in repr(explained)
        assert str(explained).startswith("source: ")
        assert explained.fix
        assert is_passing(error) is passing
    explained.__cause__ = wrapped
    assert is_passing(explained) is passing


@pytest.mark.parametrize(
    ("state", "what", "passing"),
    [
        ("28P01", "refused the login", False),
        ("28000", "refused the login", False),
        ("3D000", "no such database", False),
        ("08001", "does not answer", True),
        ("08006", "connection was lost", True),
        ("57P01", "connection was lost", True),
        ("42501", "lacks a privilege", False),
        ("42P01", "no such table", False),
        ("42601", "does not understand", False),
        ("40P01", "met a lock", True),
        ("40001", "met a lock", True),
        ("55P03", "met a lock", True),
        ("53100", "disk is full", False),
        ("53300", "no more connections", True),
        ("57014", "time limit", False),
        ("22003", "does not fit", False),
        ("XX000", "reported an error", False),
    ],
)
def test_postgres_states(state: str, what: str, passing: bool) -> None:
    error = lookup(state)(QUOTED)
    explained = explain(error, "raw.patient")
    assert what in str(explained)
    assert state in str(explained)
    assert "Muster" not in str(explained)
    assert is_passing(error) is passing


def test_a_failed_handshake_does_not_pass() -> None:
    error = pymysql.err.OperationalError(2003, "Can't connect")
    error.original_exception = ssl.SSLCertVerificationError("x")  # type: ignore[attr-defined]
    assert not is_passing(error)
    assert "encrypted" in str(explain(error, "source"))


def test_others() -> None:
    assert "pool" in str(explain(PoolTimeoutError("x"), "source"))
    assert not is_passing(KeyError("Muster"))
    assert "Muster" not in str(explain(KeyError("Muster"), "source"))
    assert not is_passing(psycopg.ProgrammingError("x"))
    assert is_passing(psycopg.OperationalError("the connection is closed"))
    lost = LostWorkError("x")
    assert explain(lost, "source") is lost
    assert isinstance(explain(lost, "source"), DatabaseError)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(pymysql.err.OperationalError) as mysql:
            pymysql.connect(host="127.0.0.1", port=port, user="u", password="p")
        with pytest.raises(psycopg.OperationalError) as postgres:
            psycopg.connect(host="127.0.0.1", port=port, user="u", password="p", dbname="d")
    for error in (mysql.value, postgres.value):
        assert is_passing(error)
        assert "does not answer" in str(explain(error, "source"))


def test_an_answer_out_of_order_is_told_with_what_may_have_caused_it() -> None:
    """PyMySQL gives such an error no number; a packet that is too large can end so."""
    error = explain(pymysql.err.InternalError(QUOTED), "document")
    assert "broke off in the middle of an exchange" in error.what
    assert "max_allowed_packet" in (error.fix or "")
    assert "Muster" not in str(error)
