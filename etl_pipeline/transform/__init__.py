"""From ``raw`` to the marts: what the dbt project in ``project`` needs, and how it is run."""
