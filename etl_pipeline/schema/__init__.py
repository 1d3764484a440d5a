"""Schemas as values: the catalog, types, DDL, and the drift between two schemas (no I/O)."""
