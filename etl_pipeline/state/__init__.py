"""The state in both targets: runs, proofs and schemas, and the records of them."""
