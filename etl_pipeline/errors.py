"""Every error that etl_pipeline raises on purpose.

An error has three parts: *what* happened, *where*, and how to *fix* it. None of them holds a
secret or the value of a row: the servers' own texts often quote values, so drivers' errors are
mapped by number (``core/driver_errors.py``), and their texts stay in the traceback that ``--debug``
shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl_pipeline.formatting import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence


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


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a configuration: what, where, and how to fix it."""

    what: str
    where: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n    fix: {self.fix}"


class FaultyConfigurationError(ConfigurationError):
    """All faults that one look at the configuration found, in *faults*.

    Args:
        faults: At least one, in the order in which they are shown.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        if len(self.faults) == 1:
            only = self.faults[0]
            super().__init__(only.what, where=only.where, fix=only.fix)
        else:
            super().__init__(f"{count_of(len(self.faults), 'fault')} in the configuration")

    def __str__(self) -> str:
        if len(self.faults) == 1:
            return super().__str__()
        return "\n".join([self.what, *(f"  {fault}" for fault in self.faults)])


class EnvironmentNotSetError(ConfigurationError):
    """``ETL_ENVIRONMENT`` is unset, empty, or neither ``production`` nor ``test``."""


class DatabaseError(EtlError):
    """A database server said no, or did not answer."""


class StatementRefusedError(DatabaseError):
    """A statement that the read-only source does not let through; nothing was sent."""


class SourceClosedError(EtlError):
    """The source may not be read any more in this run: its window has ended, or it is too busy."""


class LostWorkError(DatabaseError):
    """A connection was lost that held uncommitted work, so a retry would hide the loss."""


class LogError(DatabaseError):
    """The source's binary log, or what came of it, cannot be read."""


class PositionLostError(LogError):
    """The source's log no longer goes on from a position; a comparison must close the gap."""


class SchemaError(EtlError):
    """A table cannot be carried as it is: an unsupported type, a target that is not ours."""


class AlteredError(SchemaError):
    """Others altered a table of ``raw`` after its load was decided; a retry decides anew."""


class DriftError(SchemaError):
    """A change of the source's schema is not followed; the targets stay as they were."""


class TransferError(EtlError):
    """Producer and server disagree on what was sent; nothing was committed."""


class GuardError(EtlError):
    """More rows would be deleted than a table's rules allow; the table stands as it was."""


class StoppedError(EtlError):
    """Somebody asked us to stop (Ctrl-C, SIGTERM)."""

    exit_code = 130
