"""Check of the warehouse's schema that is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl_pipeline.config.databases import DatabaseType, PostgresSchema
from etl_pipeline.errors import Fault

if TYPE_CHECKING:
    from etl_pipeline.config.settings import Settings


def find_taken_schema(settings: Settings) -> Fault | None:
    """A fault if the tables would be loaded into a schema that the models are built in.

    An engine for such a schema may be made: models are read by it.
    """
    schema = settings.get_database_config(DatabaseType.ANALYTICS)["schema"]
    if schema == PostgresSchema.RAW.value:
        return None
    name = settings.ENV_MAPPINGS[settings.environment][DatabaseType.ANALYTICS]["schema"]
    return Fault(
        f"{name}: tables are loaded into raw; {schema} is where etl transform builds its models",
        settings.provider.locate("env", (name,)),
        f"{name}={PostgresSchema.RAW.value}",
    )
