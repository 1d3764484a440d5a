"""Our words for an error that a command or a table ended with, whoever raised it."""

from __future__ import annotations

from etl_pipeline.core.faults import explain
from etl_pipeline.errors import EtlError

_DRIVERS = ("pymysql", "psycopg", "sqlalchemy")


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
