"""From an empty folder to a trusted run: the files, the checks, the choice of strategies."""
