"""data/extract: the outside world -> Table."""
