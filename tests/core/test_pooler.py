"""A connection pooler that hands out no sessions is noticed at the start, said, and refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_pipeline.config import create_test_settings
from etl_pipeline.core.pooler import judge
from etl_pipeline.errors import EtlError
from etl_pipeline.pipeline.request import RunRequest
from etl_pipeline.pipeline.run import run_once
from etl_pipeline.pipeline.status import read_history, read_status
from etl_pipeline.pipeline.verify import verify_once
from etl_pipeline.setup.doctor import examine
from etl_pipeline.transform.build import transform_once
from etl_pipeline.verify.job import VerifyScope
from tests.conftest import Lab
from tests.core.pooler import Mode, pooler_to
from tests.rows import make_table


def ignore(_event: Any) -> None:
    pass


COMMANDS: dict[str, Callable[[Any], object]] = {
    "run": lambda settings: run_once(settings, RunRequest(), listen=ignore),
    "verify": lambda settings: verify_once(settings, [], VerifyScope(), listen=ignore),
    "status": lambda settings: read_status(settings, []),
    "history": lambda settings: read_history(settings, 5),
    "transform": lambda settings: transform_once(settings, listen=ignore),
}
WORDS = {
    Mode.TRANSACTION: "a connection pooler in transaction mode",
    Mode.DROPS_OPTIONS: "does not pass on what a session is to be told: ",
    Mode.REFUSES: "refuses what a session of ours needs",
}


def settings_behind(lab: Lab, port: int) -> Any:
    env = {
        **lab.env,
        "TEST_POSTGRES_ANALYTICS_HOST": "127.0.0.1",
        "TEST_POSTGRES_ANALYTICS_PORT": str(port),
    }
    return create_test_settings(env_vars=env)


@pytest.mark.parametrize("mode", WORDS)
def test_every_command_refuses_a_pooler_without_sessions(lab: Lab, mode: Mode) -> None:
    make_table(lab.source, "CREATE TABLE small (k int PRIMARY KEY)")
    server = lab.servers.analytics
    assert run_once(lab.settings, RunRequest(), listen=ignore).is_success
    with pooler_to(server.host, server.port, mode) as pooler:
        settings = settings_behind(lab, pooler.port)
        for name, command in COMMANDS.items():
            with pytest.raises(EtlError) as refused:
                command(settings)
            assert WORDS[mode] in str(refused.value), name
            assert f"analytics 127.0.0.1:{pooler.port}/" in str(refused.value)
            assert "name host and port of PostgreSQL itself" in (refused.value.fix or "")
            assert refused.value.exit_code == (1 if mode is Mode.REFUSES else 2)


@pytest.mark.parametrize("mode", WORDS)
def test_doctor_names_a_pooler(lab: Lab, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_ENVIRONMENT", "test")
    server = lab.servers.analytics
    with pooler_to(server.host, server.port, mode) as pooler:
        settings = settings_behind(lab, pooler.port)
        (found,) = [one for one in examine(settings.provider) if one.check == "analytics"]
    assert found.result == "failed"
    assert WORDS[mode] in found.what


def test_a_pooler_that_hands_out_sessions_is_as_good_as_none(lab: Lab) -> None:
    make_table(lab.source, "CREATE TABLE small (k int PRIMARY KEY)")
    server = lab.servers.analytics
    with pooler_to(server.host, server.port, Mode.SESSION) as pooler:
        settings = settings_behind(lab, pooler.port)
        assert run_once(settings, RunRequest(), listen=ignore).is_success
        assert len(read_history(settings, 5)) == 1


def test_sessions_that_change_or_are_shared_are_a_pooler() -> None:
    assert judge({1}, {2}, []) is None
    assert "transaction mode" in str(judge({1, 3}, {2}, []))
    assert "transaction mode" in str(judge({1}, {1}, []))
    assert "not pass on" in str(judge({1}, {2}, ["lock_timeout"]))
