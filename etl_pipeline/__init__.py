"""Keeps a PostgreSQL warehouse equal to a live dental practice database."""

__version__ = "0.1.0"
