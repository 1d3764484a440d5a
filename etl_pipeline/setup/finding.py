"""What a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        check: Its name: ``source.tls``.
        what: In one line, without a secret.
        fix: A line to read or to paste; None where nothing is to be done.
    """

    check: str
    result: Result
    what: str
    fix: str | None = None


def verdict(
    check: str, is_good: bool, what: str, fix: str, *, otherwise: Result = "failed"
) -> Finding:
    return Finding(check, "ok", what) if is_good else Finding(check, otherwise, what, fix)
