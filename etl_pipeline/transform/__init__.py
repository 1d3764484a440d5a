"""Build the models: from ``raw`` to the marts, by the dbt project in ``project``."""
