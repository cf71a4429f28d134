"""Checkpoints, from which a stopped training resumes; files without pickle."""
