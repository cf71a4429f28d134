"""Clean: what may go from an outputs folder, and its removal."""
