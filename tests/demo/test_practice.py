"""The practice is what it says: real tables, the same rows for a seed, numbers that agree."""

from __future__ import annotations

import csv
import hashlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl_pipeline.demo.practice import build_practice
from etl_pipeline.demo.practice.script import read_statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl_pipeline.demo.server_databases import MySqlConnection
    from tests.conftest import Lab

# practice_columns.tsv and practice_indexes.tsv: the catalog of a live clinic, without its rows.
# source_columns.tsv: further tables, as OpenDental's public source declares them (TableTypes).
FACTS = Path(__file__).parent
BEYOND = {"documentmisc", "procedurelog_backup_20240115"}
SMALL = 40

# Child column, parent table and key: 0 means "no such row".
LINKS = [
    ("patient.Guarantor", "patient.PatNum"),
    ("patient.PriProv", "provider.ProvNum"),
    ("patient.ClinicNum", "clinic.ClinicNum"),
    ("patient.BillingType", "definition.DefNum"),
    ("patient.EmployerNum", "employer.EmployerNum"),
    ("patientnote.PatNum", "patient.PatNum"),
    ("patplan.PatNum", "patient.PatNum"),
    ("patplan.InsSubNum", "inssub.InsSubNum"),
    ("inssub.PlanNum", "insplan.PlanNum"),
    ("inssub.Subscriber", "patient.PatNum"),
    ("insplan.CarrierNum", "carrier.CarrierNum"),
    ("insplan.FeeSched", "feesched.FeeSchedNum"),
    ("benefit.PlanNum", "insplan.PlanNum"),
    ("fee.CodeNum", "procedurecode.CodeNum"),
    ("fee.FeeSched", "feesched.FeeSchedNum"),
    ("appointment.PatNum", "patient.PatNum"),
    ("appointment.NextAptNum", "appointment.AptNum"),
    ("appointment.AppointmentTypeNum", "appointmenttype.AppointmentTypeNum"),
    ("procedurelog.PatNum", "patient.PatNum"),
    ("procedurelog.AptNum", "appointment.AptNum"),
    ("procedurelog.PlannedAptNum", "appointment.AptNum"),
    ("procedurelog.CodeNum", "procedurecode.CodeNum"),
    ("procedurelog.ProvNum", "provider.ProvNum"),
    ("procedurelog.Dx", "definition.DefNum"),
    ("procnote.ProcNum", "procedurelog.ProcNum"),
    ("procgroupitem.GroupNum", "procedurelog.ProcNum"),
    ("proctp.ProcNumOrig", "procedurelog.ProcNum"),
    ("treatplanattach.ProcNum", "procedurelog.ProcNum"),
    ("treatplanattach.TreatPlanNum", "treatplan.TreatPlanNum"),
    ("claim.PlanNum", "insplan.PlanNum"),
    ("claim.PatNum", "patient.PatNum"),
    ("claimproc.ClaimNum", "claim.ClaimNum"),
    ("claimproc.ProcNum", "procedurelog.ProcNum"),
    ("claimproc.ClaimPaymentNum", "claimpayment.ClaimPaymentNum"),
    ("claimproc.InsSubNum", "inssub.InsSubNum"),
    ("claimtracking.ClaimNum", "claim.ClaimNum"),
    ("eobattach.ClaimPaymentNum", "claimpayment.ClaimPaymentNum"),
    ("adjustment.ProcNum", "procedurelog.ProcNum"),
    ("adjustment.AdjType", "definition.DefNum"),
    ("payment.PatNum", "patient.PatNum"),
    ("payment.PayType", "definition.DefNum"),
    ("paysplit.PayNum", "payment.PayNum"),
    ("paysplit.ProcNum", "procedurelog.ProcNum"),
    ("paysplit.AdjNum", "adjustment.AdjNum"),
    ("paysplit.PayPlanNum", "payplan.PayPlanNum"),
    ("statement.PatNum", "patient.PatNum"),
    ("statementprod.StatementNum", "statement.StatementNum"),
    ("recall.PatNum", "patient.PatNum"),
    ("recall.RecallTypeNum", "recalltype.RecallTypeNum"),
    ("perioexam.PatNum", "patient.PatNum"),
    ("periomeasure.PerioExamNum", "perioexam.PerioExamNum"),
    ("sheetfield.SheetNum", "sheet.SheetNum"),
    ("refattach.ReferralNum", "referral.ReferralNum"),
    ("rxpat.PharmacyNum", "pharmacy.PharmacyNum"),
    ("disease.DiseaseDefNum", "diseasedef.DiseaseDefNum"),
    ("allergy.AllergyDefNum", "allergydef.AllergyDefNum"),
    ("labcase.AptNum", "appointment.AptNum"),
    ("scheduleop.ScheduleNum", "schedule.ScheduleNum"),
    ("scheduleop.OperatoryNum", "operatory.OperatoryNum"),
    ("appointment.Op", "operatory.OperatoryNum"),
    ("securitylog.PatNum", "patient.PatNum"),
    ("securitylog.UserNum", "userod.UserNum"),
    ("securityloghash.SecurityLogNum", "securitylog.SecurityLogNum"),
    ("taskhist.TaskNum", "task.TaskNum"),
    ("usergroupattach.UserNum", "userod.UserNum"),
]


