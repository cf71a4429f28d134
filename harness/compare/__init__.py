"""Comparison of runs: a leaderboard with paired tests, and the differences of two runs."""
