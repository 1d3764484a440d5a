"""The commands at work: a plan decides, a runner does it."""
