"""cache: what was read and shaped once is kept for the next fold, trial and command."""
