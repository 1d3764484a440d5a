"""Open claims (Claim.cs, RpOutstandingIns.cs; manual, reportoutins).

A claim that waits has DateSent, the day on which it was made, and no DateSentOrig: whether it was
sent is a matter of its status.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, Judges, cents, read_practice_day, read_rows

WAITING = ("U", "H", "W", "I")


def _bucket(days: int) -> str:
    for limit, name in ((30, "0-30"), (60, "31-60"), (90, "61-90")):
        if days <= limit:
            return name
    return "over 90"


def reckon_open(
    analytics: PostgresConnection,
) -> dict[tuple[int, str], tuple[int, int, Decimal, Decimal]]:
    """Claims, those not sent, what was billed and what is expected, by carrier and age."""
    day = read_practice_day(analytics)
    carriers = {
        row.PlanNum: row.CarrierNum
        for row in read_rows(analytics, "insplan", "PlanNum", "CarrierNum")
    }
    cells: defaultdict[tuple[int, str], list[Any]] = defaultdict(list)
    for row in read_rows(
        analytics, "claim", "ClaimStatus", "ClaimType", "DateService", "DateSent", "DateSentOrig",
        "PlanNum", "ClaimFee", "InsPayEst",
    ):  # fmt: skip
        if row.ClaimStatus == "R" or row.ClaimType == "PreAuth":
            continue
        since = row.DateService
        if row.ClaimStatus not in WAITING:
            since = next((d for d in (row.DateSentOrig, row.DateSent) if d > NO_DATE), since)
        age = max(0, (day - since).days)
        cells[carriers.get(row.PlanNum, 0), _bucket(age)].append(row)
    return {
        key: (
            len(rows),
            sum(row.ClaimStatus in WAITING for row in rows),
            sum((cents(row.ClaimFee) for row in rows), Decimal()),
            sum((cents(row.InsPayEst) for row in rows), Decimal()),
        )
        for key, rows in cells.items()
    }


def read_open(
    analytics: PostgresConnection,
) -> dict[tuple[int, str], tuple[int, int, Decimal, Decimal]]:
    """The same as the mart has it."""
    rows = analytics.execute(
        b"SELECT carrier_id, age_bucket, claims, not_sent, fee, insurance_estimate "
        b"FROM marts.claims_by_age_and_carrier"
    ).fetchall()
    return {row[:2]: row[2:] for row in rows}


def reckon_outstanding(analytics: PostgresConnection) -> dict[int, tuple[Any, ...]]:
    """Lines of the report Outstanding Insurance Claims."""
    tables: dict[str, dict[int, Any]] = {}
    for table, *columns in (
        ("carrier", "CarrierNum", "CarrierName", "Phone"),
        ("insplan", "PlanNum", "CarrierNum", "GroupNum", "GroupName"),
        ("inssub", "InsSubNum", "Subscriber", "SubscriberID"),
        ("patient", "PatNum", "LName", "FName", "MiddleI", "Birthdate"),
        ("clinic", "ClinicNum", "Description"),
        ("definition", "DefNum", "ItemName"),
    ):
        rows = read_rows(analytics, table, *columns)
        tables[table] = {row[0]: row for row in rows}
    tracked: defaultdict[int, list[Any]] = defaultdict(list)
    for row in read_rows(
        analytics, "claimtracking", "ClaimTrackingNum", "ClaimNum", "TrackingType", "UserNum",
        "DateTimeEntry", "TrackingDefNum", "TrackingErrorDefNum",
    ):  # fmt: skip
        tracked[row.ClaimNum].append(row)
    found = {}
    for claim in read_rows(
        analytics, "claim", "ClaimNum", "ClaimStatus", "ClaimType", "PlanNum", "InsSubNum",
        "PatNum", "ClinicNum", "DateService", "DateSent", "DateSentOrig", "ClaimFee",
        "CustomTracking",
    ):  # fmt: skip
        plan = tables["insplan"].get(claim.PlanNum)
        patient = tables["patient"].get(claim.PatNum)
        carrier = plan and tables["carrier"].get(plan.CarrierNum)
        if claim.ClaimStatus == "S" and carrier and patient:
            found[claim.ClaimNum] = _line(claim, plan, carrier, patient, tables, tracked)
    return found


def _line(
    claim: Any,
    plan: Any,
    carrier: Any,
    patient: Any,
    tables: dict[str, dict[int, Any]],
    tracked: dict[int, list[Any]],
) -> tuple[Any, ...]:
    entries = tracked.get(claim.ClaimNum, [])
    last = max((e.DateTimeEntry for e in entries if e.TrackingDefNum), default=None)
    history = [
        e
        for e in entries
        if e.DateTimeEntry == last
        and e.TrackingType == "StatusHistory"
        and e.TrackingDefNum == claim.CustomTracking
        and claim.CustomTracking
    ]
    users = sorted(
        (e for e in entries if e.TrackingType == "ClaimUser"),
        key=lambda e: (e.DateTimeEntry, -e.ClaimTrackingNum),
    )
    status = tables["definition"].get(claim.CustomTracking)
    subscription = tables["inssub"].get(claim.InsSubNum)
    subscriber = subscription and tables["patient"].get(subscription.Subscriber)
    clinic = tables["clinic"].get(claim.ClinicNum)
    return (
        carrier.CarrierName or None,
        carrier.Phone or None,
        claim.ClaimType == "PreAuth",
        users[-1].UserNum if users else 0,
        " ".join(word for word in (f"{patient.LName}, {patient.FName}", patient.MiddleI) if word),
        clinic.Description if clinic else "Unassigned",
        *(_day(d) for d in (claim.DateService, claim.DateSent, claim.DateSentOrig)),
        status.ItemName if status else None,
        history[0].DateTimeEntry if history else None,
        plan.GroupNum or None,
        plan.GroupName or None,
        f"{subscriber.LName}, {subscriber.FName}" if subscriber else None,
        (subscription.SubscriberID or None) if subscription else None,
        cents(claim.ClaimFee),
    )


def _day(day: dt.date) -> dt.date | None:
    return day if day > NO_DATE else None


def read_outstanding(analytics: PostgresConnection) -> dict[int, tuple[Any, ...]]:
    """The same as the mart lists it."""
    rows = analytics.execute(
        b"SELECT claim_id, carrier_name, carrier_phone, is_preauthorization, assigned_user_id, "
        b"patient, clinic, service_date, sent_date, first_sent_date, tracking_status, tracked_at, "
        b"group_number, group_name, subscriber, subscriber_number, amount "
        b"FROM marts.report_outstanding_insurance_claims"
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


JUDGES: Judges = (
    ("open claims", reckon_open, read_open),
    ("outstanding claims", reckon_outstanding, read_outstanding),
)
