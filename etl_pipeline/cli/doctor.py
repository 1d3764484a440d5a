"""``etl doctor``: everything that a run needs, looked at one by one."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import typer

from etl_pipeline.cli.output import say, show
from etl_pipeline.cli.shell import DEBUG_OPTION, exit_codes, stop_on_signals
from etl_pipeline.formatting import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_pipeline.setup.finding import Finding

AS_JSON = typer.Option(False, "--json", help="Print the findings as JSON on stdout.")
_MARKS = {"ok": "ok", "warning": "warn", "failed": "FAIL", "skipped": "skip"}
_WIDTH = 35


def doctor(as_json: bool = AS_JSON, debug: bool = DEBUG_OPTION) -> None:
    """Check all that a run needs: a line a check, and the fix where something is amiss.

    The files, the three connections, versions, privileges, settings of the servers, clocks,
    and that production, test, source and replication are different databases. Nothing is
    changed. A warning does not keep a run from succeeding; a failure does.

    Example: etl doctor
    """
    with exit_codes(debug=debug, stopped="nothing was changed"):
        from etl_pipeline.config import FileConfigProvider
        from etl_pipeline.setup.doctor import examine

        stop_on_signals(only_reads=True)
        findings = []
        tell = say if as_json else show
        for finding in examine(FileConfigProvider()):
            tell(line(finding))
            findings.append(finding)
        tell(summary(findings))
        if as_json:
            show(_json(findings))
        if any(finding.result == "failed" for finding in findings):
            raise typer.Exit(1)


def line(finding: Finding) -> str:
    """Return a finding as a line, and its fix as another."""
    head = f"{_MARKS[finding.result]:<4}  {finding.check:<{_WIDTH}}  {finding.what}"
    if finding.fix and finding.result != "ok":
        return f"{head}\n      fix: {finding.fix}"
    return head


def summary(findings: Sequence[Finding]) -> str:
    """The last line: how many of each."""
    counts: Counter[str] = Counter(finding.result for finding in findings)
    parts = [f"{counts['ok']} ok"]
    parts += [
        f"{counts[result]} {word}"
        for result, word in (
            ("warning", "to look at"),
            ("failed", "failed"),
            ("skipped", "skipped"),
        )
        if counts[result]
    ]
    return f"{count_of(len(findings), 'check')}: {', '.join(parts)}"


def _json(findings: Sequence[Finding]) -> str:
    listed = [
        {"check": finding.check, "result": finding.result, "what": finding.what, "fix": finding.fix}
        for finding in findings
    ]
    healthy = all(finding.result != "failed" for finding in findings)
    return json.dumps({"healthy": healthy, "checks": listed}, indent=2)
