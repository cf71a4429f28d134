"""Stored runs used again: evaluated on other rows, or run once more."""
