"""Losses: pure functions of tensors and the modules around them, which know no room."""
