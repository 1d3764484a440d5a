"""Where errors become exit codes, and what the commands share.

0: every table reached its grade. 1: tables failed or differ, or a server cannot be used.
2: the configuration or the command is wrong. 130: stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NoReturn

import typer

from etl_pipeline.cli.output import say
from etl_pipeline.errors import EtlError

DEBUG_OPTION = typer.Option(False, "--debug", help="Show every step, and where an error arose.")
JSON_OPTION = typer.Option(False, "--json", help="Print JSON on stdout, and the text on stderr.")
QUIET_OPTION = typer.Option(False, "--quiet", "-q", help="Print nothing of a success: for cron.")
INTERRUPTED = 130
STOP_SECONDS = 4.5
"""After a request to stop, the process has ended by then."""
SHOW_CURSOR = "\x1b[?25h"


class ProgressStyle(StrEnum):
    """The form in which a command shows its progress, on stderr."""

    BARS = "bars"
    LINES = "lines"
    NONE = "none"


PROGRESS_OPTION = typer.Option(
    None,
    "--progress",
    metavar="STYLE",
    help="Show bars (as terminals do), lines or none.",
)


def complete_table(incomplete: str) -> list[str]:
    """Names of ``tables.yml`` that begin like *incomplete*, for the shell; it asks no server."""
    from etl_pipeline.config import FileConfigProvider

    try:
        tables = FileConfigProvider().get_config("tables").get("tables") or {}
    except EtlError:
        return []
    return [name for name in tables if str(name).startswith(incomplete)]


CommandLineError: type[Exception] = typer.BadParameter.__mro__[1]
"""Every complaint of typer about a command line; it has no public name for it."""


def progress_style(chosen: ProgressStyle | None, *, quiet: bool) -> ProgressStyle:
    """Return how progress is shown: as it was *chosen*, or as it suits stderr."""
    if chosen or quiet:
        return chosen or ProgressStyle.NONE
    return ProgressStyle.BARS if _is_terminal() else ProgressStyle.LINES


def _is_terminal() -> bool:
    """True if stderr can show bars; what a library guesses from the environment is not asked."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    from rich.console import Console

    return not Console().is_dumb_terminal


@contextlib.contextmanager
def exit_codes(
    *,
    debug: bool,
    quiet: bool = False,
    stopped: str = "no table is left half-loaded; run again to go on",
) -> Iterator[None]:
    """Turn our errors, and Ctrl-C, into one message on stderr and the exit code that fits.

    Args:
        debug: Show the traceback of an error too.
        quiet: Keep the log back, and show it only where the block fails.
        stopped: Told to a user who pressed Ctrl-C.
    """
    log = log_to_stderr(debug=debug, holds=quiet)
    try:
        yield
    except CommandLineError:
        raise
    except typer.Exit as end:
        if end.exit_code:
            log.show_held()
        raise
    except BaseException as error:
        log.show_held()
        if is_stop(error):
            say(f"stopped: {stopped}")
            raise typer.Exit(INTERRUPTED) from None
        if not isinstance(error, Exception):
            raise
        if debug:
            show_trace(error)
        failure = _explained(error)
        say(f"error: {failure}")
        raise typer.Exit(failure.exit_code) from None


def is_stop(error: BaseException) -> bool:
    """True if the user pressed Ctrl-C.

    An error met while that was being obeyed, on a connection cut short, is part of it.
    """
    return any(isinstance(link, KeyboardInterrupt) for link in _chain(error))


def _explained(error: Exception) -> EtlError:
    if isinstance(error, EtlError):
        return error
    # It knows the drivers, which a wrong configuration need not wait for.
    from etl_pipeline.core.any_error import explained

    return explained(error, "etl")


def show_trace(error: BaseException) -> None:
    """Print where *error* and its causes came from, without the servers' words.

    Those quote values of rows ("Duplicate entry 'Smith'"), so only type and number are shown.
    """
    for link in reversed(_chain(error)):
        frames = "".join(traceback.format_tb(link.__traceback__))
        words = str(link) if isinstance(link, EtlError) else _number(link)
        say(f"{frames}{type(link).__module__}.{type(link).__name__}{words and ': '}{words}")


def _chain(error: BaseException) -> list[BaseException]:
    """*error*, what it came from or was raised during, and so on."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    return chain


def _number(error: BaseException) -> str:
    if error.args and isinstance(error.args[0], int):
        return str(error.args[0])
    return str(getattr(error, "sqlstate", None) or "")


def stop_on_sigterm() -> None:
    """Let SIGTERM end a command the way Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def stop_on_signals(*, only_reads: bool = False, heed: Callable[[], bool] | None = None) -> None:
    """Let Ctrl-C and SIGTERM end the command, within ``STOP_SECONDS`` whatever servers do.

    What was begun at the servers is cancelled and undone, as far as they do it in that time. Then
    the process ends, as if it had been killed, and says which sessions it leaves behind.

    Args:
        only_reads: True if the command changes nothing, so that nothing has to be ended later.
        heed: Called first; True if the command will end by itself soon.
    """
    # What talks to servers is not imported before it is needed: --help needs none of it.
    from etl_pipeline.core.cancellation import list_active_sessions, note_signal

    hears, tells = os.pipe()
    os.set_blocking(tells, False)

    def obey(_number: int, _frame: object) -> None:
        if heed and heed():
            return
        note_signal()
        os.write(tells, b".")
        raise KeyboardInterrupt

    def leave_in_time() -> None:
        os.read(hears, 1)
        time.sleep(STOP_SECONDS)
        _leave(list_active_sessions(), only_reads=only_reads)

    # It waits already: a thread cannot be started safely while a signal is handled.
    threading.Thread(target=leave_in_time, name="stop", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, obey)


def _leave(sessions: Sequence[str], *, only_reads: bool) -> NoReturn:
    """End the process at once; nothing that another thread may hold is touched."""
    left = f" ({', '.join(sessions)})" if sessions else ""
    fix = (
        "nothing was changed, and a server ends by itself what only reads"
        if only_reads
        else "once the server answers, run again: that ends what was left, and goes on"
    )
    words = (
        f"\nstopped: not all could be ended within {STOP_SECONDS:g} s, because a server does not "
        f"answer; what it was doing for us may go on there{left}\n"
        f"  fix: {fix}\n"
    )
    with contextlib.suppress(OSError):
        os.write(2, (SHOW_CURSOR if os.isatty(2) else "").encode() + words.encode())
    os._exit(INTERRUPTED)


class Log(logging.Handler):
    """Prints our own records on what stderr is at the moment, so that bars stay whole.

    One that *holds* keeps them until ``show_held``.
    """

    def __init__(self, *, holds: bool) -> None:
        super().__init__()
        self._holds = holds
        self._held: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Print *record*, or keep it."""
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        words = f"{level}{record.getMessage()}"
        if self._holds:
            self._held.append(words)
        else:
            say(words)

    def show_held(self) -> None:
        """Print what was kept, and from now on all that comes."""
        with self.lock or contextlib.nullcontext():
            self._holds = False
            for words in self._held:
                say(words)
            self._held.clear()


def log_to_stderr(*, debug: bool, holds: bool = False) -> Log:
    """Show the log of etl_pipeline on stderr, and that of no library.

    Libraries log statements, rows and the servers' words.

    Returns:
        The handler; with *holds* it keeps what is logged until ``show_held``.
    """
    logging.getLogger().addHandler(logging.NullHandler())
    logger = logging.getLogger("etl_pipeline")
    log = Log(holds=holds)
    logger.handlers = [log]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    return log
