"""Compares what the three databases hold, and copies again what is wrong."""
