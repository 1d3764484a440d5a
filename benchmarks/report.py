"""Figures to a page and a chart: pure, but for `write`.

    python -m benchmarks.report docs .venv-bench

renders the page anew from the figures beside it, without measuring.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contestants import BOTH, MYSQL, OURS, POSTGRES, SELECT

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
PAGE, FIGURES, CHART = "benchmarks.md", "benchmarks.json", "benchmarks.svg"
Entry = Mapping[str, Any]


def write(figures: Mapping[str, Any], folder: Path, peers: Path) -> None:
    """Write figures, page and chart into *folder*; what people wrote on the page stays."""
    (folder / FIGURES).write_text(json.dumps(figures, indent=1) + "\n")
    page = folder / PAGE
    text = page.read_text() if page.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{results(figures)}\n{END}{after}")
    chart = Path(__file__).with_name("chart.py")
    program = peers / "chart" / "bin" / "python"
    if program.exists():
        subprocess.run([program, chart, folder / FIGURES, folder / CHART], check=True)


def results(figures: Mapping[str, Any]) -> str:
    """The generated part of the page."""
    machine, versions = figures["machine"], figures["versions"]
    parts = [
        f"Measured on {figures['date']}: {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gb']} GB; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f". {figures['rows']:,} rows; medians of {figures['repeats']}, in brackets the quickest "
        "and the slowest.",
        "![Seconds of every contestant](benchmarks.svg)",
    ]
    parts += [_table(figures["table"], kind) for kind in (POSTGRES, MYSQL, BOTH, SELECT)]
    parts.append(_ratios(figures))
    return "\n\n".join(part for part in parts if part)


def _table(entries: Sequence[Entry], kind: str) -> str:
    rows = [one for one in entries if one["kind"] == kind]
    if not rows:
        return ""
    done = sorted((one for one in rows if one["seconds"]), key=lambda one: median(one["seconds"]))
    ours = next((median(one["seconds"]) for one in done if one["name"] == OURS), None)
    lines = [
        f"### {kind}",
        "",
        "| | seconds | times as long as ours | CPU of the program, s | peak, MB "
        "| CPU of the source, s |",
        "|---|---|---|---|---|---|",
    ]
    for one in done:
        seconds = median(one["seconds"])
        ratio = f"{seconds / ours:.2f}" if ours else ""
        lines.append(
            f"| {one['name']} | {_spread(one['seconds'])} | {ratio} | {median(one['cpu']):.1f} "
            f"| {median(one['peak_mb']):.0f} | {median(one['source_cpu']):.1f} |"
        )
    lines += [f"| {one['name']} | {one['failed']} | | | | |" for one in rows if not one["seconds"]]
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def _ratios(figures: Mapping[str, Any]) -> str:
    """What is promised, and what was measured."""
    seconds = {
        (one["kind"], one["name"]): median(one["seconds"])
        for one in figures["table"]
        if one["seconds"]
    }
    cpu = {
        (one["kind"], one["name"]): median(one["source_cpu"])
        for one in figures["table"]
        if one["seconds"]
    }
    lines = ["### What was aimed for", "", "| ratio | aim | measured |", "|---|---|---|"]

    def add(what: str, aim: str, one: float | None, other: float | None) -> None:
        if one and other:
            lines.append(f"| {what} | {aim} | {one / other:.2f} |")

    for kind in (POSTGRES, MYSQL):
        ours = seconds.get((kind, OURS))
        pair = seconds.get((kind, "reference pair"))
        peers = [
            value
            for (where, name), value in seconds.items()
            if where == kind and not name.startswith((OURS, "reference"))
        ]
        fastest = min(peers, default=None)
        add(f"{kind}: the fastest peer / ours", "at least 1.5", fastest, ours)
        most = "at most 1.0" if kind == POSTGRES else "at most 1.1"
        add(f"{kind}: ours / the reference pair", most, ours, pair)
    for name, aim in (("ingestr 1.1.22", "at least 1.9"), ("sling 1.4.10", "at least 6")):
        add(f"{POSTGRES}: {name} / ours", aim, seconds.get((POSTGRES, name)),
            seconds.get((POSTGRES, OURS)))  # fmt: skip
    add(f"{POSTGRES}: sling 1.4.10 / ours, nothing compiled", "above 1",
        seconds.get((POSTGRES, "sling 1.4.10")),
        seconds.get((POSTGRES, f"{OURS}, nothing compiled")))  # fmt: skip
    plain = next((value for (kind, _), value in cpu.items() if kind == SELECT), None)
    add("CPU of the source: ours / a plain SELECT", "at most 1.15", cpu.get((MYSQL, OURS)), plain)
    practice = figures.get("practice")
    if practice:
        pairs = median(practice["replication pair"]) + median(practice["analytics pair"])
        what = f"{practice['tables']} tables, {practice['rows']:,} rows: both hops / both pairs"
        add(what, "at most 1.3", median(practice["run"]), pairs)
        add("the same, when nothing changed / the first run", "at most 0.25",
            median(practice["again"]), median(practice["run"]))  # fmt: skip
    many = figures.get("many")
    if many:
        each = median(many["again"]) / many["tables"] * 1000
        lines.append(
            f"| {many['tables']} tables, {many['nearly_empty']} nearly empty, nothing changed: "
            f"ms a table | at most 30 | {each:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write(json.loads((target / FIGURES).read_text()), target, Path(sys.argv[2]))
