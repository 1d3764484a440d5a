"""The book of figures: whatever was measured is written down at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.measure import Measurement

FILE = "benchmarks.json"


def read(folder: Path) -> dict[str, Any]:
    """The figures that lie in *folder*; none if there are none."""
    file = folder / FILE
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


class Book:
    """Figures on their way into *folder*; what is written last is there after an interruption.

    Args:
        folder: Where they lie; those of parts that are not measured now are kept.
        facts: What is known beforehand.
        appends: Whether turns are added to those that are there, rather than begun anew.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], *, appends: bool) -> None:
        self._folder, self._appends = folder, appends
        self.figures: dict[str, Any] = {**read(folder), **facts}

    def begin(self, part: str, **facts: Any) -> None:
        """A part is measured from now on; *facts* are told of it."""
        before = self.figures.get(part, {}) if self._appends else {}
        self.figures[part] = {"turns": before.get("turns", []), **facts}

    def add(self, part: str, name: str, taken: Measurement, kind: str = "") -> None:
        """Write down a turn, and tell whoever waits."""
        turn = self._entry(part, name, kind)
        turn["failed"] = None
        turn["seconds"].append(round(taken.seconds, 3))
        turn["cpu"].append(round(taken.cpu_seconds, 2))
        turn["peak_mb"].append(round(taken.peak_mb))
        turn["source_cpu"].append(round(taken.source_cpu_seconds, 2))
        turn["elsewhere"].append(round(taken.elsewhere, 3))
        self._save()
        disturbed = f"  (others had {taken.elsewhere:.0%})" if taken.elsewhere > 0.05 else ""
        say(f"{kind or part:20} {name:36} {taken.seconds:7.2f} s{disturbed}")

    def fail(self, part: str, name: str, why: str, kind: str = "") -> None:
        """Write down that somebody did not finish."""
        self._entry(part, name, kind)["failed"] = why
        self._save()
        say(f"{kind or part:20} {name:36} did not finish: {why}")

    def _entry(self, part: str, name: str, kind: str) -> dict[str, Any]:
        turns: list[dict[str, Any]] = self.figures[part]["turns"]
        for turn in turns:
            if (turn["kind"], turn["name"]) == (kind, name):
                return turn
        new: dict[str, Any] = {"kind": kind, "name": name, "failed": None}
        new |= {key: [] for key in ("seconds", "cpu", "peak_mb", "source_cpu", "elsewhere")}
        turns.append(new)
        return new

    def _save(self) -> None:
        (self._folder / FILE).write_text(json.dumps(self.figures, indent=1) + "\n")


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, flush=True)  # noqa: T201 - a benchmark's result
