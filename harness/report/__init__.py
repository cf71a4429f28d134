"""The page about a run: one HTML file that needs no network and no program but a browser."""
