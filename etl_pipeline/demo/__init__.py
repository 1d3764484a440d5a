"""Private database servers with a synthetic practice, for ``etl demo``."""
