"""The money of each row of the facts, and of the dimensions (TableTypes/*.cs; manual, schema)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.books import NOTHING, Judge, Judges, cents, read_rows
from tests.transform.reckoning.production_income import (
    CAP_CLAIM,
    CAP_COMPLETE,
    COMPLETE,
    NOT_RECEIVED,
    RECEIVED,
    SUPPLEMENTAL,
)

Amounts = dict[int, tuple[Decimal | None, ...]]
"""Amounts of a row, by its key."""


def reckon_procedures(analytics: PostgresConnection) -> Amounts:
    """Price of one, charge, what capitation writes off, production, and the two discounts."""
    capitation: defaultdict[int, Decimal] = defaultdict(lambda: NOTHING)
    for row in read_rows(analytics, "claimproc", "ProcNum", "Status", "WriteOff"):
        if row.Status == CAP_COMPLETE:
            capitation[row.ProcNum] += cents(row.WriteOff)
    found: Amounts = {}
    for row in read_rows(
        analytics, "procedurelog", "ProcNum", "ProcStatus", "ProcFee", "UnitQty", "BaseUnits",
        "Discount", "DiscountPlanAmt",
    ):  # fmt: skip
        fee = cents(row.ProcFee)
        charge = fee * (row.UnitQty + row.BaseUnits)
        if row.ProcStatus == COMPLETE:
            waived = capitation[row.ProcNum]
            made = (waived, charge - waived)
        else:
            made = (NOTHING, NOTHING)
        discounts = (cents(row.Discount), cents(row.DiscountPlanAmt))
        found[row.ProcNum] = (fee, charge, *made, *discounts)
    return found


def reckon_claims(analytics: PostgresConnection) -> Amounts:
    """Billed, expected, paid, written off."""
    columns = ("ClaimFee", "InsPayEst", "InsPayAmt", "WriteOff")
    return {
        row.ClaimNum: tuple(map(cents, row[1:]))
        for row in read_rows(analytics, "claim", "ClaimNum", *columns)
    }


def reckon_claim_lines(analytics: PostgresConnection) -> Amounts:
    """What a line of a claim is by its status, its payment, and what was expected of it once."""
    payments = {r.ClaimPaymentNum for r in read_rows(analytics, "claimpayment", "ClaimPaymentNum")}
    snapshots = {
        row.ClaimProcNum: NOTHING if row.Writeoff == -1 else cents(row.Writeoff)
        for row in read_rows(analytics, "claimsnapshot", "ClaimProcNum", "Writeoff")
    }
    found: Amounts = {}
    for row in read_rows(
        analytics, "claimproc", "ClaimProcNum", "Status", "ClaimPaymentNum", "FeeBilled",
        "InsPayAmt", "InsPayEst", "WriteOff", "IsTransfer", "WriteOffEst", "WriteOffEstOverride",
    ):  # fmt: skip
        paid, waived, estimate = cents(row.InsPayAmt), cents(row.WriteOff), cents(row.InsPayEst)
        on_account = row.Status in (RECEIVED, SUPPLEMENTAL, CAP_CLAIM, CAP_COMPLETE)
        waits = row.Status == NOT_RECEIVED
        unfinalized = (
            row.Status in (RECEIVED, SUPPLEMENTAL, CAP_CLAIM)
            and not row.ClaimPaymentNum
            and not row.IsTransfer
        )
        found[row.ClaimProcNum] = (
            cents(row.FeeBilled),
            paid if on_account else NOTHING,
            waived if on_account else NOTHING,
            estimate if waits else NOTHING,
            waived if waits else NOTHING,
            estimate,
            _expect_write_off(row),
            paid if row.ClaimPaymentNum in payments else NOTHING,
            paid if unfinalized else NOTHING,
            waived if row.Status in (NOT_RECEIVED, RECEIVED, SUPPLEMENTAL) else NOTHING,
            snapshots.get(row.ClaimProcNum, NOTHING),
        )
    return found


def _expect_write_off(line: Any) -> Decimal:
    """The office's own figure where it gave one, else the plan's; -1 stands for none."""
    given = [v for v in (line.WriteOffEstOverride, line.WriteOffEst) if v is not None and v != -1]
    return cents(given[0]) if given else NOTHING


def reckon_payments(analytics: PostgresConnection) -> Amounts:
    """Amounts of parts of payments, hidden prepayments among them."""
    rows = read_rows(analytics, "paysplit", "SplitNum", "SplitAmt")
    return {row.SplitNum: (cents(row.SplitAmt),) for row in rows}


def reckon_adjustments(analytics: PostgresConnection) -> Amounts:
    """Amounts of adjustments."""
    rows = read_rows(analytics, "adjustment", "AdjNum", "AdjAmt")
    return {row.AdjNum: (cents(row.AdjAmt),) for row in rows}


def reckon_providers(analytics: PostgresConnection) -> Amounts:
    """What an hour of a provider is to produce."""
    rows = read_rows(analytics, "provider", "ProvNum", "HourlyProdGoalAmt")
    return {row.ProvNum: (cents(row.HourlyProdGoalAmt),) for row in rows}


def _judge(
    mart: str, key: str, reckon: Callable[[PostgresConnection], Amounts], *columns: str
) -> Judge:
    query = f"SELECT {key}, {', '.join(columns)} FROM marts.{mart}"
    if mart.startswith("dim"):
        query += " WHERE NOT is_missing"

    def read(analytics: PostgresConnection) -> dict[Any, tuple[Any, ...]]:
        return {row[0]: row[1:] for row in analytics.execute(query.encode())}

    return mart, reckon, read


JUDGES: Judges = (
    _judge(
        "fact_procedure", "procedure_id", reckon_procedures,
        "fee", "charge", "capitation_write_off", "gross_production", "discount", "plan_discount",
    ),
    _judge(
        "fact_claim", "claim_id", reckon_claims,
        "fee", "insurance_estimate", "insurance_paid", "write_off",
    ),
    _judge(
        "fact_claim_procedure", "claim_procedure_id", reckon_claim_lines,
        "fee_billed", "insurance_paid", "write_off", "insurance_expected", "write_off_expected",
        "estimate", "write_off_estimate", "insurance_income", "insurance_unfinalized",
        "production_write_off", "snapshot_write_off",
    ),
    _judge("fact_payment", "split_id", reckon_payments, "amount"),
    _judge("fact_adjustment", "adjustment_id", reckon_adjustments, "amount"),
    _judge("dim_provider", "provider_id", reckon_providers, "hourly_goal"),
)  # fmt: skip
