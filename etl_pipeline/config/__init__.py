"""Configuration: providers give it, ``Settings`` answers for one environment."""

from etl_pipeline.config.databases import DatabaseType, PostgresSchema
from etl_pipeline.config.providers import ConfigProvider, DictConfigProvider, FileConfigProvider
from etl_pipeline.config.settings import (
    Settings,
    create_test_settings,
    get_settings,
    reset_settings,
)

__all__ = [
    "ConfigProvider",
    "DatabaseType",
    "DictConfigProvider",
    "FileConfigProvider",
    "PostgresSchema",
    "Settings",
    "create_test_settings",
    "get_settings",
    "reset_settings",
]
