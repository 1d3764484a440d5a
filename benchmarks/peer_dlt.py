"""dlt with connectorx between the two servers, in its own environment."""

import os
import tempfile

import dlt  # type: ignore[import-not-found,unused-ignore]
from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found,unused-ignore]

table = sql_table(
    credentials=os.environ["SOURCE_URL"],
    table=os.environ["TABLE"],
    backend="connectorx",
    reflection_level="full_with_precision",
)
# A folder of its own for each turn: dlt would miss what the turn before left in the warehouse.
with tempfile.TemporaryDirectory(dir=os.environ["DLT_DATA_DIR"]) as folder:
    pipeline = dlt.pipeline(
        pipeline_name="bench", destination="postgres", dataset_name="raw", pipelines_dir=folder
    )
    pipeline.run(table, write_disposition="replace")
