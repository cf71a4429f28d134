"""Tracking in MLflow: a separate process reads a run's journal and uploads it.

`mlflow.py` and `none.py` are the choices of `tracking=`. Neither imports MLflow; only the uploader
(`uploader.py`) and `sync` do.
"""
