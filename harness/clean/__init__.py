"""Selects what can be removed from an outputs folder, and removes it."""
