"""Sweeps of other Hydra programs, with the same study, workers, launchers and reports as those of harness."""
