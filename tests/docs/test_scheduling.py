"""The page on scheduling: its functions run the real command; only the schedulers are stood in for.

Neither Airflow nor Dagster is installed. Stand-ins take what the page passes to their decorators,
and call what is decorated, as a task or an op would be called.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.pages import ROOT, find_blocks, read_page
from tests.rows import make_table, run_sql

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Lab

FUNCTION, AIRFLOW, DAGSTER = find_blocks(read_page("docs/scheduling.md"), "python")


class Context:
    """Of an op."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}

    def add_output_metadata(self, metadata: dict[str, Any]) -> None:
        self.metadata = metadata


@pytest.fixture
def scheduler(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The modules that the page imports, and what was decorated, by name."""
    make_table(lab.source, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
    lab.write_config(tmp_path)
    program = tmp_path / "etl"
    program.write_text(
        f"#!{sys.executable}\nfrom etl_pipeline.cli.main import main\nmain()\n", encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    function = types.ModuleType("etl_run")
    exec(compile(FUNCTION, "etl_run.py", "exec"), function.__dict__)
    monkeypatch.setattr(function, "ETL", str(program), raising=True)
    variables = {"ETL_ENVIRONMENT": "test", "ETL_CONFIG_DIR": str(tmp_path)}
    assert set(function.__dict__["VARIABLES"]) == set(variables)
    monkeypatch.setattr(function, "VARIABLES", variables)
    monkeypatch.setitem(sys.modules, "etl_run", function)
    decorated: dict[str, Any] = {}

    def decorate(**options: Any) -> Callable[[Any], Any]:
        def keep(called: Any) -> Any:
            def call(*arguments: Any) -> Any:
                decorated[f"result of {called.__name__}"] = called(*arguments)

            decorated[called.__name__] = call
            return call

        return keep

    sdk = types.ModuleType("airflow.sdk")
    sdk.__dict__.update(dag=decorate, task=decorate)
    dagster = types.ModuleType("dagster")
    dagster.__dict__.update(
        op=decorate,
        job=decorate(),
        RetryPolicy=dict,
        ScheduleDefinition=dict,
        OpExecutionContext=Context,
    )
    for name, module in (
        ("airflow", types.ModuleType("airflow")),
        ("airflow.sdk", sdk),
        ("dagster", dagster),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return decorated


def test_the_airflow_task_brings_the_practice(scheduler: dict[str, Any], lab: Lab) -> None:
    exec(compile(AIRFLOW, "dag.py", "exec"), {})
    result = scheduler["result of bring_practice"]
    assert (result["rows"], result["inserted"]) == (2, 2)
    assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (2,)


def test_the_dagster_op_brings_the_practice(scheduler: dict[str, Any], lab: Lab) -> None:
    names: dict[str, Any] = {}
    exec(compile(DAGSTER, "definitions.py", "exec"), names)
    context = Context()
    scheduler["bring_practice"](context)
    assert (context.metadata["rows"], context.metadata["inserted"]) == (2, 2)
    assert names["nightly"]["job"] is names["opendental"]


def test_a_failed_table_and_a_run_that_cannot_begin_fail_the_task(
    scheduler: dict[str, Any], lab: Lab
) -> None:
    run_etl = sys.modules["etl_run"].__dict__["run_etl"]
    make_table(lab.source, "CREATE TABLE bad (id int PRIMARY KEY, _etl_loaded_at int)")
    with pytest.raises(RuntimeError, match=r"etl run \d+: bad failed"):
        run_etl()
    assert lab.analytics.execute("SELECT count(*) FROM raw.t").fetchone() == (2,)
    run_sql(lab.source, "DROP TABLE bad, t")
    with pytest.raises(RuntimeError, match="could not begin: exit code 2"):
        run_etl()
    assert "PATH" in os.environ