def rows_of(connection: MySqlConnection, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall())


def digest_of(connection: MySqlConnection) -> str:
    """Of every value of every row, with stamps as the instants that they are."""
    digest = hashlib.sha256()
    rows_of(connection, "SET time_zone = '+00:00'")
    for (table,) in rows_of(connection, "SHOW TABLES"):
        digest.update(table.encode())
        for row in rows_of(connection, f"SELECT * FROM `{table}` ORDER BY 1, 2, 3"):
            digest.update(repr(row).encode())
    return digest.hexdigest()


@contextmanager
def extra_database(connection: MySqlConnection) -> Iterator[None]:
    """A second empty database beside the default one, and back."""
    ((name,),) = rows_of(connection, "SELECT DATABASE()")
    rows_of(connection, f"CREATE DATABASE `{name}_2` CHARACTER SET utf8mb3")
    connection.select_db(f"{name}_2")
    try:
        yield
    finally:
        connection.select_db(name)
        rows_of(connection, f"DROP DATABASE `{name}_2`")


def facts(name: str) -> list[dict[str, str]]:
    with (FACTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_tables_have_the_columns_and_indexes_of_a_live_practice(lab: Lab) -> None:
    build_practice(lab.source, patients=SMALL)
    expected = facts("practice_columns.tsv")
    declared = facts("source_columns.tsv")
    beyond = BEYOND | {row["table_name"] for row in declared}
    columns = rows_of(
        lab.source,
        "SELECT table_name, ordinal_position, column_name, column_type, is_nullable,"
        " IFNULL(column_default, ''), extra, column_key,"
        " IFNULL(character_set_name, ''), IFNULL(collation_name, '')"
        " FROM information_schema.columns WHERE table_schema = DATABASE()"
        " ORDER BY table_name, ordinal_position",
    )
    assert {row[0] for row in columns} == {row["table_name"] for row in expected} | beyond
    assert [[str(v) for v in row] for row in columns if row[0] not in beyond] == [
        list(row.values()) for row in expected
    ]
    assert [tuple(map(str, row[:3])) for row in columns if row[0] in beyond - BEYOND] == [
        tuple(row.values()) for row in declared
    ]

    indexes = rows_of(
        lab.source,
        "SELECT table_name, index_name, non_unique,"
        " GROUP_CONCAT(column_name ORDER BY seq_in_index)"
        " FROM information_schema.statistics WHERE table_schema = DATABASE()"
        " GROUP BY table_name, index_name, non_unique",
    )
    assert {tuple(map(str, row)) for row in indexes if row[0] not in beyond} == {
        tuple(row.values()) for row in facts("practice_indexes.tsv")
    }
    assert not [row for row in indexes if row[0] == "procedurelog_backup_20240115"]


def test_a_seed_makes_one_practice_on_either_engine(lab: Lab) -> None:
    built = build_practice(lab.source, patients=SMALL, seed=11)
    first = digest_of(lab.source)
    engines = (
        "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    assert rows_of(lab.source, engines) == [("InnoDB",)]
    with extra_database(lab.source):
        again = build_practice(lab.source, patients=SMALL, seed=11, engine="MyISAM")
        assert digest_of(lab.source) == first
        assert rows_of(lab.source, engines) == [("MyISAM",)]
    assert again.rows == built.rows


def test_another_seed_makes_another_practice(lab: Lab) -> None:
    build_practice(lab.source, patients=20, seed=11)
    first = digest_of(lab.source)
    with extra_database(lab.source):
        build_practice(lab.source, patients=20, seed=12)
        assert digest_of(lab.source) != first


def test_session_is_handed_back_as_it_was(lab: Lab) -> None:
    settings = (
        "SELECT @@sql_mode, @@time_zone, @@autocommit, @@default_storage_engine,"
        " @@character_set_client, ABS(UNIX_TIMESTAMP() - UNIX_TIMESTAMP(SYSDATE())) < 5"
    )
    before = rows_of(lab.source, settings)
    build_practice(lab.source, patients=20)
    assert rows_of(lab.source, settings) == before


def test_default_practice_is_large_and_agrees_with_itself(lab: Lab) -> None:
    built = build_practice(lab.source)
    assert 300_000 <= built.total_rows <= 400_000
    assert [table for table, rows in built.rows.items() if rows == 0] == []
    check_agreement(lab.source)
    check_shape(lab.source)


def test_smallest_practice_agrees_with_itself(lab: Lab) -> None:
    build_practice(lab.source, patients=20, seed=1)
    check_agreement(lab.source)


def check_agreement(connection: MySqlConnection) -> None:
    """Keys resolve, payments tie out, carriers answer what was sent, no date is zero."""
    for child, parent in LINKS:
        (table, column), (other, key) = child.split("."), parent.split(".")
        ((lost,),) = rows_of(
            connection,
            f"SELECT COUNT(*) FROM {table} c LEFT JOIN {other} p ON p.{key} = c.{column}"
            f" WHERE c.{column} <> 0 AND p.{key} IS NULL",
        )
        assert lost == 0, f"{child} does not find {parent}"
    untied = (
        "SELECT p.PayNum FROM payment p LEFT JOIN paysplit s ON s.PayNum = p.PayNum"
        " GROUP BY p.PayNum, p.PayAmt HAVING ABS(p.PayAmt - IFNULL(SUM(s.SplitAmt), 1e9)) > 0.005"
    )
    assert rows_of(connection, untied) == []
    unpaid = (
        "SELECT c.ClaimPaymentNum FROM claimpayment c LEFT JOIN claimproc p"
        " ON p.ClaimPaymentNum = c.ClaimPaymentNum WHERE c.IsPartial = 0"
        " GROUP BY c.ClaimPaymentNum, c.CheckAmt"
        " HAVING ABS(c.CheckAmt - IFNULL(SUM(p.InsPayAmt), 1e9)) > 0.005"
    )
    assert rows_of(connection, unpaid) == []
    overpaid = (
        "SELECT p.ProcNum FROM procedurelog p JOIN paysplit s ON s.ProcNum = p.ProcNum"
        " GROUP BY p.ProcNum, p.ProcFee, p.UnitQty, p.BaseUnits"
        " HAVING SUM(s.SplitAmt) > p.ProcFee * (p.UnitQty + p.BaseUnits) + 0.005"
    )
    assert rows_of(connection, overpaid) == []
    answered_unsent = (
        "SELECT ClaimNum FROM claim WHERE ClaimStatus = 'R'"
        " AND (DateSentOrig < '1900-01-02' OR DateReceived < DateSentOrig)"
    )
    assert rows_of(connection, answered_unsent) == []
    for table, column in rows_of(
        connection,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND data_type IN ('date', 'datetime', 'timestamp')",
    ):
        ((zero,),) = rows_of(
            connection, f"SELECT COUNT(*) FROM `{table}` WHERE `{column}` < '0001-01-01'"
        )
        assert zero == 0, f"{table}.{column} holds zero dates"


def check_shape(connection: MySqlConnection) -> None:
    """What reports live on: production, collections, debts of every age, recalls, hostile text."""
    ((months, least, sundays),) = rows_of(
        connection,
        "SELECT COUNT(*), MIN(Fees), SUM(Sundays) FROM (SELECT SUM(ProcFee) AS Fees,"
        " SUM(DAYOFWEEK(ProcDate) = 1) AS Sundays FROM procedurelog WHERE ProcStatus = 2"
        " GROUP BY YEAR(ProcDate), MONTH(ProcDate)) AS m",
    )
    assert (months, sundays) == (42, 0)
    assert least > 20_000
    ((net, paid),) = rows_of(
        connection,
        "SELECT (SELECT SUM(ProcFee) FROM procedurelog WHERE ProcStatus = 2)"
        " - (SELECT SUM(WriteOff) FROM claimproc WHERE Status IN (1, 4))"
        " + (SELECT SUM(AdjAmt) FROM adjustment),"
        " (SELECT SUM(PayAmt) FROM payment) + (SELECT SUM(CheckAmt) FROM claimpayment)",
    )
    assert 0.85 < paid / net < 0.97
    (buckets,) = rows_of(
        connection,
        "SELECT SUM(Bal_0_30), SUM(Bal_31_60), SUM(Bal_61_90), SUM(BalOver90) FROM famaging",
    )
    assert min(buckets) > 1000
    ((due, later),) = rows_of(
        connection,
        "SELECT SUM(DateDue BETWEEN '0001-01-02' AND '2024-06-28'), SUM(DateDue > '2024-06-28')"
        " FROM recall WHERE NOT IsDisabled",
    )
    assert min(due, later) > 50
    ((dead, archived),) = rows_of(
        connection,
        "SELECT SUM(g.PatStatus = 5), SUM(g.PatStatus = 3) FROM patient p"
        " JOIN patient g ON g.PatNum = p.Guarantor WHERE p.PatNum <> g.PatNum",
    )
    assert min(dead, archived) > 0
    ((largest,),) = rows_of(connection, "SELECT MAX(LENGTH(RawBase64)) FROM documentmisc")
    assert largest > 3_000_000
    notes = {note for (note,) in rows_of(connection, "SELECT Note FROM commlog")}
    assert {"NULL", "\\N", "\\.", "\t", "\r\n", " ", "a\\", None} <= notes
    hours = "SELECT MIN(RegHours) < '00:00:00', MAX(RegHours) > '24:00:00' FROM timeadjust"
    assert rows_of(connection, hours) == [(1, 1)]


def test_fewer_patients_than_a_practice_needs_are_refused(lab: Lab) -> None:
    with pytest.raises(ValueError, match="at least 20 patients, got 19"):
        build_practice(lab.source, patients=19)


def test_a_semicolon_ends_a_statement_only_at_the_end_of_a_line() -> None:
    text = "-- one; two\nSELECT 'a;b' -- c\n  FROM t;\n\nSELECT 2;"
    assert read_statements(text) == ["SELECT 'a;b'\n  FROM t", "SELECT 2"]


def test_dice_are_written_out_with_seed_tag_and_keys() -> None:
    assert read_statements("SELECT dice(gap, p.PatNum, 2) % 7;") == [
        "SELECT CRC32(MD5(CONCAT_WS(':', @seed, 'gap', p.PatNum, 2))) % 7"
    ]
