"""Random changes, runs, builds and kills: what was taken over equals what is made from nothing.

A build beside a run equals, too, what is made from the raw of the instant that it names.

The models are their own judge here, as a whole build makes them; whether they count right, the
reckoning tells (tests/transform/reckoning). ``--long`` goes on for more rounds.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from etl_pipeline.config import FileConfigProvider, Settings
from etl_pipeline.demo.practice import build_practice, change_practice
from etl_pipeline.demo.servers import Servers
from etl_pipeline.transform import inputs
from etl_pipeline.transform.build import transform_once
from etl_pipeline.transform.inputs import Build
from etl_pipeline.transform.practice_day import PracticeDay
from etl_pipeline.transform.process import DbtProcess
from tests.conftest import open_lab
from tests.rows import run_sql
from tests.transform.conftest import State, build
from tests.transform.judging import digest_by, digest_models
from tests.transform.test_builds import copy, digest_marts
from tests.transform.test_command import start

ROUNDS, LONG_ROUNDS = 2, 40
PATIENTS = 30

# {n}: some number; {p}, {q}: patients; {d}: a day.
CHANGES = (
    "UPDATE procedurelog SET ProcFee = ProcFee + {n} ORDER BY ProcNum DESC LIMIT {n}",
    "UPDATE procedurelog SET ProcStatus = 1 + ProcStatus % 6 WHERE ProcNum % 37 = {n} % 37",
    "UPDATE procedurelog SET PatNum = {p} WHERE ProcNum % 101 = {n} % 101",
    "UPDATE procedurelog SET ProcDate = '{d}' WHERE ProcNum % 89 = {n} % 89",
    "UPDATE procedurelog SET AptNum = (SELECT max(AptNum) FROM appointment) "
    "WHERE ProcNum % 97 = {n} % 97",
    "UPDATE procedurelog SET ProvNum = 1 + {n} % 4, ClinicNum = {n} % 3 WHERE ProcNum % 53 = 1",
    "DELETE FROM procedurelog WHERE ProcNum % 211 = {n} % 211",
    "UPDATE claimproc SET Status = {n} % 9 WHERE ClaimProcNum % 61 = {n} % 61",
    "UPDATE claimproc SET ProcNum = ProcNum + 1, WriteOff = {n} WHERE ClaimProcNum % 71 = {n} % 71",
    "UPDATE claimproc SET PatNum = {p} WHERE ClaimProcNum % 83 = {n} % 83",
    "DELETE FROM claimproc WHERE ClaimProcNum % 131 = {n} % 131",
    "DELETE FROM claimpayment WHERE ClaimPaymentNum % 17 = {n} % 17",
    "UPDATE claimpayment SET CheckDate = '{d}' WHERE ClaimPaymentNum % 7 = {n} % 7",
    "DELETE FROM claimsnapshot WHERE ClaimSnapshotNum % 29 = {n} % 29",
    "UPDATE paysplit SET SplitAmt = SplitAmt + {n}, PatNum = {p} WHERE SplitNum % 67 = {n} % 67",
    "UPDATE payment SET PayDate = '{d}' WHERE PayNum % 43 = {n} % 43",
    "DELETE FROM paysplit WHERE SplitNum % 127 = {n} % 127",
    "UPDATE adjustment SET AdjAmt = -AdjAmt, PatNum = {p} WHERE AdjNum % 5 = {n} % 5",
    "DELETE FROM adjustment WHERE AdjNum % 11 = {n} % 11",
    "UPDATE appointment SET AptStatus = 1 + {n} % 5 WHERE AptNum % 31 = {n} % 31",
    "UPDATE appointment SET AptDateTime = '{d} 10:00', PatNum = {p} WHERE AptNum % 73 = {n} % 73",
    "UPDATE appointment SET ClinicNum = {n} % 3 WHERE AptNum % 41 = {n} % 41",
    "UPDATE patient SET Guarantor = {q} WHERE PatNum = {p}",
    "UPDATE patient SET PatStatus = {n} % 6 WHERE PatNum = {p}",
    "UPDATE patient SET DateFirstVisit = '{d}' WHERE PatNum = {p}",
    "UPDATE definition SET ItemName = CONCAT(ItemName, '{n}') WHERE DefNum % 19 = {n} % 19",
    "UPDATE provider SET Abbr = 'P{n}' WHERE ProvNum = 1",
    "UPDATE carrier SET CarrierName = 'Carrier {n}' ORDER BY CarrierNum LIMIT 1",
    "UPDATE procedurecode SET IsHygiene = 1 - IsHygiene WHERE CodeNum % 23 = {n} % 23",
    "UPDATE insplan SET CarrierNum = (SELECT min(CarrierNum) FROM carrier) "
    "WHERE PlanNum % 9 = {n} % 9",
    "UPDATE payplancharge SET Principal = Principal + {n} WHERE PayPlanChargeNum % 13 = {n} % 13",
    "UPDATE recall SET DateDue = '{d}' WHERE RecallNum % 31 = {n} % 31",
    "UPDATE schedule SET StopTime = '15:00:00' WHERE ScheduleNum % 47 = {n} % 47",
    "DELETE FROM preference WHERE PrefName = 'ReportsPPOwriteoffDefaultToProcDate'",
)  # fmt: skip


@pytest.fixture(scope="module")
def practice(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with open_lab(servers) as lab:
        build_practice(lab.source, patients=PATIENTS)
        folder = lab.write_config(
            tmp_path_factory.mktemp("random"), pipeline={"transform": {"today": "entries"}}
        )
        settings = Settings("test", FileConfigProvider(folder))
        assert copy(settings)
        yield build(lab, settings)


def change(practice: State, chance: random.Random) -> None:
    if chance.random() < 0.3:
        change_practice(practice.lab.source)
    for statement in chance.sample(CHANGES, 6):
        values = {
            "n": chance.randrange(1, 90),
            "p": chance.randrange(1, PATIENTS + 1),
            "q": chance.randrange(1, PATIENTS + 3),
            "d": f"2024-{chance.randrange(1, 7):02}-{chance.randrange(1, 29):02}",
        }
        run_sql(practice.lab.source, statement.format(**values))
    assert copy(practice.settings)


def build_somehow(practice: State, chance: random.Random) -> None:
    """Build what changed, some of it, or until killed; with a run beside it, or not."""
    way = chance.choice(["plain", "plain", "some", "killed", "beside a run"])
    if way == "killed":
        process = start(practice, "transform")
        time.sleep(chance.uniform(1, 12))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    elif way == "some":
        models = [["int_ledger"], ["fact_procedure"], ["+accounts_receivable"],
                  ["int_production_income+"], ["production_by_day", "fact_payment"]]  # fmt: skip
        # A test may fail on such books, and often does where only some is built.
        transform_once(practice.settings, select=chance.choice(models), listen=lambda _: None)
    elif way == "beside a run":
        build_beside_a_run(practice, chance)
    else:
        transform_once(practice.settings, listen=lambda _: None)


KEEP_RAW = """
DO $keep$
DECLARE name text;
BEGIN
    DROP SCHEMA IF EXISTS raw_then CASCADE;
    CREATE SCHEMA raw_then;
    FOR name IN SELECT relname FROM pg_class
                WHERE relnamespace = 'raw'::regnamespace AND relkind IN ('r', 'p') LOOP
        EXECUTE format('CREATE TABLE raw_then.%1$I (LIKE raw.%1$I INCLUDING ALL)', name);
        EXECUTE format('INSERT INTO raw_then.%1$I TABLE raw.%1$I', name);
    END LOOP;
