"""Connections: engines made from settings, and the way batches of statements use them."""

from etl_pipeline.core.connections import ConnectionFactory
from etl_pipeline.core.manager import ConnectionManager, create_connection_manager

__all__ = ["ConnectionFactory", "ConnectionManager", "create_connection_manager"]
