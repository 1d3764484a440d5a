"""How a table is brought to the targets, and recorded."""
