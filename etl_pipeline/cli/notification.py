"""Notify the configured command or webhook that a run has ended, in whatever way it ends."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_pipeline.cli.shell import is_stop

if TYPE_CHECKING:
    from etl_pipeline.cli.screens.run import Models
    from etl_pipeline.config import Settings
    from etl_pipeline.pipeline.summary import RunSummary


@contextlib.contextmanager
def notifying_of_end(settings: Settings) -> Iterator[Callable[[RunSummary, Models], None]]:
    """Give the block a function that notifies of its summary and of the models built after it.

    Where an error ends the block, notify of that error.
    """
    from etl_pipeline.cli.screens.run import is_success, run_json
    from etl_pipeline.core.any_error import explained
    from etl_pipeline.pipeline.notify import notify

    config = settings.pipeline.notify
    started_at, started = datetime.now(UTC), time.monotonic()

    def tell(summary: RunSummary, models: Models) -> None:
        outcome = "succeeded" if is_success(summary, models) else "failed"
        notify(config, outcome, run_json(summary, models), sleep=time.sleep)

    try:
        yield tell
    except (Exception, KeyboardInterrupt) as error:
        is_stopped = is_stop(error)
        failure = None if is_stopped else explained(error, "etl")
        outcome = "stopped" if is_stopped else "failed"
        text = json.dumps(
            {
                "run_id": None,
                "environment": settings.environment,
                "outcome": outcome,
                "started_at": started_at.isoformat(),
                "seconds": round(time.monotonic() - started, 3),
                "error": str(failure).splitlines()[0] if failure else "somebody stopped the run",
                "fix": failure.fix if failure else None,
                "tables": [],
            },
            indent=2,
        )
        notify(config, outcome, text, sleep=time.sleep)
        raise
