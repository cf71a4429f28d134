"""The files in a run's folder, and how a stored run is found and read."""
