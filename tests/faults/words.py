"""What a run may say, and what it may not."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.faults.practice import PLANTED

FORBIDDEN = {
    "a traceback": r"Traceback \(most recent call last\)",
    "a row's value": PLANTED,
    "a defect": r"\bdefect\b",
    "an exception's name": r"\b[A-Z]\w+(Error|Exception)\b",
    "a drift that is none": r"(?m)^ *drift  ",
    "a driver": r"\b(pymysql|psycopg|sqlalchemy|libpq)\b",
}


def find_wrong_words(
    code: int, text: str, *, secrets: Iterable[str], says: str, role: str
) -> list[str]:
    """What is wrong about *text*, which a run printed that ended with *code*.

    Args:
        code: Its exit code; negative for a signal.
        text: All that it printed.
        secrets: What may never be printed.
        says: What a run that failed must say.
        role: The server that it must name; empty for none.
    """
    wrong = [f"says {what}" for what, pattern in FORBIDDEN.items() if re.search(pattern, text)]
    if any(secret in text for secret in secrets):
        wrong.append("says a password")
    if code not in (0, 1):
        wrong.append(f"ends with {code}")
    if code == 1:
        if says and not re.search(says, text):
            wrong.append(f"does not say {says}")
        if role and role not in text:
            wrong.append(f"does not name {role}")
        if "fix: " not in text:
            wrong.append("proposes nothing")
    return wrong
