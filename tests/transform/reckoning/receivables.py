"""What families owe, as accounts_receivable and the report Aging of A/R list it (RpAging.cs)."""

from __future__ import annotations

import datetime as dt

from etl_pipeline.demo.server_databases import PostgresConnection
from tests.transform.reckoning.accounts import Account, Aged, open_accounts
from tests.transform.reckoning.books import Judges, read_practice_day


def report_days(analytics: PostgresConnection) -> list[dt.date]:
    """The practice's day, and the last days of the 24 months before its own."""
    today = read_practice_day(analytics)
    days, first = [today], today.replace(day=1)
    for _ in range(24):
        days.append(first - dt.timedelta(days=1))
        first = days[-1].replace(day=1)
    return days


def reckon_aging(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Aged]:
    """The report Aging of A/R as of each of the report's days."""
    accounts, today = open_accounts(analytics), read_practice_day(analytics)
    return {
        (day, family): aged
        for day in report_days(analytics)
        for family, aged in accounts.age(day, is_today=day == today).items()
    }


def read_aging(analytics: PostgresConnection) -> dict[tuple[dt.date, int], Aged]:
    """The same as the mart has it, asked for a day at a time."""
    return {
        (day, row[0]): Aged(*row[1:])
        for day in report_days(analytics)
        for row in analytics.execute(
            b"SELECT guarantor_id, balance_0_30, balance_31_60, balance_61_90, balance_over_90, "
            b"total, write_off_estimate, insurance_estimate, patient_portion, last_payment_date "
            b"FROM marts.report_aging_of_receivables WHERE as_of_date = %s",
            (day,),
        )
    }


def reckon_receivables(analytics: PostgresConnection) -> dict[int, Account]:
    """What families owe on the practice's day, by its parts."""
    return open_accounts(analytics).accounts(read_practice_day(analytics))


def read_receivables(analytics: PostgresConnection) -> dict[int, Account]:
    """The same as ``accounts_receivable`` has it, without families that owe and expect nothing."""
    ages = ("0_30", "31_60", "61_90", "over_90")
    columns = [f"{part}_{age}" for part in ("balance", "insurance", "patient") for age in ages]
    rows = analytics.execute(
        "SELECT guarantor_id, balance, insurance_portion, patient_portion, credit, dated_later, "
        f"last_payment_date, {', '.join(columns)} FROM marts.accounts_receivable".encode()
    )
    found = {}
    for family, balance, expected, left, credit, later, paid_on, *parts in rows:
        owed, waited, rest = (tuple(parts[place : place + 4]) for place in (0, 4, 8))
        account = Account(owed, waited, rest, credit, later, paid_on)
        assert balance == sum(account.owed) + credit + later, "the parts make the balance"
        assert expected == sum(account.expected), "the parts make the insurance portion"
        assert left == balance - expected, "the rest is the patients'"
        found[family] = account
    return {family: account for family, account in found.items() if not account.is_empty}


JUDGES: Judges = (
    ("receivables", reckon_receivables, read_receivables),
    ("aging of receivables", reckon_aging, read_aging),
)
