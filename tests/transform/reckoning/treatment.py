"""Planned treatment: presented, accepted, done the same day (manual, treatmentplan; TreatPlan.cs).

Treatment is CDT D2 to D9 without hygiene. A saved plan (TPStatus 0) with its ProcTP rows is what
was presented.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, cents, read_rows, share

PLANNED, COMPLETE, REFERRED, INACTIVE = 1, 2, 5, 8
SCHEDULED, ASAP = 1, 4
GUM_CARE = ("D4341", "D4342", "D4346", "D4355", "D4381", "D4910")
BROKEN = ("D9986", "D9987")
STAGES = ("planned", "presented", "accepted", "completed", "done_same_day")

Stage = tuple[Decimal | int | None, ...]
"""Procedures, their price, patients."""


def read_treatment_codes(analytics: PostgresConnection) -> set[int]:
    """Codes that need a patient's acceptance: CDT D2 to D9 without hygiene and broken visits."""
    return {
        row.CodeNum
        for row in read_rows(analytics, "procedurecode", "CodeNum", "ProcCode", "IsHygiene")
        if row.ProcCode[:1] == "D"
        and row.ProcCode[1:2] in tuple("23456789")
        and row.ProcCode not in GUM_CARE + BROKEN
        and not row.IsHygiene
    }


def reckon(
    analytics: PostgresConnection,
) -> dict[tuple[dt.date, int, int], dict[str, Stage]]:
    """By month of planning, provider and clinic: what became of it."""
    treatment = read_treatment_codes(analytics)
    saved = {
        row.TreatPlanNum
        for row in read_rows(analytics, "treatplan", "TreatPlanNum", "TPStatus")
        if row.TPStatus == 0
    }
    presented = {
        row.ProcNumOrig
        for row in read_rows(analytics, "proctp", "TreatPlanNum", "ProcNumOrig")
        if row.TreatPlanNum in saved
    }
    booked = {
        row.AptNum
        for row in read_rows(analytics, "appointment", "AptNum", "AptStatus")
        if row.AptStatus in (SCHEDULED, ASAP)
    }
    cells: defaultdict[tuple[dt.date, int, int], defaultdict[str, list[tuple[Decimal, int]]]] = (
        defaultdict(lambda: defaultdict(list))
    )
    for row in read_rows(
        analytics, "procedurelog", "ProcNum", "PatNum", "AptNum", "ProcStatus", "ProcDate",
        "DateTP", "ProvNum", "ClinicNum", "CodeNum", "ProcFee", "UnitQty", "BaseUnits",
    ):  # fmt: skip
        is_planned = row.ProcStatus in (PLANNED, COMPLETE, REFERRED, INACTIVE)
        if row.CodeNum not in treatment or not is_planned or row.DateTP <= NO_DATE:
            continue
        is_done = row.ProcStatus == COMPLETE
        is_same_day = is_done and row.ProcDate <= row.DateTP
        stages = {
            "planned": True,
            "presented": row.ProcNum in presented or is_same_day,
            "accepted": is_done or (row.ProcStatus == PLANNED and row.AptNum in booked),
            "completed": is_done,
            "done_same_day": is_same_day,
        }
        amount = cents(row.ProcFee) * (row.UnitQty + row.BaseUnits)
        cell = cells[row.DateTP.replace(day=1), row.ProvNum, row.ClinicNum]
        for stage, is_reached in stages.items():
            if is_reached:
                cell[stage].append((amount, row.PatNum))
    return {key: _sum_stages(cell) for key, cell in cells.items()}


def _sum_stages(cell: dict[str, list[tuple[Decimal, int]]]) -> dict[str, Stage]:
    """Each stage, and how much of what was planned was accepted, in the same three measures."""
    found: dict[str, Stage] = {}
    for stage in STAGES:
        rows = cell.get(stage, [])
        amount = sum((amount for amount, _ in rows), Decimal("0.00"))
        found[stage] = (len(rows), amount, len({patient for _, patient in rows}))
    pairs = zip(found["accepted"], found["planned"], strict=True)
    return found | {"acceptance": tuple(share(part or 0, whole or 0) for part, whole in pairs)}


def read_marts(
    analytics: PostgresConnection,
) -> dict[tuple[dt.date, int, int], dict[str, Stage]]:
    """The same as the mart has it."""
    columns = ", ".join(f"{stage}, {stage}_amount, {stage}_patients" for stage in STAGES)
    columns += ", acceptance, acceptance_by_amount, acceptance_by_patient"
    rows = analytics.execute(
        f"SELECT month_start, provider_id, clinic_id, {columns} "
        "FROM marts.treatment_acceptance".encode()
    ).fetchall()
    return {
        row[:3]: {
            stage: row[3 + 3 * place : 6 + 3 * place]
            for place, stage in enumerate((*STAGES, "acceptance"))
        }
        for row in rows
    }


JUDGES: Judges = (("treatment", reckon, read_marts),)
