"""What carriers answer to claims: days, money and denials.

Manual, claimreceive and claimedit; Claim.cs, ClaimProc.cs. A denial is a line that was received and
billed, with nothing paid although something is left of the price after write-off and deductible.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from typing import Any, NamedTuple

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NO_DATE, cents, read_rows, reckon_once, share

RECEIVED, SUPPLEMENTAL, CAP_CLAIM = 1, 4, 5
WAITING = ("U", "H", "W", "I")
COUNTS = ("sent", "sent_outstanding", "answered", "denied", "denied_lines", "paid_claims")
AMOUNTS = ("sent_fee", "answered_fee", "paid", "write_off", "denied_fee", "denied_paid_later")
NOTHING = Decimal("0.00")


class Answer(NamedTuple):
    """What a carrier answered to a claim, until now."""

    is_denied: bool
    denied_lines: int
    denied_fee: Decimal
    denied_paid_later: Decimal
    paid_on: dt.date | None
    days_to_answer: int | None
    days_to_pay: int | None


def _median(days: Sequence[int]) -> Decimal | None:
    return share(Decimal(str(median(days))), 1, places=1) if days else None


def _read_lines(analytics: PostgresConnection) -> dict[int, list[Any]]:
    lines: defaultdict[int, list[Any]] = defaultdict(list)
    for row in read_rows(
        analytics, "claimproc", "ClaimNum", "ProcNum", "Status", "FeeBilled", "InsPayAmt",
        "WriteOff", "DedApplied", "ClaimPaymentNum",
    ):  # fmt: skip
        if row.ClaimNum and row.Status in (RECEIVED, SUPPLEMENTAL, CAP_CLAIM):
            lines[row.ClaimNum].append(row)
    return lines


def _find_denied(claim: Any, lines: Sequence[Any]) -> list[Any]:
    as_total = any(
        row.Status == RECEIVED and not row.ProcNum and cents(row.InsPayAmt) > 0 for row in lines
    )
    if as_total or claim.ClaimType in ("S", "Cap"):
        return []
    return [
        row
        for row in lines
        if row.Status == RECEIVED
        and row.ProcNum
        and cents(row.FeeBilled) > 0
        and cents(row.InsPayAmt) == 0
        and cents(row.FeeBilled) - cents(row.WriteOff) - cents(row.DedApplied) > 0
    ]


def _days(first: dt.date | None, last: dt.date | None) -> int | None:
    return (last - first).days if first and last and last >= first else None


def sent_on(claim: Any) -> dt.date | None:
    """Day on which a claim was first sent; none while it waits, whatever its dates say."""
    if claim.ClaimStatus in WAITING:
        return None
    return next((day for day in (claim.DateSentOrig, claim.DateSent) if day > NO_DATE), None)


def _answer(claim: Any, lines: Sequence[Any], checks: dict[int, dt.date]) -> Answer:
    first = sent_on(claim)
    answered = claim.DateReceived if claim.DateReceived > NO_DATE else None
    if claim.ClaimStatus != "R":
        return Answer(False, 0, NOTHING, NOTHING, None, None, None)
    if claim.ClaimType == "PreAuth":
        return Answer(False, 0, NOTHING, NOTHING, None, _days(first, answered), None)
    denied = _find_denied(claim, lines)
    supplements: defaultdict[int, Decimal] = defaultdict(Decimal)
    for row in lines:
        if row.Status == SUPPLEMENTAL:
            supplements[row.ProcNum] += cents(row.InsPayAmt)
    at_first = sum(cents(row.InsPayAmt) for row in lines if row.Status != SUPPLEMENTAL)
    paid_on = min(
        (
            checks[row.ClaimPaymentNum]
            for row in lines
            if cents(row.InsPayAmt) > 0 and row.ClaimPaymentNum in checks
        ),
        default=None,
    )
    return Answer(
        is_denied=bool(denied) and at_first == 0,
        denied_lines=len(denied),
        denied_fee=sum((cents(row.FeeBilled) for row in denied), NOTHING),
        denied_paid_later=sum((max(supplements[r.ProcNum], NOTHING) for r in denied), NOTHING),
        paid_on=paid_on,
        days_to_answer=_days(first, answered),
        days_to_pay=_days(first, paid_on),
    )


def _read_claims(analytics: PostgresConnection) -> list[Any]:
    return read_rows(
        analytics, "claim", "ClaimNum", "ClaimStatus", "ClaimType", "PlanNum", "DateSent",
        "DateSentOrig", "DateReceived", "ClaimFee",
    )  # fmt: skip


@reckon_once
def reckon_answers(analytics: PostgresConnection) -> dict[int, Answer]:
    """The answer to each claim."""
    lines = _read_lines(analytics)
    checks = {
        row.ClaimPaymentNum: row.CheckDate
        for row in read_rows(analytics, "claimpayment", "ClaimPaymentNum", "CheckDate")
    }
    return {
        claim.ClaimNum: _answer(claim, lines.get(claim.ClaimNum, []), checks)
        for claim in _read_claims(analytics)
    }


def read_answers(analytics: PostgresConnection) -> dict[int, Answer]:
    """The same as ``fact_claim`` has it."""
    rows = analytics.execute(
        b"SELECT claim_id, is_denied, denied_lines, denied_fee, denied_paid_later, paid_date, "
        b"days_to_answer, days_to_pay FROM marts.fact_claim"
    ).fetchall()
    return {row[0]: Answer(*row[1:]) for row in rows}


def reckon_carriers(analytics: PostgresConnection) -> dict[Any, dict[str, Any]]:
    """Claims by month and carrier: those sent in it, and those answered in it."""
    answers, lines = reckon_answers(analytics), _read_lines(analytics)
    carriers = {
        row.PlanNum: row.CarrierNum
        for row in read_rows(analytics, "insplan", "PlanNum", "CarrierNum")
    }
    cells: defaultdict[Any, dict[str, Any]] = defaultdict(
        lambda: dict.fromkeys(COUNTS, 0) | dict.fromkeys(AMOUNTS, NOTHING) | {"a": [], "p": []}
    )
    for claim in _read_claims(analytics):
        if claim.ClaimType in ("PreAuth", "Cap"):
            continue
        carrier, fee = carriers.get(claim.PlanNum, 0), cents(claim.ClaimFee)
        if (day := sent_on(claim)) is not None:
            cell = cells[day.replace(day=1), carrier]
            cell["sent"] += 1
            cell["sent_fee"] += fee
            cell["sent_outstanding"] += claim.ClaimStatus != "R"
        if claim.ClaimStatus == "R" and claim.DateReceived > NO_DATE:
            cell = cells[claim.DateReceived.replace(day=1), carrier]
            answer = answers[claim.ClaimNum]
            cell["answered"] += 1
            cell["answered_fee"] += fee
            cell["denied"] += answer.is_denied
            cell["denied_lines"] += answer.denied_lines
            cell["denied_fee"] += answer.denied_fee
            cell["denied_paid_later"] += answer.denied_paid_later
            cell["paid_claims"] += answer.paid_on is not None
            for row in lines.get(claim.ClaimNum, []):
                cell["paid"] += cents(row.InsPayAmt)
                cell["write_off"] += cents(row.WriteOff)
            for key, days in (("a", answer.days_to_answer), ("p", answer.days_to_pay)):
                cell[key] += [] if days is None else [days]
    return {key: _with_rates(cell) for key, cell in cells.items()}


def _with_rates(cell: dict[str, Any]) -> dict[str, Any]:
    answered, paid = cell.pop("a"), cell.pop("p")
    return cell | {
        "paid_ratio": share(cell["paid"], cell["answered_fee"]),
        "denial_rate": share(cell["denied"], cell["answered"]),
        "mean_days_to_answer": share(sum(answered), len(answered), places=1),
        "median_days_to_answer": _median(answered),
        "mean_days_to_pay": share(sum(paid), len(paid), places=1),
        "median_days_to_pay": _median(paid),
    }


def read_carriers(analytics: PostgresConnection) -> dict[Any, dict[str, Any]]:
    """The same as the mart has it."""
    columns = (
        *COUNTS, *AMOUNTS, "paid_ratio", "denial_rate", "mean_days_to_answer",
        "median_days_to_answer", "mean_days_to_pay", "median_days_to_pay",
    )  # fmt: skip
    rows = analytics.execute(
        f"SELECT month_start, carrier_id, {', '.join(columns)} "
        "FROM marts.claims_by_month_and_carrier".encode()
    ).fetchall()
    return {row[:2]: dict(zip(columns, row[2:], strict=True)) for row in rows}


JUDGES = (
    ("answers to claims", reckon_answers, read_answers),
    ("claims by month and carrier", reckon_carriers, read_carriers),
)
