"""Our words for an error that a command or a table ended with, whoever raised it."""

from __future__ import annotations

import struct

from etl_pipeline.core.driver_errors import explain
from etl_pipeline.errors import EtlError

_DRIVERS = ("pymysql", "psycopg", "sqlalchemy")
_READERS = ("pymysql", "psycopg", "etl_pipeline.transfer.wire")
"""Modules that take apart what servers send."""
_CONFUSIONS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError,
               struct.error)  # fmt: skip
"""Errors that the drivers raise where the bytes are no message of the protocol."""


def _is_raised_by_driver(error: BaseException) -> bool:
    """True if *error* was raised where a driver reads a server's bytes: they are damaged then."""
    trace = error.__traceback__
    if trace is None or not isinstance(error, _CONFUSIONS):
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    module = str(trace.tb_frame.f_globals.get("__name__", ""))
    return module.startswith(_READERS)


def explained(error: BaseException, where: str) -> EtlError:
    """*error* in our words; one that is ours already is given back.

    Args:
        error: What was raised.
        where: The table or the server that was at work.
    """
    if isinstance(error, EtlError):
        return error
    if type(error).__module__.split(".")[0] in _DRIVERS:
        return explain(error, where)
    if _is_raised_by_driver(error):
        return EtlError(
            f"what a server sent cannot be understood ({type(error).__name__})",
            where=where,
            fix="see that nothing between changes what is sent: with TLS (ssl_mode) damage is "
            "noticed; then run again",
        )
    if isinstance(error, MemoryError):
        return EtlError(
            "this machine has no memory left for the program",
            where=where,
            fix="end other programs, or lower source.connections and general.parallel_tables in "
            "pipeline.yml: each holds a chunk of rows in memory",
        )
    if isinstance(error, UnicodeError):
        return EtlError(
            "a text is not UTF-8, or cannot be shown in this terminal's character set",
            where=where,
            fix="save the files of the configuration as UTF-8, and export PYTHONUTF8=1",
        )
    if isinstance(error, OSError):
        return EtlError(
            error.strerror or type(error).__name__,
            where=str(error.filename or where),
            fix="see that the file can be used and the disk has room, then run again",
        )
    return EtlError(
        f"a defect of this program ({type(error).__name__})",
        where=where,
        fix="report it with what --debug prints, which holds neither passwords nor rows",
    )
