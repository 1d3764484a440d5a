"""Settings of one environment: databases, pipeline and tables.

Reading this module reads no configuration; making a ``Settings`` does.
"""

from __future__ import annotations

import logging
import threading
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

from etl_pipeline.config.databases import (
    ENV_MAPPINGS,
    ENVIRONMENT_VARIABLE,
    PREFIXES,
    PRODUCTION,
    TEST,
    DatabaseType,
    PostgresSchema,
)
from etl_pipeline.config.providers import (
    ConfigProvider,
    DictConfigProvider,
    FileConfigProvider,
    check_environment,
    read_environment,
)
from etl_pipeline.config.resolve import Resolved, find_shared_database, make_reader, resolve
from etl_pipeline.config.secret import hide_passwords
from etl_pipeline.errors import Fault, FaultyConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from etl_pipeline.config.pipeline_file import PipelineConfig
    from etl_pipeline.config.tables_file import TableConfig, TablesConfig

__all__ = [
    "DatabaseType",
    "PostgresSchema",
    "Settings",
    "create_test_settings",
    "get_settings",
    "reset_settings",
]

logger = logging.getLogger("etl_pipeline.config")


class Settings:
    """The configuration of one environment, as a provider gives it.

    Everything is read when it is made and nothing afterwards, so threads may share it.

    Args:
        environment: ``production`` or ``test``; None means what ``ETL_ENVIRONMENT`` says.
        provider: None means files (:class:`FileConfigProvider`).

    Raises:
        EnvironmentNotSetError: No environment, or an unknown one.
        FaultyConfigurationError: A file cannot be read, or holds what it must not hold. Missing
            and malformed variables are not looked at here but by :meth:`validate_configs`, and
            before a connection is made.
    """

    ENV_MAPPINGS: ClassVar[Mapping[str, Mapping[DatabaseType, Mapping[str, str]]]] = ENV_MAPPINGS

    def __init__(
        self, environment: str | None = None, provider: ConfigProvider | None = None
    ) -> None:
        if environment is None:
            self.environment = read_environment()
        else:
            self.environment = check_environment(environment, where="Settings(environment=…)")
        self.env_prefix = PREFIXES[self.environment]
        self.provider = FileConfigProvider() if provider is None else provider
        self.provider.select_environment(self.environment)
        self._load()
        self._resolved = {db_type: self._resolve(db_type) for db_type in DatabaseType}

    def __repr__(self) -> str:
        return f"Settings({self.environment!r}, {self.provider!r})"

    @property
    def pipeline_config(self) -> dict[str, Any]:
        """``pipeline.yml`` as it was read; a copy."""
        return deepcopy(self._pipeline_config)

    @property
    def tables_config(self) -> dict[str, Any]:
        """``tables.yml`` as it was read; a copy."""
        return deepcopy(self._tables_config)

    @property
    def pipeline(self) -> PipelineConfig:
        """``pipeline.yml``, checked, with defaults."""
        return self._pipeline

    def tables(self) -> tuple[str, ...]:
        """Names of the configured tables, in their order; none means all of the source."""
        return tuple(self._tables.tables)

    @property
    def includes_new_tables(self) -> bool:
        """True if tables that come to the source later are copied without being named."""
        return self._tables.new_tables == "include"

    def get_table_config(self, name: str) -> TableConfig:
        """Return the configuration of table *name*; defaults where ``tables.yml`` says nothing."""
        from etl_pipeline.config.tables_file import TableConfig

        return self._tables.tables.get(name) or TableConfig()

    def get_database_config(
        self, db_type: DatabaseType, schema: PostgresSchema | None = None
    ) -> dict[str, Any]:
        """Configuration of one database, as the caller's own dictionary.

        A value that is missing is None: see :meth:`find_faults`. *schema* means something for
        analytics only, where None is the configured one, and is ignored elsewhere.

        Raises:
            TypeError: An argument is not the enum.
            FaultyConfigurationError: A value is malformed.
        """
        _expect(db_type, DatabaseType)
        if schema is not None:
            _expect(schema, PostgresSchema)
        if self._resolved[db_type].malformed:
            raise FaultyConfigurationError(self._resolved[db_type].malformed)
        config = deepcopy(self._resolved[db_type].config)
        if schema is not None and db_type is DatabaseType.ANALYTICS:
            config["schema"] = schema.value
        return config

    def get_source_connection_config(self) -> dict[str, Any]:
        """Configuration of the source."""
        return self.get_database_config(DatabaseType.SOURCE)

    def get_replication_connection_config(self) -> dict[str, Any]:
        """Configuration of replication."""
        return self.get_database_config(DatabaseType.REPLICATION)

    def get_analytics_connection_config(
        self, schema: PostgresSchema | None = None
    ) -> dict[str, Any]:
        """Configuration of analytics with *schema*; None is the configured one."""
        return self.get_database_config(DatabaseType.ANALYTICS, schema)

    def get_analytics_raw_connection_config(self) -> dict[str, Any]:
        """Configuration of analytics with schema ``raw``."""
        return self.get_analytics_connection_config(PostgresSchema.RAW)

    def get_analytics_staging_connection_config(self) -> dict[str, Any]:
        """Configuration of analytics with schema ``staging``."""
        return self.get_analytics_connection_config(PostgresSchema.STAGING)

    def get_analytics_intermediate_connection_config(self) -> dict[str, Any]:
        """Configuration of analytics with schema ``intermediate``."""
        return self.get_analytics_connection_config(PostgresSchema.INTERMEDIATE)

    def get_analytics_marts_connection_config(self) -> dict[str, Any]:
        """Configuration of analytics with schema ``marts``."""
        return self.get_analytics_connection_config(PostgresSchema.MARTS)

    def find_faults(self, db_type: DatabaseType | None = None) -> tuple[Fault, ...]:
        """Return what is missing or malformed for *db_type*, or for all databases if None."""
        kinds = list(DatabaseType) if db_type is None else [db_type]
        resolved = [self._resolved[kind] for kind in kinds]
        faults = [fault for each in resolved for fault in (*each.missing, *each.malformed)]
        if db_type is not DatabaseType.ANALYTICS:
            faults += self._find_shared_database()
        return tuple(faults)

    def validate_configs(self) -> bool:
        """True if all databases are fully described; every fault is logged as an ERROR."""
        faults = self.find_faults()
        for fault in faults:
            logger.error("%s", fault)
        return not faults

    def _load(self) -> None:
        from etl_pipeline.config.pipeline_file import PipelineConfig
        from etl_pipeline.config.tables_file import TablesConfig

        faults: list[Fault] = []
        self._pipeline_config, pipeline = self._read("pipeline", PipelineConfig, faults)
        self._tables_config, tables = self._read("tables", TablesConfig, faults)
        self._env_vars = hide_passwords(self._fetch("env", faults))
        self._env_place = self.provider.locate("env")
        selected = self._env_vars.get(ENVIRONMENT_VARIABLE)
        if selected is not None and selected != self.environment:
            what = f"{ENVIRONMENT_VARIABLE} differs from the environment {self.environment}"
            fix = f"{ENVIRONMENT_VARIABLE}={self.environment}"
            faults.append(Fault(what, self.provider.locate("env", (ENVIRONMENT_VARIABLE,)), fix))
        if faults:
            raise FaultyConfigurationError(faults)
        self._pipeline: PipelineConfig = pipeline
        self._tables: TablesConfig = tables

    def _fetch(self, config_type: str, faults: list[Fault]) -> dict[str, Any]:
        try:
            return self.provider.get_config(config_type)
        except FaultyConfigurationError as error:
            faults.extend(error.faults)
            return {}

    def _read(
        self, config_type: str, model: type[BaseModel], faults: list[Fault]
    ) -> tuple[dict[str, Any], Any]:
        from etl_pipeline.config.checking import check_data

        data = self._fetch(config_type, faults)
        checked, found = check_data(
            model, data, lambda path: self.provider.locate(config_type, path)
        )
        faults.extend(found)
        return deepcopy(data), checked

    def _get_base_config(self, db_type: DatabaseType) -> dict[str, str | None]:
        """Text of every key of *db_type* from the provider's variables; None is missing."""
        names = self.ENV_MAPPINGS[self.environment][db_type]
        may_be_bare = self.environment == TEST and self.provider.serves_bare_names_to_test
        bare_names = self.ENV_MAPPINGS[PRODUCTION][db_type] if may_be_bare else None
        read = make_reader(self._env_vars, names, bare_names)
        return {key: read(key) for key in names}

    def _resolve(self, db_type: DatabaseType) -> Resolved:
        overrides: BaseModel = getattr(self._pipeline.connections, db_type.value)
        return resolve(
            db_type,
            self._get_base_config(db_type),
            overrides.model_dump(),
            names=self.ENV_MAPPINGS[self.environment][db_type],
            where=self._env_place,
        )

    def _find_shared_database(self) -> list[Fault]:
        shared = find_shared_database(
            self._resolved[DatabaseType.SOURCE].config,
            self._resolved[DatabaseType.REPLICATION].config,
        )
        if shared is None:
            return []
        names = self.ENV_MAPPINGS[self.environment][DatabaseType.REPLICATION]
        what = f"source and replication are the same database, {shared}"
        fix = f"give replication a database of its own: {names['database']}=…"
        return [Fault(what, self._env_place, fix)]


