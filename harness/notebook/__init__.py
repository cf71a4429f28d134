"""What Python programs and notebooks get of a run, a sweep and a comparison: objects with tables."""
