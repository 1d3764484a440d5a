"""The reader of the source's log."""
