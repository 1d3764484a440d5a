"""``etl follow``: keep both copies equal to the source, by its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from etl_pipeline.cli.output import say
from etl_pipeline.cli.shell import DEBUG_OPTION, exit_codes, stop_on_signals

if TYPE_CHECKING:
    from etl_pipeline.pipeline.follow import FollowSummary

ONCE_OPTION = typer.Option(False, "--once", help="Catch up with the source, and end: for cron.")
PROVE_OPTION = typer.Option(False, "--prove-now", help="Compare every row of all tables first.")


def follow(
    once: bool = ONCE_OPTION,
    prove_now: bool = PROVE_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Copy what changes at the source within seconds, by its binary log, until stopped.

    Example: etl follow --once
    """
    stopped = "what was copied stays, and etl follow goes on from there"
    with exit_codes(debug=debug, stopped=stopped):
        # What talks to servers is imported here, so that --help needs none of it.
        from etl_pipeline.cli.screens.run_progress import show_progress
        from etl_pipeline.cli.shell import ProgressStyle, show_trace
        from etl_pipeline.config import get_settings
        from etl_pipeline.pipeline.follow import Finish, FollowRequest
        from etl_pipeline.pipeline.follow import follow as follow_log

        finish = Finish()
        stop_on_signals(heed=finish.heed)
        with show_progress(ProgressStyle.NONE, hops=2) as listen:
            summary = follow_log(
                get_settings(),
                FollowRequest(once, prove_now),
                finish,
                listen=listen,
                keep_trace=show_trace if debug else None,
            )
        say(_describe(summary))
        if not summary.is_success:
            raise typer.Exit(1)


def _describe(summary: FollowSummary) -> str:
    from etl_pipeline.formatting import count_of

    lines = [
        f"followed: {count_of(summary.batches, 'batch', 'batches')}, "
        f"{count_of(summary.transactions, 'transaction')}, "
        f"{count_of(summary.rows_changed, 'row')} of raw changed"
    ]
    if summary.shows_at:
        lines.append(f"raw shows the source of {summary.shows_at.astimezone():%Y-%m-%d %H:%M:%S}")
    lines += [f"not followed: {name}: {why}" for name, why in sorted(summary.failed.items())]
    return "\n".join(lines)
