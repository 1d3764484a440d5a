"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.summary import RunSummary, VerifySummary
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.verify import table as verify_table
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab
from tests.rows import make_table

PATIENTS = """
CREATE TABLE patient (
  PatNum bigint NOT NULL AUTO_INCREMENT COMMENT 'the key',
  LName varchar(100) DEFAULT '',
  Birthdate date NOT NULL DEFAULT '0001-01-01',
  Balance double NOT NULL DEFAULT 0,
  Rate float NOT NULL DEFAULT 0,
  Note text,
  RegHours time NOT NULL DEFAULT '00:00:00',
  DateTStamp timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  SecDate datetime NOT NULL DEFAULT '0001-01-01 00:00:00',
  Flag tinyint(1) NOT NULL DEFAULT 0,
  Big bigint unsigned NOT NULL DEFAULT 0,
  PRIMARY KEY (PatNum), KEY names (LName(20), Birthdate), KEY stamp (DateTStamp)
) ENGINE={engine} DEFAULT CHARSET=utf8mb3 COMMENT='people'"""

PATIENT_ROWS = r"""
INSERT INTO patient VALUES
  (0, 'Zero', '0001-01-01', 0, 0.1, NULL, '00:00:00', '2020-01-01 00:00:00', '0001-01-01', 2, 0),
  (1, 'tab\there', '9999-12-31', 0.1, 3.4e38, 'line\nbreak\r\nand \\ slash', '-838:59:59',
   '1970-01-01 00:00:01', '9999-12-31 23:59:59', 127, 18446744073709551615),
  (2, '', '2024-02-29', 1e308, -1.17549e-38, '', '838:59:59', '2038-01-19 03:14:07',
   '2024-02-29 23:59:59', -128, 9007199254740993),
  (3, 'NULL', '1900-01-01', 2.2250738585072014e-308, 1.5, '\\N', '-00:00:01',
   '2021-03-28 02:30:00', '1999-12-31 00:00:00', 1, 1),
  (-7, '\\.', '2024-06-28', 12345678.91, 0.3, 'Ünïcödé Ωж\'"`', '26:00:00',
   '2021-03-28 02:30:00', '1999-12-31 00:00:00', 0, 4294967295),
  (9000000000000000000, 'trailing  ', '2024-06-28', 0, 0, ' ', '01:00:00',
   '2021-03-28 02:30:00', '1999-12-31 00:00:00', 0, 4294967296)"""

KEYLESS = "CREATE TABLE copy_of_patient (PatNum bigint NOT NULL, Word varchar(20)) ENGINE={engine}"
KEYLESS_ROWS = "INSERT INTO copy_of_patient VALUES (1,'a'),(1,'a'),(1,NULL),(2,'b'),(2,'')"

CODES = """
CREATE TABLE codes (
  Code varchar(15) NOT NULL, Version int NOT NULL, Words enum('', 'a,b', 'it''s') NOT NULL,
  Price decimal(20,4) NOT NULL, PRIMARY KEY (Code, Version)
) ENGINE={engine} DEFAULT CHARSET=latin1"""
CODES_ROWS = (
    "INSERT INTO codes VALUES ('D1110', 1, 'a,b', 99.9000), ('d1110', 2, 'it''s', -0.0001), "
    "('ÄÖ', 1, '', 9999999999999999.9999)"
)


def fill(lab: Lab, engine: str = "InnoDB") -> None:
    """Three tables: an integer key, no key, a key of text."""
    make_table(lab.source, PATIENTS.format(engine=engine), PATIENT_ROWS)
    make_table(lab.source, KEYLESS.format(engine=engine), KEYLESS_ROWS)
    make_table(lab.source, CODES.format(engine=engine), CODES_ROWS)


TABLES = ("patient", "copy_of_patient", "codes")


@pytest.fixture
def run(lab: Lab) -> Callable[..., RunSummary]:
    """Run the pipeline on the test's databases."""

    def run_(
        names: Sequence[str] = (),
        *,
        full: bool = False,
        accept_drift: bool = False,
        **configuration: Any,
    ) -> RunSummary:
        settings = lab.settings_with(**configuration)
        return run_once(
            settings,
            RunRequest(names, full=full, accept_drift=accept_drift),
            listen=lambda event: None,
        )

    return run_


@pytest.fixture
def verify(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., VerifySummary]:
    """Compare the test's databases."""
    monkeypatch.setattr(verify_table, "PAUSE_SECONDS", 0.01)

    def verify_(names: Sequence[str] = (), *, tables: Any = None, **scope: Any) -> VerifySummary:
        settings = lab.settings_with(tables=tables)
        return verify_once(settings, names, VerifyScope(**scope), listen=lambda event: None)

    return verify_
