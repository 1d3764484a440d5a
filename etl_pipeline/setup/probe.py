"""Connections to the three servers for ``etl doctor``, made and examined at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from etl_pipeline.config import DatabaseType, Settings
from etl_pipeline.core.driver_errors import explain, find_place, note_place
from etl_pipeline.errors import EtlError, Fault
from etl_pipeline.setup.background import begin
from etl_pipeline.setup.facts import MysqlFacts, PostgresFacts
from etl_pipeline.setup.finding import Finding

ANSWER_SECONDS = 10.0
"""Time limit to reach a server; the three are tried at the same time."""
CONNECT_SECONDS = 5
"""Part of that limit for the attempt to connect; the rest is for finding out why it failed."""

Facts = TypeVar("Facts", MysqlFacts, PostgresFacts)


@dataclass(frozen=True, slots=True)
class ExamResult(Generic[Facts]):
    """The finding on a connection; *engine* and *facts* are None where it failed."""

    finding: Finding
    engine: Engine | None = None
    facts: Facts | None = None


class DatabaseExam(Generic[Facts]):
    """The examination of one database, on a thread of its own; it begins at once.

    Args:
        settings: The settings that say where the database is.
        db_type: The database.
        connect: Makes the engine.
        read: Reads the facts from the engine.
    """

    def __init__(
        self,
        settings: Settings,
        db_type: DatabaseType,
        connect: Callable[..., Engine],
        read: Callable[[Engine], Facts],
    ) -> None:
        self._settings, self._name = settings, db_type.value
        self._connect = connect
        self._read: Callable[[Engine], Facts] = read
        self._faults = settings.find_faults(db_type)
        self._is_settled = threading.Event()
        self._engine: Engine | None = None
        self._give_up = time.monotonic() + ANSWER_SECONDS
        config = settings.get_database_config(db_type)
        self._place = f"{self._name} {config['host']}:{config['port']}/{config['database']}"
        self._result: Future[ExamResult[Facts]] | None = None if self._faults else begin(self._ask)

    def wait(self) -> ExamResult[Facts]:
        """Return the result; it is a failure if nothing answers within ``ANSWER_SECONDS``."""
        if self._result is None:
            what = f"{self._faults[0].where}: {_list_faults(self._faults)}"
            fix = self._faults[0].fix if len(self._faults) == 1 else "fill them in, in that file"
            return ExamResult(Finding(self._name, "failed", what, fix))
        if not self._is_settled.wait(max(0.0, self._give_up - time.monotonic())):
            what = f"{self._place}: not reached within {ANSWER_SECONDS:.0f} s"
            return ExamResult(
                Finding(
                    self._name,
                    "failed",
                    what,
                    "check the host in the .env_… file, this machine's DNS and the network",
                )
            )
        return self._result.result()

    def dispose(self) -> None:
        """Close the engine's connections."""
        if self._engine is not None:
            self._engine.dispose()

    def _ask(self) -> ExamResult[Facts]:
        try:
            engine = self._engine = self._connect(self._settings, connect_seconds=CONNECT_SECONDS)
            engine.connect().close()
            self._is_settled.set()
            facts = self._read(engine)
        except (EtlError, SQLAlchemyError) as error:
            if self._engine is not None:
                note_place(error, find_place(self._engine))
            failure = error if isinstance(error, EtlError) else explain(error, self._place)
            what = f"{self._place}: {failure.what}"
            return ExamResult(Finding(self._name, "failed", what, failure.fix))
        finally:
            self._is_settled.set()
        connected = f"connected to {self._place.split(' ', 1)[1]} as {facts.user}"
        return ExamResult(Finding(self._name, "ok", connected), engine, facts)


def _list_faults(faults: Sequence[Fault]) -> str:
    """Return *faults* as one line; missing variables share one verb."""
    missing = [fault.what.removesuffix(" is missing") for fault in faults]
    if len(faults) > 1 and all(fault.what.endswith(" is missing") for fault in faults):
        return f"{', '.join(missing)} are missing"
    return "; ".join(fault.what for fault in faults)
