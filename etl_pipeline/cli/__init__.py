"""The ``etl`` command: one module for each sub-command, and the screens that they print."""
