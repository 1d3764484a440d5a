"""The hours in which the source may be read (no I/O)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from zoneinfo import ZoneInfo

WINDOW_PATTERN = "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]( [A-Za-z][A-Za-z0-9_+/-]*)?$"
"""The form of a window, also for JSON Schema."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of each day, from *opens* to right before *closes*; over midnight where it is earlier.

    What counts is what a clock on the wall shows. In a night in which clocks are changed, the
    window is an hour longer or shorter.

    Attributes:
        zone: Where the wall is; None for the time zone of this machine.
        zone_name: As it was configured; empty for that of this machine.
    """

    opens: time
    closes: time
    zone: tzinfo | None = None
    zone_name: str = ""

    def is_open(self, now: datetime) -> bool:
        """True if the source may be read at *now*, an aware instant."""
        shown = now.astimezone(self.zone).time()
        if self.opens < self.closes:
            return self.opens <= shown < self.closes
        return shown >= self.opens or shown < self.closes

    def __str__(self) -> str:
        hours = f"{self.opens:%H:%M}-{self.closes:%H:%M}"
        return f"{hours} {self.zone_name}".rstrip()


def parse_window(text: str) -> Window:
    """Parse a window: ``21:00-06:00``, or ``21:00-06:00 America/Chicago``.

    Raises:
        ValueError: It is none, or both times are the same.
        KeyError: Its time zone is not known on this machine.
    """
    if re.search(WINDOW_PATTERN, text) is None or text.endswith("\n"):
        raise ValueError("not a window")
    hours, _, name = text.partition(" ")
    opens, closes = map(time.fromisoformat, hours.split("-"))
    if opens == closes:
        raise ValueError("a window without an end")
    if not name:
        return Window(opens, closes)
    try:
        zone = ZoneInfo(name)
    except (ValueError, OSError) as error:  # a path, or a folder of zones
        raise KeyError("not a time zone") from error
    return Window(opens, closes, zone, name)
