"""Checkpoints: what a training needs to go on, in files that nothing has to be unpickled from."""
