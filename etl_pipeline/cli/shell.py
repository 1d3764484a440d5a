"""Where errors become exit codes, and what the commands share on the screen.

0: everything is equal to its grade. 1: tables failed or differ. 2: the configuration or the
command is wrong. 130: stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import traceback
from collections.abc import Iterator

import typer

from etl_pipeline.errors import EtlError

DEBUG_OPTION = typer.Option(False, "--debug", help="Show tracebacks and every step.")
JSON_OPTION = typer.Option(False, "--json", help="Print the summary as JSON.")
INTERRUPTED = 130


@contextlib.contextmanager
def exit_codes(*, debug: bool) -> Iterator[None]:
    """Turn our errors, and Ctrl-C, into one message on stderr and the exit code that fits."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(levelname)s %(message)s" if not debug else "%(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    try:
        yield
    except EtlError as error:
        if debug:
            show_trace(error)
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("stopped: no table is left half-loaded; run again to go on", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        from etl_pipeline.core.faults import explain

        if debug:
            show_trace(error)
        typer.echo(f"error: {explain(error, 'etl')}", err=True)
        raise typer.Exit(1) from None


def show_trace(error: BaseException) -> None:
    """Print where *error* and its causes came from, without the servers' words.

    Those quote values of rows ("Duplicate entry 'Smith'"), so only type and number are shown.
    """
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for link in reversed(chain):
        frames = "".join(traceback.format_tb(link.__traceback__))
        number = getattr(link, "sqlstate", None) or (
            link.args[0] if link.args and isinstance(link.args[0], int) else None
        )
        words = str(link) if isinstance(link, EtlError) else f"number {number}"
        typer.echo(f"{frames}{type(link).__module__}.{type(link).__name__}: {words}", err=True)


def stop_on_sigterm() -> None:
    """Let SIGTERM end a command the way Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
