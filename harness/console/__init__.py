"""What a run prints on the terminal."""
