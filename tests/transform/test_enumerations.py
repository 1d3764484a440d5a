"""Each code of the seed names where OpenDental documents it, and no code is missing."""

from __future__ import annotations

import csv

from etl_pipeline.transform.environment import PROJECT
from etl_pipeline.transform.needs import read_needs
from tests.transform.reckoning.enumerations import list_letters, list_values


def read_seed() -> dict[tuple[str, str], str]:
    with (PROJECT / "seeds" / "enumeration.csv").open(encoding="utf-8", newline="") as file:
        return {(row["enumeration"], row["code"]): row["source"] for row in csv.DictReader(file)}


def test_every_number_has_the_name_that_opendental_gives_it() -> None:
    named = {key: source.split(": ", 1)[1] for key, source in read_seed().items()}
    documented = list_values()
    assert {key: named.get(key) for key in documented} == documented


def test_every_letter_has_the_words_of_opendental() -> None:
    seed, documented = read_seed(), list_letters()
    assert {key: seed.get(key) for key in documented} == documented


def test_no_code_is_without_a_source() -> None:
    assert read_seed().keys() == list_values().keys() | list_letters().keys()


def test_every_source_is_a_column_that_the_models_read() -> None:
    needs = read_needs(PROJECT)
    for source in read_seed().values():
        table, column = source.split(": ", 1)[0].split(".")
        assert column in needs[table], source
