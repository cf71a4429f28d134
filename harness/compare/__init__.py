"""compare: runs that were made before, as a leaderboard with paired tests."""