def _expect(value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")


_cache: dict[str, Settings] = {}
_lock = threading.Lock()


def get_settings() -> Settings:
    """The settings of the environment that ``ETL_ENVIRONMENT`` names, read from files once.

    Raises:
        EnvironmentNotSetError: It names none, also when settings were read before.
    """
    environment = read_environment()
    with _lock:
        if environment not in _cache:
            _cache[environment] = Settings(environment)
        return _cache[environment]


def reset_settings() -> None:
    """Forget what :func:`get_settings` has read."""
    with _lock:
        _cache.clear()


def create_test_settings(
    pipeline_config: dict[str, Any] | None = None,
    tables_config: dict[str, Any] | None = None,
    env_vars: dict[str, str] | None = None,
) -> Settings:
    """Settings for ``test`` from dictionaries; what is not given gets harmless values.

    They are good enough to build an engine, not to connect. Reads no file and no environment.
    """
    env = dict(env_vars or {})
    for db_type, names in ENV_MAPPINGS[TEST].items():
        for key, value in _TEST_VALUES[db_type].items():
            if not env.get(names[key]) and not env.get(ENV_MAPPINGS[PRODUCTION][db_type][key]):
                env[names[key]] = value
    provider = DictConfigProvider(pipeline=pipeline_config, tables=tables_config, env=env)
    return Settings(TEST, provider)


_TEST_VALUES: Mapping[DatabaseType, Mapping[str, str]] = {
    db_type: {
        "host": "localhost",
        "port": port,
        "database": database,
        "user": "test_user",
        "password": "test_password",
    }
    for db_type, port, database in (
        (DatabaseType.SOURCE, "3306", "test_opendental"),
        (DatabaseType.REPLICATION, "3306", "test_opendental_replication"),
        (DatabaseType.ANALYTICS, "5432", "test_opendental_analytics"),
    )
}
