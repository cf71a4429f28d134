"""Evaluated: the scores of a trained run on other rows, as a run of its own."""
