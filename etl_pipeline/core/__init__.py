"""Connections: engines made from settings, and the way batches of statements use them."""

from etl_pipeline.core.connections import ConnectionFactory

__all__ = ["ConnectionFactory"]
