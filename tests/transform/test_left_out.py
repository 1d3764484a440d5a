"""Rows of raw that no model can take: they are named and counted, and all others are there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.practice import build_practice
from etl_pipeline.demo.servers import Servers
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.transform.build import transform_once
from etl_pipeline.transform.summary import TransformSummary
from tests.conftest import Lab, open_lab
from tests.rows import run_sql
from tests.transform.conftest import JUDGES
from tests.transform.judging import judge_marts, list_differences

KEYS_OF_DIMENSIONS = {
    "carrier": "CarrierNum",
    "clinic": "ClinicNum",
    "feesched": "FeeSchedNum",
    "insplan": "PlanNum",
    "operatory": "OperatoryNum",
    "patient": "PatNum",
    "procedurecode": "CodeNum",
    "provider": "ProvNum",
    "referral": "ReferralNum",
}
# What MySQL can hold: the row to change, by its table, key and condition.
AT_THE_SOURCE = (
    ("procedurelog", "ProcNum", "ProcFee", "1e308", "ProcStatus = 2 AND ProcFee > 0"),
    (
        "procedurelog",
        "ProcNum",
        "UnitQty",
        "900000000",
        "ProcFee BETWEEN 9 AND 1e6",
    ),
    ("paysplit", "SplitNum", "SplitAmt", "-1e308", "SplitAmt > 0"),
    ("claimproc", "ClaimProcNum", "InsPayAmt", "1e12", "Status = 1"),
    ("fee", "FeeNum", "Amount", "1e308", "Amount > 0"),
)
# What only others can write, into raw.
IN_RAW = (
    ("adjustment", "AdjNum", "AdjAmt", "'NaN'", '"AdjAmt" < 0'),
    ("adjustment", "AdjNum", "AdjAmt", "'-Infinity'", '"AdjAmt" < 1e300'),
)


@pytest.fixture(scope="module")
def hostile(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lab, TransformSummary, set[tuple[str, int, str]]]]:
    """A practice with rows that are no rows of a practice; the models; what is to be left out."""
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=40)
        folder = lab.write_config(
            tmp_path_factory.mktemp("hostile"), pipeline={"transform": {"today": "entries"}}
        )
        settings = Settings("test", FileConfigProvider(folder))
        planted = plant_at_the_source(lab)
        assert run_once(settings, RunRequest(), listen=lambda _: None).is_success
        planted |= plant_in_raw(lab)
        # A date without end reads as none; the rows stay.
        lab.analytics.execute(
            b'UPDATE raw.recall SET "DateDue" = \'infinity\' WHERE "RecallNum" = 1'
        )
        lab.analytics.execute(
            b'UPDATE raw.appointment SET "DateTimeSeated" = \'-infinity\' WHERE "AptNum" = 1'
        )
        yield lab, transform_once(settings, listen=lambda _: None), planted


def plant_at_the_source(lab: Lab) -> set[tuple[str, int, str]]:
    """Change rows at the source, and return which are to be left out, and by which column."""
    run_sql(lab.source, "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
    planted = set()
    for table, key, column, value, condition in AT_THE_SOURCE:
        with lab.source.cursor() as cursor:
            cursor.execute(f"SELECT max({key}) FROM {table} WHERE {condition}")
            ((number,),) = cursor.fetchall()
        run_sql(lab.source, f"UPDATE {table} SET {column} = {value} WHERE {key} = {number}")
        planted.add((table, number, "ProcFee" if column == "UnitQty" else column))
    for table, key in KEYS_OF_DIMENSIONS.items():
        run_sql(lab.source, f"INSERT IGNORE INTO {table} ({key}) VALUES (0)")
        planted.add((table, 0, key))
    # A key below 0 is one like any other.
    run_sql(
        lab.source,
        "INSERT IGNORE INTO provider (ProvNum, Abbr) VALUES (-5, 'minus')",
        "UPDATE procedurelog SET ProvNum = -5 WHERE ProcStatus = 1 ORDER BY ProcNum DESC LIMIT 1",
    )
    return planted


def plant_in_raw(lab: Lab) -> set[tuple[str, int, str]]:
    planted = set()
    for table, key, column, value, condition in IN_RAW:
        ((number,),) = lab.analytics.execute(
            f'UPDATE raw.{table} SET "{column}" = {value} WHERE "{key}" = '
            f'(SELECT min("{key}") FROM raw.{table} WHERE {condition}) '
            f'RETURNING "{key}"'.encode()
        ).fetchall()
        planted.add((table, number, column))
    return planted


def test_rows_that_no_model_takes_are_named_and_the_rest_is_there(
    hostile: tuple[Lab, TransformSummary, set[tuple[str, int, str]]],
) -> None:
    lab, summary, planted = hostile
    assert [(n.name, n.words) for n in summary.failed] == []
    assert ("rows_left_out", len(planted)) in {(n.name, n.failures) for n in summary.warned}
    listed = lab.analytics.execute(
        b"SELECT table_name, key_value, column_names, key_column FROM intermediate.int_row_left_out"
    ).fetchall()
    assert {(table, key, column) for table, key, column, _ in listed} == planted
    for table, key, _, key_column in listed:
        lab.analytics.execute(f'DELETE FROM raw.{table} WHERE "{key_column}" = {key}'.encode())
    lab.analytics.execute(
        b"UPDATE raw.recall SET \"DateDue\" = '0001-01-01' WHERE \"DateDue\" = 'infinity'"
    )
    # Without them raw says what the models say, of each figure.
    for name, (reckoned, mart) in judge_marts(lab.analytics, JUDGES).items():
        assert list_differences(reckoned, mart) == {}, name
    ((providers, procedures),) = lab.analytics.execute(
        b"SELECT (SELECT count(*) FROM marts.dim_provider WHERE provider_id = -5), "
        b"(SELECT count(*) FROM marts.fact_procedure WHERE provider_id = -5)"
    ).fetchall()
    assert (providers, procedures) == (1, 1)
