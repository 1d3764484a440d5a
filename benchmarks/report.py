"""Figures to a page and a chart: pure, but for `write`.

    python -m benchmarks.report docs .venv-bench

renders the page anew from the figures beside it, without measuring.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.book import FILE, read
from benchmarks.changes import (
    AND_DELETED,
    FIRST,
    IN_ONE_PLACE,
    INCREMENTAL,
    PLAIN,
    RELOADED,
    SCATTERED,
    TABLE_SYNC,
    UNCHANGED,
)
from benchmarks.contestants import BOTH, MYSQL, OURS, PAIR, POSTGRES, SELECT
from benchmarks.runs import ANALYTICS_PAIR, REPLICATION_PAIR

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
PAGE, CHART = "benchmarks.md", "benchmarks.svg"
Entry = Mapping[str, Any]


def write(figures: Mapping[str, Any], folder: Path, peers: Path) -> None:
    """Write page and chart of *figures* into *folder*; what people wrote on the page stays."""
    page = folder / PAGE
    text = page.read_text() if page.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{results(figures)}\n{END}{after}")
    chart = Path(__file__).with_name("chart.py")
    program = peers / "chart" / "bin" / "python"
    if figures.get("table") and program.exists():
        subprocess.run([program, chart, folder / FILE, folder / CHART], check=True)


def results(figures: Mapping[str, Any]) -> str:
    """The generated part of the page."""
    machine, versions = figures["machine"], figures["versions"]
    parts = [
        f"Measured on {figures['date']}: {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gb']} GB; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f". {figures['rows']:,} rows; medians, in brackets the quickest, the slowest, and how "
        "many there are." + _disturbance(figures),
        "![Seconds of every contestant](benchmarks.svg)",
    ]
    parts += [_table(_turns(figures, "table"), kind) for kind in (POSTGRES, MYSQL, BOTH, SELECT)]
    parts += [_runs(figures), _ratios(figures)]
    return "\n\n".join(part for part in parts if part)


def _disturbance(figures: Mapping[str, Any]) -> str:
    """What other processes had of the processors while somebody was timed."""
    shares = [
        share
        for part in ("table", "changes", "practice", "many")
        for entry in _turns(figures, part)
        for share in entry["elsewhere"]
    ]
    if not shares:
        return ""
    return (
        f" Other processes had {median(shares):.0%} of the processors meanwhile in the median, "
        f"{max(shares):.0%} at most."
    )


def _table(entries: Sequence[Entry], kind: str) -> str:
    rows = [entry for entry in entries if entry["kind"] == kind]
    if not rows:
        return ""
    done = sorted((row for row in rows if row["seconds"]), key=lambda row: median(row["seconds"]))
    ours = next((median(entry["seconds"]) for entry in done if entry["name"] == OURS), None)
    lines = [
        f"### {kind}",
        "",
        "| | seconds | times as long as ours | CPU of the program, s | peak, MB "
        "| CPU of the source, s |",
        "|---|---|---|---|---|---|",
    ]
    for entry in done:
        seconds = median(entry["seconds"])
        ratio = f"{seconds / ours:.2f}" if ours else ""
        lines.append(
            f"| {_cell(entry['name'])} | {_spread(entry['seconds'])} | {ratio} "
            f"| {median(entry['cpu']):.1f} | {median(entry['peak_mb']):.0f} "
            f"| {median(entry['source_cpu']):.1f} |"
        )
    failed = (entry for entry in rows if not entry["seconds"])
    lines += [f"| {_cell(entry['name'])} | {entry['failed']} | | | | |" for entry in failed]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f}; {len(values)})"


def _turns(figures: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = figures.get(part, {}).get("turns", [])
    return found


def _runs(figures: Mapping[str, Any]) -> str:
    """Whole runs, in seconds: after changes, of a practice, of many tables."""
    lines = ["### Whole runs", "", "| | seconds | CPU of the source, s |", "|---|---|---|"]
    parts = {"changes": f"{figures['rows']:,} rows"}
    if practice := figures.get("practice"):
        parts["practice"] = f"a practice of {practice['tables']} tables, {practice['rows']:,} rows"
    if many := figures.get("many"):
        parts["many"] = f"{many['tables']} tables, {many['nearly_empty']} of them nearly empty"
    for part, of in parts.items():
        for entry in _turns(figures, part):
            cells = f"{entry['failed']} |"
            if entry["seconds"]:
                cells = f"{_spread(entry['seconds'])} | {median(entry['source_cpu']):.1f}"
            lines.append(f"| {of}: {entry['name']} | {cells} |")
    return "\n".join(lines) if len(lines) > 4 else ""


Values = Sequence[float]
Aim = tuple[str, str, Values, Values]
"""What is divided, what is aimed for, and the turns of either."""


def ratio_of(first: Values, other: Values) -> float:
    """How many times *other* is *one*, turn by turn, in the median.

    The machine is not equally fast at all times, but nearly so within a turn.
    """
    if len(first) != len(other):
        return median(first) / median(other)
    return median(a / b for a, b in zip(first, other, strict=True))


def _ratios(figures: Mapping[str, Any]) -> str:
    """What was aimed for, and what was measured."""
    aims = [*_table_aims(figures), *_change_aims(figures), *_practice_aims(figures)]
    lines = ["### What was aimed for", "", "| ratio | aim | measured |", "|---|---|---|"]
    lines += [
        f"| {what} | {aim} | {ratio_of(first, other):.2f} |"
        for what, aim, first, other in aims
        if first and other
    ]
    many = figures.get("many")
    again = _taken(figures, "many").get(UNCHANGED)
    if many and again:
        each = median(again) / many["tables"] * 1000
        lines.append(
            f"| {many['tables']} tables, {many['nearly_empty']} nearly empty, nothing changed: "
            f"ms a table | at most 30 | {each:.1f} |"
        )
    return "\n".join(lines) if len(lines) > 4 else ""


def _table_aims(figures: Mapping[str, Any]) -> Iterator[Aim]:
    done = [entry for entry in _turns(figures, "table") if entry["seconds"]]
    seconds = {(entry["kind"], entry["name"]): entry["seconds"] for entry in done}
    cpu = {(entry["kind"], entry["name"]): entry["source_cpu"] for entry in done}
    for kind in (POSTGRES, MYSQL):
        ours = seconds.get((kind, OURS), [])
        pair = seconds.get((kind, PAIR), [])
        peers = [
            values
            for (where, name), values in seconds.items()
            if where == kind and not name.startswith((OURS, "reference"))
        ]
        fastest: Values = min(peers, key=median, default=[])
        yield f"{kind}: the fastest peer / ours", "at least 1.5", fastest, ours
        most = "at most 1.0" if kind == POSTGRES else "at most 1.1"
        yield f"{kind}: ours / the reference pair", most, ours, pair
    ours = seconds.get((POSTGRES, OURS), [])
    for name, aim in (("ingestr 1.1.22", "at least 1.9"), ("sling 1.4.10", "at least 6")):
        yield f"{POSTGRES}: {name} / ours", aim, seconds.get((POSTGRES, name), []), ours
    twin = seconds.get((POSTGRES, f"{OURS}, nothing compiled"), [])
    sling = seconds.get((POSTGRES, "sling 1.4.10"), [])
    yield f"{POSTGRES}: sling 1.4.10 / ours, nothing compiled", "above 1", sling, twin
    plain: Values = next((values for (kind, _), values in cpu.items() if kind == SELECT), [])
    ours = cpu.get((MYSQL, OURS), [])
    yield "CPU of the source, first run: ours / a plain SELECT", "at most 1.15", ours, plain


def _change_aims(figures: Mapping[str, Any]) -> Iterator[Aim]:
    seconds, cpu = _taken(figures, "changes"), _taken(figures, "changes", "source_cpu")
    select = "a plain SELECT to nowhere"
    aims = [
        (f"nothing changed / {select}", "at most 1.2", UNCHANGED, PLAIN),
        (f"{SCATTERED} / nothing changed", "at most 2", SCATTERED, UNCHANGED),
        (f"{IN_ONE_PLACE} / nothing changed", "at most 1.2", IN_ONE_PLACE, UNCHANGED),
        (f"{INCREMENTAL} / first run", "at most 0.12", INCREMENTAL, FIRST),
        (f"{RELOADED} / {AND_DELETED}", "above 1", RELOADED, AND_DELETED),
        (f"{TABLE_SYNC} / {SCATTERED}", "above 1", TABLE_SYNC, SCATTERED),
    ]
    for what, aim, first, other in aims:
        yield what, aim, seconds.get(first, []), seconds.get(other, [])
        if first == UNCHANGED:
            what = f"the same, CPU of the source / of {select}"
            yield what, "at most 1.15", cpu.get(first, []), cpu.get(other, [])


def _practice_aims(figures: Mapping[str, Any]) -> Iterator[Aim]:
    practice, seconds = figures.get("practice"), _taken(figures, "practice")
    if practice and ANALYTICS_PAIR in seconds:
        both = zip(seconds[REPLICATION_PAIR], seconds[ANALYTICS_PAIR], strict=False)
        what = f"{practice['tables']} tables, {practice['rows']:,} rows: both hops / both pairs"
        yield what, "at most 1.3", seconds[FIRST], [first + other for first, other in both]
        what = "the same, nothing changed / first run"
        yield what, "at most 0.25", seconds[UNCHANGED], seconds[FIRST]


def _taken(figures: Mapping[str, Any], part: str, of: str = "seconds") -> dict[str, Values]:
    """The turns of a part, by name."""
    return {entry["name"]: entry[of] for entry in _turns(figures, part) if entry[of]}


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write(read(target), target, Path(sys.argv[2]))
