"""Compare what the three databases hold, and copy again what is wrong."""
