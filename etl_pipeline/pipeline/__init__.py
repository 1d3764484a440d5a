"""What a run does: the plan decides, the runner does it."""
