"""The command that runs a sweep: its worker pool, its watcher, its run in MLflow, and the end."""
