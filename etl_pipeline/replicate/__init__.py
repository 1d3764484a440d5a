"""First hop, source → replication: how a replica becomes equal to the source."""
