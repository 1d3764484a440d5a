"""Results of the doctor's checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: Name of the check: ``source.tls``.
        what: What was found, in one line, without a secret.
        fix: A line to read or to paste; None if nothing is to be done.
    """

    check: str
    result: Result
    what: str
    fix: str | None = None


def make_finding(
    check: str, is_good: bool, what: str, fix: str, *, otherwise: Result = "failed"
) -> Finding:
    """Return a finding that is ``ok`` if *is_good*, else *otherwise* with the *fix*."""
    return Finding(check, "ok", what) if is_good else Finding(check, otherwise, what, fix)
