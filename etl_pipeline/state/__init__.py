"""What is remembered in both targets: runs, proofs, schemas; records that touch nothing."""
