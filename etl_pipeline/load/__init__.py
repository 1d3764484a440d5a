"""Second hop, replication → raw: how a table reaches the warehouse."""
