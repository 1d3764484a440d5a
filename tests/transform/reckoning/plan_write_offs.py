"""What networks' prices cost, by plan and by procedure code.

RpPPOwriteoff.cs and the manual's page reportppowriteoffs, in its three ways to date a write-off;
RpProcSheet.cs, grouped by code.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import (
    NO_DATE,
    cents,
    read_preferences,
    read_rows,
    reckon_once,
    share,
)

COMPLETE = 2
NOT_RECEIVED, RECEIVED, SUPPLEMENTAL, CAP_COMPLETE = 0, 1, 4, 7
WAYS = {"0": "pay date", "1": "procedure date"}
NOTHING = Decimal("0.00")

Line = tuple[str, dt.date, int, int, Decimal, Decimal]
"""Way, day, plan, clinic, price, write-off."""


def _lines(analytics: PostgresConnection) -> Iterator[Line]:
    snapshots = {
        row.ClaimProcNum: row
        for row in read_rows(analytics, "claimsnapshot", "ClaimProcNum", "Writeoff", "DateTEntry")
    }
    for row in read_rows(
        analytics, "claimproc", "ClaimProcNum", "Status", "DateCP", "ProcDate", "PlanNum",
        "ClinicNum", "FeeBilled", "WriteOff",
    ):  # fmt: skip
        if row.Status not in (NOT_RECEIVED, RECEIVED, SUPPLEMENTAL):
            continue
        place, fee, write_off = (row.PlanNum, row.ClinicNum), cents(row.FeeBilled), row.WriteOff
        if row.Status != NOT_RECEIVED and row.DateCP > NO_DATE:
            yield ("pay date", row.DateCP, *place, fee, cents(write_off))
        if row.ProcDate > NO_DATE:
            yield ("procedure date", row.ProcDate, *place, fee, cents(write_off))
        if snapshot := snapshots.get(row.ClaimProcNum):
            if row.Status == NOT_RECEIVED:
                write_off = 0.0 if snapshot.Writeoff == -1 else snapshot.Writeoff
            yield ("claim date", snapshot.DateTEntry.date(), *place, fee, cents(write_off))


@reckon_once
def reckon_ways(analytics: PostgresConnection) -> dict[Any, tuple[int, Decimal, Decimal]]:
    """Lines, price and write-off, by way to date them, month, plan and clinic."""
    found: defaultdict[Any, tuple[int, Decimal, Decimal]] = defaultdict(
        lambda: (0, NOTHING, NOTHING)
    )
    for way, day, plan, clinic, fee, write_off in _lines(analytics):
        key = (way, day.replace(day=1), plan, clinic)
        lines, fees, write_offs = found[key]
        found[key] = (lines + 1, fees + fee, write_offs + write_off)
    return dict(found)


def read_ways(analytics: PostgresConnection) -> dict[Any, tuple[int, Decimal, Decimal]]:
    """The same of the models, of which the mart has the way that the practice chose."""
    rows = analytics.execute(
        b"SELECT way, date_trunc('month', write_off_date)::date, plan_id, clinic_id, count(*), "
        b"sum(fee), sum(write_off) FROM intermediate.int_plan_write_off GROUP BY 1, 2, 3, 4"
    ).fetchall()
    return {row[:4]: row[4:] for row in rows}


def reckon_plans(analytics: PostgresConnection) -> dict[Any, tuple[Any, ...]]:
    """By month, plan and clinic in the practice's way, with carrier and fee schedule."""
    choice = read_preferences(analytics)["ReportsPPOwriteoffDefaultToProcDate"]
    plans = {
        row.PlanNum: (row.CarrierNum, row.FeeSched)
        for row in read_rows(analytics, "insplan", "PlanNum", "CarrierNum", "FeeSched")
    }
    return {
        (month, plan, clinic): (
            *plans.get(plan, (0, 0)), lines, fee, write_off, fee - write_off, share(write_off, fee),
        )
        for (way, month, plan, clinic), (lines, fee, write_off) in reckon_ways(analytics).items()
        if way == WAYS.get(choice, "claim date")
    }  # fmt: skip


def read_plans(analytics: PostgresConnection) -> dict[Any, tuple[Any, ...]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, plan_id, clinic_id, carrier_id, fee_schedule_id, lines, fee, "
        b"write_off, plan_fee, write_off_ratio FROM marts.write_offs_by_month_and_plan"
    ).fetchall()
    return {row[:3]: row[3:] for row in rows}


def reckon_codes(analytics: PostgresConnection) -> dict[Any, tuple[Any, ...]]:
    """By month, code, provider and clinic: procedures, units, production and write-off of them."""
    written_off: defaultdict[int, Decimal] = defaultdict(Decimal)
    capitation: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in read_rows(analytics, "claimproc", "ProcNum", "Status", "WriteOff"):
        if row.Status in (NOT_RECEIVED, RECEIVED, SUPPLEMENTAL):
            written_off[row.ProcNum] += cents(row.WriteOff)
        elif row.Status == CAP_COMPLETE:
            capitation[row.ProcNum] += cents(row.WriteOff)
    cells: defaultdict[Any, list[Any]] = defaultdict(lambda: [0, 0, NOTHING, NOTHING])
    for row in read_rows(
        analytics, "procedurelog", "ProcNum", "ProcStatus", "ProcDate", "CodeNum", "ProvNum",
        "ClinicNum", "ProcFee", "UnitQty", "BaseUnits",
    ):  # fmt: skip
        if row.ProcStatus == COMPLETE and row.ProcDate > NO_DATE:
            cell = cells[row.ProcDate.replace(day=1), row.CodeNum, row.ProvNum, row.ClinicNum]
            units = row.UnitQty + row.BaseUnits
            cell[0] += 1
            cell[1] += units
            cell[2] += cents(row.ProcFee) * units - capitation[row.ProcNum]
            cell[3] += written_off[row.ProcNum]
    return {
        key: (
            procedures, units, gross, write_off, gross - write_off,
            share(gross, procedures, places=2),
            share(write_off, gross),
        )
        for key, (procedures, units, gross, write_off) in cells.items()
    }  # fmt: skip


def read_codes(analytics: PostgresConnection) -> dict[Any, tuple[Any, ...]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT month_start, procedure_code_id, provider_id, clinic_id, procedures, quantity, "
        b"gross_production, write_off, production_after_write_off, average_fee, write_off_ratio "
        b"FROM marts.production_by_month_and_code"
    ).fetchall()
    return {row[:4]: row[4:] for row in rows}


JUDGES = (
    ("write-offs of plans, in each way", reckon_ways, read_ways),
    ("write-offs by month and plan", reckon_plans, read_plans),
    ("production by month and code", reckon_codes, read_codes),
)
