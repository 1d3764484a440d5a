"""Figures of the campaigns: kept beside the page that shows them, and made into its table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from etl_pipeline import __version__
from tests.faults.trial import Result

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
PAGE, FILE = "how_it_works.md", "faults.json"
HEADINGS = (
    "what happened",
    "to",
    "trials",
    "ended in, s: median (longest)",
    "equal after one more run",
    "rows missing or other then",
    "wrong sentences",
    "other laws broken",
)
WORDS = {
    "kill": "killed (`kill -9`)",
    "restart": "restarted",
    "freeze": "frozen (SIGSTOP)",
    "cut": "line reset",
    "cut off": "line reset, and nobody let in",
    "dark": "line silent, what was sent acknowledged",
    "dark network": "line silent, packets lost",
    "vanish": "client gone, servers not told",
    "vanish unplugged": "client gone, cable out",
    "memory": "memory taken away",
    "disk full": "disk full",
    "mode": "settings of the server",
}


def collect(results: Iterable[Result], seed: int) -> dict[str, Any]:
    """Figures of *results*, by kind of campaign, in the order in which they came first."""
    kinds: dict[str, list[Result]] = {}
    for result in results:
        if result.struck:
            kinds.setdefault(_kind(result), []).append(result)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "version": __version__,
        "seed": seed,
        "kinds": [_figures(kind, of) for kind, of in kinds.items()],
    }


def _kind(result: Result) -> str:
    kind = result.asked.campaign.kind
    return "mode" if kind.startswith("mode ") else kind


def _figures(kind: str, results: Sequence[Result]) -> dict[str, Any]:
    ends = [result.seconds for result in results]
    return {
        "kind": kind,
        "to": sorted({result.asked.campaign.role for result in results}),
        "trials": len(results),
        "median_seconds": round(median(ends), 1),
        "longest_seconds": round(max(ends), 1),
        "recovered": sum(result.recovered and not result.lost for result in results),
        "lost": sum(result.lost for result in results),
        "wrong": sum(bool(result.wrong) for result in results),
        "broken": sum(bool(result.broken) for result in results),
    }


def table(figures: Mapping[str, Any]) -> str:
    """The generated part of the page."""
    kinds = figures["kinds"]
    trials = sum(kind["trials"] for kind in kinds)
    lines = [
        f"{trials:,} trials on {figures['date']}, version {figures['version']}, from seed "
        f"{figures['seed']}:",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|" + "---|" * len(HEADINGS),
    ]
    lines += [
        f"| {WORDS[row['kind']]} | {', '.join(row['to'])} | {row['trials']:,} "
        f"| {row['median_seconds']:.1f} ({row['longest_seconds']:.1f}) | {row['recovered']:,} "
        f"| {row['lost']:,} | {row['wrong']:,} | {row['broken']:,} |"
        for row in kinds
    ]
    return "\n".join(lines)


def write(figures: Mapping[str, Any], folder: Path) -> None:
    """Write the figures into *folder*, and the table into its page; the rest of it stays."""
    (folder / FILE).write_text(json.dumps(figures, indent=1) + "\n")
    page = folder / PAGE
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}")
