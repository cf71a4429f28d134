"""What a run prints, and numbers, durations and tables as text."""
