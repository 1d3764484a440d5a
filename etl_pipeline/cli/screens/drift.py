"""Changes of the source's schema (drift) as lines for people and as JSON for programs (no I/O).

Three screens show them: ``etl run`` what it met (``drift_lines``), ``etl plan`` what it would meet
(``planned_lines``), ``etl show`` what a run recorded (``recorded_lines``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from etl_pipeline.schema.drift_decision import DriftEvent
from etl_pipeline.state.history import DriftRecord

_VERDICT_WORDS = {"refuse": "; refused", "reload": "; loaded anew"}


def drift_lines(events: Sequence[DriftEvent]) -> Iterator[str]:
    """Return the changes that a run met, by table; under a refused one, what would follow it."""
    for _, of_table in itertools.groupby(events, key=lambda event: event.table):
        plan: dict[str, None] = {}
        for event in of_table:
            end = _VERDICT_WORDS.get(event.verdict, "")
            yield f"  drift  {event.where}: {shorten_members(event.words)}{end}"
            if event.verdict == "refuse":
                replication = () if event.is_replicated else event.replication
                for place, statements in (("replication", replication), ("raw", event.raw)):
                    plan |= {f"{place}: {_on_one_line(s)}": None for s in statements}
        yield from (
            f"    plan {line}" for line in sorted(plan, key=lambda line: line.startswith("raw"))
        )


def planned_lines(events: Sequence[DriftEvent]) -> Iterator[str]:
    """Return the changes that a run would meet; their statements are shown with the plan's."""
    for event in events:
        end = "; would be refused" if event.verdict == "refuse" else ""
        yield f"  drift  {event.where}: {shorten_members(event.words)}{end}"


def recorded_lines(records: Sequence[DriftRecord]) -> Iterator[str]:
    """Return the changes of a recorded run, with their statements and the table's dependents."""
    for _, of_table in itertools.groupby(records, key=lambda record: record.event.table):
        group = list(of_table)
        for record in group:
            event = record.event
            yield f"  drift  {event.where}: {shorten_members(event.words)}{_verdict_words(record)}"
        said = dict.fromkeys(line for record in group for line in _statements(record))
        yield from (f"    {words}" for _, words in sorted(said, key=lambda line: line[0]))
        if dependents := dict.fromkeys(
            name for record in group for name in record.event.dependents
        ):
            yield f"    used by {', '.join(dependents)}"


def _verdict_words(record: DriftRecord) -> str:
    verdict = record.event.verdict
    if verdict == "follow" and record.done_at is None:
        return "; raw has not followed" if record.replicated_at else "; not done"
    return _VERDICT_WORDS.get(verdict, "")


def _statements(record: DriftRecord) -> Iterator[tuple[int, str]]:
    """Yield each statement on one line, with a rank that puts replication's before raw's."""
    event = record.event
    for rank, (place, statements, has_run) in enumerate(
        (
            ("replication", event.replication, record.replicated_at or record.done_at),
            ("raw", event.raw, record.done_at),
        )
    ):
        plan = "" if has_run else "plan "
        yield from ((rank, f"{plan}{place}: {_on_one_line(statement)}") for statement in statements)


def _on_one_line(statement: str) -> str:
    return shorten_members(" ".join(statement.split()))


_MEMBER = r"'(?:[^']|'')*'"
_MEMBERS = re.compile(rf"(?<=enum\(|.set\(){_MEMBER}(?:,{_MEMBER})+")
_SHOWN_CHARACTERS = 100


def shorten_members(words: str) -> str:
    """Return *words* with the middle of each long list of an ENUM's or SET's members cut out.

    If *words* hold two lists (before and after), members that only one of them has are kept: they
    are what changed.
    """
    lists = [set(re.findall(_MEMBER, found)) for found in _MEMBERS.findall(words)]
    common = set.intersection(*lists) if lists else set()

    def shorten(match: re.Match[str]) -> str:
        if len(match[0]) <= _SHOWN_CHARACTERS:
            return match[0]
        members = re.findall(_MEMBER, match[0])
        shown = [members[0]]
        for is_kept, run in itertools.groupby(
            members[1:-1], key=lambda member: member not in common
        ):
            kept = list(run)
            shown += kept if is_kept else [f"… {len(kept)} more …"]
        return ",".join([*shown, members[-1]])

    return _MEMBERS.sub(shorten, words)


def drift_json(events: Sequence[DriftEvent]) -> list[dict[str, Any]]:
    """Return *events* as JSON for programs; keys are added, never renamed or removed."""
    return [
        {
            "table": event.table,
            "kind": event.kind,
            "subject": event.subject,
            "detail": event.detail,
            "verdict": event.verdict,
            "replication_ddl": list(event.replication),
            "raw_ddl": list(event.raw),
            "dependents": list(event.dependents),
        }
        for event in events
    ]


def recorded_json(records: Sequence[DriftRecord]) -> list[dict[str, Any]]:
    """Return the recorded changes as JSON, with the instants at which the copies followed."""
    return [
        {**event, "replicated_at": record.replicated_at, "done_at": record.done_at}
        for record, event in zip(records, drift_json([r.event for r in records]), strict=True)
    ]
