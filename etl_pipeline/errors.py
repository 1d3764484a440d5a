"""Every error that etl_pipeline raises on purpose.

An error has three parts: *what* happened, *where*, and how to *fix* it. None of them holds a
secret or the value of a row: the servers' own texts often quote values, so drivers' errors are
mapped by number (``core/faults.py``) and their texts stay in the traceback that ``--debug`` shows.
"""

from __future__ import annotations


class EtlError(Exception):
    """Something that a user can understand and mend.

    Args:
        what: What happened, in one line without a full stop.
        where: Table, column, file and line, or variable concerned; None where *what* says it.
        fix: One line to read or to paste; None where nothing can be advised.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  fix: {self.fix}" if self.fix else head


class ConfigurationError(EtlError, ValueError):
    """The configuration, or the command line, is wrong; nothing was done."""

    exit_code = 2


class EnvironmentNotSetError(ConfigurationError):
    """``ETL_ENVIRONMENT`` is unset, empty, or neither ``production`` nor ``test``."""


class DatabaseError(EtlError):
    """A database server said no, or did not answer."""


class StatementRefusedError(DatabaseError):
    """A statement that the read-only source does not let through; nothing was sent."""


class LostWorkError(DatabaseError):
    """A connection was lost that held uncommitted work, so a retry would hide the loss."""


class SchemaError(EtlError):
    """A table cannot be carried as it is: an unsupported type, a target that is not ours."""


class TransferError(EtlError):
    """Producer and server disagree on what was sent; nothing was committed."""


class StoppedError(EtlError):
    """Somebody asked us to stop (Ctrl-C, SIGTERM)."""

    exit_code = 130
