"""Reading an ``.env_<environment>`` file: one environment's names, and nothing else's."""

from __future__ import annotations

import difflib
import logging
import shlex
import stat
from io import StringIO
from typing import TYPE_CHECKING

from etl_pipeline.config.databases import (
    ENVIRONMENT_VARIABLE,
    ENVIRONMENTS,
    FAMILIES,
    PREFIXES,
    list_variables,
)
from etl_pipeline.config.file_fault import describe_unreadable
from etl_pipeline.config.secret import hide_passwords
from etl_pipeline.errors import Fault, FaultyConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from dotenv.parser import Binding

logger = logging.getLogger("etl_pipeline.config")


def read_env_file(path: Path, environment: str) -> dict[str, str]:
    """Return the values of *path*, as python-dotenv reads them, without interpolation.

    A ``$`` in a password means itself. Reading changes nothing in ``os.environ``. A file that
    others may read draws a warning.

    Raises:
        FaultyConfigurationError: The file cannot be read, or holds lines it must not hold.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FaultyConfigurationError([describe_unreadable(path, error)]) from None
    except OSError as error:
        raise FaultyConfigurationError([describe_unreadable(path, error)]) from error
    if stat.S_IMODE(mode) & 0o077:
        logger.warning(
            "%s holds passwords and others may read it; fix: chmod 600 %s",
            path,
            shlex.quote(str(path)),
        )
    values, faults = parse_env_text(text, environment, where=str(path))
    if faults:
        raise FaultyConfigurationError(faults)
    return values


def parse_env_text(
    text: str, environment: str, *, where: str
) -> tuple[dict[str, str], list[Fault]]:
    """Names and values of *text*, and all that is wrong with it; no fault quotes a value.

    Names that are none of ours are kept: they mean nothing to the pipeline.
    """
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    faults: list[Fault] = []
    first_lines: dict[str, int] = {}
    for binding in parse_stream(StringIO(text)):
        line = _find_line(binding)
        place = f"{where}:{line}"
        if binding.error:
            faults.append(Fault("expected NAME=value", place, "quote the value with ' or \""))
        if binding.key is None:
            continue
        name, value = binding.key, binding.value
        fault = _judge_name(name, environment, place) or _judge_environment(
            name, value, environment, place
        )
        if fault is None and name in first_lines:
            what = f"{name} is set twice, first in line {first_lines[name]}"
            fault = Fault(what, place, "keep one of them")
        if fault is not None:
            faults.append(fault)
        first_lines.setdefault(name, line)
        if value is not None:
            values[name] = value
    return hide_passwords(values), faults


def find_lines(text: str) -> dict[str, int]:
    """The line in which each name of *text* is set first, from 1."""
    from dotenv.parser import parse_stream

    lines: dict[str, int] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.key is not None:
            lines.setdefault(binding.key, _find_line(binding))
    return lines


def _find_line(binding: Binding) -> int:
    # The parser counts the blank lines before a binding as part of it.
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _judge_name(name: str, environment: str, place: str) -> Fault | None:
    known = list_variables(environment)
    if name in known:
        return None
    for other in ENVIRONMENTS:
        if other != environment and _is_of_family(name, other):
            return Fault(
                f"{name} belongs to the environment {other}, not to {environment}",
                place,
                f"move it to .env_{other}",
            )
    if _is_of_family(name, environment):
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        return Fault(f"{name} is no variable of the pipeline", place, advice)
    return None


def _is_of_family(name: str, environment: str) -> bool:
    return name.startswith(tuple(PREFIXES[environment] + family for family in FAMILIES.values()))


def _judge_environment(name: str, value: str | None, environment: str, place: str) -> Fault | None:
    if name != ENVIRONMENT_VARIABLE or value == environment:
        return None
    return Fault(
        f"{ENVIRONMENT_VARIABLE} differs from the environment that was asked for, {environment}",
        place,
        f"{ENVIRONMENT_VARIABLE}={environment}",
    )