END $keep$"""
READ_KEPT = ("ALTER SCHEMA raw RENAME TO raw_now", "ALTER SCHEMA raw_then RENAME TO raw")


def with_statements(patch: pytest.MonkeyPatch, *statements: str) -> None:
    """Let each build send *statements* before dbt begins, in its transaction."""
    write_inputs = Build.write_inputs
    more = [(statement, ()) for statement in statements]
    patch.setattr(Build, "write_inputs", lambda build: [*more, *write_inputs(build)])


def build_beside_a_run(practice: State, chance: random.Random) -> None:
    """Build while a run writes raw; the build shows the raw of the instant that it names."""
    running = threading.Thread(target=lambda: change(practice, chance))
    with pytest.MonkeyPatch.context() as patch:
        with_statements(patch, KEEP_RAW)
        running.start()
        transform_once(practice.settings, listen=lambda _: None)
        running.join()
    assert digest_of_kept(practice) == digest_models(practice.lab.analytics)


def digest_of_kept(practice: State) -> dict[str, tuple[int, Any]]:
    """Return the digests of a whole build over the raw that was kept; nothing of it stays."""
    found: list[dict[str, tuple[int, Any]]] = []

    def read_and_stop(dbt: DbtProcess) -> None:
        found.append(digest_by(lambda statement: dbt.execute([(statement, ())])))
        raise InterruptedError

    # The day is an input beside raw; it is decided before.
    ((as_of, today),) = practice.query("SELECT * FROM intermediate._etl_practice_day")
    with pytest.MonkeyPatch.context() as patch:
        with_statements(patch, *READ_KEPT)
        patch.setattr(DbtProcess, "commit", read_and_stop)
        patch.setattr(inputs, "decide_day", lambda *_, **__: PracticeDay(as_of, today))
        with pytest.raises(InterruptedError):
            transform_once(practice.settings, full_refresh=True, listen=lambda _: None)
    return found[0]


def test_what_is_taken_over_equals_what_is_made_from_nothing(
    practice: State, pytestconfig: pytest.Config
) -> None:
    rounds = LONG_ROUNDS if pytestconfig.getoption("--long") else ROUNDS
    for seed in range(rounds):
        chance = random.Random(seed)
        for _ in range(chance.randrange(1, 3)):
            change(practice, chance)
            build_somehow(practice, chance)
        if seed % 2 == 0:
            build_beside_a_run(practice, chance)
        summary = transform_once(practice.settings, listen=lambda _: None)
        assert {n.name for n in summary.models if n.status not in ("success", "reused")} == set()
        taken_over = digest_marts(practice.lab)
        transform_once(practice.settings, full_refresh=True, listen=lambda _: None)
        made_anew = digest_marts(practice.lab)
        differing = [name for name in made_anew if made_anew[name] != taken_over.get(name)]
        assert differing == [], f"seed {seed}"
