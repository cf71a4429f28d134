"""Rerun: a run that was made before, made again from what it left behind."""
