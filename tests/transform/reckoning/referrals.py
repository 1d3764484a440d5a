"""Referral Analysis, a month at a time (RpReferralAnalysis.cs; manual, reportreferral)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, cents, read_rows

COMPLETE, CAME_FROM = 2, 1

Line = tuple[str | None, str | None, int, Decimal, int, Decimal]
"""Names, patients and production; of new patients only."""


def reckon(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Line]:
    """By month and referral. Patients count for each of their sources."""
    broken = {
        row.CodeNum
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode")
        if row.ProcCode in ("D9986", "D9987")
    }
    done: defaultdict[int, defaultdict[dt.date, list[Decimal]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in read_rows(
        analytics, "procedurelog", "PatNum", "ProcStatus", "ProcDate", "ProcFee", "UnitQty",
        "BaseUnits", "CodeNum",
    ):  # fmt: skip
        if row.ProcStatus == COMPLETE and row.ProcDate > NO_DATE and row.CodeNum not in broken:
            amount = cents(row.ProcFee) * (row.UnitQty + row.BaseUnits)
            done[row.PatNum][row.ProcDate.replace(day=1)].append(amount)
    sources = defaultdict(set)
    for row in read_rows(analytics, "refattach", "ReferralNum", "PatNum", "RefType"):
        if row.RefType == CAME_FROM:
            sources[row.ReferralNum].add(row.PatNum)
    lines: dict[tuple[dt.date, int], Line] = {}
    for referral in read_rows(analytics, "referral", "ReferralNum", "LName", "FName"):
        for patient in sources[referral.ReferralNum]:
            for month, amounts in done[patient].items():
                _, _, patients, total, new, new_total = lines.get(
                    (month, referral.ReferralNum), (None, None, 0, Decimal(), 0, Decimal())
                )
                is_new = month == min(done[patient])
                amount = sum(amounts, Decimal())
                lines[month, referral.ReferralNum] = (
                    referral.LName or None,
                    referral.FName or None,
                    patients + 1,
                    total + amount,
                    new + is_new,
                    new_total + amount * is_new,
                )
    return lines


def read_marts(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Line]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, referral_id, last_name, first_name, patients, production, "
        b"new_patients, new_patient_production FROM marts.report_referral_analysis"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


JUDGES: Judges = (("referral analysis", reckon, read_marts),)
