"""How a table is brought to the targets, recorded, and compared."""
