"""Notify the configured command or webhook that a run has ended; a failure is only a warning."""

from __future__ import annotations

import logging
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from etl_pipeline.config.databases import FAMILIES, PREFIXES
from etl_pipeline.config.pipeline_file import Notify

log = logging.getLogger(__name__)

COMMAND_SECONDS = 60.0
WEBHOOK_SECONDS = 10.0
ATTEMPTS = 3
_ERROR_STREAM = 2


def notify(config: Notify, outcome: str, text: str, *, sleep: Callable[[float], None]) -> None:
    """Give *text*, JSON, to those whom *config* names.

    Args:
        config: Whom, and of which ends.
        outcome: ``succeeded``; anything else counts as a failure.
        text: What they get.
        sleep: Waits for so many seconds between attempts.
    """
    wanted = "success" if outcome == "succeeded" else "failure"
    if config.when not in ("always", wanted):
        return
    if config.command:
        _run(config.command, text)
    if config.webhook:
        _post(config.webhook, text, sleep)


def _run(command: Sequence[str], text: str) -> None:
    families = tuple(
        prefix + family for prefix in PREFIXES.values() for family in FAMILIES.values()
    )
    # Where there is no .env_… file, the passwords are in the environment.
    env = {name: value for name, value in os.environ.items() if not name.startswith(families)}
    try:
        done = subprocess.run(
            command,
            input=text,
            text=True,
            encoding="utf-8",
            # What it prints is no part of our result, which may be JSON.
            stdout=_ERROR_STREAM,
            timeout=COMMAND_SECONDS,
            env=env,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _warn(f"the command {command[0]} could not be run ({type(error).__name__})", "command")
        return
    if done.returncode:
        _warn(f"the command {command[0]} ended with exit code {done.returncode}", "command")


def _post(url: str, text: str, sleep: Callable[[float], None]) -> None:
    """The URL is a secret: no message names it."""
    retrying = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(),
        retry=retry_if_exception_type(OSError),
        sleep=sleep,
        reraise=True,
    )
    try:
        retrying(_post_once, url, text)
    except urllib.error.HTTPError as error:
        _warn(f"the webhook answered with status {error.code}", "webhook")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        _warn(f"the webhook could not be reached ({type(reason).__name__})", "webhook")


def _post_once(url: str, text: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - the model lets only http and https through
        url, text.encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        raise


def _warn(what: str, key: str) -> None:
    log.warning("notify: %s\n  fix: see notify.%s in pipeline.yml", what, key)
